// What a write-only client knows of the repository: its own objects. docs/explanation/write-only-clients.md.
#include "repository/leases.h"
#include "repository/repository.h"

namespace holdfast {

// For who holds the mutex.
void Repository::load_own_index() {
    if (own_ == nullptr || std::exchange(is_own_index_loaded_, true)) return;
    // Who has made something himself need not have it proven.
    index_.believe_claims();
    for (auto& fragment : own_->fragments()) index_.add(std::move(fragment));
}

void Repository::forget_own_point(const RestorePointId& point) {
    if (own_ == nullptr) return;
    (void)own_->keep_keys([&](const ObjectId& id) { return id != point; }).ok();
}

void Repository::keep_own() {
    if (own_ != nullptr) (void)own_->save().ok();
}

Status Repository::look_at_own_containers() {
    if (own_ == nullptr) return {};
    HF_TRY(Index* const known, index());
    HF_TRY(const auto present, list_containers());
    std::set<ObjectId> there;
    for (const auto& [name, bytes] : present) {
        const std::size_t id_at = name.size() < 32 ? 0 : name.size() - 32;
        if (const auto id = ObjectId::from_hex(std::string_view(name).substr(id_at))) there.insert(*id);
    }
    const std::set<ObjectId> lost = lost_containers(*known, present);
    for (const ObjectId& id : lost) known->exclude(id);
    const auto is_there = [&](const ObjectId& id) { return there.contains(id) && !lost.contains(id); };
    (void)own_->keep_keys(is_there).ok();
    (void)own_->tidy_fragments(is_there, random_).ok();
    return {};
}

void Repository::note_own_session(const LeaseRecord& lease) {
    if (own_ != nullptr) (void)own_->note_session(lease).ok();
}

void Repository::forget_own_session(const SessionId& session) {
    if (own_ != nullptr) own_->forget_session(session);
}

Status Repository::end_own_dead_sessions(const WriterIdentity& identity) {
    if (own_ == nullptr) return {};
    std::vector<LeaseRecord> dead = own_->sessions();
    std::erase_if(dead, [&](const LeaseRecord& lease) { return !is_dead_here(lease, identity); });
    if (dead.empty()) return {};
    HF_TRY(const auto leases, list_objects(*storage_, "leases/"));
    for (const LeaseRecord& lease : dead) {
        const std::string prefix = "leases/" + lease.session.hex() + '-';
        for (const ObjectInfo& info : leases)
            if (info.name.starts_with(prefix)) HF_TRY_STATUS(storage_->remove(info.name));
        own_->forget_session(lease.session);
    }
    return {};
}

}  // namespace holdfast
