#include "repository/thaw.h"

#include <algorithm>
#include <limits>

#include "base/backoff.h"
#include "repository/near_chunks.h"
#include "repository/tree_reader.h"

namespace holdfast {

Status add_packs_of(const Entry& file, ChunkReader& chunks, const Index& index, PackSizes& packs) {
    std::optional<ObjectId> last;
    const Status walked = for_each_run(chunks, file, [&](const Run& run) -> Status {
        if (run.kind != RunKind::data) return {};
        const auto place = index.locate(run.chunk, {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)});
        if (!place.ok() || place->container.header.object == last) return {};
        last = place->container.header.object;
        if (place->container.header.kind == ObjectKind::data_pack)
            packs.emplace(container_name(place->container), place->container.object_bytes);
        return {};
    });
    const bool is_damaged = !walked.ok() && (walked.error().code() == ErrorCode::corrupt ||
                                             walked.error().code() == ErrorCode::not_found);
    return is_damaged ? ok_status() : walked;
}

Thaw::Thaw(ColdTier* tier, PackSizes packs, const ThawOptions& options, const Clock& clock, Random& random,
           Progress& progress, std::stop_token stop)
    : tier_(tier),
      options_(options),
      clock_(clock),
      random_(random),
      progress_(progress),
      stop_(std::move(stop)) {
    for (const auto& [name, bytes] : packs) packs_[name].bytes = bytes;
}

bool Thaw::can_be_read(const Pack& pack) const {
    if (!pack.is_known || pack.is.state != Readability::State::readable) return false;
    return !pack.is.until || *pack.is.until > tier_->now();
}

Status Thaw::look() {
    const std::lock_guard lock(mutex_);
    return look_again();
}

// For who holds the mutex.
Status Thaw::look_again() {
    std::vector<std::string> names;
    for (auto& [name, pack] : packs_) {
        if (tier_ == nullptr) pack.is = {};
        else if (!can_be_read(pack)) names.push_back(name);
    }
    if (names.empty()) return {};
    HF_TRY_STATUS(tier_->look(names, [this](const std::string& name, const Readability& is) {
        Pack& pack = packs_.at(name);
        pack.is = is;
        pack.is_known = true;
    }));
    // What is not there is not waited for: who reads it says so.
    for (const std::string& name : names) {
        Pack& pack = packs_.at(name);
        if (!std::exchange(pack.is_known, true)) pack.is = {};
    }
    return {};
}

Result<std::uint64_t> Thaw::ask() {
    const std::lock_guard lock(mutex_);
    return ask_again();
}

// For who holds the mutex.
Result<std::uint64_t> Thaw::ask_again() {
    std::vector<std::string> names;
    for (const auto& [name, pack] : packs_)
        if (pack.is.state == Readability::State::frozen) names.push_back(name);
    if (names.empty()) return std::uint64_t{0};
    HF_TRY_STATUS(tier_->thaw(names, options_.request));
    for (const std::string& name : names) packs_.at(name).is = {Readability::State::thawing};
    return std::uint64_t{names.size()};
}

ThawPlan Thaw::plan() const {
    const std::lock_guard lock(mutex_);
    ThawPlan plan;
    const auto count = [](ThawPlan::Sum& sum, const Pack& pack) {
        ++sum.packs;
        sum.bytes += pack.bytes;
    };
    for (const auto& [name, pack] : packs_) {
        plan.packs.push_back({name, pack.bytes, pack.is});
        count(plan.all, pack);
        switch (pack.is.state) {
            case Readability::State::readable: count(plan.readable, pack); break;
            case Readability::State::frozen: count(plan.frozen, pack); break;
            case Readability::State::thawing: count(plan.thawing, pack); break;
        }
        if (pack.is.until) plan.readable_until = std::min(plan.readable_until.value_or(*pack.is.until), *pack.is.until);
    }
    return plan;
}

// For who holds the mutex.
template <typename IsDone>
Status Thaw::wait_until(const IsDone& is_done) {
    const BackoffPolicy pauses{std::min(options_.first_pause, options_.longest_pause), options_.longest_pause,
                               std::numeric_limits<TimeNs>::max()};
    for (Backoff pause(pauses, clock_, random_);;) {
        HF_TRY_STATUS(look_again());
        if (is_done()) break;
        HF_TRY_STATUS(ask_again());
        progress_.frozen_packs = static_cast<std::uint64_t>(
            std::ranges::count_if(packs_, [this](const auto& item) { return !can_be_read(item.second); }));
        if (!pause.wait(stop_))
            return Error(ErrorCode::cancelled, "interrupted; what was asked for is being thawed, and the same command waits on");
    }
    progress_.frozen_packs = 0;
    return {};
}

Status Thaw::wait() {
    const std::lock_guard lock(mutex_);
    if (tier_ == nullptr) return {};
    return wait_until([this] {
        return std::ranges::all_of(packs_, [this](const auto& item) { return can_be_read(item.second); });
    });
}

Status Thaw::wait_for(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (tier_ == nullptr) return {};
    // It has just been refused, whatever was said of it.
    Pack& pack = packs_[name];
    pack.is_known = false;
    pack.is = {Readability::State::frozen};
    HF_TRY_STATUS(look_again());
    if (!can_be_read(pack)) return wait_until([&] { return can_be_read(pack); });
    // Another thread has waited for it; or the service does not agree with itself, and is not to be hurried.
    const TimeNs moment = std::min(ns_per_second, options_.longest_pause);
    Backoff pause({moment, moment, std::numeric_limits<TimeNs>::max()}, clock_, random_);
    return pause.wait(stop_) ? ok_status() : Status(Error(ErrorCode::cancelled, "interrupted"));
}

}  // namespace holdfast
