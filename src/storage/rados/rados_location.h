// Where a repository is in a Ceph cluster, and who asks for it.
#pragma once

#include <string>

#include "base/environment.h"
#include "base/result.h"

namespace holdfast {

struct RadosLocation {
    std::string pool;
    std::string name_space;          // without '/' at its ends; empty: the pool's own
    std::string client;              // "client.admin"
    std::string configuration_file;  // empty: what librados finds

    // rados:POOL/NAMESPACE, for messages.
    std::string description() const { return "rados:" + pool + (name_space.empty() ? "" : '/' + name_space); }
};

// POOL[/NAMESPACE][?id=CLIENT&conf=FILE]. Without an id: that of CEPH_ARGS (--id, --user, -n, --name), which librados
// leaves to programs; else client.admin. Errors: invalid_argument.
Result<RadosLocation> parse_rados_location(std::string_view text, const Environment& environment);

}  // namespace holdfast
