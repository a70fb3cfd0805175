#!/bin/bash
# Builds the unit tests with AddressSanitizer and UndefinedBehaviorSanitizer (build-asan) and with
# ThreadSanitizer (build-tsan), and runs them. Only the test programs are built.
# usage: tools/test-sanitizers.sh [asan-ubsan|tsan]...     (default: both)
set -euo pipefail

cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}

# What a sanitizer finds ends the test program with a status that is not 0.
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

# ThreadSanitizer of GCC 12 cannot start where the kernel spreads addresses over more than 28 bits:
# those are switched off for the tests, where that is allowed.
fixed_addresses=()
if setarch -R true 2>/dev/null; then fixed_addresses=(setarch -R); fi

test_with() {
    local preset=$1 directory=$2 targets
    cmake --preset "$preset" -DHOLDFAST_TESTS=ON >/dev/null
    # The programs NAME_test that holdfast_module (cmake/modules.cmake) makes for each module.
    targets=$(sed -n 's/^add_test([^ ]* "\(.*\)".*/\1/p' "$directory/src/CTestTestfile.cmake" |
        sed 's#.*/##')
    if [ -z "$targets" ]; then
        echo "test-sanitizers.sh: no unit tests in $directory" >&2
        return 1
    fi
    # shellcheck disable=SC2086 # one word for each target
    cmake --build "$directory" -j "$jobs" --target $targets
    "${fixed_addresses[@]}" ctest --test-dir "$directory" -R '^unit\.' -j 2 --output-on-failure \
        --no-tests=error
}

for preset in "${@:-asan-ubsan tsan}"; do
    for one in $preset; do
        echo "-- $one"
        case $one in
            asan-ubsan) test_with asan-ubsan build-asan ;;
            tsan) test_with tsan build-tsan ;;
            *) echo "test-sanitizers.sh: no preset '$one' (asan-ubsan, tsan)" >&2; exit 2 ;;
        esac
    done
done
