#include "repository/marks.h"

#include <algorithm>

namespace holdfast {

Result<std::vector<MarkRecord>> read_marks(Repository& repository, const RestorePointId& point) {
    HF_TRY(const auto objects, list_objects(repository.storage(), "marks/" + point.hex() + '/'));
    std::vector<MarkRecord> marks;
    for (const ObjectInfo& info : objects) {
        const auto record = repository.get_record(ObjectKind::mark, info.name);
        // Cleared since it was listed.
        if (!record.ok() && record.error().code() == ErrorCode::not_found) continue;
        if (!record.ok()) return record.error();
        HF_TRY(MarkRecord mark, decode_mark(record->data));
        // A storage must not be able to move a mark to another point.
        if (mark.point != point)
            return Error(ErrorCode::corrupt, info.name + ": the mark of another restore point");
        marks.push_back(std::move(mark));
    }
    return marks;
}

Result<Said> who_says(Repository& repository, const RestorePointId& point, MarkKind kind) {
    const auto mark = repository.get_record(ObjectKind::mark, mark_name(point, kind));
    if (!mark.ok()) {
        const ErrorCode code = mark.error().code();
        if (code == ErrorCode::not_found) return Said::by_nobody;
        if (code == ErrorCode::corrupt) return Said::unproven;
        return mark.error();
    }
    const auto record = decode_mark(mark->data);
    const bool is_true = !mark->is_claim && record.ok() && record->point == point && record->kind == kind;
    return is_true ? Said::by_a_reader : Said::unproven;
}

Result<bool> was_found_whole(Repository& repository, const PointInfo& client_point) {
    if (!client_point.is_claim || client_point.is_unverified) return false;
    HF_TRY(const Said verified, who_says(repository, client_point.id, MarkKind::verified));
    return verified == Said::by_a_reader;
}

Result<bool> deletion_hides_nothing(Repository& repository, const RestorePointId& point, std::span<const PointInfo> points) {
    const auto hidden = std::ranges::find(points, point, &PointInfo::id);
    if (hidden == points.end()) return true;
    // A client's own fence would prove nothing.
    if (hidden->is_unverified) return is_fenced_by_pruner(repository, hidden->record.session);
    return was_found_whole(repository, *hidden);
}

Status delete_point(Repository& repository, const PointInfo& point, const std::string& reason) {
    HF_TRY(const Said said, who_says(repository, point.id, MarkKind::deleted));
    if (said == Said::unproven) HF_TRY_STATUS(repository.clear_mark(point, MarkKind::deleted));
    return repository.set_mark(point, MarkKind::deleted, reason);
}

namespace {

// A prune removes the object, then the marks.
Result<bool> is_there(Repository& repository, const PointInfo& point) {
    const auto found = repository.storage().head(point_name({point.source, point.inverted_time, point.id}));
    if (found.ok()) return true;
    if (found.error().code() == ErrorCode::not_found) return false;
    return found.error();
}

}  // namespace

Result<std::set<RestorePointId>> believe_readers_only(Repository& repository, std::vector<PointInfo>& points) {
    std::set<RestorePointId> forged, gone;
    for (PointInfo& point : points) {
        if (point.is_deleted) {
            HF_TRY(const Said said, who_says(repository, point.id, MarkKind::deleted));
            point.is_deleted = said == Said::by_a_reader;
            if (said == Said::unproven) forged.insert(point.id);
            if (said == Said::by_nobody) {
                HF_TRY(const bool was_brought_back, is_there(repository, point));
                if (!was_brought_back) gone.insert(point.id);
            }
        }
        if (point.is_unverified) {
            HF_TRY(point.is_unverified, is_fenced_by_pruner(repository, point.record.session));
        }
    }
    std::erase_if(points, [&gone](const PointInfo& point) { return gone.contains(point.id); });
    return forged;
}

namespace {

Status protect_under_lease(Repository& repository,
                           const PointInfo& point,
                           Protection protection,
                           const std::string& reason) {
    const std::string which = "restore point " + point.id.hex().substr(0, 12);
    HF_TRY(const auto tombstones, read_tombstones(repository));
    for (const Tombstone& tombstone : tombstones)
        for (const ObjectId& id : tombstone.record.objects)
            if (id == point.id)
                return Error(ErrorCode::refused, which + ": a prune is taking its space");
    HF_TRY(const bool is_there_still, is_there(repository, point));
    if (!is_there_still) return Error(ErrorCode::not_found, which + " is no more");
    return protection == Protection::hold ? repository.set_mark(point, MarkKind::held, reason)
                                          : repository.clear_mark(point, MarkKind::deleted);
}

}  // namespace

Status protect_point(Repository& repository,
                     const PointInfo& point,
                     Protection protection,
                     const std::string& reason,
                     const WriterIdentity& identity) {
    HF_TRY(Lease lease, Lease::take(repository, identity));
    const Status done = protect_under_lease(repository, point, protection, reason);
    const auto fenced = is_fenced(repository, lease.session());
    const Status held = lease.confirm();
    lease.give_back();
    HF_TRY_STATUS(done);
    HF_TRY_STATUS(held);
    HF_TRY(const bool is_late, fenced);
    if (is_late) return Error(ErrorCode::conflict, "a prune overtook this: look what is left, and try again");
    return {};
}

}  // namespace holdfast
