"""Images of an engine: what they say of themselves, and loading, naming, pushing and pulling them."""

from __future__ import annotations

import io
import os
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.engine.client import COPY_S, patience, telling
from envdoctor.engine.progress import Step
from envdoctor.engine.trouble import clean, told
from envdoctor.errors import UserError
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from envdoctor.engine.client import Engine

MAX_ENTRIES = 10_000
MAX_VALUE = 64 * 1024
"""Of one variable or label; NVIDIA_REQUIRE_CUDA is one of 1,500 characters."""
TELL_EVERY_S = 0.2
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LOADED = re.compile(r"Loaded image(?: ID)?: (?P<name>\S+)")
_PUSHED = re.compile(r"digest: (?P<digest>sha256:[0-9a-f]{64})")


class Config(msgspec.Struct, frozen=True):
    """What an image says of itself; the maker of the image wrote it, so it is hostile text."""

    digest: str
    """"sha256:...": of the manifest in a containerd store, of the configuration in an old one."""
    os: str
    architecture: str
    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    env: dict[str, str]
    labels: dict[str, str]
    layers: tuple[str, ...]
    """diff_ids, lowest first."""
    size_bytes: int
    """Packed in a containerd store, unpacked in an old one."""


class _Inner(msgspec.Struct, frozen=True):
    user: str | None = msgspec.field(name="User", default=None)
    entrypoint: list[str] | None = msgspec.field(name="Entrypoint", default=None)
    command: list[str] | None = msgspec.field(name="Cmd", default=None)
    env: list[str] | None = msgspec.field(name="Env", default=None)
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)


class _Root(msgspec.Struct, frozen=True):
    layers: list[str] | None = msgspec.field(name="Layers", default=None)


class _Inspected(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="Id")
    os: str = msgspec.field(name="Os", default="")
    architecture: str = msgspec.field(name="Architecture", default="")
    size: int = msgspec.field(name="Size", default=0)
    config: _Inner | None = msgspec.field(name="Config", default=None)
    root: _Root | None = msgspec.field(name="RootFS", default=None)


class _Detail(msgspec.Struct, frozen=True):
    current: int | None = None
    total: int | None = None


class _Aux(msgspec.Struct, frozen=True):
    digest: str | None = msgspec.field(name="Digest", default=None)


class _News(msgspec.Struct, frozen=True):
    """One object of the stream that a load, push or pull answers with."""

    status: str = ""
    id: str = ""
    stream: str = ""
    error: str = ""
    detail: _Detail | None = msgspec.field(name="progressDetail", default=None)
    aux: _Aux | None = None


def inspect(engine: Engine, reference: str) -> Config:
    """What an image of the engine says of itself.

    Raises:
        UserError: the engine has no such image, or it describes itself in a way that no image does.
    """
    with telling(engine, f"look at the image {clean(reference)}"):
        answer = engine.client.api.inspect_image(reference)
    return described(answer, reference)


def described(answer: object, reference: str) -> Config:
    """The engine's description of an image, read strictly.

    Raises:
        UserError: it is none.
    """
    try:
        seen = msgspec.convert(answer, _Inspected)
        inner = seen.config or _Inner()
        pairs = [one.partition("=") for one in inner.env or ()]
        env = {name: value for name, _, value in pairs if name}
        labels = inner.labels or {}
        layers = (seen.root or _Root()).layers or []
        texts = (*env.values(), *labels.values(), *(inner.entrypoint or ()), *(inner.command or ()), inner.user or "")
        _bounded((*texts, *env, *labels), layers)
    except msgspec.ValidationError as bad:
        raise UserError(
            f"the image {clean(reference)} describes itself in a way that cannot be read: {harmless(str(bad))}",
            "Look at it: docker image inspect IMAGE; if it came from a registry, pull it anew.",
        ) from bad
    digest = seen.id if seen.id.startswith("sha256:") else f"sha256:{seen.id}"
    return Config(
        digest=digest,
        os=seen.os,
        architecture=seen.architecture,
        user=inner.user or "",
        entrypoint=tuple(inner.entrypoint or ()),
        command=tuple(inner.command or ()),
        env=env,
        labels=labels,
        layers=tuple(layers),
        size_bytes=seen.size,
    )


def _bounded(texts: tuple[str, ...], layers: list[str]) -> None:
    """Refuse what no honest image says of itself."""
    if len(texts) + len(layers) > MAX_ENTRIES or any(len(one) > MAX_VALUE for one in texts):
        raise msgspec.ValidationError("it says more of itself than any image has to")
    if not all(_DIGEST.fullmatch(one) for one in layers):
        raise msgspec.ValidationError("a layer of it has no digest")


