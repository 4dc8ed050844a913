"""``docker buildx`` as a subprocess: the SDK's own build is the classic builder, which knows neither mounts nor OCI archives."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NoReturn

import msgspec

from envdoctor.engine import images, progress
from envdoctor.engine.progress import Step
from envdoctor.engine.trouble import PODMAN, clean, told
from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.postponing import postponed
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from envdoctor.engine.client import Engine

__all__ = ["Build", "Made", "Step", "build", "digest_of", "version"]

ASK_S = 120.0
STOP_S = 10.0
POLL_S = 0.1
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
RAWJSON_SINCE = (0, 13)
"""``--progress=rawjson`` (github.com/moby/buildkit/pull/4113): measured with 0.13.1, which does not list it in its help."""
REPRODUCIBLE_SINCE = 26
"""rewrite-timestamp came with BuildKit 0.13 (github.com/moby/buildkit/pull/4057); Docker 26.0.0 is the first with that
(docs.docker.com/engine/release-notes/26.0: "Update BuildKit to v0.13.1"). Measured with 26.1.5."""
BUILDS_SINCE = 23
"""Named contexts, cache and secret mounts without a ``# syntax=`` line: BuildKit 0.10 and newer, in Docker since 23."""
LAYOUT = "oci-layout://"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"github\.com/docker/buildx v?(?P<version>\d+\.\d+\S{0,40})")


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What is built, from what, to where."""

    context: str
    """The folder with the Dockerfile."""
    archive: str
    """The archive that is written; whole or not at all."""
    name: str | None
    """What the image in it is called."""
    epoch: int
    """SOURCE_DATE_EPOCH."""
    dockerfile: str | None = None
    contexts: dict[str, str] = {}
    """Named contexts: "base" -> "oci-layout:///dir@sha256:...", "wheels" -> a folder."""
    secrets: dict[str, str] = {}
    """By id, the file."""
    no_cache: bool = False
    target: str | None = None
    oci: bool = True
    """False: an archive of ``docker save``, with the times of the build in it; for engines that keep no OCI manifests."""


class Made(msgspec.Struct, frozen=True):
    """What came of it."""

    digest: str
    """Of the manifest; of the configuration where the store has no manifests."""
    config_digest: str | None
    seconds: float
    cached: int
    """Instructions of the Dockerfile that the cache had."""
    steps: int
    """Instructions of the Dockerfile in all."""


class _Metadata(msgspec.Struct, frozen=True):
    digest: str | None = msgspec.field(name="containerimage.digest", default=None)
    config: str | None = msgspec.field(name="containerimage.config.digest", default=None)


class _Descriptor(msgspec.Struct, frozen=True):
    digest: str


class _Index(msgspec.Struct, frozen=True):
    manifests: list[_Descriptor]


def version(environ: Mapping[str, str]) -> str:
    """The version of buildx: "0.13.1".

    Raises:
        UserError: there is no docker command here, it is podman's, or it has no buildx.
    """
    status, out, err = _asked(["buildx", "version"], environ, doing="use buildx")
    found = _VERSION.search(out)
    if found is None and (status or "podman" in out + err or "buildah" in out + err):
        if "podman" in out + err or "buildah" in out + err:
            raise UserError(f"could not use buildx: the docker command here is podman's; {PODMAN.what}", PODMAN.hint)
        raise told(err or out or f"it ended with status {status}", doing="use buildx")
    if found is None:
        raise UserError(f"could not use buildx: it does not say its version: {clean(out)}", "Look at it: docker buildx version")
    return harmless(found["version"])


def build(what: Build, engine: Engine, tell: Callable[[Step], None]) -> Made:
    """Build it. Blocks until it is done; an interrupt stops the engine's work too.

    Args:
        what: the build.
        engine: that does it.
        tell: gets every step as it goes on.

    Raises:
        UserError: it failed; the further lines of the error are what the failing step printed.
    """
    environ = _environ(engine)
    buildx = version(environ)
    _refuse_what_cannot(engine, what)
    rawjson = _numbers(buildx) >= RAWJSON_SINCE
    reader: progress.Reader = progress.Json() if rawjson else progress.Plain()
    unfinished = f"{what.archive}.unfinished"
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="envdoctor-buildx-") as folder, _removed(unfinished):
        metadata = os.path.join(folder, "metadata.json")
        argv = [_docker(environ), *_arguments(what, unfinished, metadata, "rawjson" if rawjson else "plain")]
        environ["SOURCE_DATE_EPOCH"] = str(what.epoch)
        status = _followed(argv, environ, reader, tell)
        if status:
            raise told(reader.text() or f"docker buildx ended with status {status}", engine, doing="build the image")
        try:
            made = msgspec.json.decode(read_file(metadata, MAX_JSON_BYTES), type=_Metadata)
        except (OSError, msgspec.DecodeError) as error:
            raise told(f"docker buildx left no metadata: {error}", engine, doing="build the image") from error
        digest = made.digest or made.config
        if digest is None or not _DIGEST.fullmatch(digest):
            raise told("docker buildx says no digest of what it built", engine, doing="build the image")
        if not what.oci:
            try:
                images.save(engine, what.name or digest, unfinished)
            finally:
                images.remove(engine, what.name or digest)
        os.replace(unfinished, what.archive)
    return Made(digest, made.config, time.monotonic() - started, reader.cached, reader.steps)


def digest_of(reference: str, engine: Engine) -> str:
    """The digest that a name stands for now: "sha256:...".

    Args:
        reference: of a registry ("nvidia/cuda:13.0.1-base-ubuntu24.04"), or "oci-layout://DIR" with or without "@sha256:...".
        engine: whose registry settings and logins are used; a layout needs none.

    Raises:
        UserError: the registry does not tell, or the layout holds no such image, or several.
    """
    if reference.startswith(LAYOUT):
        return _of_layout(reference)
    argv = ["buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", "--", reference]
    doing = f"look up {clean(reference)}"
    status, out, err = _asked(argv, _environ(engine), doing=doing)
    if status:
        raise told(err or out, engine, doing=doing)
    try:
        digest = msgspec.json.decode(out, type=_Descriptor).digest
    except msgspec.DecodeError as error:
        raise told(f"docker buildx imagetools inspect answers no JSON: {error}", engine, doing=doing) from error
    if not _DIGEST.fullmatch(digest):
        raise told(f"docker buildx imagetools inspect answers {digest[:100]!r}, which is no digest", engine, doing=doing)
    return digest


def _of_layout(reference: str) -> str:
    """The digest of the one image in an OCI layout, or the one that is named, if it is there."""
    folder, _, wanted = reference.removeprefix(LAYOUT).partition("@")
    hint = "Give the folder of an OCI image layout: --base oci-layout:///path/to/dir, with @sha256:... if it holds several."
    try:
        index = msgspec.json.decode(read_file(os.path.join(folder, "index.json"), MAX_JSON_BYTES), type=_Index)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{harmless(folder)} is no OCI layout: {harmless(str(error))}", hint) from error
    there = list(dict.fromkeys(one.digest for one in index.manifests if _DIGEST.fullmatch(one.digest)))
    if wanted:
        # an image of a multi-platform index is a blob that index.json does not name
        blob = os.path.join(folder, "blobs", "sha256", wanted.removeprefix("sha256:"))
        if _DIGEST.fullmatch(wanted) and (wanted in there or os.path.isfile(blob)):
            return wanted
        raise UserError(f"{harmless(folder)} holds no image {harmless(wanted)}", f"It holds {', '.join(there) or 'none'}.")
    if len(there) != 1:
        raise UserError(f"{harmless(folder)} holds {len(there)} images, so its name is not enough", hint)
    return there[0]


def _arguments(what: Build, archive: str, metadata: str, shown: str) -> list[str]:
    """Everything after "docker"."""
    # an engine with an old store refuses to write any archive itself; it is saved from there
    output = ["type=oci", f"dest={archive}", "rewrite-timestamp=true"] if what.oci else ["type=docker"]
    if what.name is not None:
        output.append(f"name={what.name}")
    argv = ["buildx", "build", f"--progress={shown}", "--provenance=false", "--metadata-file", metadata, "--output", _csv(output)]
    for name, place in sorted(what.contexts.items()):
        argv += ["--build-context", f"{name}={place}"]
    for name, path in sorted(what.secrets.items()):
        argv += ["--secret", _csv([f"id={name}", f"src={path}"])]
    if what.dockerfile is not None:
        argv += ["--file", what.dockerfile]
    if what.target is not None:
        argv += ["--target", what.target]
    if what.no_cache:
        argv.append("--no-cache")
    return [*argv, "--", what.context]


def _csv(fields: list[str]) -> str:
    """Buildx reads such values as a line of CSV: a path with a comma needs quotes."""
    return ",".join('"' + field.replace('"', '""') + '"' if set(field) & set(',"\n') else field for field in fields)


def _refuse_what_cannot(engine: Engine, what: Build) -> None:
    if engine.podman:
        raise UserError(f"could not build the image: {PODMAN.what}", PODMAN.hint)
    since = REPRODUCIBLE_SINCE if what.oci else BUILDS_SINCE
    major = _numbers(engine.version)[:1]
    if major and major < (since,):
        why = (
            "rewriting the times of files needs BuildKit 0.13" if what.oci else "mounts of caches and secrets need BuildKit 0.10"
        )
        raise UserError(
            f"could not build the image: this engine is Docker {engine.version}, and {why}, which came with Docker {since}",
            "Update it: docs.docker.com/engine/install; or name a newer engine: export DOCKER_HOST=...",
        )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d+", text.partition("+")[0])[:3])


def _environ(engine: Engine) -> dict[str, str]:
    """The user's environment; where the engine was found by looking around, the docker command is told of it."""
    environ = dict(os.environ)
    if not environ.get("DOCKER_HOST") and engine.socket.startswith("unix://"):
        environ["DOCKER_HOST"] = engine.socket
    # another builder is another BuildKit than that of the engine whose version was asked
    environ.pop("BUILDX_BUILDER", None)
    return environ


