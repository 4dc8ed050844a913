"""What people say of their machine in a sentence: the one GPU that a whole text speaks of, and the driver. Pure.

A sentence says less than every other form: "works on my 4090" is no fact about the machine that failed. So a GPU counts only
where all sentences speak of the same one, and sentences about what is supported or was tried count for nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.listings import CLAIMS
from envdoctor.sources.pasted.names import gpu_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

FORM = "a sentence"
LONGEST = 400
"""Characters; what is longer is no sentence."""
DRIVER = re.compile(r"\b[Dd]rivers?(?: [Vv]ersion)?[ :=v(]{1,4}(?P<driver>[3-9]\d\d\.\d{2,3}(?:\.\d\d)?)\b")
NO_SENTENCE = re.compile(
    r"[/\\<>{}\[\]|]|(?<!=)=(?!=)|^\s{0,20}(?:File |at |import |from |def |class |\$ |>>>)|\b(?:instead|other|another|also|same)\b"
)
"""Paths, programs, tables; and what compares one machine with another."""
NAME = re.compile(
    r"(?:(?:NVIDIA|Nvidia|nvidia|GeForce|Tesla|Quadro|TITAN|Titan) ){0,2}"
    r"(?:DGX Spark|(?:RTX|GTX|rtx|gtx) ?(?:PRO |A)?\d{3,4}(?: ?(?:Ti|SUPER|Super|D|Ada|Laptop)\b)?|[A-Z]{1,2}\d{1,3}[A-Z]?\b)"
)
"""A GPU without the words behind it, which in a sentence may be any."""
NO_NAME = re.compile(r"A\d")
"""Too short to be nothing but a GPU: "A2" is a figure, a clause, a paper size."""
BEFORE = re.compile(r"(?<![\w.])(?P<count>\d{1,2}) ?[xX\u00d7*] ?(?:(?:NVIDIA|Nvidia|nvidia|GeForce|Tesla) ){0,2}$")
BEHIND = re.compile(r"(?:[ -]?\d{2,3} ?GB?)? ?[xX\u00d7*] ?(?P<count>\d{1,2})(?![\w.])")
MOST = 16
"""No node has more."""
SERIES = re.compile(r"nvidia|geforce|tesla|quadro|[^a-z0-9]")
"""What is left out of a name when two are compared: the same GPU is called RTX 5090 and GeForce RTX 5090 in one text."""


def prose(lines: Sequence[Line]) -> Iterator[Seen]:
    """The GPU and drivers that sentences name."""
    gpus: list[Seen] = []
    for line in lines:
        text = line.text
        if len(text) > LONGEST or CLAIMS.search(text):
            continue
        match = DRIVER.search(text) if "river" in text else None
        if match is not None:
            yield Seen(Kind.DRIVER, "", match["driver"], line.number, FORM)
        named = NAME.match(gpu_model(text) or "") if not NO_SENTENCE.search(text) else None
        if named is not None and not NO_NAME.fullmatch(named.group()):
            gpus += [Seen(Kind.GPU, "", named.group(), line.number, FORM)] * _count(text, named.group())
    if len({SERIES.sub("", one.value.lower()) for one in gpus}) == 1:
        yield from (one for one in gpus if one.line == gpus[0].line)


def _count(text: str, name: str) -> int:
    """How many of a GPU a sentence names: "8x H200", "A800 x8"; else one."""
    before, _, after = text.partition(name)
    match = BEFORE.search(before) or BEHIND.match(after)
    return max(1, min(int(match["count"]), MOST)) if match is not None else 1
