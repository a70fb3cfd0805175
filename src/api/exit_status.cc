#include "api/exit_status.h"

namespace holdfast {

ExitStatus exit_status_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument: return ExitStatus::usage;
        case ErrorCode::conflict: return ExitStatus::busy;
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

}  // namespace holdfast
