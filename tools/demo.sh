#!/bin/bash
# Shows that a backup can be restored: backs SOURCE up into a fresh repository, backs it up again,
# restores it into a fresh directory and compares every byte and all metadata.
# usage: tools/demo.sh SOURCE
# environment: DEMO_DIR, where to work (default: TMPDIR or /tmp); what is made there is removed.
# Exit status: 0 no difference; else something failed, or the restored tree differs.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
program=$root/build/holdfast

fail() {
    echo "demo: $*" >&2
    exit 1
}

[ $# = 1 ] || { echo "usage: tools/demo.sh SOURCE" >&2; exit 2; }
[ -d "$1" ] || fail "$1: not a directory (choose another with SOURCE=)"
[ -x "$program" ] || fail "$program is missing: run make"
source=$(realpath "$1")
parent=$(realpath "${DEMO_DIR:-${TMPDIR:-/tmp}}")
case $parent/ in
    "${source%/}"/*) fail "the working directory $parent lies in the source: set DEMO_DIR to one outside" ;;
esac

# Nothing of the user's own configuration, keys or caches takes part.
unset HOLDFAST_REPOSITORY HOLDFAST_KEY_FILE HOLDFAST_PASSPHRASE_FILE HOLDFAST_PASSPHRASE_COMMAND \
    HOLDFAST_HOST
work=$(mktemp -d "$parent/holdfast-demo.XXXXXX")
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    # Restored directories may be read-only, and files may be immutable.
    rm -rf "$work" 2>/dev/null && return
    if [ "$(id -u)" = 0 ]; then chattr -R -f -i -a "$work" 2>/dev/null || true; fi
    chmod -R -f u+rwX "$work" || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export HOLDFAST_CACHE_DIR=$work/cache
repository=$work/repository
restored=$work/restored
holdfast=("$program" --repository "$repository" --key-file "$work/key")

# Runs a command, shows it as a user types it, and sets `seconds`.
timed() {
    local begin=$EPOCHREALTIME status=0
    echo "\$ holdfast $*"
    "${holdfast[@]}" "$@" || status=$?
    seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
    return $status
}

# Status 3: what could not be read has been named, and the comparison names it again.
timed_backup() {
    local status=0
    timed backup "$source" || status=$?
    [ $status = 0 ] || [ $status = 3 ] || exit $status
}

# number FIELD < JSON: a number at the top level of a document.
number() {
    python3 -c '
import json, sys
document = json.load(sys.stdin)
print(document[sys.argv[1]])' "$1"
}

size() { numfmt --to=iec-i --round=nearest --suffix=B --format=%.1f "$1" | sed 's/[KMGTPE]*i*B$/ &/'; }
count() { sed ':a;s/\B[0-9]\{3\}\>/,&/;ta' <<<"$1"; }

"${holdfast[@]}" --quiet init >/dev/null
timed_backup
first=$seconds
changed_since=$(date +%s%N)
timed_backup
second=$seconds

point=$("${holdfast[@]}" --json show latest)
files=$(number files <<<"$point")
bytes=$(number bytes <<<"$point")
stored=$("${holdfast[@]}" --json usage | number bytes)
room=$(df --output=avail -B1 "$work" | tail -n 1)
[ "$room" -gt "$bytes" ] ||
    fail "$(size "$room") left at $work, $(size "$bytes") to restore: set DEMO_DIR to a larger place"

timed restore latest --target "$restored"
restore=$seconds

echo "\$ tools/compare-trees.py $source $restored"
status=0
python3 "$root/tools/compare-trees.py" "$source" "$restored" --changed-since "$changed_since" \
    >"$work/proof" || status=$?
# All but the last line name differences; thousands of them help nobody.
head -n -1 "$work/proof" | head -n 100
proof=$(tail -n 1 "$work/proof")
[ $status -le 1 ] || fail "the comparison itself failed: $proof"

cat <<TABLE

  source          $source
  files           $(count "$files")
  bytes           $(count "$bytes") ($(size "$bytes"))
  first backup    $first s
  second backup   $second s
  restore         $restore s
  repository      $(count "$stored") bytes ($(size "$stored"))
  proof           $proof
TABLE
exit $status
