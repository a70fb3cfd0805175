// Input: what follows "sftp:" in the name of a repository.
#include "storage/sftp/sftp_location.h"

#include "targets.h"

namespace holdfast {

void fuzz_sftp_location(ByteSpan input) {
    const auto location = parse_sftp_location(as_text(input));
    if (!location.ok()) return;
    // What is shown names the same place.
    const std::string description = location->description();
    const auto again = parse_sftp_location(std::string_view(description).substr(5));
    HF_CHECK(again.ok());
    HF_CHECK(again->user == location->user && again->host == location->host && again->port == location->port);
    HF_CHECK(again->path == location->path);
    HF_CHECK(!location->path_of("").empty() && !location->host.empty() && location->host.front() != '-');
}

}  // namespace holdfast
