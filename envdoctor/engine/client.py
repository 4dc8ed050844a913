"""Finding the container engine, and knowing what it can do before anything is asked of it.

A socket is tried by hand first: "permission denied", "nobody listens" and "is not there" are three different remedies, and
an HTTP client tells them apart only in the middle of a sentence.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket as sockets
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from envdoctor.engine.trouble import clean, told
from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
CONNECT_S = 5.0
ANSWER_S = 60
COPY_S = 1800.0
"""How long it may take to make or remove what is as large as an image: some engines copy it file by file."""
PATIENT_S = 6 * 3600
"""How long an engine may be silent while it unpacks, pulls or pushes tens of gigabytes."""
MAX_CONFIG_BYTES = 1024 * 1024
CONTAINERD = ["driver-type", "io.containerd.snapshotter.v1"]
"""In info()["DriverStatus"] where images lie in containerd's store, which keeps manifests; "graphdriver" stores do not."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Engine(msgspec.Struct, frozen=True):
    """An engine that answers."""

    client: Any
    """docker.DockerClient."""
    socket: str
    """Its address, as users write it in DOCKER_HOST."""
    version: str
    containerd_store: bool
    podman: bool
    rootless: bool
    architecture: str
    """As images name it: "amd64"."""


class _Component(msgspec.Struct, frozen=True):
    name: str = msgspec.field(name="Name", default="")


class _Version(msgspec.Struct, frozen=True):
    version: str = msgspec.field(name="Version")
    architecture: str = msgspec.field(name="Arch", default="")
    components: list[_Component] | None = msgspec.field(name="Components", default=None)


class _Info(msgspec.Struct, frozen=True):
    driver_status: list[list[str]] | None = msgspec.field(name="DriverStatus", default=None)
    security: list[str] | None = msgspec.field(name="SecurityOptions", default=None)


class _Endpoint(msgspec.Struct, frozen=True):
    host: str = msgspec.field(name="Host", default="")


class _Context(msgspec.Struct, frozen=True):
    endpoints: dict[str, _Endpoint] = msgspec.field(name="Endpoints", default_factory=dict)


class _ClientConfig(msgspec.Struct, frozen=True):
    context: str = msgspec.field(name="currentContext", default="")


class _Refused(NamedTuple):
    """A socket that did not let us in."""

    path: str
    reason: int
    """An errno."""


@contextlib.contextmanager
def connect(environ: Mapping[str, str]) -> Iterator[Engine]:
    """The engine that the docker command line would use; else a rootless one, or podman's.

    Args:
        environ: of this process: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, the TLS variables, XDG_RUNTIME_DIR.

    Raises:
        UserError: there is none, it is not running, it may not be used, or it is too old to talk to.
    """
    import docker  # noqa: PLC0415 - 150 ms
    from docker.utils import kwargs_from_env  # noqa: PLC0415

    address = _address(environ)
    client = None
    try:
        with telling(None, f"talk to the engine at {clean(address)}"):
            # what docker's own from_env does, with an address that we chose
            variables = {**environ, "DOCKER_HOST": address}
            settings = kwargs_from_env(environment=variables)
            settings.setdefault("base_url", address)
            client = docker.DockerClient(**settings, timeout=ANSWER_S)
            engine = described(client.version(), client.info(), client, address)
        yield engine
    finally:
        if client is not None:
            client.close()


def described(version: object, info: object, client: Any, address: str) -> Engine:  # noqa: ANN401 - the SDK's client
    """What the engine's answers say of it.

    Raises:
        UserError: they are not what an engine answers.
    """
    try:
        who, what = msgspec.convert(version, _Version), msgspec.convert(info, _Info)
    except msgspec.ValidationError as bad:
        raise UserError(
            f"what listens at {harmless(address)} does not answer like a container engine: {harmless(str(bad))}",
            "Point DOCKER_HOST to the socket of Docker or podman, and look at it with: docker version",
        ) from bad
    return Engine(
        client=client,
        socket=address,
        version=harmless(who.version)[:80],
        containerd_store=CONTAINERD in (what.driver_status or []),
        podman=any(one.name == "Podman Engine" for one in who.components or ()),
        rootless=any(option.split(",")[0] == "name=rootless" for option in what.security or ()),
        architecture=ARCHITECTURES.get(who.architecture, who.architecture),
    )


@contextlib.contextmanager
def telling(engine: Engine | None, doing: str) -> Iterator[None]:
    """Errors of the SDK, and those of the libraries under it that it lets through, become sentences.

    Args:
        engine: that is asked.
        doing: what for, as it follows "could not".

    Raises:
        UserError: one of them came; anything else is a bug of ours and passes.
    """
    from docker.errors import DockerException  # noqa: PLC0415 - slow

    try:
        yield
    except Exception as error:
        known = isinstance(error, (DockerException, OSError, HTTPException))
        if not known and type(error).__module__.partition(".")[0] != "urllib3":
            raise
        raise told(error, engine, doing=doing) from error


