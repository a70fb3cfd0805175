// Objects that nobody can take away for a time. docs/format.md#locks, docs/explanation/locks.md.
#pragma once

#include <map>

#include "repository/repository.h"

namespace holdfast {

// Whether objects of this name are locked: what restore points are made of, and what opens the repository. Not what
// comes and goes (leases, fences, marks, tombstones), and not the index, which the packs' own tables tell.
bool is_lockable(const std::string& name);
// Of those what opens the repository.
Result<std::set<std::string>> names_of_keys(Storage& storage);

// Tries whether the storage's locks hold. Errors: unsupported when it has none, or only pretends.
Status prove_locks(Storage& storage, const LockRules& rules);
// Has the storage lock what is stored from now on. Errors: unsupported when it has no locks.
Status lock_what_is_stored(Storage& storage, const LockRules& rules);

// Containers of other sessions, by id.
struct StoredElsewhere {
    std::string name;
    SessionId session{};
};
using ForeignContainers = std::map<ObjectId, StoredElsewhere>;
void note_container(ForeignContainers& containers, const Container& container);

// Has everything that a committed restore point needs stay for the period of the rules from now on: its containers,
// the keys, the configuration. What was stored by the session itself is locked long enough. Where the local cache knows
// that all that the point's parent needs was extended less than a generation ago, only what the session took over besides, `taken`, is
// extended, unless that was, too; else, or when nobody can say what was taken, the tree is marked, and all its containers are
// extended, one request each; those of `gone` are no places any more. A write-only client extends nothing, for it
// cannot read what others have stored: a prune of a reader does it for the newest point of each source of clients.
// Errors: corrupt when the tree is damaged; of the storage.
Status extend_locks(Repository& repository, const RestorePointId& point, const RestorePointRecord& record,
                    const ForeignContainers* taken, const Index::Containers& gone = {});

}  // namespace holdfast
