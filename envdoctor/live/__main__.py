"""Where the worker begins: which part of the deep check is wanted."""

from __future__ import annotations

from typing import Sequence

from .telling import Teller


def main(words: Sequence[str], descriptor: int, scratch: str) -> None:
    """Do what the words say.

    Args:
        words: ``device cuda:0``, ``vllm cuda:0``, ``pairs 4``, ``collective nccl``, or ``import MODULE [COMPILED_MODULE ...]``.
        descriptor: takes the events.
        scratch: a folder of the worker's own.
    """
    teller = Teller(descriptor)
    what, *rest = words
    if what in {"device", "vllm"}:
        from . import device

        device.main(teller, rest[0], scratch, vllm=what == "vllm")
    elif what == "pairs":
        from . import pairs

        pairs.main(teller, int(rest[0]))
    elif what == "collective":
        from . import collective

        collective.main(teller, rest[0])
    elif what == "import":
        from . import importing

        importing.main(teller, rest[0], rest[1:])
    else:
        raise ValueError(what)
