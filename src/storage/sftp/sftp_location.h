// Where a repository on an SSH server is.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace holdfast {

struct SftpLocation {
    std::string user;  // empty: as the configuration of ssh says
    std::string host;  // a name, an address, or a Host of that configuration
    std::uint16_t port = 0;  // 0: as the configuration says
    // Without '/' at its end, but for the root itself. Relative: below the directory that the server begins in.
    std::string path;

    // The path of an object, or of a directory of them.
    std::string path_of(const std::string& name) const;
    // sftp://[USER@]HOST[:PORT]/PATH, for messages.
    std::string description() const;
};

// What follows "sftp:": //[USER@]HOST[:PORT]/PATH (percent-encoded; /~/PATH is below the home directory), or
// [USER@]HOST:PATH as rsync and scp have it (relative unless it begins with '/'). IPv6 addresses stand in brackets.
// Refuses a password: what stands on a command line is seen by everybody. Errors: invalid_argument.
Result<SftpLocation> parse_sftp_location(std::string_view text);

}  // namespace holdfast
