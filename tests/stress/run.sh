#!/bin/sh
# Sixteen writers, a pruner and a checker at once, one of them killed each second. Not in `make test` yet: in one
# run of a minute, in three so far, a check beside them told of a missing chunk, and why is not known.
# usage: [HOLDFAST_TEST_SECONDS=60] [HOLDFAST_TEST_SEED=N] tests/stress/run.sh PROGRAM
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/../e2e/*.py "$work"
rm "$work"/test_*.py
cp "$here"/test_many_writers.py "$here"/../../tools/file_extents.py "$work"
python3 -B "$work"/harness.py "$1"
