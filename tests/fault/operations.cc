#include "fault/operations.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "api/key_operations.h"
#include "base/file_io.h"
#include "repository/marks.h"
#include "repository/prune.h"
#include "repository/repair.h"
#include "repository/synthesize.h"
#include "storage/local/local_storage.h"

namespace holdfast {
namespace {

using Point = Promise::Point;

constexpr const char* client_host = "client";

AccessRequest access_of(const Place& place, const std::string& key) {
    AccessRequest access;
    access.repository = place.repository();
    access.key_file = place.key_file(key);
    access.cache_directory = place.cache();
    return access;
}

// Shows a few events at a time, and takes its time for them: partial points are left, and leases renewed.
class SlowSource final : public Source {
  public:
    SlowSource(Source& source, ManualClock& clock) : source_(source), clock_(clock) {}
    Result<std::unique_ptr<SourceStream>> walk() override {
        HF_TRY(auto stream, source_.walk());
        return std::unique_ptr<SourceStream>(std::make_unique<Stream>(std::move(stream), clock_));
    }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        return source_.open(event);
    }
    Status complete(const SourceEvent& event, Metadata& metadata) override {
        return source_.complete(event, metadata);
    }

  private:
    struct Stream final : SourceStream {
        Stream(std::unique_ptr<SourceStream> s, ManualClock& c) : stream(std::move(s)), clock(c) {}
        std::unique_ptr<SourceStream> stream;
        ManualClock& clock;
        std::vector<SourceEvent> waiting;
        std::size_t shown = 0;
        Status next(std::vector<SourceEvent>& batch) override {
            clock.advance(300 * ns_per_second);
            if (shown == waiting.size()) {
                waiting.clear();
                shown = 0;
                HF_TRY_STATUS(stream->next(waiting));
            }
            for (int i = 0; i < 12 && shown < waiting.size(); ++i)
                batch.push_back(std::move(waiting[shown++]));
            return {};
        }
    };
    Source& source_;
    ManualClock& clock_;
};

}  // namespace

Status Process::open(const Place& place, const Unlock& unlock, const std::string& cache) {
    HF_TRY(auto storage, LocalStorage::open(place.repository(), OpenMode::existing));
    HF_TRY(repository, Repository::open(std::move(storage), unlock, cache, clock, random));
    return {};
}

Status Process::open(const Place& place, const Promise& promise) {
    HF_TRY(const Unlock unlock, read_key(place, *promise.keys.begin()));
    return open(place, unlock, place.cache());
}

Result<Unlock> read_key(const Place& place, const std::string& key) {
    const std::string path = place.key_file(key);
    HF_TRY(const Bytes data, read_file(path, 1 << 16));
    const std::string text = first_line(data);
    const Bytes secret = from_hex(std::string_view(text).substr(text.rfind(' ') + 1));
    if (secret.size() != SecretKey::size)
        return Error(ErrorCode::wrong_key, path + ": not a key file");
    std::array<std::uint8_t, SecretKey::size> bytes;
    std::copy(secret.begin(), secret.end(), bytes.begin());
    Unlock unlock;
    unlock.key_file = SecretKey(bytes);
    return unlock;
}

Status init(const Place& place, Promise& promise, const std::string& key) {
    HF_TRY(const ResolvedAccess access, resolve_access(access_of(place, key)));
    HF_TRY_STATUS(init_repository(access, std::nullopt, {}));
    promise.is_there = true;
    promise.keys = {key};
    return {};
}

namespace {

Status back_up_by(Process& process,
                  const std::string& host,
                  Promise& promise,
                  const Tree& tree,
                  Walk walk) {
    ModelSource source(*tree);
    SlowSource slow(source, process.clock);
    BackupOptions options;
    options.host = host;
    options.name = "name";
    options.threads = 1;
    Progress progress;
    auto report = run_backup(*process.repository, walk == Walk::slow ? static_cast<Source&>(slow) : source,
                             options, progress, {});
    promise.now = process.clock.now();
    HF_TRY(const BackupReport done, std::move(report));
    if (done.problem_count != 0) return Error(ErrorCode::internal, done.problems.front());
    promise.points.push_back({done.point, tree});
    return {};
}

}  // namespace

Status back_up(const Place& place, Promise& promise, std::uint64_t seed, const Tree& tree, Walk walk) {
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY_STATUS(process.open(place, promise));
    return back_up_by(process, "host", promise, tree, walk);
}

