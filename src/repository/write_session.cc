#include "repository/write_session.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/file_io.h"

namespace holdfast {
namespace {

// What waits to be named takes memory, some 200 bytes a chunk with its copies: 13 MiB.
constexpr std::size_t checkpoint_chunks = 1u << 16;

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

std::string lease_name(const LeaseRecord& lease) {
    return "leases/" + lease.session.hex() + '-' + std::to_string(lease.renewal);
}

// Whether the lease's process on this machine is surely gone.
bool is_dead_here(const LeaseRecord& lease, const LeaseRecord& own) {
    if (lease.machine_id.empty() || lease.machine_id != own.machine_id) return false;
    if (lease.boot_id != own.boot_id) return true;
    return process_start(lease.process) != lease.process_started;
}

}  // namespace

WriterIdentity this_process(const std::string& host) {
    WriterIdentity identity;
    identity.host = host;
    identity.machine_id = read_line("/etc/machine-id");
    if (identity.machine_id.empty()) identity.machine_id = "host:" + host;
    identity.boot_id = read_line("/proc/sys/kernel/random/boot_id");
    identity.process = static_cast<std::uint64_t>(::getpid());
    identity.process_started = process_start(identity.process);
    return identity;
}

WriteSession::WriteSession(Repository& repository, LeaseRecord lease)
    : repository_(repository), lease_(std::move(lease)), lease_name_(lease_name(lease_)) {
    Storage& storage = repository_.storage();
    data_ = std::make_unique<PackWriter>(
        storage, repository_.keyring(), ObjectKind::data_pack, lease_.session, repository_.random());
    metadata_ = std::make_unique<PackWriter>(storage, repository_.keyring(),
                                             ObjectKind::metadata_pack, lease_.session,
                                             repository_.random());
    last_fragment_ = repository_.clock().monotonic();
}

WriteSession::~WriteSession() = default;

Result<std::unique_ptr<WriteSession>> WriteSession::begin(Repository& repository,
                                                          const WriterIdentity& identity) {
    LeaseRecord lease;
    lease.session = SessionId::random(repository.random());
    lease.started = lease.renewed = repository.clock().now();
    lease.host = identity.host;
    lease.machine_id = identity.machine_id;
    lease.boot_id = identity.boot_id;
    lease.process = identity.process;
    lease.process_started = identity.process_started;
    HF_TRY(const auto others, list_objects(repository.storage(), "leases/"));
    std::unique_ptr<WriteSession> session(new WriteSession(repository, std::move(lease)));
    // The lease comes before the index is read: what a pruner deletes after it, the pruner checks.
    HF_TRY_STATUS(session->put_lease());
    HF_TRY(session->index_, repository.index());
    HF_TRY_STATUS(session->adopt_leftovers(others));
    return session;
}

Status WriteSession::put_lease() {
    return repository_.put_record(
        ObjectKind::lease, lease_name_, encode_lease(lease_), Durability::none);
}

void WriteSession::end_lease() {
    // A lease that stays is found dead by the next session.
    (void)repository_.storage().remove(lease_name_).ok();
}

Status WriteSession::adopt_leftovers(const std::vector<ObjectInfo>& leases) {
    if (repository_.keyring().role() == KeyRole::writer) return {};
    for (const ObjectInfo& info : leases) {
        auto data = repository_.get_record(ObjectKind::lease, info.name);
        // Gone in the meantime, or torn by a crash (leases are not synced): nobody's problem here.
        if (!data.ok()) continue;
        auto lease = decode_lease(*data);
        if (!lease.ok() || !is_dead_here(*lease, lease_)) continue;
        HF_TRY_STATUS(adopt(lease->session));
        HF_TRY_STATUS(repository_.storage().remove(info.name));
    }
    return {};
}

Status WriteSession::adopt(const SessionId& session) {
    return repository_.unindexed_packs(session, [this](IndexFragmentRecord found) -> Status {
        // The packs' data must be durable before an index names them.
        HF_TRY_STATUS(repository_.storage().barrier());
        HF_TRY_STATUS(repository_.store_fragment(std::move(found)));
        return {};
    });
}

bool WriteSession::contains(const ChunkId& id) const {
    Shard& shard = claimed_[id.bytes[0] % claimed_.size()];
    {
        std::lock_guard lock(shard.mutex);
        if (shard.ids.contains(id)) return true;
    }
    return index_->contains(id);
}

bool WriteSession::claim(const ChunkId& id) {
    if (index_->contains(id)) return false;
    Shard& shard = claimed_[id.bytes[0] % claimed_.size()];
    std::lock_guard lock(shard.mutex);
    return shard.ids.insert(id).second;
}

Status WriteSession::append(EncodedChunk chunk) {
    return (chunk.purpose == ChunkPurpose::data ? data_ : metadata_)->append(std::move(chunk));
}

std::uint64_t WriteSession::new_bytes() const {
    return data_->bytes() + metadata_->bytes();
}

void WriteSession::collect(PackWriter& packs) {
    for (FinishedContainer& done : packs.take_finished()) {
        const auto number = static_cast<std::uint32_t>(fragment_.containers.size());
        fragment_bytes_ += done.container.object_bytes;
        stored_bytes_ += done.container.object_bytes;
        fragment_.containers.push_back(std::move(done.container));
        for (ChunkLocation& chunk : done.chunks) {
            chunk.container = number;
            fragment_.chunks.push_back(std::move(chunk));
        }
    }
}

Status WriteSession::write_fragment() {
    if (fragment_.chunks.empty()) return {};
    std::sort(fragment_.chunks.begin(), fragment_.chunks.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    HF_TRY_STATUS(repository_.storage().barrier());
    std::vector<ChunkId> ids;
    for (const ChunkLocation& chunk : fragment_.chunks) ids.push_back(chunk.id);
    HF_TRY(const std::uint64_t bytes, repository_.store_fragment(std::exchange(fragment_, {})));
    stored_bytes_ += bytes;
    // From now on the index answers for them.
    for (const ChunkId& id : ids) {
        Shard& shard = claimed_[id.bytes[0] % claimed_.size()];
        std::lock_guard lock(shard.mutex);
        shard.ids.erase(id);
    }
    fragment_bytes_ = 0;
    last_fragment_ = repository_.clock().monotonic();
    return {};
}

Status WriteSession::maybe_checkpoint() {
    const std::unique_lock lock(fragment_mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return {};  // somebody is at it
    collect(*data_);
    collect(*metadata_);
    const TimeNs now = repository_.clock().monotonic();
    if (fragment_bytes_ < checkpoint_bytes && fragment_.chunks.size() < checkpoint_chunks &&
        now - last_fragment_ < checkpoint_interval)
        return {};
    last_fragment_ = now;
    return write_fragment();
}

// The point with these chunks in its own object; it is durable then, and in the index.
Result<PointName> WriteSession::put_point(const RestorePointRecord& record,
                                          std::span<Chunks> chunks) {
    ObjectEncoder encoder(
        repository_.keyring().new_object(ObjectKind::restore_point, repository_.random()));
    for (Chunks& part : chunks)
        for (EncodedChunk& chunk : part) encoder.add_chunk(std::move(chunk));
    encoder.add_record(encode_restore_point(record));
    const Bytes object = finish_object(encoder);
    PointName name{repository_.keyring().source_id(record.host, record.name),
                   inverted_time_of(record.started), encoder.header().object};
    stored_bytes_ += object.size();
    HF_TRY_STATUS(
        repository_.storage().put(point_name(name), object, Durability::immediate));
    repository_.add_point_to_index(name, encoder.header(), encoder.table(), object.size());
    return name;
}

void WriteSession::remove_partial() {
    // One that stays is hidden, and garbage once there is a complete point.
    if (partial_) (void)repository_.storage().remove(*partial_).ok();
    partial_.reset();
}

Status WriteSession::put_partial(RestorePointRecord record) {
    const std::lock_guard lock(fragment_mutex_);
    HF_TRY_STATUS(data_->flush());
    HF_TRY_STATUS(metadata_->flush());
    collect(*data_);
    collect(*metadata_);
    HF_TRY_STATUS(write_fragment());
    record.is_partial = true;
    // Its own time, so that the newest partial point is the first of a listing.
    record.started = record.finished = repository_.clock().now();
    HF_TRY(const PointName name, put_point(record, {}));
    remove_partial();
    partial_ = point_name(name);
    return {};
}

Result<WriteSession::Committed> WriteSession::commit(const RestorePointRecord& record) {
    HF_TRY(Chunks small_data, data_->finish(PackWriter::SmallRest::hand_back));
    HF_TRY(Chunks small_metadata, metadata_->finish(PackWriter::SmallRest::hand_back));
    const std::lock_guard lock(fragment_mutex_);
    collect(*data_);
    collect(*metadata_);
    HF_TRY_STATUS(write_fragment());
    std::array chunks{std::move(small_data), std::move(small_metadata)};
    HF_TRY(const PointName name, put_point(record, chunks));
    // Safety rests on this order, not on clocks: a pruner that took this session for dead wrote its
    // fence before it listed the points.
    const auto fence = repository_.storage().head("fences/" + lease_.session.hex());
    if (fence.ok())
        return Error(ErrorCode::conflict,
                     "a prune took this backup for dead; its restore point is unverified: run the "
                     "backup again");
    if (fence.error().code() != ErrorCode::not_found) return fence.error();
    remove_partial();
    end_lease();
    return Committed{name.id, stored_bytes_};
}

Status WriteSession::abandon() {
    HF_TRY(const auto data, data_->finish(PackWriter::SmallRest::write));
    HF_TRY(const auto metadata, metadata_->finish(PackWriter::SmallRest::write));
    const std::lock_guard lock(fragment_mutex_);
    collect(*data_);
    collect(*metadata_);
    HF_TRY_STATUS(write_fragment());
    end_lease();
    return {};
}

}  // namespace holdfast
