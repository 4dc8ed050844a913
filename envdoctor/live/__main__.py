"""Where the worker begins: which part of the deep check is wanted."""

from __future__ import annotations

import os
import sys
from typing import Sequence

from .telling import Teller


def main(words: Sequence[str], descriptor: int, scratch: str) -> None:
    """Do what the words say.

    Args:
        words: ``device cuda:0 30 60 15``, ``vllm cuda:0 30 90 15`` (seconds for the start, for reading, for the checks),
            ``pairs 4 30``, ``collective nccl 60``, or ``import MODULE [+PART ...] [COMPILED_MODULE ...]``.
        descriptor: takes the events.
        scratch: a folder of the worker's own.
    """
    teller = Teller(descriptor)
    what, *rest = words
    if what in {"device", "vllm"}:
        from . import device

        device.main(teller, rest[0], device.Limits(*map(float, rest[1:])), scratch, vllm=what == "vllm")
    elif what == "pairs":
        from . import pairs

        pairs.main(teller, int(rest[0]), float(rest[1]))
    elif what == "collective":
        from . import collective

        collective.main(teller, rest[0], float(rest[1]), scratch)
    elif what == "import":
        from . import importing

        importing.main(teller, rest[0], rest[1:])
    else:
        raise ValueError(what)


if __name__ == "__main__":  # one of several processes under torch.distributed.run
    pipe, folder = sys.argv[1:3]
    # only rank 0 tells; the others' end of the pipe is never opened
    told_to = os.open(pipe, os.O_WRONLY) if os.environ.get("RANK", "0") == "0" else -1
    main(sys.argv[3:], told_to, folder)
