// A repository in memory: for tests, and the measure of what a storage must do.
#pragma once

#include <map>
#include <mutex>

#include "storage/storage.h"

namespace holdfast {

class MemoryStorage final : public Storage, private RetentionLock {
  public:
    // With a clock, which outlives it, it has locks that go by it.
    explicit MemoryStorage(const Clock* lock_clock = nullptr) : lock_clock_(lock_clock) {}

    RetentionLock* retention() override { return lock_clock_ == nullptr ? nullptr : this; }
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
    void lock_new(LockMode mode, TimeNs duration, std::function<bool(const std::string&)> is_locked) override;
    TimeNs now() const override { return lock_clock_->now(); }
    Result<std::optional<TimeNs>> locked_until(const std::string& name) override;
    Status extend(const std::string& name, TimeNs until) override;
    Status prove(LockMode) override { return {}; }

    const Clock* const lock_clock_;
    std::mutex mutex_;  // guards what follows
    std::map<std::string, Bytes> objects_;
    TimeNs lock_duration_ = 0;
    std::function<bool(const std::string&)> is_locked_;
    std::map<std::string, TimeNs> locks_;
};

}  // namespace holdfast
