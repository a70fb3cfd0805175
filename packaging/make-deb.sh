#!/bin/bash
# Makes build/holdfast_VERSION_ARCH.deb of build/holdfast: program, manual page, completions,
# copyright, changelog. The same commit and program give the same bytes.
# usage: packaging/make-deb.sh
# environment: SOURCE_DATE_EPOCH    the time of all files in it (default: that of the last commit)
#              DEBFULLNAME, DEBEMAIL  who maintains the package
set -euo pipefail

cd "$(dirname "$0")/.."
program=build/holdfast
[ -x "$program" ] || { echo "make-deb.sh: $program is missing: run make" >&2; exit 1; }
version=$(sed -n 's/^project(holdfast VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
[ "$("$program" --version)" = "holdfast $version" ] ||
    { echo "make-deb.sh: $program is not version $version: run make" >&2; exit 1; }
architecture=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-The Holdfast authors} <${DEBEMAIL:-holdfast@localhost}>"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export TZ=UTC LC_ALL=C
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$work/package
doc=$package/usr/share/doc/holdfast
mkdir -p "$package/DEBIAN" "$doc" "$package/usr/bin" "$package/usr/share/man/man1" \
    "$package/usr/share/bash-completion/completions" "$package/usr/share/zsh/vendor-completions" \
    "$package/usr/share/fish/vendor_completions.d"

copy_program() {
    install -m 755 "$program" "$package/usr/bin/holdfast"
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$package/usr/bin/holdfast"
    "$program" man | gzip -9n >"$package/usr/share/man/man1/holdfast.1.gz"
    "$program" completion bash >"$package/usr/share/bash-completion/completions/holdfast"
    "$program" completion zsh >"$package/usr/share/zsh/vendor-completions/_holdfast"
    "$program" completion fish >"$package/usr/share/fish/vendor_completions.d/holdfast.fish"
}

# Debian's form of the changelog; what changed is in CHANGELOG.md, which goes in as it is.
write_changelogs() {
    {
        echo "holdfast ($version) unstable; urgency=medium"
        echo
        echo "  * See CHANGELOG.md.gz."
        echo
        echo " -- $maintainer  $(date -R -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9n >"$doc/changelog.gz"
    gzip -9n <CHANGELOG.md >"$doc/CHANGELOG.md.gz"
}

# Libraries that become part of the program, by the licence texts of their Debian packages.
write_copyright() {
    cat <<'TEXT'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: holdfast

Files: *
Copyright: The Holdfast authors
License: Apache-2.0

Files: blake3
Copyright: 2020 Jack O'Connor, Samuel Neves
License: CC0-1.0 or Apache-2.0
Comment: part of the program

Files: cli11
Copyright: 2017-2020 University of Cincinnati, developed by Henry Schreiner under NSF AWARD 1414736
License: BSD-3-clause
Comment: part of the program

Files: nlohmann-json
Copyright: 2013-2022 Niels Lohmann
 2009 Florian Loitsch
 2008-2009 Bjoern Hoehrmann
License: Expat
Comment: part of the program

License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.

License: CC0-1.0
 On Debian systems the text of the CC0 1.0 Universal licence is in
 /usr/share/common-licenses/CC0-1.0.

License: BSD-3-clause
 Redistribution and use in source and binary forms, with or without
 modification, are permitted provided that the following conditions
 are met:
 1. Redistributions of source code must retain the above copyright
    notice, this list of conditions and the following disclaimer.
 2. Redistributions in binary form must reproduce the above copyright
    notice, this list of conditions and the following disclaimer in the
    documentation and/or other materials provided with the distribution.
 3. Neither the name of the University nor the names of its contributors
    may be used to endorse or promote products derived from this software
    without specific prior written permission.
 .
 THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS
 "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
 LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR
 A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
 HOLDERS OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
 SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT
 LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
 DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
 THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
 (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
 OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

License: Expat
 Permission is hereby granted, free of charge, to any person obtaining a
 copy of this software and associated documentation files (the
 "Software"), to deal in the Software without restriction, including
 without limitation the rights to use, copy, modify, merge, publish,
 distribute, sublicense, and/or sell copies of the Software, and to
 permit persons to whom the Software is furnished to do so, subject to
 the following conditions:
 .
 The above copyright notice and this permission notice shall be included
 in all copies or substantial portions of the Software.
 .
 THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS
 OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
 MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.
 IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
 CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT,
 TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
 SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
TEXT
}

# dpkg-shlibdeps reads the names of source and binary package from debian/control.
library_dependencies() {
    mkdir -p "$work/shlibs/debian"
    printf 'Source: holdfast\n\nPackage: holdfast\nArchitecture: any\n' >"$work/shlibs/debian/control"
    (cd "$work/shlibs" && dpkg-shlibdeps -O -e"$package/usr/bin/holdfast") |
        sed -n 's/^shlibs:Depends=//p'
}

# As dpkg-gencontrol counts: files rounded up, 1 KiB for anything else; the same on any file system.
installed_kib() {
    find "$package/usr" -printf '%y %s\n' |
        awk '{ kib += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print kib }'
}

write_control() {
    local dependencies
    dependencies=$(library_dependencies)
    [ -n "$dependencies" ] || { echo "make-deb.sh: no dependencies found" >&2; exit 1; }
    cat <<TEXT
Package: holdfast
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(installed_kib)
Depends: $dependencies
Suggests: librados2
Section: admin
Priority: optional
Description: back up files and prove that they can be restored
 Holdfast makes restore points of file trees and of streams in a repository
 that is deduplicated, compressed and encrypted. Restore points are complete
 in themselves: any of them can be deleted, and none needs another to be
 restored. Restored trees have the metadata that their source had.
TEXT
}

copy_program
write_changelogs
write_copyright >"$doc/copyright"
write_control >"$package/DEBIAN/control"
(cd "$package" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$package/DEBIAN/md5sums"
chmod -R u=rwX,go=rX "$package"
find "$package" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
deb=build/holdfast_${version}_$architecture.deb
# One thread: how xz splits its input must not depend on the machine.
dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$package" "$deb" >/dev/null
echo "$deb"
