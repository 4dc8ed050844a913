"""What test_apart.py runs in a Python with torch: ``apart_child.py SCRATCH``; prints one JSON object of what came of it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import torch

from envdoctor.smoke.engines import apart, bare
from envdoctor.smoke.model import Llama, Shape
from envdoctor.smoke.settings import Settings
from envdoctor.smoke.telling import Teller


def main(scratch: str) -> None:
    os.environ.update(WORLD_SIZE="2", RANK="0")
    settings = Settings(engine="bare", gpus=3, scratch=scratch)
    torch.manual_seed(0)
    first = [(name, tensor.detach()) for name, tensor in Llama(Shape()).named_parameters()]
    second = [(name, tensor + 0.1) for name, tensor in first]
    here = bare.start(settings, first, Shape())
    prompts = torch.tensor([[3, 5], [4, 6]])

    # the second rank finds what the first one starts, as in two processes
    other: list[apart.Apart] = []
    finding = threading.Thread(target=lambda: other.append(apart.Apart(settings, apart.connect(scratch, None), None)))
    finding.start()
    engine = apart.start(settings, first, Teller(-1))
    finding.join()
    rank_1 = other[0]
    told = {"versions": engine.versions, "versions_1": rank_1.asked("hello", 1)}
    for name, weights in (("first", first), ("pushed", second)):
        if name == "pushed":
            pushing = threading.Thread(target=engine.push, args=(weights,))
            pushing.start()
            time.sleep(0.5)
            told["waits_for_rank_1"] = pushing.is_alive()
            rank_1.push([])
            pushing.join()
            here.push(weights)
        told[name] = all(same(one, here, prompts) for one in (engine, rank_1))
    try:
        engine.asked("generate", "no tokens", 1, 1, 0, False)  # noqa: FBT003 - as it travels
    except RuntimeError as error:
        told["bad_request"] = str(error)
    assert engine.process is not None
    if sys.argv[2:] == ["kill"]:
        engine.process.kill()
        try:
            engine.generate(prompts, 2, 4, seed=7)
        except RuntimeError as error:
            told["killed"] = str(error)
    engine.close()
    told["status"] = engine.process.returncode
    sys.stdout.write(json.dumps(told) + "\n")


def same(one: apart.Apart, here: bare.Bare, prompts: torch.Tensor) -> bool:
    """Whether both sample the same tokens and say the same of them."""
    a, b = (engine.generate(prompts, 2, 4, seed=7) for engine in (one, here))
    return torch.equal(a.tokens, b.tokens) and torch.allclose(a.logps, b.logps, atol=1e-6)


def broken(scratch: str) -> None:
    """An engine that cannot start."""
    try:
        apart.start(Settings(engine="none", gpus=2, scratch=scratch), [], Teller(-1))
    except RuntimeError as error:
        sys.stdout.write(json.dumps(str(error)) + "\n")


if __name__ == "__main__":
    if sys.argv[2:] == ["broken"]:
        broken(sys.argv[1])
    else:
        main(sys.argv[1])
