#include "repository/leases.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "base/file_io.h"
#include "storage/at_once.h"

namespace holdfast {
namespace {

constexpr TimeNs expiry = 12 * Lease::renewal_interval;
constexpr TimeNs confirmation_interval = 60 * ns_per_second;

std::string read_line(const char* path) {
    auto data = read_file(path, 1 << 16);
    if (!data.ok()) return {};
    std::string text(as_text(*data));
    return text.substr(0, text.find('\n'));
}

// Start time of a process in clock ticks after boot; 0 when there is none. proc(5), field 22.
std::uint64_t process_start(std::uint64_t process) {
    const std::string stat = read_line(("/proc/" + std::to_string(process) + "/stat").c_str());
    // The command's name may hold blanks and parentheses: fields count from the last one.
    std::size_t position = stat.rfind(')');
    for (int field = 2; field < 22 && position != std::string::npos; ++field)
        position = stat.find(' ', position + 1);
    if (position == std::string::npos) return 0;
    return std::strtoull(stat.c_str() + position + 1, nullptr, 10);
}

// Process ids mean something within their namespace. Containers of one image have the same machine id.
std::string place_of(const WriterIdentity& identity) {
    if (identity.pid_namespace.empty()) return identity.machine_id;
    return identity.machine_id + ' ' + identity.pid_namespace;
}

std::string lease_name(const LeaseRecord& lease) {
    return "leases/" + lease.session.hex() + '-' + std::to_string(lease.renewal);
}

std::string fence_name(const SessionId& session) {
    return "fences/" + session.hex();
}

}  // namespace

WriterIdentity this_process(const std::string& host) {
    WriterIdentity identity;
    identity.host = host;
    identity.machine_id = read_line("/etc/machine-id");
    if (identity.machine_id.empty()) identity.machine_id = "host:" + host;
    identity.boot_id = read_line("/proc/sys/kernel/random/boot_id");
    // pid:[4026531836], the same after each start of a machine outside of containers
    std::error_code unreadable;
    identity.pid_namespace = std::filesystem::read_symlink("/proc/self/ns/pid", unreadable).string();
    identity.process = static_cast<std::uint64_t>(::getpid());
    identity.process_started = process_start(identity.process);
    return identity;
}

namespace {

bool is_no_process(std::uint64_t process) {
    return process == 0 || process > INT32_MAX || (::kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH);
}

}  // namespace

bool is_dead_here(const LeaseRecord& lease, const WriterIdentity& own) {
    // Who cannot look at himself sees no process at all.
    if (own.process_started == 0) return false;
    if (lease.machine_id.empty() || lease.machine_id != place_of(own)) return false;
    if (lease.boot_id != own.boot_id) return true;
    const std::uint64_t started = process_start(lease.process);
    // Another user's may be hidden (proc(5), hidepid); that there is one is not.
    if (started == 0) return is_no_process(lease.process);
    return started != lease.process_started;
}

bool is_expired(const HeldLease& lease, const WriterIdentity& own, TimeNs now) {
    if (!lease.record) return true;
    if (is_dead_here(*lease.record, own)) return true;
    // A clock that is behind the writer's makes it wait longer, no more.
    return now > lease.record->renewed && now - lease.record->renewed > expiry;
}

namespace {

// Reads all objects of a folder in which some are replaced, the new one stored before the old one is removed:
// a listing may have the old one, which is gone when it is read, or, when it runs beside that, neither. A
// listing that begins later has the new one. What was read counts, though it may be gone by now.
// `take` says whether the object was still there.
using TakeRecord = std::function<Result<bool>(const std::string& name, Result<Repository::StoredRecord> record)>;
Status read_folder(Repository& repository, const char* folder, ObjectKind kind, const TakeRecord& take) {
    const auto ask = [&](const std::string& name) { return repository.get_record(kind, name); };
    // Tombstones are few, and can be large.
    const std::size_t at_once = kind == ObjectKind::tombstone ? 1 : 16;
    std::set<std::string> seen;
    bool is_sure = false;
    for (int round = 0; !is_sure; ++round) {
        HF_TRY(const auto objects, list_objects(repository.storage(), folder));
        std::vector<std::string> unread;
        for (const ObjectInfo& info : objects)
            if (seen.insert(info.name).second) unread.push_back(info.name);
        is_sure = round > 0;
        const auto take_answer = [&](const std::string& name, Result<Repository::StoredRecord> record) -> Status {
            HF_TRY(const bool was_there, take(name, std::move(record)));
            is_sure = is_sure && was_there;
            return {};
        };
        HF_TRY_STATUS(ask_for_each(repository.storage(), std::span<const std::string>(unread), ask, take_answer, at_once));
    }
    return {};
}

}  // namespace

Result<std::vector<HeldLease>> list_leases(Repository& repository) {
    std::map<SessionId, HeldLease> leases;
    const auto take = [&](const std::string& name, Result<Repository::StoredRecord> data) -> Result<bool> {
        // leases/<16>-<renewal>
        const auto session = SessionId::from_hex(std::string_view(name).substr(7, 16));
        if (!session) return true;
        // Given back or renewed in the meantime.
        if (!data.ok() && data.error().code() == ErrorCode::not_found) return false;
        // Torn, or of a newer program, which must not keep this one from its work: fencing it is safe.
        if (!data.ok() && data.error().code() != ErrorCode::corrupt &&
            data.error().code() != ErrorCode::unsupported)
            return data.error();
        HeldLease& lease = leases[*session];
        lease.session = *session;
        lease.names.push_back(name);
        if (!data.ok()) return true;
        auto record = decode_lease(data->data);
        if (!record.ok() || record->session != *session) return true;
        if (!lease.record || record->renewal > lease.record->renewal)
            lease.record = std::move(record).value();
        return true;
    };
    HF_TRY_STATUS(read_folder(repository, "leases/", ObjectKind::lease, take));
    std::vector<HeldLease> result;
    for (auto& [session, lease] : leases) result.push_back(std::move(lease));
    return result;
}

Result<bool> holds_lease(Repository& repository, const HeldLease& lease) {
    for (const std::string& name : lease.names) {
        const auto found = repository.storage().head(name);
        if (found.ok()) return true;
        if (found.error().code() != ErrorCode::not_found) return found.error();
    }
    return false;
}

Result<Lease> Lease::take(Repository& repository, const WriterIdentity& identity) {
    LeaseRecord record;
    record.session = SessionId::random(repository.random());
    record.started = record.renewed = repository.clock().now();
    record.host = identity.host;
    record.machine_id = place_of(identity);
    record.boot_id = identity.boot_id;
    record.process = identity.process;
    record.process_started = identity.process_started;
    Lease lease(repository, std::move(record));
    repository.note_own_session(lease.record_);
    HF_TRY_STATUS(lease.put());
    return lease;
}

Status Lease::put() {
    name_ = lease_name(record_);
    renewed_ = repository_->clock().monotonic();
    return repository_->put_record(
        ObjectKind::lease, name_, encode_lease(record_), Durability::none);
}

Status Lease::maybe_renew() {
    if (repository_->clock().monotonic() - renewed_ < renewal_interval) return {};
    const std::string before = name_;
    ++record_.renewal;
    record_.renewed = repository_->clock().now();
    Status renewed = put();
    if (!renewed.ok()) {
        --record_.renewal;
        name_ = before;
        return renewed;
    }
    // A pruner that looks for leases of this session once more, when it has removed what it saw, finds the new one, or
    // this session finds the old one gone.
    const auto old = repository_->storage().head(before);
    if (!old.ok() && old.error().code() != ErrorCode::not_found) return old.error();
    is_lost_ = is_lost_ || !old.ok();
    return repository_->storage().remove(before);
}

Status Lease::confirm() {
    const auto found = repository_->storage().head(name_);
    if (!found.ok() && found.error().code() != ErrorCode::not_found) return found.error();
    is_lost_ = is_lost_ || !found.ok();
    confirmed_ = repository_->clock().now();
    if (is_lost_)
        return Error(ErrorCode::conflict, "a prune took this session for dead, and forgot it: run this again");
    return {};
}

Status Lease::maybe_confirm() {
    const TimeNs now = repository_->clock().now();
    return now >= confirmed_ && now - confirmed_ < confirmation_interval ? ok_status() : confirm();
}

void Lease::give_back() {
    if (repository_->storage().remove(name_).ok()) repository_->forget_own_session(session());
}

Result<std::set<SessionId>> list_fences(Storage& storage) {
    std::set<SessionId> sessions;
    HF_TRY_STATUS(storage.list("fences/", [&sessions](const ObjectInfo& info) {
        if (const auto id = SessionId::from_hex(std::string_view(info.name).substr(7))) sessions.insert(*id);
        return true;
    }));
    return sessions;
}

Result<std::set<SessionId>> list_fences_of_pruners(Repository& repository) {
    HF_TRY(const auto all, list_fences(repository.storage()));
    if (repository.keyring().role() == KeyRole::writer) return all;
    const std::vector<SessionId> sessions(all.begin(), all.end());
    std::set<SessionId> fenced;
    const auto ask = [&](const SessionId& session) { return fence_time(repository, session); };
    const auto take = [&](const SessionId& session, const Result<std::optional<TimeNs>>& time) -> Status {
        if (!time.ok()) return time.error();
        if (*time) fenced.insert(session);
        return {};
    };
    HF_TRY_STATUS(ask_for_each(repository.storage(), std::span<const SessionId>(sessions), ask, take));
    return fenced;
}

Status remove_fence(Repository& repository, const SessionId& session) {
    return repository.storage().remove(fence_name(session));
}

Result<bool> put_fence(Repository& repository, const SessionId& session) {
    const FenceRecord record{session, repository.clock().now()};
    Status put = repository.put_record(
        ObjectKind::fence, fence_name(session), encode_fence(record), Durability::immediate);
    if (!put.ok() && put.error().code() == ErrorCode::already_exists) return false;
    HF_TRY_STATUS(put);
    return true;
}

Result<bool> is_fenced(Repository& repository, const SessionId& session) {
    const auto fence = repository.storage().head(fence_name(session));
    if (fence.ok()) return true;
    if (fence.error().code() == ErrorCode::not_found) return false;
    return fence.error();
}

Result<std::optional<TimeNs>> fence_time(Repository& repository, const SessionId& session) {
    const auto fence = repository.get_record(ObjectKind::fence, fence_name(session));
    if (!fence.ok()) {
        const ErrorCode code = fence.error().code();
        if (code == ErrorCode::not_found || code == ErrorCode::corrupt) return std::optional<TimeNs>{};
        return fence.error();
    }
    const auto record = decode_fence(fence->data);
    if (fence->is_claim || !record.ok() || record->session != session) return std::optional<TimeNs>{};
    return std::optional(record->time);
}

Result<bool> is_fenced_by_pruner(Repository& repository, const SessionId& session) {
    HF_TRY(const auto time, fence_time(repository, session));
    return time.has_value();
}

Result<std::vector<Tombstone>> read_tombstones(Repository& repository) {
    std::vector<Tombstone> result;
    // A writer does without whatever anybody says.
    const bool is_reader = repository.keyring().role() == KeyRole::full;
    const auto take = [&](const std::string& name, Result<Repository::StoredRecord> data) -> Result<bool> {
        if (!data.ok() && data.error().code() == ErrorCode::not_found) return false;
        if (!data.ok()) return data.error();
        // Only who can read the repository condemns anything in it.
        if (data->is_claim && is_reader) return true;
        HF_TRY(TombstoneRecord record, decode_tombstone(data->data));
        result.push_back({name, std::move(record)});
        return true;
    };
    HF_TRY_STATUS(read_folder(repository, "tombstones/", ObjectKind::tombstone, take));
    return result;
}

Result<std::string> put_tombstone(Repository& repository, const TombstoneRecord& record) {
    const std::string name = "tombstones/" + ObjectId::random(repository.random()).hex();
    const Keyring& keyring = repository.keyring();
    const Bytes object = encode_clear_object(ObjectKind::tombstone, keyring.repository(), encode_tombstone(record),
                                             repository.random(), keyring.epoch_signer());
    HF_TRY_STATUS(repository.storage().put(name, object, Durability::immediate));
    return name;
}

}  // namespace holdfast
