#!/bin/sh
# Runs the end-to-end tests against a program: run.sh PROGRAM [--jobs N] [PATTERN...]
# Ends with "N passed, M failed"; the exit status says the same.
set -eu
exec python3 "$(dirname "$0")/harness.py" "$@"
