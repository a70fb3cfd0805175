#!/bin/bash
# Makes the corpora of the benchmark, and changes them in reproducible ways.
#
# usage: bench/make-corpus.sh init DIR            make what is missing of DIR/{a,b,c,d,m}
#        bench/make-corpus.sh MUTATION DIR        see MUTATIONS in bench/corpus.py
#        bench/make-corpus.sh unMUTATION DIR      its exact inverse
#
#   a   source tree: Debian's linux-source-6.1, 78,600 files, 1.24 GiB
#   b   vm.img: a dense 4 GiB ext4 image with tree a, 512 MiB random, a log of 512 MiB, zeros
#   c   rnd: 1 GiB that cannot be compressed
#   d   t.tar: the first 768 MiB of a tar stream of tree a
#   m   300,000 files of about 45 bytes in 600 directories
#
# Equal bytes on every machine with Debian 12's packages, but for the inode times in b.
# HOLDFAST_BENCH_SIZE=small makes corpora of about a twentieth, to try the benchmark itself.
set -euo pipefail

bench=$(cd "$(dirname "$0")" && pwd)
kernel=/usr/src/linux-source-6.1.tar.xz

usage() { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }

# pseudo_random STREAM BYTES: the key stream of AES-256-CTR under a fixed key.
pseudo_random() {
    local key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    { openssl enc -aes-256-ctr -nosalt -K $key -iv "$(printf %032x "$1")" </dev/zero 2>/dev/null ||
        true; } | head -c "$2"
}

# A corpus is whole as soon as it bears its name: each is made as DIR/<name>.part.
begin() { rm -rf "$dir/$1.part"; mkdir -p "$dir/$1.part"; echo "making $dir/$1"; }
finish() { mv "$dir/$1.part" "$dir/$1"; }

make_tree() {
    [ -e $kernel ] || { echo "make-corpus.sh: no $kernel: install linux-source-6.1" >&2; exit 1; }
    begin a
    tar -C "$dir/a.part" --strip-components=1 -xJf $kernel "${tree_members[@]}"
    finish a
}

# The tree is lent to the image's staging area and moved back: a copy would have to be deleted, and
# a mass delete slows down whatever creates files on ext4 in the minute after it.
make_image() {
    local uuid=11111111-2222-3333-4444-555555555555
    local stage=$dir/b.stage
    begin b
    mkdir -p "$stage"
    pseudo_random 2 "$image_part_bytes" >"$stage/random.bin"
    python3 "$bench/corpus.py" log "$stage/app.log" "$image_part_bytes"
    mv "$dir/a" "$stage/src"
    trap 'if [ -d "$stage/src" ]; then mv "$stage/src" "$dir/a"; fi' RETURN EXIT
    truncate -s "$image_bytes" "$dir/b.part/sparse.img"
    E2FSPROGS_FAKE_TIME=1700000000 mkfs.ext4 -q -F -N 150000 -U $uuid \
        -E hash_seed=$uuid,root_owner=0:0 -d "$stage" "$dir/b.part/sparse.img"
    mv "$stage/src" "$dir/a"
    trap - RETURN EXIT
    # Real zeros instead of holes, as in a disk that is read through its block device.
    cp --sparse=never "$dir/b.part/sparse.img" "$dir/b.part/vm.img"
    rm -rf "$stage" "$dir/b.part/sparse.img"
    finish b
}

make_random() {
    begin c
    pseudo_random 1 "$random_bytes" >"$dir/c.part/rnd"
    finish c
}

make_tar() {
    begin d
    { tar -C "$dir/a" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . \
        2>/dev/null || true; } | head -c "$tar_bytes" >"$dir/d.part/t.tar"
    finish d
}

make_many() {
    begin m
    python3 "$bench/corpus.py" many "$dir/m.part" "$many_files"
    finish m
}

[ $# = 2 ] || usage
command=$1 dir=$2
mib=$((1 << 20))
case ${HOLDFAST_BENCH_SIZE:-full} in
    full)
        tree_members=()
        image_bytes=$((4096 * mib)) image_part_bytes=$((512 * mib))
        random_bytes=$((1024 * mib)) tar_bytes=$((768 * mib)) many_files=300000 ;;
    small)
        tree_members=(linux-source-6.1/drivers/gpu/drm/i915 linux-source-6.1/kernel
            linux-source-6.1/arch/arm64)
        image_bytes=$((256 * mib)) image_part_bytes=$((24 * mib))
        random_bytes=$((48 * mib)) tar_bytes=$((36 * mib)) many_files=10000 ;;
    *) echo "make-corpus.sh: HOLDFAST_BENCH_SIZE is full or small" >&2; exit 2 ;;
esac

if [ "$command" != init ]; then
    exec python3 "$bench/corpus.py" "$command" "$dir"
fi
mkdir -p "$dir"
[ -d "$dir/a" ] || make_tree
[ -d "$dir/b" ] || make_image
[ -d "$dir/c" ] || make_random
[ -d "$dir/d" ] || make_tar
[ -d "$dir/m" ] || make_many
