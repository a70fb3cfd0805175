// Streams chunks into packs. docs/format.md#packs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

#include "base/worker_pool.h"
#include "crypto/digest.h"
#include "format/index_fragment.h"
#include "repository/object_io.h"

namespace holdfast {

// A finished container and where its chunks are in it (ChunkLocation::container is 0).
struct FinishedContainer {
    Container container;
    std::vector<ChunkLocation> chunks;
};

// One thread seals; another hashes and writes what is sealed, so that neither a slow disk nor a fast
// source waits for both. Small beginnings wait in memory: what never reaches the size of a pack is
// handed back for the restore point's own object.
// Thread-safe but for finish(). Memory: at most `small_bytes` + `queued_bytes`, `queued_pieces` and
// two more of sealed data, each at most 1 MiB and a chunk, one write buffer, and 2.4 MiB of parity.
class PackWriter {
  public:
    static constexpr std::size_t small_bytes = 2u << 20;
    static constexpr std::size_t queued_bytes = 4u << 20;
    static constexpr std::size_t queued_pieces = 4;
    // A pack grows with the session, so that an interruption loses little of a small one and a large
    // one makes few objects: 1/64 of what was written, from 2 to 64 MiB.
    static constexpr std::uint64_t min_pack_bytes = small_bytes, max_pack_bytes = 64u << 20;

    PackWriter(Storage& storage,
               const Keyring& keyring,
               ObjectKind kind,
               SessionId session,
               std::uint64_t optional_features,
               Random& random);
    ~PackWriter();
    PackWriter(const PackWriter&) = delete;
    PackWriter& operator=(const PackWriter&) = delete;

    // Errors: of this or an earlier write; then the session has failed.
    Status append(EncodedChunk chunk);
    // Packs that were closed since the last call.
    std::vector<FinishedContainer> take_finished();
    // Waits until what was appended is in closed packs.
    Status flush();
    // Waits for the thread and closes the open pack, if it is open. What waited for a pack to begin
    // is returned. With close_small, that is written as a pack too.
    enum class SmallRest { hand_back, write };
    Result<std::vector<EncodedChunk>> finish(SmallRest rest);
    // Stored bytes, sealed or still to be sealed.
    std::uint64_t bytes() const;

  private:
    void run();
    Status status() const;
    void fail(Status status);
    // Sealing.
    void seal(EncodedChunk chunk);
    std::uint64_t target_bytes(std::uint64_t open_bytes) const;
    bool would_overflow(const EncodedChunk& chunk) const;
    void open_pack();
    void drain();
    void close_pack();
    void close_open_pack();
    // Hashing and writing, in the order of the calls.
    void output(std::function<Status()> task);
    Status write_end(const ObjectEncoder& encoder);

    Storage& storage_;
    const Keyring& keyring_;
    const ObjectKind kind_;
    const SessionId session_;
    const std::uint64_t optional_features_;
    Random& random_;

    // Used by the sealing thread alone, and by finish() after it.
    std::shared_ptr<ObjectEncoder> encoder_;
    std::uint64_t capacity_ = 0;      // of the open pack's parity
    std::uint64_t sealed_bytes_ = 0;  // of closed packs
    std::vector<EncodedChunk> small_;
    std::size_t small_total_ = 0;
    // Used by the writing thread alone.
    std::unique_ptr<ObjectWriter> object_;
    Hasher body_hasher_;
    std::optional<ParityEncoder> parity_;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<EncodedChunk> queue_;
    std::size_t queue_total_ = 0;
    std::uint64_t appended_bytes_ = 0;
    bool closing_ = false;
    enum class Flush { none, wanted, running } flush_ = Flush::none;
    Status status_;
    std::vector<FinishedContainer> finished_;

    // The sealing thread submits to the writing one, so it ends first.
    std::optional<WorkerPool> output_;
    std::jthread thread_;
};

}  // namespace holdfast
