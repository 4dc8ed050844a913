"""One program in a container that can do nothing but compute, and an image's files as a folder. Nothing is left behind."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from envdoctor.engine import images, unpack
from envdoctor.engine.attached import TooLate, TooMuch, hang_up, plain_socket, talk
from envdoctor.engine.client import COPY_S, patience, telling
from envdoctor.engine.trouble import clean, told
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.engine.client import Engine

LABELS = {"io.envdoctor.role": "probe"}
"""By which a container of ours is known: docker ps -a --filter label=io.envdoctor.role=probe."""
NO_GPU_DRIVER = re.compile(r"could not select device driver|unknown or invalid runtime name")
ALL_GPUS = "nvidia.com/gpu=all"
"""The name of all GPUs in the descriptions that nvidia-ctk writes."""
FOREIGN = re.compile(rb"(?i)exec format error\s*\Z")
MAX_WORDS = 300
WAIT_S = 10.0
MIN_S = 1.0
MAX_ROOT_BYTES = 200 * 10**9
MAX_PROCESSES = 1024
"""Threads count too."""


class Ran(NamedTuple):
    """How a program ended, and what it printed."""

    status: int
    out: bytes
    err: bytes


def run(
    engine: Engine,
    image: str,
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    gpus: bool = False,
    scratch_bytes: int = 0,
    deadline_s: float,
    max_bytes: int,
) -> Ran:
    """Run a program of an image: no network, nothing writable, no capabilities, and the container is removed however it ends.

    Args:
        engine: that has the image; it is not pulled.
        image: its name or digest.
        argv: the program and its arguments; the image's entry point is not used.
        stdin: what the program reads.
        gpus: ask for all of them. An engine may say yes and give none: look from inside.
        scratch_bytes: room in memory at /tmp, for programs that cannot do without; 0 for none.
        deadline_s: when it is killed.
        max_bytes: of both outputs together.

    Raises:
        UserError: it cannot be started, gave no answer in time, or printed too much.
    """
    from docker.types import DeviceRequest  # noqa: PLC0415 - slow

    if not gpus:
        return _run(engine, image, argv, stdin, _confined(engine, [], scratch_bytes), deadline_s, max_bytes)
    try:
        asked = [DeviceRequest(count=-1, capabilities=[["gpu"]])]
        return _run(engine, image, argv, stdin, _confined(engine, asked, scratch_bytes), deadline_s, max_bytes)
    except _NoDriver as no:
        if not _speaks_cdi(engine):
            raise told(no.error, engine, doing=f"start {clean(image)} with GPUs") from no.error
    asked = [DeviceRequest(driver="cdi", device_ids=[ALL_GPUS])]
    return _run(engine, image, argv, stdin, _confined(engine, asked, scratch_bytes), deadline_s, max_bytes)


@contextlib.contextmanager
def export(engine: Engine, image: str) -> Iterator[str]:
    """The files of an image as a folder, without running anything of it; for images of another architecture too.

    Args:
        engine: that has the image.
        image: its name or digest.

    Yields:
        The folder; it is deleted afterwards.

    Raises:
        UserError: there is no such image, or it does not fit on the disk.
    """
    doing = f"read the files of {clean(image)}"
    config = images.inspect(engine, image)
    folder = tempfile.mkdtemp(prefix="envdoctor-image-")
    try:
        limit = min(MAX_ROOT_BYTES, shutil.disk_usage(folder).free - unpack.SPARE_BYTES)
        with telling(engine, doing), _container(engine) as name:
            with patience(engine, COPY_S):
                engine.client.api.create_container(
                    image,
                    ["/never-started"],
                    name=name,
                    entrypoint=[],
                    labels=LABELS,
                    network_disabled=True,
                    platform=f"{config.os}/{config.architecture}" if config.os and config.architecture else None,
                )
            with patience(engine):
                unpack.unpack(engine.client.api.export(name), folder, max_bytes=limit)
        yield folder
    except unpack.BadArchive as error:
        raise told(error, engine, doing=doing) from error
    except unpack.TooLarge as error:
        raise UserError(
            f"could not {doing}: they are more than the {limit / 1e9:.1f} GB that fit into {tempfile.gettempdir()}",
            "Put temporary files where there is room: TMPDIR=/big/disk envdoctor ...; or let the image answer: without --no-run",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _NoDriver(Exception):  # noqa: N818 - leads to a second way
    """The engine has no driver for GPUs."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _run(
    engine: Engine,
    image: str,
    argv: Sequence[str],
    stdin: bytes,
    confined: Any,  # noqa: ANN401 - the SDK's dictionary
    deadline_s: float,
    max_bytes: int,
) -> Ran:
    from docker.errors import APIError  # noqa: PLC0415 - slow

    api = engine.client.api
    doing = f"run {clean(argv[0])} in {clean(image)}"
    with telling(engine, doing), _container(engine) as name:
        with patience(engine, COPY_S):
            api.create_container(
                image,
                list(argv[1:]),
                name=name,
                entrypoint=[argv[0]],
                labels=LABELS,
                stdin_open=bool(stdin),
                working_dir="/",
                healthcheck={"test": ["NONE"]},
                network_disabled=True,
                host_config=confined,
            )
        attached = api.attach_socket(name, {"stdin": int(bool(stdin)), "stdout": 1, "stderr": 1, "stream": 1})
        try:
            one = plain_socket(attached)
            if one is None:
                raise UserError(
                    f"could not {doing}: through TLS a program's input cannot be closed, so it would wait for ever",
                    "Run envdoctor on the machine of the engine, or look at the image's files only: --no-run",
                )
            until = time.monotonic() + deadline_s
            try:
                # a hook that asks a sick GPU blocks here
                with patience(engine, max(MIN_S, until - time.monotonic())):
                    api.start(name)
            except APIError as error:
                if confined.get("DeviceRequests") and NO_GPU_DRIVER.search(str(error)):
                    raise _NoDriver(error) from error
                raise
            out, err = talk(one, stdin, until=until, max_bytes=max_bytes)
        except TooLate:
            raise UserError(
                f"could not {doing}: it gave no answer in {deadline_s:.0f} s and was stopped",
                "Try it by hand: docker run --rm -it --network none IMAGE; a GPU that does not answer blocks like this.",
            ) from None
        except TooMuch:
            raise UserError(
                f"could not {doing}: it printed more than {max_bytes / 1e6:.0f} MB and was stopped",
                "It is not the program that was expected: see what stands at that path in the image.",
            ) from None
        finally:
            hang_up(attached)
        status = api.wait(name, timeout=max(WAIT_S, until - time.monotonic()))["StatusCode"]
    if status and not out and FOREIGN.search(err[-MAX_WORDS:]):
        # the engine starts it and only then finds out
        raise told(err[-MAX_WORDS:].decode("utf-8", "replace"), engine, doing=doing)
    return Ran(int(status), out, err)


