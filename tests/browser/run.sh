#!/usr/bin/env bash
# `make browser`: Debian's Chromium, axe-core from npm into .browser/, and the tests that need them. Arguments are pytest's.
# What is missing is installed where that is allowed; where it is not, the tests are skipped, and the last line says why.
set -euo pipefail
cd "$(dirname "$0")/../.."

cannot() {
    echo "the tests in a browser were skipped: $1"
    exit 0
}

SECONDS=0
program=${CHROMIUM:-$(command -v chromium || true)}
if [ -z "$program" ]; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || cannot "there is no chromium (CHROMIUM=path names one), and only root installs Debian's"
    log=$(mktemp)
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        cannot "Debian's chromium could not be installed, for the reason above"
    fi
    rm -f "$log"
    program=$(command -v chromium)
fi

# the lock has the hash of what npm may install, and no address: any registry serves it
axe=.browser/node_modules/axe-core/axe.min.js
if ! [ -f "$axe" ] || ! cmp -s tests/browser/package-lock.json .browser/package-lock.json; then
    mkdir -p .browser
    cp tests/browser/package.json tests/browser/package-lock.json .browser/
    rm -rf .browser/node_modules
    if command -v npm >/dev/null; then
        npm ci --prefix .browser --ignore-scripts --no-audit --no-fund --loglevel=error
    else
        echo "there is no npm, so axe-core is not here: what it would judge is skipped"
    fi
fi
echo "$("$program" --version 2>/dev/null | cut -d' ' -f1,2): there after $SECONDS s"

ENVDOCTOR_CHROMIUM=$program ENVDOCTOR_AXE=$PWD/$axe "${PYTHON:-.venv/bin/python}" -m pytest -q -m browser tests/browser "$@"
echo "tests in a browser: $SECONDS s in all, with what was installed"
