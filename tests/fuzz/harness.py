"""The fuzzer's process: ``python -m tests.fuzz.harness CORPUS [libFuzzer's options]``; atheris drives it by coverage.

It writes the seeds into the corpus first. What ends it is a fault: an exception that is not declared, an input that takes
more than its time, or more memory than the limit. libFuzzer then leaves the input in a file.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["envdoctor.probe"]):
    from tests.fuzz.targets import put_through, scratch, seeds, stage

NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 31, 0xFFFFFFFF, 1 << 62, 1 << 63, (1 << 64) - 1)
SIZES = (("<B", 1), ("<H", 2), ("<I", 4), ("<Q", 8))


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """One half by libFuzzer's own mutations, one half by numbers that readers of tables trip over, put where tables lie."""
    dice = random.Random(seed)  # noqa: S311 - the fuzzer's seed decides
    if len(data) < 64 or dice.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    found = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        layout, size = dice.choice(SIZES)
        # headers stand first, section headers last; half of the writes are aligned, as the tables are
        near = dice.choice((64, 400, len(found)))
        place = dice.randrange(min(near, len(found) - size)) if dice.random() < 0.8 else len(found) - size - dice.randrange(64)
        place -= place % size if dice.random() < 0.5 else 0
        number = dice.choice((*NUMBERS, len(found), len(found) - size, dice.randrange(len(found)), dice.getrandbits(16)))
        struct.pack_into(layout, found, max(place, 0), number % (1 << 8 * size))
    return bytes(found[:most])


def main() -> None:
    """Run until libFuzzer has had its number of inputs."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for name, content in seeds().items():
        (corpus / name).write_bytes(content)
    with tempfile.TemporaryDirectory(dir=scratch() or None) as folder:
        module = stage(Path(folder))
        atheris.Setup(sys.argv, lambda data: put_through(module, data) and None, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
