// A storage in front of another that tells of each request, and can fail it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "storage/storage.h"

namespace holdfast {

// Called before each request with the operation's name and the object's (or the prefix); what it
// returns other than success is the request's result. Called under a lock.
using StorageHook = std::function<Status(std::string_view operation, const std::string& name)>;

class HookedStorage final : public Storage {
  public:
    // `tier` may be null, and outlives it.
    HookedStorage(std::shared_ptr<Storage> inner, StorageHook hook, ColdTier* tier = nullptr, StorageTraits traits = {})
        : shared_(std::make_shared<Shared>(std::move(inner), std::move(hook))), tier_(tier), traits_(traits) {}

    std::string description() const override { return shared_->inner->description(); }
    StorageTraits traits() const override { return traits_; }
    RetentionLock* retention() override { return shared_->inner->retention(); }
    ColdTier* cold_tier() override { return tier_; }
    Status put(const std::string& name, ByteSpan data, Durability durability) override {
        HF_TRY_STATUS(shared_->call("put", name));
        return shared_->inner->put(name, data, durability);
    }
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override {
        HF_TRY_STATUS(shared_->call("begin", name));
        HF_TRY(auto writer, shared_->inner->begin(name));
        return std::unique_ptr<ObjectWriter>(
            std::make_unique<Writer>(shared_, name, std::move(writer)));
    }
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override {
        HF_TRY_STATUS(shared_->call("begin", name));
        HF_TRY(auto writer, shared_->inner->begin_again(name));
        return std::unique_ptr<ObjectWriter>(
            std::make_unique<Writer>(shared_, name, std::move(writer)));
    }
    Status barrier() override {
        HF_TRY_STATUS(shared_->call("barrier", ""));
        return shared_->inner->barrier();
    }
    Status adopt(const std::string& name) override {
        HF_TRY_STATUS(shared_->call("adopt", name));
        return shared_->inner->adopt(name);
    }
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override {
        HF_TRY_STATUS(shared_->call("read", name));
        return shared_->inner->read_some(name, offset, out);
    }
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override {
        HF_TRY_STATUS(shared_->call("get", name));
        return shared_->inner->get(name, limit_bytes);
    }
    Result<ObjectInfo> head(const std::string& name) override {
        HF_TRY_STATUS(shared_->call("head", name));
        return shared_->inner->head(name);
    }
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override {
        HF_TRY_STATUS(shared_->call("list", prefix));
        return shared_->inner->list(prefix, visit);
    }
    Status remove(const std::string& name) override {
        HF_TRY_STATUS(shared_->call("remove", name));
        return shared_->inner->remove(name);
    }

  private:
    struct Shared {
        Shared(std::shared_ptr<Storage> i, StorageHook h)
            : inner(std::move(i)), hook(std::move(h)) {}
        Status call(std::string_view operation, const std::string& name) {
            std::lock_guard lock(mutex);
            return hook(operation, name);
        }
        const std::shared_ptr<Storage> inner;
        std::mutex mutex;
        const StorageHook hook;
    };

    class Writer final : public ObjectWriter {
      public:
        Writer(std::shared_ptr<Shared> shared, std::string name, std::unique_ptr<ObjectWriter> inner)
            : shared_(std::move(shared)), name_(std::move(name)), inner_(std::move(inner)) {}
        Status append(ByteSpan data) override {
            HF_TRY_STATUS(shared_->call("append", name_));
            return inner_->append(data);
        }
        Status commit(Durability durability) override {
            HF_TRY_STATUS(shared_->call("commit", name_));
            return inner_->commit(durability);
        }

      private:
        const std::shared_ptr<Shared> shared_;
        const std::string name_;
        const std::unique_ptr<ObjectWriter> inner_;
    };

    const std::shared_ptr<Shared> shared_;
    ColdTier* const tier_;
    const StorageTraits traits_;
};

}  // namespace holdfast
