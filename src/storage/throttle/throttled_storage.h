// A storage of which no more than so many bytes a second are read and written.
#pragma once

#include "base/byte_rate.h"
#include "storage/storage.h"

namespace holdfast {

class ThrottledStorage final : public Storage {
  public:
    ThrottledStorage(std::unique_ptr<Storage> inner, const BandwidthLimits& limits, std::stop_token stop,
                     const Clock& clock);

    std::string description() const override { return inner_->description(); }
    StorageTraits traits() const override { return inner_->traits(); }
    RetentionLock* retention() override { return inner_->retention(); }
    ColdTier* cold_tier() override { return inner_->cold_tier(); }
    Status put(const std::string& name, ByteSpan data, Durability durability) override;
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override;
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override;
    Status barrier() override { return inner_->barrier(); }
    Status adopt(const std::string& name) override { return inner_->adopt(name); }
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override { return inner_->head(name); }
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override {
        return inner_->list(prefix, visit);
    }
    Status remove(const std::string& name) override { return inner_->remove(name); }

  private:
    class Writer;
    const std::unique_ptr<Storage> inner_;
    ByteRate upload_, download_;
};

}  // namespace holdfast
