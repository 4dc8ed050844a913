"""An engine in a process of its own, on a GPU of its own: where several GPUs take part, vLLM has the last of them for itself.

Rank 0 starts it; every rank asks it for its own answers, and they are made one after the other. A push is done when all ranks
have come to it, so that none of them can be answered by older weights than it has itself; the weights are rank 0's, which the
smoke compares with those of all others. They travel as a file in the run's folder. ``python -m ...engines.apart SCRATCH SETTINGS
RANKS`` is the process; it ends when rank 0 does.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from functools import partial
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import Any, Callable, Dict, List, Optional

import torch

from ..settings import Settings, from_json  # noqa: TID252 - under the target this room has another name
from ..telling import Teller, whole_message  # noqa: TID252
from ..visible import environment_of_a_server  # noqa: TID252
from . import Rollout, Weights

START_S = 420.0
"""vLLM has taken 70 s with a model this small, and compiles its kernels first on a cold GPU."""
LOOK_S = 0.1
ADDRESS, PUSHED = "engine.json", "engine-weights.pt"


def start(settings: Settings, weights: Weights, teller: Teller) -> Apart:
    """Start it (rank 0) or find it (the others), with these weights.

    Raises:
        RuntimeError: it could not start, in its own words, or did not in time.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    process = None
    if rank == 0:
        teller.phase(f"start the engine {settings.engine} in a process of its own")
        save(settings.scratch, weights)
        process = launch(settings, size)
    engine = Apart(settings, connect(settings.scratch, process), process)
    engine.versions = engine.asked("hello", rank)
    return engine


def launch(settings: Settings, size: int) -> subprocess.Popen[bytes]:
    """The process. It prints where its rank 0 prints, so that what it says last is seen."""
    on_gpu = settings.device.startswith("cuda")
    own = settings._replace(device="cuda:0" if on_gpu else "cpu", gpus=1)
    environ = environment_of_a_server(settings.gpus - 1 if on_gpu else None)
    return subprocess.Popen(  # noqa: S603 - this file, in the target's own Python
        [sys.executable, "-m", __name__, settings.scratch, own.as_json(), str(size)], env=environ, stdin=subprocess.DEVNULL
    )


def connect(scratch: str, process: Any) -> Connection:  # noqa: ANN401 - Popen, or None in the ranks that started nothing
    """A connection to it, once it says where it is."""
    until = time.monotonic() + START_S
    path = os.path.join(scratch, ADDRESS)
    while not os.path.exists(path):
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the engine's own process ended with status {process.returncode} before it was ready")
        if time.monotonic() > until:
            raise RuntimeError(f"the engine's own process is not ready after {START_S:.0f} s")
        time.sleep(LOOK_S)
    with open(path, encoding="ascii") as file:
        where = json.load(file)
    return Client(("127.0.0.1", where["port"]), authkey=bytes.fromhex(where["key"]))


class Apart:
    """See the head of this file."""

    def __init__(self, settings: Settings, connection: Connection, process: Any) -> None:  # noqa: ANN401 - Popen or None
        self.name, self.scratch = settings.engine, settings.scratch
        self.connection, self.process = connection, process
        self.versions: Dict[str, str] = {}

    def asked(self, *words: Any) -> Any:  # noqa: ANN401 - a word and what goes with it; what it answers
        """Ask it one thing.

        Raises:
            RuntimeError: it failed, in its own words; or it is gone.
        """
        try:
            self.connection.send(words)
            how, told = self.connection.recv()
        except (EOFError, OSError) as error:
            status = None if self.process is None else self.process.wait(5)
            raise RuntimeError(
                f"the engine's own process is gone (exit status {status}) while it was asked to {words[0]}"
            ) from error
        if how != "done":
            raise RuntimeError(f"the engine's own process: {told}")
        return told

    def generate(self, prompts: torch.Tensor, group: int, length: int, *, seed: int, greedy: bool = False) -> Rollout:
        """See :class:`Engine`."""
        tokens, logps = self.asked("generate", prompts.tolist(), group, length, seed, greedy)
        device = prompts.device
        return Rollout(torch.tensor(tokens, device=device), torch.tensor(logps, dtype=torch.float32, device=device))

    def push(self, weights: Weights) -> None:
        """See :class:`Engine`. Comes back when every rank has called it and the engine has rank 0's weights."""
        if self.process is not None:
            save(self.scratch, weights)
        self.asked("push")

    def close(self) -> None:
        """Leave it; it ends when rank 0 has left."""
        self.connection.close()
        if self.process is not None:
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def save(scratch: str, weights: Weights) -> None:
    """The weights as a file; it is whole whenever it is there."""
    path = os.path.join(scratch, PUSHED)
    torch.save({name: tensor.detach().cpu() for name, tensor in weights}, f"{path}.new")
    os.replace(f"{path}.new", path)


