// Errors are values: Result<T> holds a T or an Error and may not be ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"

namespace holdfast {

// Closed and numbered: codes map once to an exit status (api/exit_status.h). Only `unavailable` may
// be tried again, by what sends a storage's requests alone (base/backoff.h).
enum class ErrorCode : std::uint8_t {
    not_found = 1,
    already_exists = 2,
    permission_denied = 3,
    unavailable = 4,
    out_of_space = 5,
    corrupt = 6,
    invalid_argument = 7,
    unsupported = 8,
    conflict = 9,
    cancelled = 10,
    internal = 11,
    wrong_key = 12,
    refused = 13,
    frozen = 14,  // in an archive class, and to be asked for first (storage/cold_tier.h)
};

std::string_view error_code_name(ErrorCode code);

// What went wrong (`message`) and, outermost last, what was being done (`context`).
class Error {
  public:
    Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

    // Maps errno to a code; the message is `what` and the text of errno.
    static Error from_errno(int error_number, std::string_view what);

    ErrorCode code() const { return code_; }
    const std::string& message() const { return message_; }

    // Adds one frame: "while <frame>". Frames reword nothing.
    Error with_context(std::string frame) &&;

    // "message (while inner, while outer)".
    std::string describe() const;

  private:
    ErrorCode code_;
    std::string message_;
    std::vector<std::string> context_;
};

struct Unit {};

template <typename T>
class [[nodiscard]] Result {
  public:
    using value_type = T;

    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & {
        HF_CHECK(ok());
        return *std::get_if<0>(&state_);
    }
    const T& value() const& {
        HF_CHECK(ok());
        return *std::get_if<0>(&state_);
    }
    T&& value() && {
        HF_CHECK(ok());
        return std::move(*std::get_if<0>(&state_));
    }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }

    const Error& error() const& {
        HF_CHECK(!ok());
        return *std::get_if<1>(&state_);
    }
    Error&& error() && {
        HF_CHECK(!ok());
        return std::move(*std::get_if<1>(&state_));
    }

  private:
    std::variant<T, Error> state_;
};

// Success without a value.
class [[nodiscard]] Status {
  public:
    Status() = default;
    Status(Unit) {}
    Status(Error error) : error_(std::move(error)) {}

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    const Error& error() const& {
        HF_CHECK(!ok());
        return *error_;
    }
    Error&& error() && {
        HF_CHECK(!ok());
        return std::move(*error_);
    }
    // For HF_TRY in the form HF_TRY_STATUS; a Status carries no value.
    Unit value() && { return {}; }

  private:
    std::optional<Error> error_;
};

inline Status ok_status() { return {}; }

}  // namespace holdfast

#define HF_CONCAT_INNER(a, b) a##b
#define HF_CONCAT(a, b) HF_CONCAT_INNER(a, b)
#define HF_TRY_IMPL(temporary, declaration, expression)      \
    auto temporary = (expression);                           \
    if (!temporary.ok()) return std::move(temporary).error(); \
    declaration = std::move(temporary).value()

// HF_TRY(auto x, f()): declares x from f's value, or returns f's error.
#define HF_TRY(declaration, expression) \
    HF_TRY_IMPL(HF_CONCAT(hf_result_, __LINE__), declaration, expression)

// HF_TRY_STATUS(f()): returns f's error, if there is one.
#define HF_TRY_STATUS(expression)                                  \
    do {                                                           \
        auto hf_status = (expression);                             \
        if (!hf_status.ok()) return std::move(hf_status).error();  \
    } while (false)
