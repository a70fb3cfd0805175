#!/bin/bash
# Checks the model of the pruning protocol with spin: nothing acknowledged is ever lost; and without
# any one of its rules something is.
# usage: tests/model/run.sh
# Prints a line for each check; the last line is `N passed, M failed`. Exit status: 0 all passed, 1 not.
set -uo pipefail

model=$(cd "$(dirname "$0")" && pwd)/prune.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

# verify RULE DEFINES...: prints the verifier's report. Exhaustive: no hashing, no partial order left out.
verify() {
    rm -f pan* ./*.trail
    spin -a "$@" "$model" >spin.log 2>&1 && gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c &&
        ./pan -m200000 >pan.log 2>&1
    cat spin.log pan.log
}

result() {
    if [ "$2" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-45s %s\n' "$1" "$3"
}

report=$(verify)
errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' <<<"$report")
states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$report")
if [ "$errors" = 0 ] && ! grep -q 'error:\|too small' <<<"$report"; then
    result "all rules" ok "no loss in $states states"
else
    result "all rules" bad "FAILED"
    tail -n 30 <<<"$report"
fi
for rule in $(grep -o 'BREAK_[A-Z_]*[A-Z]' "$model" | sort -u | grep -v '^BREAK_$'); do
    report=$(verify "-D$rule")
    if grep -q 'assertion violated' <<<"$report"; then
        result "$rule" ok "a loss is found"
    else
        result "$rule" bad "FAILED: no loss was found"
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