def _docker(environ: Mapping[str, str]) -> str:
    found = shutil.which("docker", path=environ.get("PATH"))
    if found is None:
        raise UserError(
            "could not use buildx: there is no docker command on PATH",
            "Install it and its plugin: apt-get install docker-ce-cli docker-buildx-plugin (Debian: docker-cli, docker-buildx).",
        )
    return found


def _asked(argv: list[str], environ: Mapping[str, str], *, doing: str) -> tuple[int, str, str]:
    """A short question to the docker command: its exit status, output and error output."""
    full = [_docker(environ), *argv]
    with _child(full, environ, subprocess.PIPE) as child:
        try:
            out, err = child.communicate(timeout=ASK_S)
        except subprocess.TimeoutExpired as late:
            raise told(f"docker {argv[0]} read timed out: no answer in {ASK_S:.0f} s", doing=doing) from late
    return child.returncode, out[:MAX_JSON_BYTES].decode("utf-8", "replace"), err[:MAX_JSON_BYTES].decode("utf-8", "replace")


def _followed(argv: list[str], environ: Mapping[str, str], reader: progress.Reader, tell: Callable[[Step], None]) -> int:
    """Run it and tell each of its lines; its exit status."""
    with _child(argv, environ, subprocess.DEVNULL) as child:
        stream = child.stderr
        if stream is None:
            _impossible()
        for line in iter(lambda: stream.readline(MAX_LINE_BYTES), b""):
            for step in reader.feed(line.decode("utf-8", "replace")):
                tell(step)
        return child.wait()


