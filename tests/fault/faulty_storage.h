// A storage that misbehaves as real ones do, in front of one that does not. A fake, for faults that no real server shows
// when it is asked to.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>

#include "base/clock.h"
#include "storage/storage.h"

namespace holdfast {

enum class StorageFault : std::uint8_t {
    fails_once,      // one request
    fails_for_good,  // one request, and all after it
    answer_is_lost,  // one request is carried out, and its caller told that it failed
    slow,            // time passes with each request: leases expire
    cut_list,        // a listing ends in the middle, and says so
    duplicate_list,  // names are listed twice
    late_list,       // listings do not show what was put last, and show what was removed last. Such a storage is
                     // not one to prune: docs/format.md#pruning
};

// What goes wrong, for all that use one storage. Thread-safe. Requests are counted from arm() on.
class StorageFaultPlan {
  public:
    explicit StorageFaultPlan(ManualClock& clock) : clock_(clock) {}

    // The request with this number is the one that fails; of the last four faults, all are concerned from there on.
    void arm(StorageFault fault, std::size_t at, std::uint64_t seed);
    void disarm();

    // The next request.
    enum class Answer : std::uint8_t { true_one, fails, is_lost };
    Answer next(bool is_list = false);
    void note_put(const std::string& name);
    void note_removal(const ObjectInfo& info);
    // What a listing shows.
    void distort(const std::string& prefix, std::vector<ObjectInfo>& names);

  private:
    ManualClock& clock_;
    std::mutex mutex_;
    std::optional<StorageFault> fault_;
    std::size_t at_ = 0, requests_ = 0;
    std::mt19937_64 random_;
    std::vector<std::string> late_;   // put last
    std::vector<ObjectInfo> ghosts_;  // removed last
};

// Thread-safe.
class FaultyStorage final : public Storage {
  public:
    FaultyStorage(std::shared_ptr<Storage> inner, std::shared_ptr<StorageFaultPlan> plan)
        : inner_(std::move(inner)), plan_(std::move(plan)) {}

    std::string description() const override { return inner_->description(); }
    Status put(const std::string& name, ByteSpan data, Durability durability) override;
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override;
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override;
    Status barrier() override;
    Status adopt(const std::string& name) override;
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override;
    Status list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) override;
    Status remove(const std::string& name) override;

  private:
    class Writer;
    using Answer = StorageFaultPlan::Answer;
    static Error failure(const std::string& name) { return {ErrorCode::unavailable, name + ": made to fail"}; }
    // Carries a request out, or not.
    template <typename Request>
    auto request(const std::string& name, Request&& carry_out) -> decltype(carry_out());

    const std::shared_ptr<Storage> inner_;
    const std::shared_ptr<StorageFaultPlan> plan_;
};

}  // namespace holdfast
