// Archive classes: objects that have to be restored, as S3 calls it, before they can be read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/http_client.h"

namespace holdfast {

// Whether what is put into this class cannot be read until it is asked for: GLACIER and DEEP_ARCHIVE, of Huawei OBS also
// COLD. (GLACIER_IR can be read at once.)
bool is_archive_class(std::string_view storage_class);
// Whether that cannot be told from the class: INTELLIGENT_TIERING moves objects into an archive by itself.
bool may_be_archived(std::string_view storage_class);

// What x-amz-restore says of an object.
struct RestoreHeader {
    bool is_ongoing = false;
    std::optional<TimeNs> expiry;  // of the copy that can be read
};
// ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT". Errors: unsupported for anything else.
Result<RestoreHeader> parse_restore_header(std::string_view text);

// What the answer to a HEAD tells of an object.
struct ArchiveState {
    bool is_archived = false;
    // By INTELLIGENT_TIERING: a restore brings it back for good, and takes no number of days.
    bool is_tiered = false;
    std::optional<RestoreHeader> restore;  // it was asked for
};
// Errors: as parse_restore_header().
Result<ArchiveState> archive_state_of(const HttpResponse& response);

enum class RestoreTier : std::uint8_t { expedited, standard, bulk };
// The body of a request to restore an object for so many days; 0: for good.
std::string restore_request_body(RestoreTier tier, unsigned days);

}  // namespace holdfast
