"""TRL's vLLM server on a GPU of its own, beside the trainer: started, waited for, and ended with everything it started.

Written by TRL's sources (``trl/scripts/vllm_serve.py`` of 0.16 to 1.16) and not yet run: the weights travel by NCCL, which needs
two GPUs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Dict, Iterator, List

from .trl_config import CONTEXT
from .visible import environment_of_a_server

if TYPE_CHECKING:
    from .settings import Settings

START_S = 300.0
"""vLLM has taken 70 s with a model this small, and captures graphs first on a GPU."""
LOOK_S = 0.5
END_S = 5.0
TAIL_BYTES = 8192
HEALTH = ("/health/", "/health")
"""TRL's own server up to 1.x, and vLLM's."""


@contextlib.contextmanager
def serve(settings: Settings, folder: str) -> Iterator[str]:
    """A server of this model while the context is open, "host:port"; under several ranks the first one starts it.

    Raises:
        RuntimeError: it ended, or is not ready in time; with the end of what it printed.
    """
    told = os.path.join(settings.scratch, "server.json")
    if os.environ.get("RANK", "0") != "0":
        until = time.monotonic() + START_S
        while not os.path.exists(told):
            if time.monotonic() > until:
                raise RuntimeError(f"rank 0 has started no vLLM server in {START_S:.0f} s")
            time.sleep(LOOK_S)
        with open(told, encoding="utf-8") as file:
            yield json.load(file)
        return
    address = f"127.0.0.1:{free_port()}"
    log = os.path.join(settings.scratch, "server.txt")
    with open(log, "wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the target's own Python and TRL
            command(folder, address, settings.engine_dtype),
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(process, address, log)
        with open(f"{told}.new", "w", encoding="utf-8") as file:
            json.dump(address, file)
        os.replace(f"{told}.new", told)
        yield address
    finally:
        end(process)


def command(folder: str, address: str, dtype: str) -> List[str]:
    """What is run; every one of these options is in all releases that were read."""
    host, _, port = address.rpartition(":")
    options = {
        "model": folder,
        "host": host,
        "port": port,
        "dtype": dtype,
        "gpu_memory_utilization": "0.3",
        "max_model_len": str(CONTEXT),
    }
    return [
        sys.executable,
        "-m",
        "trl.scripts.vllm_serve",
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def environment(settings: Settings) -> Dict[str, str]:
    """The last GPU for the server."""
    environ = environment_of_a_server(settings.gpus - 1)
    environ.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    return environ


def wait_for(process: subprocess.Popen[bytes], address: str, log: str) -> None:
    """Until it answers.

    Raises:
        RuntimeError: see :func:`serve`.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine, whatever proxy is set
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"trl vllm-serve ended with status {process.returncode} before it was ready:\n{tail(log)}")
        for path in HEALTH:
            with contextlib.suppress(OSError, urllib.error.URLError):
                opener.open(f"http://{address}{path}", timeout=2).close()
                return
        time.sleep(LOOK_S)
    raise RuntimeError(f"trl vllm-serve is not ready after {START_S:.0f} s:\n{tail(log)}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then end it, with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def tail(path: str) -> str:
    """The end of what it printed."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
