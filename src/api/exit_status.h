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
// The same; tells a missing repository from all else that is missing.
ExitStatus exit_status_of(const Error& error);
// Of many things that were done: done when all were; incomplete when nothing worse was; what failed decides, and where
// it failed in different ways, that is failed.
ExitStatus worst_status(std::span<const ExitStatus> statuses);

// All that the program returns, in the order of their numbers: what the help and the manual list.
struct ExitStatusText {
    ExitStatus status;
    const char* meaning;
};
std::span<const ExitStatusText> exit_status_texts();

}  // namespace holdfast
