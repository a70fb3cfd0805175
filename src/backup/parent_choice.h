// Which earlier restore point a backup begins with. docs/explanation/types.md.
#pragma once

#include "backup/backup.h"

namespace holdfast {

struct ParentChoice {
    BackupType type = BackupType::full;
    std::optional<PointInfo> parent;
    // The parent is of an interrupted first backup, which makes this one no less full.
    bool goes_on_with_partial = false;
    // There is no complete point yet: an interruption should lose little.
    bool is_first = false;
};

// The previous version that the type asks for, among those that are sound. A write-only client knows only its own; nobody
// else takes a client's.
Result<ParentChoice> choose_parent(Repository& repository, const BackupOptions& options);

}  // namespace holdfast