@contextlib.contextmanager
def _child(argv: list[str], environ: Mapping[str, str], out: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, gone when the block is left however that happens.

    In its own group a Ctrl-C reaches us only, and we end it in the order that leaves nothing behind: an interrupt, on which
    buildx cancels what the engine does, then the end.
    """
    child = None
    try:
        with postponed():
            child = subprocess.Popen(  # noqa: S603 - argv of our own making
                argv, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, start_new_session=True
            )
        yield child
    finally:
        if child is not None:
            _ended(child)
            for stream in (child.stdout, child.stderr):
                if stream is not None:
                    stream.close()


def _ended(child: subprocess.Popen[bytes]) -> None:
    """End it and all that it has started, if it has not ended by itself."""
    if child.poll() is not None:
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        if not _gone(child):
            _kill(child, number)
            _wait(child)
    _kill(child, signal.SIGKILL)
    _wait(child)


def _gone(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is not None


def _kill(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _wait(child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STOP_S
    while not _gone(child) and time.monotonic() < until:
        # what it still has to say is read away: a full pipe would keep it from ending
        with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
            child.communicate(timeout=POLL_S)


@contextlib.contextmanager
def _removed(path: str) -> Iterator[None]:
    """Nothing half-written stays."""
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _impossible() -> NoReturn:
    raise AssertionError("a pipe was asked for")
