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
        HF_TRY(MarkRecord mark, decode_mark(*record));
        // A storage must not be able to move a mark to another point.
        if (mark.point != point)
            return Error(ErrorCode::corrupt, info.name + ": the mark of another restore point");
        marks.push_back(std::move(mark));
    }
    return marks;
}

}  // namespace holdfast
