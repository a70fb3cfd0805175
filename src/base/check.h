// HF_CHECK: a broken invariant of ours ends the program, in release builds too. Its text holds no
// user data. Never for what comes from outside: that is a Result.
#pragma once

namespace holdfast {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace holdfast

#define HF_CHECK(expression)                                                  \
    do {                                                                      \
        if (!(expression)) [[unlikely]]                                       \
            ::holdfast::check_failed(#expression, __FILE__, __LINE__);        \
    } while (false)
