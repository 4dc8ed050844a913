"""``image:REF``: a container image of the engine, judged by a probe in a container of it, or from outside on its exported root.

The container has no network, a read-only file system and nothing of ours in it: the probe travels as an archive on standard
input and lives in memory. What belongs to the machine is not told (it is ours, not the one that the image is for), and the
image's configuration says what a file system cannot: variables, user, entry point. Hostile input, all of it.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor.errors import UserError
from envdoctor.facts import MAX_DOCUMENT_BYTES, BadDocument, Facts, Image, Known, Target, decode
from envdoctor.probe import environ
from envdoctor.sources import interpreter, root
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.engine.client import Engine
    from envdoctor.engine.images import Config

SCHEME = "image:"
SEPARATOR = "::"
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,299}")
DEADLINE_S = 60
"""For the probe in it: the files of an image are often read for the first time, from a cold disk."""
START_S = 30
"""For the engine to make and start the container."""
KILLED = 137
MAX_STRINGS = 200
MAX_SAID = 2000
MAX_LAYERS = 1000
CONFIGURATION = "the image's configuration"
LABELS = re.compile(r"org\.opencontainers\.image\.|(?:[\w-]+\.)*envdoctor\.")
READ = ("CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONNOUSERSITE", "PYTHONPATH")
"""Variables by which files are found: a probe that only reads the root needs them."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What engines set where an image says nothing."""
CUT = "envdoctor: the probe arrived without its end"
STARTED = b"Traceback (most recent call last)"
"""What a Python prints that does start, and fails later: a fatal error at its start looks otherwise."""

# the archive is in memory, since nothing may be written; its length is told, since not every engine ends the input
BOOTSTRAP = (
    "import sys\n"
    f"if sys.version_info < {interpreter.OLDEST}: sys.exit('{interpreter.TOO_OLD} %d.%d' % sys.version_info[:2])\n"
    "import os\n"
    "archive, left = os.memfd_create('probe'), int(sys.argv.pop(1))\n"
    "while left:\n"
    "    part = sys.stdin.buffer.read1(left)\n"
    f"    if not part: sys.exit('{CUT}')\n"
    "    left -= len(part)\n"
    "    while part: part = part[os.write(archive, part):]\n"
    "sys.path.append('/proc/self/fd/%d' % archive)\n"
    "sys.dont_write_bytecode = True\n"
    "from probe.__main__ import main\n"
    "main()\n"
)


class Seen(NamedTuple):
    """What became known of an image. ``program``: its Python, as it is named in it."""

    facts: Facts
    program: str


class NotRun(NamedTuple):
    """Why the probe did not run in a container. ``broken``: because the image's Python does not start."""

    why: str
    broken: bool = False


def place(rest: str) -> tuple[str, str]:
    """The reference and the Python in it that ``REF`` or ``REF::/path/in/it`` name.

    Raises:
        UserError: that is no reference of an image.
    """
    reference, _, inside = rest.partition(SEPARATOR)
    if not REFERENCE.fullmatch(reference):
        raise UserError(
            f"image:{rest} names no image" if rest else "image: is followed by no name",
            "Name one of the engine's: image:REPOSITORY:TAG or image:REPOSITORY@sha256:... (`docker images` lists them).",
        )
    return reference, inside


def read(reference: str, inside: str, wanted: Mapping[str, str], *, run: bool = True) -> Seen:
    """The facts of an image that the engine has.

    Args:
        reference: as the engine names it.
        inside: the Python in it that is meant; "" for the one on its PATH.
        wanted: further words of the probe's request.
        run: False judges its exported root, and starts nothing of it.

    Raises:
        UserError: no engine, no such image, no Python in it, or no answer.
    """
    from envdoctor.engine import client, images  # noqa: PLC0415 - other targets need none of it

    asked = {"image": reference, "deadline_s": str(DEADLINE_S), **wanted, **({"inside": inside} if inside else {})}
    with client.connect(os.environ) as engine:
        config = images.inspect(engine, reference)
        if not run:
            found: bytes | NotRun = NotRun("not run, as it was asked for")
        elif config.architecture != engine.architecture:
            found = NotRun(f"not run, since it is for {config.architecture} and this engine for {engine.architecture}")
        else:
            found = _in_container(engine, reference, asked)
        document = found if isinstance(found, bytes) else _from_outside(engine, reference, config, asked, found)
    return _seen(document, reference, inside, config, None if isinstance(found, bytes) else found)


def archive() -> bytes:
    """The probe as a zip; not compressed, since the Python that reads it may lack zlib."""
    folder = os.path.join(interpreter.PACKAGE, "probe")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".py"):
                packed.write(os.path.join(folder, name), f"probe/{name}")
    return held.getvalue()


def python_of(inside: str) -> str:
    """The program to start: the one that was named, that of the environment that was named, or python3 on the image's PATH."""
    if not inside:
        return "python3"
    folder, name = os.path.split(inside.rstrip("/"))
    return inside if name.startswith("python") and os.path.basename(folder) == "bin" else f"{inside.rstrip('/')}/bin/python3"


