"""The fuzzer's process for pasted texts: ``python -m tests.fuzz.harness_texts CORPUS [libFuzzer's options]``."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=[
        "envdoctor.sources.pasted",
        "envdoctor.mangled",
        "envdoctor.signatures",
        "envdoctor.signature_numbers",
        "envdoctor.ranking",
    ]
):
    from tests.fuzz.texts import lines, put_through, seeds

LONG = 300
"""Bytes of a line that are repeated, at most: else a few rounds make gigabytes."""
MIXED = 12
"""Lines of others that are put in at once, at most."""


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """One half by libFuzzer's own mutations, one half by lines: mixed with those of other reports, cut, joined, repeated."""
    dice = random.Random(seed)  # noqa: S311 - the fuzzer's seed decides
    if dice.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    found = data.split(b"\n")
    for _ in range(dice.randint(1, MIXED)):
        place = dice.randrange(len(found))
        line = found[place]
        cut = dice.randrange(len(line) + 1)
        other = dice.choice(lines())
        found[place : place + 1] = dice.choice(
            (
                [line, other],
                [other + line],
                [line[:cut] + other + line[cut:]],
                [line[:cut], line[cut:]],
                [line[:cut]],
                [b"".join(found[place : place + 2])],
                [line[:LONG]] * dice.choice((2, 3, 50)),
                [line[cut : cut + LONG] * dice.choice((2, 9, 200))],
            )
        )
    return b"\n".join(found)[:most]


def main() -> None:
    """Run until libFuzzer has had its time."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for name, content in seeds().items():
        (corpus / name).write_bytes(content)
    atheris.Setup(sys.argv, lambda data: put_through(data) and None, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
