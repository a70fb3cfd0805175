// What is read of a storage behind a network again and again, kept on a local disk.
#pragma once

#include <array>
#include <condition_variable>
#include <mutex>
#include <set>

#include "storage/storage.h"

namespace holdfast {

// Reads only; of a repository's immutable objects: metadata packs and restore points by blocks of 1 MiB, which are
// fetched whole, and fragments of the index of up to 1 MiB. All else passes through. An entry that is damaged, or cut
// by a crash, is fetched again; the directory may be deleted at any time. Thread-safe.
// Bounds: `max_bytes` on disk, beyond which what was used the longest time ago goes; in memory 8 MiB, and for each thread
// one block, or as much as it fetches.
class CachedStorage final : public Storage {
  public:
    static constexpr std::uint64_t block_bytes = 1u << 20;
    static constexpr std::uint64_t default_max_bytes = std::uint64_t{2} << 30;

    // `storage` outlives it. Without a directory only memory is used.
    CachedStorage(Storage& storage, std::string directory, std::uint64_t max_bytes = default_max_bytes);

    std::string description() const override { return storage_.description(); }
    StorageTraits traits() const override { return storage_.traits(); }
    RetentionLock* retention() override { return storage_.retention(); }
    ColdTier* cold_tier() override { return storage_.cold_tier(); }
    // Has the blocks of the first `bytes` of an object, for who is going to read them: one request for all that are not there.
    // Does nothing for an object that is not read by blocks. Errors: of the storage.
    Status fetch(const std::string& name, std::uint64_t bytes);
    Status put(const std::string& name, ByteSpan data, Durability durability) override {
        return storage_.put(name, data, durability);
    }
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override {
        return storage_.begin(name);
    }
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override {
        return storage_.begin_again(name);
    }
    Status barrier() override { return storage_.barrier(); }
    Status adopt(const std::string& name) override { return storage_.adopt(name); }
    Result<std::size_t> read_some(const std::string& name,
                                  std::uint64_t offset,
                                  MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override { return storage_.head(name); }
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override {
        return storage_.list(prefix, visit);
    }
    Status remove(const std::string& name) override { return storage_.remove(name); }

  private:
    using Block = std::shared_ptr<const Bytes>;
    struct Recent {
        std::string key;
        Block block;
        std::uint64_t used = 0;
    };

    Result<Block> block(const std::string& name, std::uint64_t number);
    Result<Block> read_block(const std::string& key, const std::string& name, std::uint64_t number);
    std::vector<std::uint64_t> claim(const std::string& name, std::uint64_t count);
    void release(const std::string& name, std::span<const std::uint64_t> claimed);
    Status read_blocks(const std::string& name, std::uint64_t first, std::uint64_t end);
    Block recent(const std::string& key);
    void remember(const std::string& key, const Block& block);
    std::optional<Bytes> load(const std::string& key) const;
    void keep(const std::string& key, ByteSpan data);
    void make_room();
    std::string path_of(const std::string& key) const;

    Storage& storage_;
    const std::string directory_;
    const std::uint64_t max_bytes_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable fetched_;
    std::set<std::string> fetching_;  // blocks, each by one thread
    std::array<Recent, 8> recent_;
    std::uint64_t uses_ = 0;
    std::uint64_t kept_bytes_ = 0;  // since room was made
    bool has_made_room_ = false;
};

}  // namespace holdfast