def _in_container(engine: Engine, reference: str, asked: Mapping[str, str]) -> bytes | NotRun:
    """The document that the probe prints in a container, or why there is none. Raises UserError."""
    from envdoctor.engine import containers  # noqa: PLC0415

    probe, program = archive(), python_of(asked.get("inside", ""))
    words = [f"{key}={value}" for key, value in asked.items()]
    argv = (program, "-I", "-S", "-c", BOOTSTRAP, str(len(probe)), *words)
    try:
        ran = containers.run(
            engine,
            reference,
            argv,
            stdin=probe,
            deadline_s=float(asked["deadline_s"]) + START_S,
            max_bytes=MAX_DOCUMENT_BYTES,
        )
    except UserError as error:
        return NotRun(f"not run: {error.what}")
    if ran.out.endswith(b"}\n"):
        return ran.out
    said = [line for line in ran.err[-MAX_SAID:].decode("utf-8", "replace").splitlines() if line.strip()]
    last = harmless(said[-1].strip()) if said else "it printed nothing"
    if ran.status == 0:
        raise UserError(
            f"{program} of image:{reference} printed something else than what the probe prints: {last}",
            f"Judge it from outside: envdoctor check --no-run image:{reference}",
        )
    if ran.status == KILLED:
        return NotRun(f"not run, since its container was killed (exit status {KILLED}), most often for want of memory")
    if last.startswith(interpreter.TOO_OLD):
        return NotRun(f"not run, since its {program} is Python {last[len(interpreter.TOO_OLD) :].strip()}, too old for the probe")
    if STARTED in ran.err or last == CUT:
        return NotRun(f"not run, since the probe failed under its {program}: {last}")
    return NotRun(f"{program} does not start in it (exit status {ran.status}): {last}", broken=True)


def _from_outside(engine: Engine, reference: str, config: Config, asked: Mapping[str, str], why: NotRun) -> bytes:
    """The document of its exported root. Raises UserError."""
    from envdoctor.engine import containers  # noqa: PLC0415

    env = {"PATH": DEFAULT_PATH, **config.env}
    given = {name: env[name] if name == "LD_PRELOAD" else absolute(env[name]) for name in READ if name in env}
    with containers.export(engine, reference) as folder:
        running = root.start(folder, asked.get("inside", ""), {**asked, "environ": msgspec.json.encode(given).decode()})
        try:
            return root.finish(running, folder)
        except UserError as error:
            what = error.what.replace(folder, f"image:{reference}")
            raise UserError(f"{what} (it was judged from outside: {why.why})", error.hint.replace(folder, "DIR")) from error
        except BaseException:
            interpreter.stop(running.child)
            raise


def absolute(folders: str) -> str:
    """The absolute folders of a search path: others are meant from the folder in which something is started."""
    return ":".join(one for one in re.split("[:;]", folders) if one.startswith("/"))


def _seen(document: bytes, reference: str, inside: str, config: Config, silent: NotRun | None) -> Seen:
    """The facts of a document, completed by the configuration. Raises UserError."""
    try:
        facts = decode(document)
    except BadDocument as bad:
        raise UserError(
            f"image:{reference} printed something else than what the probe prints: {bad}",
            f"Judge it from outside: envdoctor check --no-run image:{reference}",
        ) from bad
    told = facts.target
    chosen = [f"{short(config.digest)}, {config.os}/{config.architecture}", told.chosen[:MAX_SAID]]
    if silent is not None and not silent.broken:
        chosen.append(silent.why)
    target = Target(
        spec=f"{SCHEME}{reference}{SEPARATOR if inside else ''}{inside}",
        chosen="; ".join(part for part in chosen if part),
        broken=silent.why if silent is not None and silent.broken else told.broken,
    )
    described = Known(described_by(config, reference), CONFIGURATION)
    variables = Known(environ.variables(dict(config.env)), CONFIGURATION)
    facts = msgspec.structs.replace(facts, target=target, image=described, environ=variables)
    return Seen(facts, told.spec)


def short(digest: str) -> str:
    """A digest as a person compares it: "sha256:0123456789ab"."""
    algorithm, sign, number = digest.partition(":")
    return f"{algorithm}{sign}{number[:12]}"


def described_by(config: Config, reference: str) -> Image:
    """What the configuration says of the image. Words of it may hold credentials in addresses: those are taken out."""
    labels = {name: environ.cleaned(value) for name, value in sorted(config.labels.items()) if LABELS.match(name)}
    return Image(
        reference=reference,
        digest=config.digest,
        os=config.os,
        architecture=config.architecture,
        user=config.user,
        entrypoint=_words(config.entrypoint),
        command=_words(config.command),
        labels=dict(list(labels.items())[:MAX_STRINGS]),
        layers=tuple(config.layers[:MAX_LAYERS]),
    )


def _words(argv: Iterable[str]) -> tuple[str, ...]:
    return tuple(environ.cleaned(word) for word in list(argv)[:MAX_STRINGS])
