#!/bin/bash
# Checks the models of the pruning protocol with spin: nothing acknowledged is ever lost; and without
# any one of their rules something is.
# usage: tests/model/run.sh
# Prints a line for each check; the last line is `N passed, M failed`. Exit status: 0 all passed, 1 not.
set -uo pipefail

models=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

# verify MODEL DEFINES...: prints the verifier's report. Exhaustive: no hashing, no partial order left out.
verify() {
    local model=$1
    shift
    rm -f pan* ./*.trail
    spin -a "$@" "$models/$model.pml" >spin.log 2>&1 && gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c &&
        ./pan -m200000 >pan.log 2>&1
    cat spin.log pan.log
}

result() {
    if [ "$2" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-45s %s\n' "$1" "$3"
}

for model in prune verify pruners; do
    report=$(verify "$model")
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' <<<"$report")
    states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$report")
    if [ "$errors" = 0 ] && ! grep -q 'error:\|too small' <<<"$report"; then
        result "$model: all rules" ok "no loss in $states states"
    else
        result "$model: all rules" bad "FAILED"
        tail -n 30 <<<"$report"
    fi
    for rule in $(grep -o 'BREAK_[A-Z_]*[A-Z]' "$models/$model.pml" | sort -u | grep -v '^BREAK_$'); do
        report=$(verify "$model" "-D$rule")
        if grep -q 'assertion violated' <<<"$report"; then
            result "$rule" ok "a loss is found"
        else
            result "$rule" bad "FAILED: no loss was found"
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
