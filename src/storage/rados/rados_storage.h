// A repository in a pool of a Ceph cluster, by librados.
#pragma once

#include "storage/rados/rados_pool.h"
#include "storage/storage.h"

namespace holdfast {

// An object of the repository is an object of the pool, in the repository's namespace, of the same name and of at most
// 90 MiB. What is acknowledged is durable: barrier() and Durability have nothing to do. Writers collect in a temporary
// file (SpooledWriter). RADOS lists no prefixes: each listing goes over all names of the namespace, and keeps those of
// the prefix in memory (about 100 bytes each).
class RadosStorage final : public Storage {
  public:
    // `location` is what follows "rados:" (parse_rados_location). A pool that is missing is not made.
    static Result<std::unique_ptr<Storage>> open(const std::string& location,
                                                 OpenMode mode,
                                                 const StorageOptions& options,
                                                 const Environment& environment);

    std::string description() const override { return pool_->location().description(); }
    StorageTraits traits() const override { return {.is_remote = true}; }
    Status put(const std::string& name, ByteSpan data, Durability durability) override;
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override;
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override;
    Status adopt(const std::string& name) override;
    Status barrier() override { return {}; }
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override;
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override;
    Status remove(const std::string& name) override;

  private:
    explicit RadosStorage(std::unique_ptr<RadosPool> pool) : pool_(std::move(pool)) {}
    Status replace(const std::string& name, ByteSpan data);
    Error write_error(int result, const std::string& name) const;

    const std::unique_ptr<RadosPool> pool_;
};

}  // namespace holdfast
