// Turns stretches of content into chunks: hashes, deduplicates, and hands what is new to the
// compressing threads.
#pragma once

#include "base/first_error.h"
#include "base/lending_pool.h"
#include "base/worker_pool.h"
#include "repository/compression.h"
#include "repository/write_session.h"

namespace holdfast {

// Thread-safe. Memory: `queued_chunks` and as many as there are threads, each at most 2 MiB raw and
// as much compressed.
class ChunkSink {
  public:
    static constexpr std::size_t queued_chunks = 3;

    ChunkSink(WriteSession& session,
              const Keyring& keyring,
              CompressionLevel level,
              std::size_t threads);

    WriteSession& session() { return session_; }
    const Keyring& keyring() const { return keyring_; }

    // Stores `content`, at least one page, with a member for each page (the last may be shorter).
    ChunkId put_paged(ByteSpan content, std::uint32_t page_bytes);
    // Stores `content` that divides into members of these lengths and hashes.
    ChunkId put_members(Bytes content,
                        std::vector<std::uint32_t> lengths,
                        std::span<const Digest> hashes);
    // Changed pages whose hashes are known, in independent frames of 64 KiB.
    ChunkId put_pages(Bytes content, std::uint32_t page_bytes, std::span<const Digest> hashes);

    // Errors that the compressing threads met; the session has failed then.
    Status status() const;
    // Waits until everything that was put is appended.
    Status wait_idle();
    // The same, and ends the threads.
    Status finish();

  private:
    struct Job {
        ChunkId id;
        ChunkPurpose purpose = ChunkPurpose::data;
        Bytes content;
        MemberLayout members;
        std::uint8_t frame_log2 = 0;
    };
    void submit(Job job);
    void run(const Job& job);
    void put_fingerprints(const ChunkId& chunk,
                          std::uint32_t page_bytes,
                          std::span<const Digest> hashes);

    WriteSession& session_;
    const Keyring& keyring_;
    const CompressionLevel level_;
    LendingPool<Compressor> compressors_;
    FirstError failure_;
    std::unique_ptr<WorkerPool> pool_;
};

// Page fingerprints of a chunk: the first eight bytes of each member's hash.
// docs/format.md#fingerprints.
struct PageFingerprints {
    std::uint32_t page_bytes = 0;
    std::vector<std::uint64_t> pages;
};
// Nothing when the chunk has none. Errors: corrupt, and of the storage.
Result<std::optional<PageFingerprints>> read_fingerprints(Repository& repository,
                                                          const ChunkId& chunk);
inline std::uint64_t fingerprint_of(const Digest& hash) {
    return ByteReader(hash.bytes).u64();
}

}  // namespace holdfast
