#include "fault/faulty_storage.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::size_t late_names = 3;

}  // namespace

class FaultyStorage::Writer final : public ObjectWriter {
  public:
    Writer(FaultyStorage& storage, std::string name, std::unique_ptr<ObjectWriter> inner)
        : storage_(storage), name_(std::move(name)), inner_(std::move(inner)) {}
    Status append(ByteSpan data) override { return inner_->append(data); }
    Status commit(Durability durability) override {
        return storage_.request(name_, [&]() -> Status {
            HF_TRY_STATUS(inner_->commit(durability));
            storage_.plan_->note_put(name_);
            return {};
        });
    }

  private:
    FaultyStorage& storage_;
    const std::string name_;
    const std::unique_ptr<ObjectWriter> inner_;
};

void StorageFaultPlan::arm(StorageFault fault, std::size_t at, std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    at_ = at;
    requests_ = 0;
    random_.seed(seed);
    late_.clear();
    ghosts_.clear();
}

void StorageFaultPlan::disarm() {
    const std::lock_guard lock(mutex_);
    fault_.reset();
}

StorageFaultPlan::Answer StorageFaultPlan::next(bool is_list) {
    const std::lock_guard lock(mutex_);
    const std::size_t number = requests_++;
    if (!fault_ || number < at_) return Answer::true_one;
    switch (*fault_) {
        case StorageFault::fails_once: return number == at_ ? Answer::fails : Answer::true_one;
        case StorageFault::fails_for_good: return Answer::fails;
        case StorageFault::answer_is_lost: return number == at_ ? Answer::is_lost : Answer::true_one;
        case StorageFault::slow:
            clock_.advance(static_cast<TimeNs>(random_() % 3600) * ns_per_second);
            return Answer::true_one;
        case StorageFault::cut_list: return is_list && random_() % 2 == 0 ? Answer::fails : Answer::true_one;
        case StorageFault::duplicate_list:
        case StorageFault::late_list: return Answer::true_one;
    }
    return Answer::true_one;
}

template <typename Request>
auto FaultyStorage::request(const std::string& name, Request&& carry_out) -> decltype(carry_out()) {
    const Answer answer = plan_->next();
    if (answer == Answer::fails) return failure(name);
    auto done = carry_out();
    if (answer == Answer::is_lost) return failure(name);
    return done;
}

void StorageFaultPlan::note_put(const std::string& name) {
    const std::lock_guard lock(mutex_);
    late_.push_back(name);
    if (late_.size() > late_names) late_.erase(late_.begin());
    std::erase_if(ghosts_, [&](const ObjectInfo& info) { return info.name == name; });
}

void StorageFaultPlan::note_removal(const ObjectInfo& info) {
    const std::lock_guard lock(mutex_);
    ghosts_.push_back(info);
    if (ghosts_.size() > late_names) ghosts_.erase(ghosts_.begin());
}

void StorageFaultPlan::distort(const std::string& prefix, std::vector<ObjectInfo>& names) {
    const std::lock_guard lock(mutex_);
    if (requests_ <= at_) return;
    if (fault_ == StorageFault::late_list) {
        std::erase_if(names, [&](const ObjectInfo& info) {
            return std::find(late_.begin(), late_.end(), info.name) != late_.end();
        });
        for (const ObjectInfo& ghost : ghosts_)
            if (ghost.name.starts_with(prefix)) names.push_back(ghost);
        std::sort(names.begin(), names.end(),
                  [](const ObjectInfo& a, const ObjectInfo& b) { return a.name < b.name; });
    }
    if (fault_ == StorageFault::duplicate_list) {
        std::vector<ObjectInfo> twice;
        for (const ObjectInfo& info : names) twice.insert(twice.end(), 1 + random_() % 2, info);
        names = std::move(twice);
    }
}

Status FaultyStorage::put(const std::string& name, ByteSpan data, Durability durability) {
    return request(name, [&]() -> Status {
        HF_TRY_STATUS(inner_->put(name, data, durability));
        plan_->note_put(name);
        return {};
    });
}

Result<std::unique_ptr<ObjectWriter>> FaultyStorage::begin(const std::string& name) {
    HF_TRY(auto writer, inner_->begin(name));
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, std::move(writer)));
}

Result<std::unique_ptr<ObjectWriter>> FaultyStorage::begin_again(const std::string& name) {
    HF_TRY(auto writer, inner_->begin_again(name));
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, std::move(writer)));
}

Status FaultyStorage::barrier() {
    return request("barrier", [&] { return inner_->barrier(); });
}

Status FaultyStorage::adopt(const std::string& name) {
    return request(name, [&] { return inner_->adopt(name); });
}

Result<std::size_t> FaultyStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    return request(name, [&] { return inner_->read_some(name, offset, out); });
}

Result<Bytes> FaultyStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    return request(name, [&] { return inner_->get(name, limit_bytes); });
}

Result<ObjectInfo> FaultyStorage::head(const std::string& name) {
    return request(name, [&] { return inner_->head(name); });
}

Status FaultyStorage::remove(const std::string& name) {
    return request(name, [&]() -> Status {
        const auto info = inner_->head(name);
        HF_TRY_STATUS(inner_->remove(name));
        if (info.ok()) plan_->note_removal(*info);
        return {};
    });
}

Status FaultyStorage::list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) {
    const Answer answer = plan_->next(true);
    std::vector<ObjectInfo> names;
    HF_TRY_STATUS(inner_->list(prefix, [&](const ObjectInfo& info) {
        names.push_back(info);
        return true;
    }));
    plan_->distort(prefix, names);
    const bool is_cut = answer == Answer::fails;
    if (is_cut) names.resize(names.size() / 2);
    for (const ObjectInfo& info : names)
        if (!visit(info)) break;
    if (is_cut || answer == Answer::is_lost) return failure(prefix);
    return {};
}

}  // namespace holdfast
