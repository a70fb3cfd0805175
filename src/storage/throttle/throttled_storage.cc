#include "storage/throttle/throttled_storage.h"

#include <algorithm>

namespace holdfast {

class ThrottledStorage::Writer final : public ObjectWriter {
  public:
    Writer(std::unique_ptr<ObjectWriter> inner, ByteRate& rate) : inner_(std::move(inner)), rate_(rate) {}
    Status append(ByteSpan data) override {
        HF_TRY_STATUS(rate_.take(data.size()));
        return inner_->append(data);
    }
    Status commit(Durability durability) override { return inner_->commit(durability); }

  private:
    const std::unique_ptr<ObjectWriter> inner_;
    ByteRate& rate_;
};

ThrottledStorage::ThrottledStorage(std::unique_ptr<Storage> inner,
                                   const BandwidthLimits& limits,
                                   std::stop_token stop,
                                   const Clock& clock)
    : inner_(std::move(inner)),
      upload_(limits.upload_bytes_per_second, stop, clock),
      download_(limits.download_bytes_per_second, stop, clock) {}

Status ThrottledStorage::put(const std::string& name, ByteSpan data, Durability durability) {
    HF_TRY_STATUS(upload_.take(data.size()));
    return inner_->put(name, data, durability);
}

Result<std::unique_ptr<ObjectWriter>> ThrottledStorage::begin(const std::string& name) {
    HF_TRY(auto writer, inner_->begin(name));
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(std::move(writer), upload_));
}

Result<std::unique_ptr<ObjectWriter>> ThrottledStorage::begin_again(const std::string& name) {
    HF_TRY(auto writer, inner_->begin_again(name));
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(std::move(writer), upload_));
}

Result<std::size_t> ThrottledStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    HF_TRY_STATUS(download_.take(out.size()));
    return inner_->read_some(name, offset, out);
}

// How long it is is known afterwards: who comes next waits for it.
Result<Bytes> ThrottledStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    HF_TRY_STATUS(download_.take(1));
    auto data = inner_->get(name, limit_bytes);
    if (data.ok()) HF_TRY_STATUS(download_.take(data->size()));
    return data;
}

}  // namespace holdfast
