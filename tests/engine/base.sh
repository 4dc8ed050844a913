#!/usr/bin/env bash
# A base image with no registry: `base.sh DIR` makes an OCI layout of Debian there; the engine of up.sh must be up (source its env).
#
# `base.sh DIR PREFIX` puts the Python that is installed under PREFIX (a pyenv version, 3.12 for the real locks) into it as
# /usr/local, over a newer Debian whose C library is as new as Ubuntu 24.04's.
set -euo pipefail
. "$(dirname "$0")/mirror.sh"

out=$1
python=${2:-}
packages=ca-certificates,python3-venv
suite=bookworm
less=() # what nobody reads in a test, and every build would compress again
for path in doc man locale; do less+=("--dpkgopt=path-exclude=/usr/share/$path/*"); done
if [ -n "$python" ]; then
    suite=trixie
    less=()
    # what a Python from source needs, and the C compiler that Triton calls at run time
    packages=ca-certificates,libssl3t64,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,zlib1g,libreadline8t64,libncursesw6,libuuid1,gcc,libc6-dev
fi
export SOURCE_DATE_EPOCH=1764028800

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
quietly() { # what it printed is shown only if it fails
    "$@" >"$work/log" 2>&1 </dev/null || { tail -25 "$work/log" >&2; echo "it failed: $*" >&2; exit 1; }
}
from=$(mirror)
[ -n "$from" ] || { echo "apt names no mirror of Debian to make a base of" >&2; exit 1; }
# mmdebstrap copies this machine's name and its name servers: no part of a base
empty='for name in hostname resolv.conf; do : >"$1/etc/$name"; done'
quietly mmdebstrap --variant=minbase --mode=root "${less[@]}" --include="$packages" --customize-hook="$empty" \
    "$suite" "$work/rootfs.tar" "$from"
mkdir "$work/python"
printf 'FROM scratch\nADD rootfs.tar /\n' >"$work/Dockerfile"
if [ -n "$python" ]; then
    mkdir -p "$work/python/usr/local"
    cp -a "$python"/{bin,lib,include} "$work/python/usr/local/"
    name=$(basename "$(readlink -f "$python/bin/python3")")
    rm -rf "$work/python/usr/local/lib/$name"/{test,idlelib,turtledemo,site-packages/*}
    find "$work/python" -name __pycache__ -prune -exec rm -rf {} +
    printf 'COPY python/ /\nRUN ldconfig && rm -f /var/cache/ldconfig/aux-cache && %s -c "import ssl, sqlite3, ctypes, lzma, bz2, venv, ensurepip"\n' "$name" >>"$work/Dockerfile"
fi
quietly docker buildx build --provenance=false -o "type=oci,dest=$work/image.tar,rewrite-timestamp=true" "$work"
rm -rf "$out" "$out.new"
mkdir -p "$out.new"
tar -x -f "$work/image.tar" -C "$out.new"
mv "$out.new" "$out"
