#!/bin/sh
# Writes docs/reference/config.md and docs/reference/holdfast.schema.json from the program's table of keys.
# usage: tools/make-config-reference.sh [--check]     --check: writes nothing, exits 1 if they are out of date
# environment: HOLDFAST_PROGRAM, the program (default: build/holdfast)
set -eu

cd "$(dirname "$0")/.."
program=${HOLDFAST_PROGRAM:-build/holdfast}
status=0
for page in reference:docs/reference/config.md schema:docs/reference/holdfast.schema.json; do
    verb=${page%%:*} file=${page#*:}
    if [ "${1:-}" = --check ]; then
        "$program" config "$verb" | cmp -s - "$file" && continue
        echo "$file is out of date: run tools/make-config-reference.sh" >&2
        status=1
    else
        "$program" config "$verb" >"$file"
    fi
done
exit $status
