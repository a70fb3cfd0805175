#include "repository/marks.h"

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

namespace {

Result<bool> is_deleted_by_reader(Repository& repository, const RestorePointId& point) {
    const auto mark = repository.get_record(ObjectKind::mark, mark_name(point, MarkKind::deleted));
    if (!mark.ok()) {
        const ErrorCode code = mark.error().code();
        if (code == ErrorCode::not_found || code == ErrorCode::corrupt) return false;
        return mark.error();
    }
    const auto record = decode_mark(mark->data);
    return !mark->is_claim && record.ok() && record->point == point && record->kind == MarkKind::deleted;
}

}  // namespace

Result<std::set<RestorePointId>> believe_readers_only(Repository& repository, std::vector<PointInfo>& points) {
    std::set<RestorePointId> forged;
    for (PointInfo& point : points) {
        if (point.is_deleted) {
            HF_TRY(point.is_deleted, is_deleted_by_reader(repository, point.id));
            if (!point.is_deleted) forged.insert(point.id);
        }
        if (point.is_unverified) {
            HF_TRY(point.is_unverified, is_fenced_by_pruner(repository, point.record.session));
        }
    }
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
    const auto there =
        repository.storage().head(point_name({point.source, point.inverted_time, point.id}));
    if (!there.ok() && there.error().code() == ErrorCode::not_found)
        return Error(ErrorCode::not_found, which + " is no more");
    if (!there.ok()) return there.error();
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
