#!/usr/bin/env bash
# `make image-h100`: the real lock of an H100 as an image, built twice and compared, then judged for an H100 and for a driver
# that is too old. NVIDIA's base is on a registry; here it stands on Debian 13 with the Python 3.12 that is installed under $1.
set -euo pipefail
cd "$(dirname "$0")/../.."

python312=${1:-}
[ -x "$python312/bin/python3.12" ] || {
    echo "PYTHON312 must name the prefix of an installed Python 3.12 (PREFIX/bin/python3.12): make image-h100 PYTHON312=PREFIX" >&2
    exit 2
}
prefix=
if ! docker buildx version >/dev/null 2>&1 || ! docker info >/dev/null 2>&1; then
    prefix=$(mktemp -d "${TMPDIR:-/tmp}/envdoctor-engine-XXXXXX")
    trap 'bash tests/engine/up.sh "$prefix" down' EXIT
    trap 'exit 130' INT TERM
    bash tests/engine/up.sh "$prefix"
    . "$prefix/env"
fi
base=$PWD/.engine/base-3.12-$(sha256sum tests/engine/base.sh | cut -c1-12)
[ -f "$base/index.json" ] || bash tests/engine/base.sh "$base" "$python312"

run() { "${PYTHON:-.venv/bin/python}" -m envdoctor "$@"; }
run build-image tests/engine/h100 --base "oci-layout://$base" --tag envdoctor/h100:local --verify-reproducible
run check image:envdoctor/h100:local --suppose gpu=h100 --suppose driver=580.65.06
run check lock:h100 image:envdoctor/h100:local
run check image:envdoctor/h100:local --suppose gpu=h100 --suppose driver=550.54.15 || [ $? = 1 ] # too old: errors are the answer
