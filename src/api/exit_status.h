// The one place where error codes become exit statuses. docs/reference/exit-status.md.
#pragma once

#include <span>

#include "base/result.h"

namespace holdfast {

enum class ExitStatus : int {
    done = 0,
    failed = 1,
    usage = 2,
    incomplete = 3,  // done, but something of the source could not be read
    no_repository = 10,
    busy = 11,
    wrong_key = 12,
    damaged = 13,
    no_space = 14,
    refused = 15,
    proof_failed = 16,
    objective_broken = 17,
    interrupted = 130,
    terminated = 143,
};

ExitStatus exit_status_of(ErrorCode code);

// All that the program returns, in the order of their numbers: what the help and the manual list.
struct ExitStatusText {
    ExitStatus status;
    const char* meaning;
};
std::span<const ExitStatusText> exit_status_texts();

}  // namespace holdfast