def load(engine: Engine, archive: str, tell: Callable[[Step], None]) -> str:
    """Load an archive that a build wrote; its digest in the engine.

    Raises:
        UserError: it cannot be read, or the engine does not take it.
    """
    doing = "load the image into the engine"
    try:
        file = _Told(archive, tell)
    except OSError as error:
        raise told(error, engine, doing=doing) from error
    names: list[str] = []
    with file, telling(engine, doing), patience(engine):
        for news in _stream(engine.client.api.load_image(file, quiet=False), engine, doing):
            found = _LOADED.search(news.stream)
            if found is not None:
                names.append(found["name"])
            yielded = _step(news, "load")
            if yielded is not None:
                tell(yielded)
    if not names:
        raise told("the engine took the archive and names no image of it", engine, doing=doing)
    return inspect(engine, names[-1]).digest


def save(engine: Engine, reference: str, archive: str) -> None:
    """Write an image of the engine to an archive, as ``docker save`` does. Raises UserError."""
    with telling(engine, f"save the image {clean(reference)}"), patience(engine), open(archive, "wb") as file:
        file.writelines(engine.client.api.get_image(reference))


def tag(engine: Engine, source: str, reference: str) -> None:
    """Give an image another name. Raises UserError."""
    repository, name = _split(reference)
    with telling(engine, f"name the image {clean(reference)}"):
        engine.client.api.tag(source, repository, name)


def remove(engine: Engine, reference: str) -> None:
    """Take a name away; with its last name the image goes. Raises UserError: there is none, or a container runs on it."""
    with telling(engine, f"remove the image {clean(reference)}"), patience(engine, COPY_S):
        engine.client.api.remove_image(reference)


def push(engine: Engine, reference: str, tell: Callable[[Step], None]) -> str:
    """Push it under its name; the digest that the registry has now.

    Raises:
        UserError: the registry does not answer or does not take it.
    """
    doing = f"push {clean(reference)}"
    repository, name = _split(reference)
    digest: str | None = None
    with telling(engine, doing), patience(engine):
        for news in _stream(engine.client.api.push(repository, tag=name, stream=True, decode=True), engine, doing):
            found = _PUSHED.search(news.status)
            said = news.aux.digest if news.aux is not None and news.aux.digest else found["digest"] if found else None
            digest = said or digest
            step = _step(news, "push")
            if step is not None:
                tell(step)
    if digest is None or not _DIGEST.fullmatch(digest):
        raise told("the engine names no digest of what it pushed", engine, doing=doing)
    return digest


def pull(engine: Engine, reference: str, tell: Callable[[Step], None]) -> str:
    """Pull it; its digest in the engine.

    Raises:
        UserError: the registry does not answer or has no such image.
    """
    doing = f"pull {clean(reference)}"
    repository, name = _split(reference)
    with telling(engine, doing), patience(engine):
        for news in _stream(engine.client.api.pull(repository, tag=name, stream=True, decode=True), engine, doing):
            step = _step(news, "pull")
            if step is not None:
                tell(step)
    return inspect(engine, reference).digest


class _Told(io.FileIO):
    """A file that tells how much of it was read: the engine says nothing before it has it all."""

    def __init__(self, path: str, tell: Callable[[Step], None]) -> None:
        super().__init__(path, "rb")
        self._tell = tell
        self._size = os.fstat(self.fileno()).st_size
        self._done = 0
        self._next = time.monotonic() + TELL_EVERY_S

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on."""
        data = super().read(-1 if size is None else size)
        self._done += len(data)
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TELL_EVERY_S
            self._tell(Step("load", "send the archive", "started", done_bytes=self._done, total_bytes=self._size))
        return data


def _split(reference: str) -> tuple[str, str]:
    """Repository and tag, or digest: a port has a colon too."""
    repository, at, digest = reference.partition("@")
    if at:
        return repository, digest
    head, slash, last = reference.rpartition("/")
    last, _, name = last.partition(":")
    return f"{head}{slash}{last}", name or "latest"


def _stream(answers: Iterable[Any], engine: Engine, doing: str) -> Iterator[_News]:
    """The engine's news, read strictly. Raises UserError: one of them is an error, which comes with status 200."""
    for answer in answers:
        try:
            news = msgspec.convert(answer, _News)
        except msgspec.ValidationError as bad:
            raise told(f"the engine answers what is no news of a transfer: {bad}", engine, doing=doing) from bad
        if news.error:
            raise told(news.error, engine, doing=doing)
        yield news


def _step(news: _News, what: str) -> Step | None:
    """The news of one layer."""
    if not news.id or not news.status:
        return None
    done = news.status in {
        "Pushed",
        "Pull complete",
        "Download complete",
        "Layer already exists",
        "Already exists",
        "Mounted from",
    }
    detail = news.detail or _Detail()
    name = harmless(f"{what} {news.id}: {news.status}")[:200]
    return Step(news.id, name, "done" if done else "started", None, detail.current, detail.total or None)
