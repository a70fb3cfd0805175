#include "api/exit_status.h"

namespace holdfast {
namespace {

constexpr ExitStatusText texts[] = {
    {ExitStatus::done, "done"},
    {ExitStatus::failed, "failed"},
    {ExitStatus::usage, "usage"},
    {ExitStatus::incomplete, "done, but something of the source could not be read"},
    {ExitStatus::no_repository, "no such repository"},
    {ExitStatus::busy, "busy"},
    {ExitStatus::wrong_key, "wrong key"},
    {ExitStatus::damaged, "damage found"},
    {ExitStatus::no_space, "no space"},
    {ExitStatus::refused, "refused"},
    {ExitStatus::objective_broken, "objective broken"},
    {ExitStatus::interrupted, "interrupted"},
    {ExitStatus::terminated, "terminated"}};

}  // namespace

std::span<const ExitStatusText> exit_status_texts() {
    return texts;
}

ExitStatus exit_status_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument: return ExitStatus::usage;
        case ErrorCode::conflict:
        case ErrorCode::frozen: return ExitStatus::busy;
        case ErrorCode::wrong_key: return ExitStatus::wrong_key;
        case ErrorCode::corrupt: return ExitStatus::damaged;
        case ErrorCode::out_of_space: return ExitStatus::no_space;
        case ErrorCode::refused: return ExitStatus::refused;
        case ErrorCode::cancelled: return ExitStatus::interrupted;
        case ErrorCode::not_found:
        case ErrorCode::already_exists:
        case ErrorCode::permission_denied:
        case ErrorCode::unavailable:
        case ErrorCode::unsupported:
        case ErrorCode::internal: return ExitStatus::failed;
    }
    return ExitStatus::failed;
}

ExitStatus exit_status_of(const Error& error) {
    if (error.code() == ErrorCode::not_found && error.message().starts_with("no repository at "))
        return ExitStatus::no_repository;
    return exit_status_of(error.code());
}

ExitStatus worst_status(std::span<const ExitStatus> statuses) {
    ExitStatus worst = ExitStatus::done;
    for (const ExitStatus status : statuses) {
        if (status == ExitStatus::done || status == worst) continue;
        if (worst == ExitStatus::done || worst == ExitStatus::incomplete) worst = status;
        else if (status != ExitStatus::incomplete) worst = ExitStatus::failed;
    }
    return worst;
}

}  // namespace holdfast
