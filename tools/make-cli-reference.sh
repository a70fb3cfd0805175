#!/bin/bash
# Writes docs/reference/cli.md from what the program itself says (`holdfast man`, `holdfast --help`).
# usage: tools/make-cli-reference.sh [--check]     --check: writes nothing, exits 1 if it is out of date
# environment: HOLDFAST_PROGRAM, the program (default: build/holdfast)
set -euo pipefail

cd "$(dirname "$0")/.."
program=${HOLDFAST_PROGRAM:-build/holdfast}
page=docs/reference/cli.md

# The manual page's macros to Markdown: .SS is a verb, .TP an option with its help.
verbs() {
    "$program" man | awk '
        function plain(text) {
            gsub(/\\f[BIRP]/, "", text); gsub(/\\-/, "-", text); gsub(/\\&/, "", text)
            gsub(/\\e/, "\\", text)
            return text
        }
        function end_table() { if (in_table) print ""; in_table = 0 }
        /^\.SH/ {
            section = $0; sub(/^\.SH "?/, "", section); sub(/"$/, "", section); end_table()
            if (section == "OPTIONS")
                print "## Options before the verb\n\nThey may stand behind the verb, too.\n"
            if (section == "VERBS") print "## Verbs\n"
            next
        }
        section != "OPTIONS" && section != "VERBS" { next }
        /^\.SS / {
            end_table(); if (verbs++) print ""; synopsis = plain(substr($0, 5)); words = synopsis
            sub(/ [A-Z[].*/, "", words); gsub(/"/, "", words)
            print "### " words "\n\n```\nholdfast " synopsis "\n```\n"
            next
        }
        /^\.PP/ { print ""; next }
        /^\.TP/ { getline; name = plain($0); getline; help = plain($0); gsub(/\|/, "\\|", help)
            gsub(/,-/, ", -", name)
            if (!in_table) print "\n| option | meaning |\n|---|---|"
            in_table = 1; print "| `" name "` | " help " |"; next }
        { print plain($0) }
        END { end_table() }' | cat -s
}

# What `--help` says of the operands of a verb, as lines of a table: the parser's name ("POINT"), ours
# ("POINT[:PATH]"), the meaning.
operands() {
    "$program" "$@" --help | awk '
        /^Positionals:/ { inside = 1; next }
        inside && /^$/ { exit }
        inside { name = $2; sub(/^ +[^ ]+ +[^ ]+ +/, ""); print "| `" name "` | " $0 " |" }'
}

document() {
    cat <<'TEXT'
# The command line

<!-- Made by tools/make-cli-reference.sh from the program's own texts. Do not edit. -->

```
holdfast [OPTIONS] VERB [OPTIONS] [OPERANDS]
```

`holdfast VERB --help` prints the part of this page that is about one verb, `holdfast --version` the
version, `holdfast man` this page as a manual page. What the verbs return is in
[exit-status.md](exit-status.md), what they print with `--json` in [json.md](json.md), and the
variables they read are in [environment.md](environment.md). Words such as restore point, source and
identity are explained in the [glossary](../glossary.md).

A `POINT` is the id of a restore point, a unique prefix of one, or `latest`: the newest restore point
of this host that passes the options `--source`, `--name`, `--tag` and `--at`. If restore points of
several sources pass, `latest` is ambiguous: the candidates are listed and the exit status is 2.
`POINT:PATH` names something in a restore point; `PATH` starts at the root of the source.

TEXT
    local line verb="" table
    while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
            "### "*) verb=${line#"### "} ;;
            '```')
                # The operands follow the end of the synopsis: one line between two fences.
                if [ -z "$verb" ]; then continue; fi
                IFS= read -r line && printf '%s\n' "$line"
                IFS= read -r line && printf '%s\n' "$line"
                # shellcheck disable=SC2086 # "key list" is two words
                table=$(operands $verb)
                [ -z "$table" ] || printf '\n| operand | meaning |\n|---|---|\n%s\n' "$table"
                verb="" ;;
        esac
    done < <(verbs)
}

case ${1:-} in
    --check)
        document | diff -u "$page" - ||
            { echo "$page is out of date: run tools/make-cli-reference.sh" >&2; exit 1; } ;;
    "") document >"$page.new" && mv "$page.new" "$page" ;;
    *) echo "usage: tools/make-cli-reference.sh [--check]" >&2; exit 2 ;;
esac
