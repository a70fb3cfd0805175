#!/bin/bash
# What `make bench` calls: builds, makes missing corpora, runs the micro-benchmarks and the
# comparison with peers.
#
# usage: bench/run.sh [options of bench/compare.py]
#   BENCH_DIR    corpora (default /var/tmp/holdfast-bench)
#   BENCH_WORK   repositories and restored files, deleted in the end (default BENCH_DIR/work)
#   BENCH_BUILD  a build directory to use as it is, instead of building into build/
#   BENCH_MICRO  0: without the micro-benchmarks
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
export BENCH_DIR=${BENCH_DIR:-/var/tmp/holdfast-bench}
build=${BENCH_BUILD:-$root/build}

if [ -z "${BENCH_BUILD:-}" ]; then
    cd "$root"
    cmake --preset release -DHOLDFAST_TESTS=OFF -DHOLDFAST_BENCH=ON >/dev/null
    cmake --build build -j "$(nproc)"
fi

"$root/bench/make-corpus.sh" init "$BENCH_DIR"

if [ "${BENCH_MICRO:-1}" != 0 ]; then
    mkdir -p "$root/bench/results"
    for program in "$build"/bench/*_bench; do
        "$program" --benchmark_min_time=0.2
    done | tee "$root/bench/results/micro.txt"
fi

exec python3 "$root/bench/compare.py" --holdfast "$build/holdfast" "$@"
