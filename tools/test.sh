#!/bin/bash
# Builds the project and runs every test stage by stage; stops at the first failure.
# The last line is `N passed, M failed`, counted in stages. Exit status: 0 all passed, 1 not.
# environment: JOBS, how many build jobs run at once (default: the number of processors)
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
export JOBS=${JOBS:-$(nproc)}
passed=0

# stage NAME COMMAND...: runs one stage; a failure ends everything.
stage() {
    local name=$1 begin=$EPOCHREALTIME status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    local seconds
    seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    if [ $status = 0 ]; then
        passed=$((passed + 1))
        printf '== %s: passed, %s s\n' "$name" "$seconds"
        return
    fi
    printf '== %s: FAILED (status %s), %s s\n\n' "$name" "$status" "$seconds"
    echo "$passed passed, 1 failed"
    exit 1
}

build() {
    cmake --preset release -DHOLDFAST_TESTS=ON >/dev/null && cmake --build build -j "$JOBS"
}

# A missing script fails its stage: a test that does not run has not passed.
script() {
    if [ ! -f "$1" ]; then
        echo "$1 is missing" >&2
        return 1
    fi
    case $1 in
        *.py) python3 "$@" ;;
        *) bash "$@" ;;
    esac
}

stage "build" build
stage "unit and contract tests" ctest --test-dir build -j 2 --output-on-failure --no-tests=error
stage "golden files" script tests/golden/check-golden.py build/holdfast
stage "end to end" script tests/e2e/run.sh build/holdfast
stage "independent decoder" script tests/decoder/run.sh build/holdfast
stage "protocol model" script tests/model/run.sh
stage "command-line reference" script tools/make-cli-reference.sh --check

echo
echo "$passed passed, 0 failed"