def load(scratch: str, device: str) -> Weights:
    """Read them."""
    kept = torch.load(os.path.join(scratch, PUSHED), map_location=device, weights_only=True)
    return list(kept.items())


def serve(settings: Settings, size: int) -> None:
    """Start the engine, say where it is, and answer until rank 0 leaves."""
    engine: Any = None
    failed: Optional[Exception] = None
    try:
        engine = engine_of(settings)
    except Exception as error:  # noqa: BLE001 - told to the ranks below
        failed = error
    key = secrets.token_bytes(32)
    with Listener(("127.0.0.1", 0), authkey=key) as listener:
        path = os.path.join(settings.scratch, ADDRESS)
        with open(f"{path}.new", "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            json.dump({"port": listener.address[1], "key": key.hex()}, file)
        os.replace(f"{path}.new", path)
        ranks = [listener.accept() for _ in range(size)]
    if failed is not None:
        for one in ranks:
            one.recv()
            one.send(("failed", whole_message(failed)))
        raise failed
    answer(settings, engine, ranks)
    engine.close()


def answer(settings: Settings, engine: Any, ranks: List[Connection]) -> None:  # noqa: ANN401 - see engines
    """One request after the other, until rank 0 or all others have left."""
    first, pushing = None, []
    while ranks:
        for rank in wait(ranks):
            assert isinstance(rank, Connection)  # noqa: S101 - nothing else is waited for
            try:
                word, *told = rank.recv()
            except EOFError:
                ranks.remove(rank)
                if rank is first:
                    return
                continue
            if word == "push":
                pushing.append(rank)
                if len(pushing) == len(ranks):
                    tell(pushing, lambda: engine.push(load(settings.scratch, settings.device)))
                    pushing = []
            elif word == "hello":
                first = rank if told == [0] else first
                tell([rank], lambda: engine.versions)
            else:
                tell([rank], partial(sampled, engine, settings.device, *told))


def tell(ranks: List[Connection], do: Callable[[], Any]) -> None:
    """Do it and tell the ranks what came of it; an error is theirs, and ends the run there."""
    try:
        told = ("done", do())
    except Exception as error:  # noqa: BLE001 - whatever the engine raises
        told = ("failed", whole_message(error))
    for rank in ranks:
        rank.send(told)


def sampled(engine: Any, device: str, prompts: Any, group: int, length: int, seed: int, greedy: bool) -> Any:  # noqa: ANN401
    """Tokens and log-probabilities of the answers as lists."""
    told = engine.generate(torch.tensor(prompts, device=device), group, length, seed=seed, greedy=greedy)
    return told.tokens.tolist(), told.logps.tolist()


def engine_of(settings: Settings) -> Any:  # noqa: ANN401 - see engines
    """The engine itself, with the weights that rank 0 has saved."""
    from .. import grpo  # noqa: TID252

    torch.manual_seed(settings.seed)
    if settings.device == "cpu":
        torch.set_num_threads(1)
    return grpo.started(settings, load(settings.scratch, settings.device), Teller(-1))


if __name__ == "__main__":
    serve(from_json(sys.argv[2])._replace(scratch=sys.argv[1]), int(sys.argv[3]))