Status back_up_as_client(const Place& place, Promise& promise, std::uint64_t seed, const Tree& tree, Walk walk) {
    if (promise.clients.empty()) return {};
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY(const Unlock unlock, read_key(place, *promise.clients.begin()));
    HF_TRY_STATUS(process.open(place, unlock, place.cache()));
    return back_up_by(process, client_host, promise, tree, walk);
}

Status prune(const Place& place, Promise& promise, std::uint64_t seed, unsigned max_dead_percent) {
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY_STATUS(process.open(place, promise));
    PruneOptions options;
    options.max_dead_percent = max_dead_percent;
    Progress progress;
    HF_TRY_STATUS(run_prune(*process.repository, options, this_process("host"), progress, {}));
    return {};
}

Status synthesize(const Place& place, Promise& promise, std::uint64_t seed) {
    const auto last = std::find_if(promise.points.rbegin(), promise.points.rend(),
                                   [](const Point& point) { return !point.is_deleted; });
    if (last == promise.points.rend()) return {};
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY_STATUS(process.open(place, promise));
    HF_TRY(const auto points, process.repository->points(std::nullopt));
    const auto found = std::find_if(points.begin(), points.end(),
                                    [&](const PointInfo& point) { return point.id == last->id; });
    if (found == points.end()) return Error(ErrorCode::not_found, "an acknowledged point");
    Progress progress;
    HF_TRY(const SynthesizeReport report,
           holdfast::synthesize(*process.repository, *found, this_process("host"), "test", progress, {}));
    Point made = *last;
    made.id = report.point;
    promise.points.push_back(std::move(made));
    return {};
}

Status damage(const Place& place, Promise& promise, std::uint64_t seed) {
    constexpr std::size_t burst = 40;
    std::mt19937_64 random(seed);
    promise.is_damaged = true;
    HF_TRY(const auto storage, LocalStorage::open(place.repository(), OpenMode::existing));
    for (const char* folder : {"keys/", "data/", "meta/", "index/", "points/"}) {
        HF_TRY(const auto objects, list_objects(*storage, folder));
        for (const ObjectInfo& object : objects) {
            // Of what is kept twice, one copy.
            if (object.name.ends_with(".2") || random() % 3 == 0) continue;
            HF_TRY(const UniqueFd file, open_file(place.repository() + "/" + object.name, O_WRONLY));
            const Bytes lost(std::min<std::size_t>(burst, static_cast<std::size_t>(object.bytes)));
            const auto place_of_it = static_cast<off_t>(random() % (object.bytes - lost.size() + 1));
            if (::pwrite(file.get(), lost.data(), lost.size(), place_of_it) < 0)
                return Error::from_errno(errno, object.name);
        }
    }
    return {};
}

Status repair(const Place& place, Promise& promise, std::uint64_t seed) {
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY_STATUS(process.open(place, promise));
    Progress progress;
    HF_TRY_STATUS(run_repair(*process.repository, {}, this_process("host"), progress, {}));
    promise.is_damaged = false;
    return {};
}

Status change_point(const Place& place, Promise& promise, std::uint64_t seed, PointChange change, std::size_t which) {
    std::vector<Point*> fitting;
    for (Point& point : promise.points) {
        const bool fits = change == PointChange::undelete  ? point.is_deleted
                          : change == PointChange::release ? point.is_held
                                                      : !point.is_deleted && !point.is_held;
        if (fits) fitting.push_back(&point);
    }
    // One point is left to compare.
    if (fitting.size() < (change == PointChange::remove ? 2 : 1)) return {};
    Point& point = *fitting[which % fitting.size()];
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY_STATUS(process.open(place, promise));
    HF_TRY(const auto points, process.repository->points(std::nullopt));
    const auto found = std::find_if(points.begin(), points.end(),
                                    [&](const PointInfo& info) { return info.id == point.id; });
    if (found == points.end()) return {};  // pruned
    const WriterIdentity identity = this_process("host");
    Repository& repository = *process.repository;
    switch (change) {
        case PointChange::remove: HF_TRY_STATUS(repository.set_mark(*found, MarkKind::deleted, "")); break;
        case PointChange::undelete:
            HF_TRY_STATUS(protect_point(repository, *found, Protection::undelete, "", identity));
            break;
        case PointChange::hold:
            HF_TRY_STATUS(protect_point(repository, *found, Protection::hold, "", identity));
            break;
        case PointChange::release: HF_TRY_STATUS(repository.clear_mark(*found, MarkKind::held)); break;
    }
    if (change == PointChange::remove || change == PointChange::undelete)
        point.is_deleted = change == PointChange::remove;
    else
        point.is_held = change == PointChange::hold;
    return {};
}