@contextlib.contextmanager
def patience(engine: Engine, seconds: float = PATIENT_S) -> Iterator[None]:
    """How long the engine may be silent: hours where it unpacks a large layer, less where a program has a deadline."""
    before = engine.client.api.timeout
    engine.client.api.timeout = seconds
    try:
        yield
    finally:
        engine.client.api.timeout = before


def _address(environ: Mapping[str, str]) -> str:
    """Where to connect. Raises UserError: nowhere."""
    named = environ.get("DOCKER_HOST") or _of_context(environ)
    if named:
        if named.startswith("unix://"):
            refused = _try(named.removeprefix("unix://"))
            if refused is not None:
                raise _no_engine([refused], environ, named=True)
        elif not named.startswith(("tcp://", "http://", "https://")):
            raise UserError(
                f"the engine is named as {clean(named)}, and only unix:// and tcp:// can be talked to",
                "Bring its socket here: ssh -N -L /tmp/docker.sock:/var/run/docker.sock HOST & "
                "export DOCKER_HOST=unix:///tmp/docker.sock",
            )
        return named
    refusals: list[_Refused] = []
    for path in _usual(environ):
        refused = _try(path)
        if refused is None:
            return f"unix://{path}"
        refusals.append(refused)
    raise _no_engine(refusals, environ, named=False)


def _usual(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where engines listen when nobody says otherwise."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    own = (f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock") if runtime else ()
    return (DOCKER_SOCKET, *own, PODMAN_SOCKET)


def _of_context(environ: Mapping[str, str]) -> str | None:
    """The address of the docker context that is chosen; None: the default one, or it cannot be read."""
    folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME", "/"), ".docker")
    name = environ.get("DOCKER_CONTEXT")
    try:
        if name is None:
            content = read_file(os.path.join(folder, "config.json"), MAX_CONFIG_BYTES)
            name = msgspec.json.decode(content, type=_ClientConfig).context
        if name in {"", "default"}:
            return None
        # contexts lie in folders that are named by the SHA-256 of their names
        place = os.path.join(folder, "contexts", "meta", hashlib.sha256(name.encode()).hexdigest(), "meta.json")
        known = msgspec.json.decode(read_file(place, MAX_CONFIG_BYTES), type=_Context)
    except FileNotFoundError:
        if not name:
            return None
        raise UserError(
            f"the docker context {harmless(name)!r} is chosen, and there is none of this name in {folder}",
            "List them with: docker context ls; choose one with: docker context use NAME",
        ) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return known.endpoints.get("docker", _Endpoint()).host or None


def _try(path: str) -> _Refused | None:
    """Connect once; None: somebody listens."""
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as one:
        one.settimeout(CONNECT_S)
        try:
            one.connect(path)
        except TimeoutError:
            return _Refused(path, errno.ETIMEDOUT)
        except OSError as error:
            return _Refused(path, error.errno or errno.EINVAL)
    return None


def _no_engine(refusals: list[_Refused], environ: Mapping[str, str], *, named: bool) -> UserError:
    """The refusal that tells most, as a sentence with its remedy."""
    by_reason = {one.reason: one.path for one in reversed(refusals)}
    for reason in (errno.EACCES, errno.EPERM):
        if reason in by_reason:
            path = by_reason[reason]
            return UserError(
                f"there is an engine at {path}, and this user may not use it (permission denied)",
                "Join its group and log in again: sudo usermod -aG docker $USER; or run this once with sudo.",
            )
    for reason in (errno.ECONNREFUSED, errno.ETIMEDOUT):
        if reason in by_reason:
            return UserError(
                f"{by_reason[reason]} is there, but no engine answers on it", f"Start it: {_start(by_reason[reason])}"
            )
    path = refusals[0].path
    if named:
        why = "DOCKER_HOST names it" if environ.get("DOCKER_HOST") else "the docker context names it"
        return UserError(
            f"there is no engine at {path} ({why}): {os.strerror(refusals[0].reason)}",
            f"Start it: {_start(path)}; or take the usual one: unset DOCKER_HOST, docker context use default",
        )
    search = environ.get("PATH")
    if shutil.which("dockerd", path=search) or shutil.which("docker", path=search):
        return UserError(f"Docker is installed, but its daemon is not running: there is no {path}", f"Start it: {_start(path)}")
    if shutil.which("podman", path=search):
        return UserError(
            "podman is installed, but its API socket is off", "Switch it on: systemctl --user enable --now podman.socket"
        )
    tried = ", ".join(one.path for one in refusals)
    return UserError(
        f"no container engine is here: nothing at {tried}, and neither docker nor podman is on PATH",
        "Install Docker (docs.docker.com/engine/install), or name a running engine: export DOCKER_HOST=unix:///path/to/docker.sock",
    )


def _start(path: str) -> str:
    """The command that starts what listens there."""
    user = "" if path in {DOCKER_SOCKET, PODMAN_SOCKET} or not re.match(r"/run/user/\d+/", path) else "--user "
    unit = "podman.socket" if "podman" in path else "docker"
    return f"{'' if user else 'sudo '}systemctl {user}start {unit}"
