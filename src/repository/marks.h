// What was said of a restore point after it was written. docs/format.md#leases.
#pragma once

#include "repository/leases.h"

namespace holdfast {

// The marks that a point has now, with their reasons; at most one of a kind.
// Errors: corrupt.
Result<std::vector<MarkRecord>> read_marks(Repository& repository, const RestorePointId& point);
// Whether anybody has said of a point what a mark of this kind says. Write-only clients can store objects under the names
// of marks, too: `unproven` is what none says who can read the repository, or what is damaged.
enum class Said : std::uint8_t { by_a_reader, unproven, by_nobody };
Result<Said> who_says(Repository& repository, const RestorePointId& point, MarkKind kind);
// A client's session that cannot verify its restore point hides it by a mark, which proves nothing. Whether a prune has found
// the point whole since, so that the mark counts no more.
Result<bool> was_found_whole(Repository& repository, const PointInfo& client_point);
// Whether an unproven mark hides nobody's backup: the point is gone, or one that nobody has verified, or was found whole since.
// `points` were listed after the mark was.
Result<bool> deletion_hides_nothing(Repository& repository, const RestorePointId& point, std::span<const PointInfo> points);
// Marks a point as deleted, in the place of a mark that says so and proves nothing: for who can read the repository.
Status delete_point(Repository& repository, const PointInfo& point, const std::string& reason);
// Write-only clients can store objects under the names of marks and fences too. Before anything is taken away that only
// these say may go: corrects `is_deleted` and `is_unverified` to what somebody says who can read the repository. A mark
// that is damaged says nothing. Points that another prune has removed meanwhile are taken out. Returns those that nobody has
// deleted though there is such a mark.
Result<std::set<RestorePointId>> believe_readers_only(Repository& repository, std::vector<PointInfo>& points);

// Says of a point that it stays, in a way that no pruner overlooks: under a lease. Errors: refused when
// its space is being taken already, not_found when it is no more, conflict when a pruner took this
// session for dead.
enum class Protection : std::uint8_t { hold, undelete };
Status protect_point(Repository& repository,
                     const PointInfo& point,
                     Protection protection,
                     const std::string& reason,
                     const WriterIdentity& identity);

}  // namespace holdfast
