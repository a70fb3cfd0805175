#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace holdfast {

std::string_view error_code_name(ErrorCode code) {
    switch (code) {
        case ErrorCode::not_found: return "not_found";
        case ErrorCode::already_exists: return "already_exists";
        case ErrorCode::permission_denied: return "permission_denied";
        case ErrorCode::unavailable: return "unavailable";
        case ErrorCode::out_of_space: return "out_of_space";
        case ErrorCode::corrupt: return "corrupt";
        case ErrorCode::invalid_argument: return "invalid_argument";
        case ErrorCode::unsupported: return "unsupported";
        case ErrorCode::conflict: return "conflict";
        case ErrorCode::cancelled: return "cancelled";
        case ErrorCode::internal: return "internal";
        case ErrorCode::wrong_key: return "wrong_key";
        case ErrorCode::refused: return "refused";
        case ErrorCode::frozen: return "frozen";
    }
    return "internal";
}

namespace {

ErrorCode code_of_errno(int error_number) {
    switch (error_number) {
        case ENOENT:
        case ENOTDIR: return ErrorCode::not_found;
        case EEXIST:
        case ENOTEMPTY: return ErrorCode::already_exists;
        case EACCES:
        case EPERM:
        case EROFS: return ErrorCode::permission_denied;
        case ENOSPC:
        case EDQUOT: return ErrorCode::out_of_space;
        case EINVAL:
        case ENAMETOOLONG:
        case ELOOP:
        case EISDIR: return ErrorCode::invalid_argument;
        case EIO:
        case ENODEV:
        case ENXIO:
        case ESTALE:
        case ETIMEDOUT: return ErrorCode::unavailable;
        case EOPNOTSUPP: return ErrorCode::unsupported;
        default: return ErrorCode::internal;
    }
}

}  // namespace

Error Error::from_errno(int error_number, std::string_view what) {
    return {code_of_errno(error_number),
            std::string(what) + ": " + std::generic_category().message(error_number)};
}

Error Error::with_context(std::string frame) && {
    context_.push_back(std::move(frame));
    return std::move(*this);
}

std::string Error::describe() const {
    std::string text = message_;
    if (context_.empty()) return text;
    text += " (";
    for (std::size_t i = 0; i < context_.size(); ++i) {
        if (i != 0) text += ", ";
        text += "while " + context_[i];
    }
    return text + ")";
}

}  // namespace holdfast
