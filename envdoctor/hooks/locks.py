"""``python -m envdoctor.hooks.locks FILE...``: judge the locks that these files belong to, as pre-commit names them.

A lock is two files, and a commit may hold either or both: each lock is judged once, by ``envdoctor check lock:PATH``, which reads
both, refuses them where one was edited alone, and judges what they pin on the machine that they are for. Nothing is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys

SUFFIXES = (".toml", ".txt")


def locks(names: list[str]) -> list[str]:
    """One path a lock, in the order of the names: the TOML file where there is one, else the list of requirements."""
    found: dict[str, None] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix not in SUFFIXES:
            continue
        toml = f"{stem}.toml"
        found[toml if os.path.lexists(toml) else name] = None
    return list(found)


def main(names: list[str]) -> int:
    """Print the page of every lock that is not clean; gives the worst exit status, 0 where all are."""
    worst = 0
    for path in locks(names):
        argv = [sys.executable, "-m", "envdoctor", "check", f"lock:{path}"]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # noqa: S603 - our own program
        if done.returncode:
            sys.stdout.buffer.write(done.stdout)
            sys.stdout.flush()
        worst = max(worst, done.returncode if done.returncode >= 0 else 1)
    return worst


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
