// What storages behind a network look at before they take a place, and after an answer was lost.
#pragma once

#include "storage/storage.h"

namespace holdfast {

// Nothing of a user's may be mixed with a repository's objects. What an init that was killed leaves are key slots,
// and what one leaves that has tried locks, an object that is locked for a minute.
// Errors: already_exists.
Status check_empty(Storage& storage);
// Whether put() refuses a name that is taken, tried with an object in probe_folder. Errors: unsupported when it does not.
Status check_put_if_absent(Storage& storage);
// Whether the object of this name holds exactly `data`: then an earlier try was carried out, and only its answer was
// lost. Memory: a piece of at most 4 MiB.
Result<bool> is_stored(Storage& storage, const std::string& name, ByteSpan data);

}  // namespace holdfast
