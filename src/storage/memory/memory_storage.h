// A repository in memory: for tests, and the measure of what a storage must do.
#pragma once

#include <map>
#include <mutex>

#include "storage/storage.h"

namespace holdfast {

class MemoryStorage final : public Storage {
  public:
    std::string description() const override { return "memory"; }
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
    class Writer;
    std::mutex mutex_;
    std::map<std::string, Bytes> objects_;
};

}  // namespace holdfast
