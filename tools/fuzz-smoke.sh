#!/bin/sh
# Builds the fuzz targets (preset `fuzz`, in build-fuzz) and runs them on two processors.
# usage: tools/fuzz-smoke.sh [-runs=N] [TARGET...]
#   -runs=N  executions of each target; without it 100000, always from the same seed
# Prints a line for each target. Inputs that break something are left in build-fuzz/findings; what
# is worth keeping goes to tests/fuzz/corpus/TARGET, where the test fuzz.replay finds it.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${HOLDFAST_FUZZ_BUILD:-$root/build-fuzz}
runs=100000
seed=1
case ${1-} in
-runs=*)
    runs=${1#-runs=}
    seed=0 # libFuzzer draws one
    shift
    ;;
esac

if [ ! -f "$build/CMakeCache.txt" ]; then
    cmake -S "$root" --preset fuzz -B "$build" >/dev/null
fi
cmake --build "$build" --target fuzz_targets >"$build/fuzz-build.log" 2>&1 || {
    cat "$build/fuzz-build.log"
    exit 1
}
# shellcheck disable=SC2046 # names of targets have no blanks
[ $# -gt 0 ] || set -- $(cd "$root/tests/fuzz/corpus" && ls)

# Longest input of a target: long for what repeats, short for what takes time.
cat >"$build/fuzz-one.sh" <<'INNER'
target=$1
case $target in
directory_leaf | restore_point | index_fragment | flat_fragment | clear_object) max_len=8192 ;;
exclude | point_* | recovery_key | time) max_len=512 ;;
*) max_len=2048 ;;
esac
work=$build/corpus/$target
log=$build/fuzz-$target.log
mkdir -p "$work" "$build/findings"
begin=$(date +%s)
if "$build/fuzz/fuzz_$target" "$work" "$root/tests/fuzz/corpus/$target" \
    -runs="$runs" -seed="$seed" -max_len=$max_len -rss_limit_mb=512 -malloc_limit_mb=128 \
    -timeout=10 -artifact_prefix="$build/findings/$target-" >"$log" 2>&1; then
    cover=$(sed -n 's/.*DONE *cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    printf '%-16s ok      %s runs, %s s, %s edges\n' \
        "$target" "$runs" $(($(date +%s) - begin)) "$cover"
else
    printf '%-16s FAILED  %s\n' "$target" "$log"
    grep -m 3 -E 'internal error|ERROR: |SUMMARY|runtime error|Test unit written' "$log" || true
    exit 1
fi
INNER

export build root runs seed
# A quarantine as large as the default would count as memory of the target.
export ASAN_OPTIONS="quarantine_size_mb=16:${ASAN_OPTIONS-}"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS-}"
printf '%s\n' "$@" | xargs -P 2 -n 1 sh "$build/fuzz-one.sh"
