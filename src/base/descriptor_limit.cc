#include "base/descriptor_limit.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/unique_fd.h"

namespace holdfast {

std::size_t raise_descriptor_limit(std::size_t wanted) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    rlimit raised = limit;
    raised.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, static_cast<rlim_t>(wanted)));
    if (raised.rlim_cur != limit.rlim_cur && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    return static_cast<std::size_t>(limit.rlim_cur);
}

void reserve_descriptors(std::size_t count) {
    rlimit limit{};
    if (count == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const auto room = std::min<rlim_t>(limit.rlim_cur, static_cast<rlim_t>(count));
    const UniqueFd any(::open("/", O_PATH | O_CLOEXEC));
    // The table grows to hold the highest one, and never shrinks.
    if (any.valid() && room > 0) const UniqueFd highest(::fcntl(any.get(), F_DUPFD_CLOEXEC, static_cast<int>(room - 1)));
}

}  // namespace holdfast