def _confined(engine: Engine, devices: list[Any], scratch_bytes: int) -> Any:  # noqa: ANN401 - the SDK's dictionary
    """Everything taken away that a program needs for more than computing."""
    from docker.types import LogConfig  # noqa: PLC0415 - slow

    return engine.client.api.create_host_config(
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=MAX_PROCESSES,
        device_requests=devices or None,
        # compiled kernels are loaded from there
        tmpfs={"/tmp": f"rw,exec,nosuid,mode=1777,size={scratch_bytes}"} if scratch_bytes else None,  # noqa: S108 - its own
        # what it prints is read by us; the engine need not keep it on its disk
        log_config=LogConfig(type="none"),
    )


def _speaks_cdi(engine: Engine) -> bool:
    """Whether the engine reads descriptions of devices from folders (CDI)."""
    return bool(engine.client.info().get("CDISpecDirs"))


@contextlib.contextmanager
def _container(engine: Engine) -> Iterator[str]:
    """A name for a container, which is gone afterwards: also one that never started, or whose making we did not live to see."""
    from docker.errors import APIError, NotFound  # noqa: PLC0415 - slow

    name = f"envdoctor-probe-{uuid.uuid4().hex}"
    try:
        yield name
    finally:
        with contextlib.suppress(NotFound):
            try:
                with patience(engine, COPY_S):
                    engine.client.api.remove_container(name, force=True, v=True)
            except APIError as error:
                # 409: it is being removed already
                if error.status_code != 409:  # noqa: PLR2004
                    raise
