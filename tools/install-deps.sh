#!/bin/sh
# Installs what build, demo, tests, benchmarks or package need, by Debian package name.
# usage: tools/install-deps.sh build|demo|test|bench|package ...   (each group includes `build`)
set -eu

build="g++ cmake ninja-build ccache pkg-config make git ca-certificates
       libssl-dev libzstd-dev libsodium-dev libisal-dev librust-blake3-dev libcurl4-openssl-dev libexpat1-dev
       libssh-dev libsqlite3-dev librados-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev"
demo="python3 e2fsprogs"
test="libgtest-dev librapidcheck-dev clang libclang-rt-14-dev python3 python3-cryptography python3-zstandard
      python3-argon2 b3sum acl attr libcap2-bin strace e2fsprogs xz-utils procps bash-completion man-db spin
      ceph-mon ceph-osd ceph-common radosgw librados2 faketime openssl
      systemd
      openssh-server openssh-client swift-proxy swift-account swift-container swift-object memcached"
bench="restic borgbackup libbenchmark-dev linux-source-6.1 e2fsprogs openssl python3 xz-utils"
package="dpkg-dev fakeroot"

wanted=$build
for group in "$@"; do
    case $group in
        build) ;;
        demo) wanted="$wanted $demo" ;;
        test) wanted="$wanted $test" ;;
        bench) wanted="$wanted $bench" ;;
        package) wanted="$wanted $package" ;;
        *) echo "install-deps.sh: no package group '$group'" >&2; exit 2 ;;
    esac
done

missing=
for name in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $name"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split into words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
