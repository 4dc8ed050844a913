#!/usr/bin/env bash
# `make engine`: an engine, a registry and a base of its own, the tests that need them, and all of it taken away again.
set -euo pipefail
cd "$(dirname "$0")/../.."

prefix=$(mktemp -d "${TMPDIR:-/tmp}/envdoctor-engine-XXXXXX") # short: the path of a socket has 107 characters at most
registry=
finish() {
    [ -z "$registry" ] || kill "$registry" 2>/dev/null || true
    bash tests/engine/up.sh "$prefix" down
}
trap finish EXIT

begun=$SECONDS
rc=0
bash tests/engine/up.sh "$prefix" || rc=$?
if [ "$rc" = 75 ]; then
    echo "the tests on a real engine were skipped, for the reason above"
    exit 0
fi
[ "$rc" = 0 ] || exit "$rc"
. "$prefix/env"
echo "engine $(docker version --format '{{.Server.Version}}'), $(docker buildx version | cut -d' ' -f2): up after $((SECONDS - begun)) s"

base=$PWD/.engine/base
if [ ! -f "$base/index.json" ]; then
    bash tests/engine/base.sh "$base"
fi
echo "base: there after $((SECONDS - begun)) s"

port=$(python3 -c "import socket; one = socket.socket(); one.bind(('127.0.0.1', 0)); print(one.getsockname()[1])")
cat >"$prefix/registry.yml" <<EOF
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $prefix/registry}}
http: {addr: "127.0.0.1:$port"}
EOF
docker-registry serve "$prefix/registry.yml" >"$prefix/registry.log" 2>&1 &
registry=$!

export ENVDOCTOR_TEST_BASE=$base ENVDOCTOR_TEST_REGISTRY=127.0.0.1:$port ENVDOCTOR_TEST_CDI=$prefix/cdi
"${PYTHON:-.venv/bin/python}" -m pytest -q -s -m engine tests/engine tests/engine_room "$@"
echo "tests on a real engine: $((SECONDS - begun)) s in all"
