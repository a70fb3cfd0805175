#include "backup/parent_choice.h"

namespace holdfast {
namespace {

// The newest of each kind.
struct Candidates {
    const PointInfo* complete = nullptr;
    const PointInfo* partial = nullptr;
    const PointInfo* full = nullptr;

    void consider(const PointInfo& point) {
        const bool counts_as_full =
            point.record.type == BackupType::full || point.record.type == BackupType::synthetic_full;
        if (point.record.is_partial) {
            if (partial == nullptr) partial = &point;
            return;
        }
        if (complete == nullptr) complete = &point;
        if (full == nullptr && counts_as_full) full = &point;
    }
};

}  // namespace

Result<ParentChoice> choose_parent(Repository& repository, const BackupOptions& options) {
    const SourceId source = repository.keyring().source_id(options.host, options.name);
    const bool is_client = repository.keyring().role() == KeyRole::writer;
    HF_TRY(const std::vector<PointInfo> points,
           is_client ? repository.own_points(source) : repository.points(source));
    Candidates found;
    for (const PointInfo& point : points) {
        const bool is_sound =
            !point.is_deleted && !point.is_damaged && !point.is_unverified && !point.is_incomplete;
        // What another one, a write-only client, says of unchanged files is not taken over.
        if (is_sound && (is_client || !point.is_claim)) found.consider(point);
    }
    ParentChoice choice;
    choice.is_first = found.complete == nullptr && options.type != BackupType::full;
    const PointInfo* parent = nullptr;
    if (options.type == BackupType::incremental) parent = found.complete;
    if (options.type == BackupType::differential) parent = found.full;
    if (parent != nullptr) {
        choice.type = options.type;
    } else if (choice.is_first) {
        parent = found.partial;
        choice.goes_on_with_partial = parent != nullptr;
    }
    if (parent != nullptr) choice.parent = *parent;
    return choice;
}

}  // namespace holdfast
