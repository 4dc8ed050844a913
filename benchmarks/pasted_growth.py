"""What reading a hostile pasted report costs: seconds of one core and memory at 1, 10 and 100 MB, and how they grow.

    python benchmarks/pasted_growth.py [--sizes 1,10,100] [--kinds plain,binary]

Each text is read in a process of its own: read, cleaned, put through all readers and all known error texts, made to facts. Beside
it, in the same run, are two floors: ``grep -c`` for one word over the same file, and a process that only reads the file and
searches one pattern in its whole with Python's re. "Growth" is how many times as long a text takes that is ten times as large:
10 is linear. The command line refuses what is no text ("binary"); the readers, which are measured here, take it.

Exit status: 0 measured, 1 something took more than its bound (MAX_GROWTH, MAX_MIB) or ended wrongly.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1_000_000
SIZES = (1, 10, 100)
MAX_GROWTH = 15.0
"""Ten is linear; a start and what a cache holds blur it."""
BLURRED_SECONDS = 1.0
"""A smaller text that takes less says nothing about growth: the start is most of it."""
MAX_MIB = 1500
ROOT = Path(__file__).resolve().parent.parent
STORIES = ROOT / "tests" / "stories" / "reports"
OURS = """
import json, sys, time
from envdoctor.matrix import Matrix
from envdoctor.sources import pasted
started = time.process_time()
facts = pasted.facts_of(open(sys.argv[1], "rb").read(), "report", Matrix())
seconds = time.process_time() - started
peak = next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "mib": peak, "quotes": len(facts.pasted.value.quotes)}))
"""
FLOOR = """
import json, re, sys, time
started = time.process_time()
found = len(re.findall(r"undefined symbol", open(sys.argv[1], encoding="utf-8", errors="replace").read()))
print(json.dumps({"seconds": time.process_time() - started}))
"""


class Measured(NamedTuple):
    """One text of one size."""

    kind: str
    megabytes: int
    seconds: float
    mib: int
    quotes: int
    grep: float
    python: float


def repeated(unit: bytes, size: int) -> bytes:
    """As many of the unit as fill the size, cut there."""
    return (unit * (size // len(unit) + 1))[:size]


def stories(size: int) -> bytes:
    """The reports of tests/stories, one after another, again and again."""
    return repeated(b"\n".join(path.read_bytes() for path in sorted(STORIES.glob("*/report.txt"))), size)


def one_line(size: int) -> bytes:
    """Half of it is one line of words and versions without an end."""
    return repeated(b"torch 2.6.0 requires vllm==0.8.5 ", size // 2) + b"\n" + repeated(b"a line as any other\n", size // 2)


def nested(size: int) -> bytes:
    """Fences in folds in quotations, and none of them ends."""
    return repeated(b"> <details><summary>log</summary>\n> > ```python\n~~~\n<pre><code>&lt;b&gt;\n", size)


def candidates(size: int) -> bytes:
    """Each line has the words of a known error text, and most do not match."""
    lines = (
        b"ImportError: /x/flash_attn_2_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEi",
        b"undefined symbol got an unexpected keyword argument is required for which is incompatible",
        b"CUDA error: no kernel image is requires , but you have which is incompatible depends on torch==2",
        b"version `GLIBC_2.38' not found cannot import name 'a' from 'b' No module named 'c'",
    )
    return repeated(b"\n".join(lines) + b"\n", size)


def bombs(size: int) -> bytes:
    """Long runs that patterns with repeats could try over and over: names, blanks, brackets, numbers, marks."""
    runs = (
        b"a" * 3900,
        b" " * 3900,
        b"a==" * 1300,
        b"1." * 1950,
        b"(" * 3900,
        b"_Z" * 1950,
        b"a.a-" * 975,
        b"&#1" * 1300,
        b"<p " * 1300,
        b"lib.so.1" * 480,
    )
    words = (
        b" requires ",
        b", but you have ",
        b" undefined symbol: ",
        b" depends on ",
        b" is required for ",
        b" with CUDA capability sm_",
    )
    return repeated(b"\n".join(run + word + run[:40] for run in runs for word in words) + b"\n", size)


KINDS: dict[str, Callable[[int], bytes]] = {
    "plain log": lambda size: repeated(
        b"INFO 11-26 16:50:27 [loader.py:447] Loading weights took 1.43 seconds, step 120 of 4000\n", size
    ),
    "real reports": stories,
    "one line of half": one_line,
    "binary": lambda size: random.Random(1).randbytes(min(size, MEGABYTE)) * (size // min(size, MEGABYTE)),  # noqa: S311 - only noise
    "empty lines": lambda size: b"\n" * size,
    "lines of two letters": lambda size: repeated(b"ab\n", size),
    "nested fences": nested,
    "candidates": candidates,
    "bombs": bombs,
    "progress bars": lambda size: repeated(b"\r 37%|###       | 37/100 [00:01<00:02, 1.2s/it]", size),
    "colours": lambda size: repeated(b"\x1b[31m\x1b[1;91mImportError\x1b[0m: \x1b[35ma\x1b[0m\n", size),
}
"""What each text is made of."""


def measure(kind: str, megabytes: int, folder: Path) -> Measured:
    """Read one text, beside the floors. Raises CalledProcessError: a reading ended wrongly."""
    path = folder / "report.txt"
    path.write_bytes(KINDS[kind](megabytes * MEGABYTE))
    ours, floor = (
        json.loads(
            subprocess.run([sys.executable, "-c", script, path], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        )
        for script in (OURS, FLOOR)
    )
    started = time.perf_counter()
    subprocess.run(["grep", "-c", "-a", "undefined symbol", path], check=False, capture_output=True)
    return Measured(
        kind, megabytes, ours["seconds"], ours["mib"], ours["quotes"], time.perf_counter() - started, floor["seconds"]
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="megabytes, the smallest first")
    parser.add_argument("--kinds", default=",".join(KINDS))
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.sizes.split(",")]
    print("| text | MB | core seconds | peak MiB | quotes | growth | grep -c, s | Python's re, s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in asked.kinds.split(","):
            before: Measured | None = None
            for size in sizes:
                now = measure(kind, size, Path(folder))
                growth = None if before is None else now.seconds / before.seconds * 10 * before.megabytes / size
                said = "" if growth is None else f"{growth:.1f}"
                ours = f"{now.seconds:.2f} | {now.mib} | {now.quotes} | {said}"
                print(f"| {kind} | {size} | {ours} | {now.grep:.2f} | {now.python:.2f} |", flush=True)
                too_steep = growth is not None and growth > MAX_GROWTH and before is not None and before.seconds > BLURRED_SECONDS
                if too_steep or now.mib > MAX_MIB:
                    wrong.append(f"{kind}, {size} MB")
                before = now
    if wrong:
        print(f"over the bounds: {'; '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
