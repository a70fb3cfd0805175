// What keeps a version of an object from being deleted.
#pragma once

#include <string>
#include <vector>

#include "s3/s3_client.h"

namespace holdfast {

// A retention and a legal hold, each of which a version may have. The modes are in the order of their strength.
struct VersionLock {
    enum class Mode : std::uint8_t { none, governance, compliance } mode = Mode::none;
    TimeNs until = 0;  // of the retention
    bool has_legal_hold = false;

    bool is_none() const { return mode == Mode::none && !has_legal_hold; }
    bool operator==(const VersionLock&) const = default;
};

// As an answer to a GET or HEAD tells it. Errors: corrupt for a time that is none.
Result<VersionLock> lock_in(const HttpResponse& response);
// The headers that put a new object with this lock. A retention that is over by `now` is none: services refuse it.
std::vector<HttpHeader> lock_headers(const VersionLock& lock, TimeNs now);

// What `lock` has beyond `present`: what has to be asked for so that a version is locked as both. Nothing is ever
// shortened, weakened or released.
VersionLock lock_to_add(const VersionLock& present, const VersionLock& lock, TimeNs now);
// Gives a version the retention and the hold of `lock`, as far as it has any.
Status put_lock(S3Client& client, const std::string& key, const std::string& version, const VersionLock& lock);

// "GOVERNANCE 2027-01-01T00:00:00Z, legal hold"; empty for none. And back; of a text that is none, no lock.
std::string describe_lock(const VersionLock& lock);
VersionLock parse_lock(const std::string& text);

}  // namespace holdfast
