#!/bin/sh
# Made tests/golden/v1 and tests/golden/v1-folded. NEVER RUN IT AGAIN FOR A VERSION THAT EXISTS: golden
# bytes prove that what was written then can be read for ever, so they are never made anew. It
# refuses to. For a new format version: copy what is needed under that version's name.
#
#     make-golden.sh PROGRAM VERSION        (VERSION: v1)
#
# v1         three restore points: of a small tree a full one, held, and an incremental one; and one of
#            a stream, written with a write-only key, thus sealed. A passphrase opens it, too.
# v1-folded  sixteen restore points of a stream, which the last one folded into an index fragment.
#
# It needs root for nothing, and a TMPDIR whose file system keeps user.* attributes and holes.
set -eu
[ $# -eq 2 ] || { sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
golden=$here/$2
folded=$here/$2-folded
for made in "$golden" "$folded"; do
    [ ! -e "$made" ] || { echo "$made exists: golden bytes are never made again" >&2; exit 1; }
done
# The path stands in the restore points: no name of whoever runs this.
work=${TMPDIR:-/tmp}/holdfast-golden
mkdir "$work"
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
export HOLDFAST_CACHE_DIR="$work/cache"
umask 022

cat > "$work/make_tree.py" <<'PYTHON'
"""The golden tree, and what changes in it: make_tree.py full|incremental DIRECTORY."""
import hashlib
import os
import socket
import sys

SECOND = 10 ** 9
MODIFIED = 1_700_000_000 * SECOND  # 2023-11-14


def noise(label, size):
    """Bytes that do not compress, the same in every run."""
    blocks = (hashlib.sha256(b'%s %d' % (label, i)).digest() for i in range(size // 32 + 1))
    return b''.join(blocks)[:size]


def write(path, data, mode=0o644):
    with open(path, 'wb') as file:
        file.write(data)
    os.chmod(path, mode)


def pages(changed):
    """256 pages of 4 KiB: alike but for some."""
    common = b'a page like any other. '.ljust(32, b'.') * 128
    return b''.join((b'page %04d changed. ' % i).ljust(32, b'-') * 128 if i in changed else common
                    for i in range(256))


def boundary_hash(name):
    """docs/format.md#nodes: which names end a node."""
    value = 0xcbf29ce484222325
    for byte in name:
        value = ((value ^ byte) * 0x100000001b3) % 2 ** 64
    value ^= value >> 32
    value = value * 0xD6E8FEB86659FD93 % 2 ** 64
    return value ^ value >> 32


def many_names():
    """125 names that take two nodes: number 95 ends the first one."""
    for i in range(125):
        name = b'entry-%03d-of-a-directory-that-takes-two-nodes' % i
        tail = 0
        while i == 95 and boundary_hash(name + b'-%d' % tail) % 192 != 0:
            tail += 1
        yield name + b'-%d' % tail


def set_times():
    """Every entry gets a time of its own; deepest first, because entries change a directory's."""
    paths = [os.path.join(d, n) for d, ds, fs in os.walk(b'.', topdown=False) for n in ds + fs]
    for i, path in enumerate(paths + [b'.']):
        if b'entry-' not in path and not path.endswith(b'/untouched'):
            os.utime(path, ns=(MODIFIED, MODIFIED + i * SECOND + i * 1001), follow_symlinks=False)


def full():
    for directory in (b'empty', b'many', b'nested', b'nested/deeper', b'nested/deeper/deepest'):
        os.mkdir(directory)
    os.chmod(b'nested', 0o750)
    write(b'inline.txt', b'Up to 512 bytes stand in the node itself.\n')
    write(b'nothing', b'', 0o444)
    write(b'medium.bin', noise(b'medium', 3000), 0o600)
    write(b'nested/medium-too.bin', noise(b'medium too', 700), 0o4755)
    line = b'a file of two hundred KiB; %02d of its lines differ from the others\n'
    write(b'table.txt', b''.join(line % (i % 50) for i in range(3100))[:200 * 1024])
    write(b'pages.db', pages({3, 77, 200}))
    write(b'zeros.bin', bytes(256 * 1024))
    write(b'nested/deeper/deepest/caf\xe9.txt', b'Its name is not UTF-8.\n')
    write(b'nested/first-name', noise(b'linked', 600))
    os.link(b'nested/first-name', b'second-name')
    os.symlink(b'nested/deeper', b'symlink')
    os.symlink(b'\xff nowhere', b'symlink-dangling')
    os.mkfifo(b'fifo', 0o640)
    socket.socket(socket.AF_UNIX).bind(b'socket')
    write(b'attributes', b'It has extended attributes.\n')
    os.setxattr(b'attributes', b'user.golden', b'\x00\x01 binary \xff')
    os.setxattr(b'attributes', b'user.empty', b'')
    os.setxattr(b'nested', b'user.directory', b'on a directory')
    # A few holes stand in the entry; more runs than 64, over more than 64 MiB, are a tree.
    with open(b'sparse-small', 'wb') as file:
        file.truncate(1024 * 1024)
        file.seek(512 * 1024)
        file.write(b'between two holes'.ljust(4096, b'.'))
    with open(b'sparse-large', 'wb') as file:
        file.truncate(160 * 1024 * 1024)
        for i in range(80):
            file.seek((2 * i + 1) * 1024 * 1024)
            file.write((b'data between holes %d' % (i % 4)).ljust(4096, b'.'))
    for name in many_names():
        write(b'many/' + name, b'')
        os.utime(b'many/' + name, ns=(MODIFIED, MODIFIED))
    with open(b'untouched', 'wb') as file:
        file.write(b'Its mtime is its ctime.\n')
    set_times()


def incremental():
    write(b'inline.txt', b'Changed.\n')
    with open(b'table.txt', 'ab') as file:
        file.write(b'one line more\n')
    with open(b'pages.db', 'r+b') as file:
        file.write(pages({3, 77, 200} | set(range(100, 120))))
    os.remove(b'medium.bin')
    os.rename(b'nested/medium-too.bin', b'nested/renamed.bin')
    os.mkdir(b'new')
    write(b'new/file', noise(b'new', 900))
    os.setxattr(b'attributes', b'user.golden', b'changed')
    os.remove(b'symlink-dangling')
    os.remove(b'many/' + list(many_names())[100])
    stamp = MODIFIED + 1000 * SECOND
    for i, path in enumerate((b'inline.txt', b'table.txt', b'pages.db', b'new/file', b'new',
                              b'nested', b'many', b'.')):
        os.utime(path, ns=(stamp, stamp + i * SECOND))


os.chdir(sys.argv[2])
{'full': full, 'incremental': incremental}[sys.argv[1]]()
PYTHON

# Makes a repository in $work/$1 with its keys, and says so in the key file.
new_repository() {
    mkdir "$work/$1"
    "$program" -r "$work/$1/repository" --key-file "$work/$1/test.key" init > "$work/$1/init"
    sed -n 's/^recovery key: *//p' "$work/$1/init" > "$work/$1/recovery.key"
    rm "$work/$1/init"
}
holdfast() {
    name=$1
    shift
    "$program" -r "$work/$name/repository" --key-file "$work/$name/test.key" "$@"
}
# The newest point of a listing, with its entries (a JSON list) added to $work/points.
note_point() {
    holdfast "$1" --json list > "$work/list.json"
    python3 - "$work/list.json" "$2" "$work/points" "$3" <<'PYTHON'
import json, sys
listing, entries, points, name = sys.argv[1:]
point = [p for p in json.load(open(listing))['restore_points'] if p['name'] == name][-1]
point = {key: point[key] for key in ('id', 'type', 'host', 'name', 'source', 'tags', 'held')}
point['entries'] = json.load(open(entries))
open(points, 'a').write(json.dumps(point) + '\n')
PYTHON
}
# A stream has no entry of its own: content from a file, time from the listing.
note_stream() {
    holdfast "$1" --json ls latest --host golden --name "$3" > "$work/ls.json"
    python3 - "$work/ls.json" "$2" > "$work/entries.json" <<'PYTHON'
import calendar, hashlib, json, re, sys
entry = json.loads(open(sys.argv[1]).readline())
data = open(sys.argv[2], 'rb').read()
year, month, day, hour, minute, second, fraction = re.fullmatch(
    r'(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.(\d+))?Z', entry['mtime']).groups()
seconds = calendar.timegm(tuple(map(int, (year, month, day, hour, minute, second))))
print(json.dumps([{'path': 'database.dump', 'type': 'file', 'mode': '%04o' % entry['mode'],
                   'mtime_ns': seconds * 10 ** 9 + int((fraction or '').ljust(9, '0')),
                   'size': len(data), 'sha256': hashlib.sha256(data).hexdigest()}]))
PYTHON
    note_point "$1" "$work/entries.json" "$3"
}
# Moves what was made to its place: manifest, keys, and the repository without the storage's tmp/.
publish() {
    python3 - "$work/points" "$("$program" --version)" > "$work/$1/manifest.json" <<'PYTHON'
import json, sys
points = [json.loads(line) for line in open(sys.argv[1])]
print('{"format": 1, "made_by": %s, "points": [' % json.dumps(sys.argv[2]))
for i, point in enumerate(points):
    entries = point.pop('entries')
    print(json.dumps(point)[:-1] + ', "entries": [')
    print(',\n'.join('  ' + json.dumps(entry) for entry in entries))
    print(']}' + (',' if i + 1 < len(points) else ''))
print(']}')
PYTHON
    rm "$work/points"
    for key in "$work/$1"/*.key "$work/$1"/*.passphrase; do
        [ ! -e "$key" ] || echo "A test key, published with the source of Holdfast: it protects nothing." \
            >> "$key"
    done
    find "$work/$1/repository" -depth -type d -empty -delete
    chmod -R u=rwX,go=rX "$work/$1"
    mv "$work/$1" "$2"
}

mkdir "$work/tree"
python3 "$work/make_tree.py" full "$work/tree"
sleep 1
new_repository v
holdfast v --quiet backup "$work/tree" --type full --host golden --name tree --tag golden
holdfast v --quiet hold latest --host golden --reason "for the mark"
python3 "$here/check-golden.py" --describe "$work/tree" > "$work/entries.json"
note_point v "$work/entries.json" tree
python3 "$work/make_tree.py" incremental "$work/tree"
sleep 1
holdfast v --quiet backup "$work/tree" --host golden --name tree
python3 "$here/check-golden.py" --describe "$work/tree" > "$work/entries.json"
note_point v "$work/entries.json" tree
for i in 1 2 3 4 5 6 7 8 9; do echo "insert into golden values ($i, 'a stream has one file');"; done \
    > "$work/stream"
echo "commit; -- padding, to be too long for the node: $(seq -s ' ' 100)" >> "$work/stream"
echo "a golden passphrase" > "$work/v/test.passphrase"
holdfast v key add --new-passphrase-file "$work/v/test.passphrase" --label passphrase > /dev/null
holdfast v key add --new-key-file "$work/v/writer.key" --write-only --label writer > /dev/null
"$program" -r "$work/v/repository" --key-file "$work/v/writer.key" --quiet \
    backup --host golden --stdin-name database.dump < "$work/stream"
note_stream v "$work/stream" stream:database.dump
publish v "$golden"

new_repository f
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    echo "insert into golden values ($i, 'folded');" > "$work/stream"
    holdfast f --quiet backup --host golden --stdin-name database.dump < "$work/stream"
    note_stream f "$work/stream" stream:database.dump
done
publish f "$folded"
find "$golden" "$folded" -type f -exec wc -c {} +
