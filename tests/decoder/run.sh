#!/bin/sh
# Decodes what a program writes, and the golden repositories: run.sh PROGRAM
# Ends with "N passed, M failed"; the exit status says the same. Debian's own interpreter, because
# the packages that the decoder needs are Debian's: python3-argon2, python3-cryptography and
# python3-zstandard. The file system of TMPDIR must keep holes and user.* attributes.
set -eu
exec /usr/bin/python3 -B "$(dirname "$0")/run_tests.py" "$@"
