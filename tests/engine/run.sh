#!/usr/bin/env bash
# `make engine`: an engine, a registry and a base of its own, the tests that need them, and all of it taken away again.
# Arguments are pytest's. The base is kept in .engine/; delete that folder to have it made anew.
set -euo pipefail
cd "$(dirname "$0")/../.."

prefix=$(mktemp -d "${TMPDIR:-/tmp}/envdoctor-engine-XXXXXX") # short: the path of a socket has 107 characters at most
registry=
finish() {
    [ -z "$registry" ] || kill "$registry" 2>/dev/null || true
    bash tests/engine/up.sh "$prefix" down
    echo "tests on a real engine: $SECONDS s in all, with what was brought up and taken away"
}
trap finish EXIT
trap 'exit 130' INT TERM

SECONDS=0
rc=0
bash tests/engine/up.sh "$prefix" || rc=$?
if [ "$rc" = 75 ]; then
    echo "the tests on a real engine were skipped, for the reason above"
    exit 0
fi
[ "$rc" = 0 ] || exit "$rc"
. "$prefix/env"
echo "engine $(docker version --format '{{.Server.Version}}'), $(docker buildx version | cut -d' ' -f2): up after $SECONDS s"

base=$PWD/.engine/base-$(sha256sum tests/engine/base.sh | cut -c1-12)
[ -f "$base/index.json" ] || bash tests/engine/base.sh "$base"
echo "base: there after $SECONDS s"

address=127.0.0.1:$(python3 -c "import socket; one = socket.socket(); one.bind(('127.0.0.1', 0)); print(one.getsockname()[1])")
cat >"$prefix/registry.yml" <<YAML
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $prefix/registry}}
http: {addr: "$address"}
YAML
docker-registry serve "$prefix/registry.yml" >"$prefix/registry.log" 2>&1 &
registry=$!
up() { python3 -c "import sys, urllib.request as web; web.build_opener(web.ProxyHandler({})).open('http://$address/v2/', timeout=5)" 2>/dev/null; }
for _ in $(seq 50); do
    up && break
    kill -0 "$registry" 2>/dev/null || break
    sleep 0.1
done
up || { cat "$prefix/registry.log" >&2; echo "the registry did not come up" >&2; exit 1; }

export ENVDOCTOR_TEST_BASE=$base ENVDOCTOR_TEST_REGISTRY=$address ENVDOCTOR_TEST_CDI=$prefix/cdi
rooms=(tests/engine)
[ ! -d tests/engine_room ] || rooms+=(tests/engine_room)
"${PYTHON:-.venv/bin/python}" -m pytest -q -s -m engine "${rooms[@]}" "$@"