namespace {

// Returns the key file's name. One that a failed try left, because it could not be removed either, is never overwritten.
Result<std::string> add_key_as(const Place& place, const Promise& promise, const std::string& key, AddKeyRequest request) {
    request.access = access_of(place, *promise.keys.begin());
    const bool is_there = ::access(place.key_file(key).c_str(), F_OK) == 0;
    std::string name = is_there ? key + "-again" : key;
    request.new_key_file = place.key_file(name);
    HF_TRY_STATUS(add_key(request));
    return name;
}

}  // namespace

Status add_key_file(const Place& place, Promise& promise, const std::string& key) {
    HF_TRY(std::string name, add_key_as(place, promise, key, {}));
    promise.keys.insert(std::move(name));
    return {};
}

Status add_client(const Place& place, Promise& promise, const std::string& key) {
    AddKeyRequest request;
    request.is_write_only = true;
    request.host = client_host;
    HF_TRY(std::string name, add_key_as(place, promise, key, std::move(request)));
    promise.clients.insert(std::move(name));
    return {};
}

Status revoke_clients(const Place& place, Promise& promise) {
    const std::set<std::string> clients = promise.clients;
    for (const std::string& name : clients) {
        HF_TRY(const Unlock unlock, read_key(place, name));
        const std::string id = key_slot_id_of(*unlock.key_file, KeySlotType::key_file).hex();
        const Status revoked = revoke_key(access_of(place, *promise.keys.begin()), id);
        if (!revoked.ok() && revoked.error().code() != ErrorCode::not_found) return revoked;
        promise.clients.erase(name);
        promise.removed_keys.emplace(name, *unlock.key_file);
    }
    return {};
}

Status remove_key_file(const Place& place, Promise& promise, const std::string& name) {
    HF_TRY(const Unlock unlock, read_key(place, name));
    std::set<std::string> left = promise.keys;
    left.erase(name);
    const std::string id = key_slot_id_of(*unlock.key_file, KeySlotType::key_file).hex();
    const Status removed = remove_key(access_of(place, *left.begin()), id);
    // A try that failed at the last moment has removed it.
    if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed;
    promise.keys = left;
    promise.removed_keys.emplace(name, *unlock.key_file);
    return {};
}

Status rotate_key_files(const Place& place, Promise& promise) {
    return rotate_keys(access_of(place, *promise.keys.begin()));
}

Status revoke_key_file(const Place& place, Promise& promise, const std::string& name) {
    HF_TRY(const Unlock unlock, read_key(place, name));
    std::set<std::string> left = promise.keys;
    left.erase(name);
    const std::string id = key_slot_id_of(*unlock.key_file, KeySlotType::key_file).hex();
    const Status revoked = revoke_key(access_of(place, *left.begin()), id);
    if (!revoked.ok() && revoked.error().code() != ErrorCode::not_found) return revoked;
    promise.keys = left;
    promise.removed_keys.emplace(name, *unlock.key_file);
    return {};
}

// As `add_key` does, at a cost that a test of thousands of states can pay.
Status add_passphrase(const Place& place, Promise& promise, std::uint64_t seed, const std::string& passphrase) {
    Process process(promise.now += 60 * ns_per_second, seed);
    HF_TRY_STATUS(process.open(place, promise));
    KeySlotRecord slot;
    slot.type = KeySlotType::passphrase;
    slot.id = KeySlotId::random(process.random);
    slot.salt = process.random.array<16>();
    slot.cost = {1, 64};
    slot.label = passphrase;
    HF_TRY(const SecretKey secret, stretch_passphrase(as_bytes(passphrase), slot.salt, slot.cost));
    const RepositoryId& id = process.repository->keyring().repository();
    lock_key_slot(slot, secret, process.repository->master(), id);
    certify_key_slot(slot, secret, process.repository->keyring().epoch(),
                     process.repository->keyring().full().signing_key(), id);
    HF_TRY_STATUS(write_key_slot(process.repository->storage(), slot, id, process.random));
    promise.passphrases.insert(passphrase);
    return {};
}

Status remove_passphrase(const Place& place, Promise& promise, const std::string& passphrase) {
    const AccessRequest access = access_of(place, *promise.keys.begin());
    HF_TRY(const auto keys, list_keys(access));
    for (const KeySummary& key : keys)
        if (key.label == passphrase) HF_TRY_STATUS(remove_key(access, key.id));
    promise.passphrases.erase(passphrase);
    promise.removed_passphrases.insert(passphrase);
    return {};
}

}  // namespace holdfast
