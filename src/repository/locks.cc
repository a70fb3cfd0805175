#include "repository/locks.h"

#include <algorithm>
#include <array>

#include "base/first_error.h"
#include "base/worker_pool.h"
#include "repository/chunk_marker.h"
#include "repository/lock_notes.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 6> lockable_folders{"data/", "meta/", "points/", "keys/", "epochs/", "clients/"};
constexpr std::array<std::string_view, 3> key_folders{"keys/", "epochs/", "clients/"};
constexpr std::size_t lock_threads = 8;

Error without_locks(const Storage& storage) {
    return {ErrorCode::unsupported, storage.description() + ": this kind of storage has no locks"};
}

LockMode mode_of(const LockRules& rules) {
    return rules.mode == LockRules::Mode::governance ? LockMode::governance : LockMode::compliance;
}

std::string notes_path(const Repository& repository, const RestorePointRecord& record) {
    if (repository.cache_directory().empty()) return "";
    return repository.cache_directory() + "/locks/" + repository.keyring().source_id(record.host, record.name).hex();
}

// The containers that the tree needs and that other sessions have stored.
Result<ForeignContainers> containers_of(Repository& repository,
                                        const RestorePointRecord& record,
                                        const Index::Containers& gone) {
    HF_TRY(Index* const index, repository.index());
    HF_TRY(ChunkReader* const chunks, repository.chunks());
    ForeignContainers found;
    ChunkMarker marker(*index, *chunks, repository.keyring());
    marker.on_mark = [&](const ChunkId& id, const ChunkRange& part) -> Status {
        HF_TRY(const LocatedChunk chunk, index->locate(id, part, gone));
        if (chunk.container.session != record.session) note_container(found, chunk.container);
        return {};
    };
    HF_TRY_STATUS(marker.mark(record.root));
    return found;
}

Status extend_all(RetentionLock& retention, const std::set<std::string>& names, TimeNs until) {
    FirstError first_error;
    WorkerPool pool(lock_threads, lock_threads);
    for (const std::string& name : names)
        pool.submit([&, name] {
            if (first_error.status().ok()) first_error.note(retention.extend(name, until));
        });
    pool.wait_idle();
    return first_error.status();
}

}  // namespace

void note_container(ForeignContainers& containers, const Container& container) {
    const ObjectId& id = container.header.object;
    if (!containers.contains(id)) containers.emplace(id, StoredElsewhere{container_name(container), container.session});
}

Result<std::set<std::string>> names_of_keys(Storage& storage) {
    std::set<std::string> names{"config", "config.2"};
    for (const std::string_view folder : key_folders) {
        HF_TRY(const auto objects, list_objects(storage, std::string(folder)));
        for (const ObjectInfo& info : objects) names.insert(info.name);
    }
    return names;
}

bool is_lockable(const std::string& name) {
    if (name == "config" || name == "config.2") return true;
    return std::any_of(lockable_folders.begin(), lockable_folders.end(),
                       [&name](std::string_view folder) { return name.starts_with(folder); });
}

Status prove_locks(Storage& storage, const LockRules& rules) {
    RetentionLock* const retention = storage.retention();
    if (retention == nullptr) return without_locks(storage);
    return retention->prove(mode_of(rules));
}

Status lock_what_is_stored(Storage& storage, const LockRules& rules) {
    RetentionLock* const retention = storage.retention();
    if (retention == nullptr) return without_locks(storage);
    retention->lock_new(mode_of(rules), rules.period + rules.generation, is_lockable);
    return {};
}

Status extend_locks(Repository& repository, const RestorePointId& point, const RestorePointRecord& record,
                    const ForeignContainers* taken, const Index::Containers& gone) {
    const LockRules& rules = repository.config().lock;
    if (rules.mode == LockRules::Mode::none || repository.keyring().role() == KeyRole::writer) return {};
    RetentionLock* const retention = repository.storage().retention();
    if (retention == nullptr) return without_locks(repository.storage());
    const TimeNs now = repository.clock().now();
    LockNotes notes = LockNotes::load(notes_path(repository, record), now, rules.generation);
    if (notes.has_point(point)) return {};
    std::set<std::string> names;
    ForeignContainers needed;
    if (taken != nullptr && notes.has_point(record.parent)) {
        needed = *taken;
        std::erase_if(needed, [&](const auto& one) { return notes.has(one.first, one.second.session); });
    } else {
        HF_TRY(needed, containers_of(repository, record, gone));
        HF_TRY(names, names_of_keys(repository.storage()));
        // The session's own objects were locked when they were stored, the first one not before it began to walk.
        notes.reset(std::min(now, record.walked) + rules.generation);
    }
    for (const auto& [id, container] : needed) {
        names.insert(container.name);
        notes.add_object(id);
    }
    HF_TRY_STATUS(extend_all(*retention, names, retention->now() + rules.period + rules.generation));
    notes.add_point(point);
    if (taken != nullptr) notes.add_session(record.session);
    notes.keep();
    return {};
}

}  // namespace holdfast
