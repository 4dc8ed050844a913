"""The one door to uv as a resolver: a question with requirements in, exact versions with their files out.

uv answers as a PEP 751 document (pylock.toml), which is data; the requirements.txt form would have to be read back from text.
Addresses of files stay in memory: nothing that is written to disk or printed names an index.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

import msgspec
from packaging.utils import canonicalize_name

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 600.0
"""Of one resolution: a cold cache reads the metadata of hundreds of releases."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
NO_SOLUTION = "No solution found"
_ADDRESS = re.compile(r"\b(?:https?|file)://\S+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Index(msgspec.Struct, frozen=True):
    """Where packages come from, in uv's words; empty means what uv is configured to use. Never written to a file."""

    default: str | None = None
    """--default-index."""
    extra: tuple[str, ...] = ()
    """--index: asked before the default one, which is how +cu126 builds are reached."""
    find_links: tuple[str, ...] = ()
    torch_backend: str | None = None
    """--torch-backend: "cpu", "cu128": PyTorch's own index of that name for torch and its family."""

    def environment(self) -> dict[str, str]:
        """The addresses as uv's environment variables: options of a process can be read by everybody on the machine."""
        return {
            **({"UV_DEFAULT_INDEX": self.default} if self.default else {}),
            **({"UV_INDEX": " ".join(self.extra)} if self.extra else {}),
        }

    def choices(self) -> tuple[str, ...]:
        """The rest as uv's options."""
        return (
            *(("--index-strategy", "unsafe-best-match") if self.extra else ()),
            *(word for one in self.find_links for word in ("--find-links", one)),
            *(("--torch-backend", self.torch_backend) if self.torch_backend else ()),
        )

    def options(self) -> tuple[str, ...]:
        """All of it as uv's options, addresses too: for a command that the user runs."""
        return (
            *(("--default-index", self.default) if self.default else ()),
            *(word for one in self.extra for word in ("--index", one)),
            *self.choices(),
        )


class File(msgspec.Struct, frozen=True):
    """One file of a release on an index."""

    name: str
    """"click-8.1.7-py3-none-any.whl"."""
    sha256: str | None
    size_bytes: int | None
    uploaded: str | None
    """Day of its upload, YYYY-MM-DD, where the index tells."""
    url: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; else it is a source distribution."""
        return self.name.endswith(".whl")


class Pinned(msgspec.Struct, frozen=True):
    """One release that a resolution took. ``name`` is normalized; ``files`` are those that fit the platform asked for."""

    name: str
    version: str
    files: tuple[File, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to resolve, and for which platform and Python."""

    requirements: tuple[str, ...]
    """PEP 508 lines."""
    python: str
    """"3.12" or "3.12.4"."""
    platform: str | None = None
    """uv's name of it, "x86_64-manylinux_2_35"; None is the machine we are on."""
    constraints: tuple[str, ...] = ()
    """Ranges that count only if the package is needed at all."""
    overrides: tuple[str, ...] = ()
    """Ranges that replace what packages ask for."""
    preferences: Mapping[str, str] = {}
    """Versions (by normalized name) that are taken where nothing speaks against them: what is installed, or locked before."""
    may_build: tuple[str, ...] = ()
    """Packages that may come as source distributions; of all others only wheels are taken."""
    exclude_newer: str | None = None
    """Only files uploaded before this day or moment (RFC 3339)."""
    with_dependencies: bool = True
    offline: bool = False
    index: Index = Index()


class Unresolvable(UserError):  # noqa: N818 - an answer
    """No versions satisfy the question. ``says`` is uv's own explanation, made harmless, addresses removed."""

    def __init__(self, says: str) -> None:
        hint = "Ask for other versions, or for fewer at once. The resolver says:"
        super().__init__("there are no versions that fit together", hint, *(f"  {line}" for line in says.splitlines()))
        self.says = says


def uv_program() -> str:
    """The uv that is installed with us, else the one on PATH. Raises UserError: there is none."""
    import shutil  # noqa: PLC0415

    try:
        from uv import find_uv_bin  # noqa: PLC0415

        return os.fspath(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise UserError(
            "uv is not here, and envdoctor resolves and installs with it", "Install it beside envdoctor: pip install uv"
        )
    return found


def resolve(question: Question) -> tuple[Pinned, ...]:
    """The exact releases that satisfy the question, sorted by name.

    Raises:
        Unresolvable: no versions fit together; the message is the solver's.
        UserError: uv is not here, gave no answer in time, or answered with what is no lock.
    """
    with tempfile.TemporaryDirectory(prefix="envdoctor-resolve-") as folder:
        answer = os.path.join(folder, "pylock.answer.toml")
        if question.preferences:
            _write(answer, _preferences(question.preferences))
        status, said = _run(_command(question, folder, answer), question.index)
        if status != 0:
            raise _refusal(without_addresses(said))
        return _pins(answer)


def _refusal(says: str) -> UserError:
    """What uv's words mean: that nothing fits together, or that it could not look."""
    if NO_SOLUTION in says:
        return Unresolvable(says)
    told = "; ".join(line.strip() for line in says.splitlines())
    return UserError(
        f"uv could not resolve: {told}", "Is the package index reachable? Another one is named with --default-index."
    )


def _command(question: Question, folder: str, answer: str) -> tuple[str, ...]:
    words: list[str] = [uv_program(), "pip", "compile", _write(os.path.join(folder, "asked.in"), _lines(question.requirements))]
    for option, lines in (("--constraints", question.constraints), ("--overrides", question.overrides)):
        if lines:
            words += [option, _write(os.path.join(folder, f"{option[2:]}.txt"), _lines(lines))]
    words += ["--format", "pylock.toml", "--output-file", answer, "--no-header", "--quiet", "--no-progress", "--color", "never"]
    words += ["--python-version", question.python, "--no-python-downloads", "--no-sources"]
    if question.platform is not None:
        words += ["--python-platform", question.platform]
    if question.exclude_newer is not None:
        words += ["--exclude-newer", question.exclude_newer]
    words += ["--no-build"] if not question.may_build else ["--only-binary", ":all:"]
    words += [word for name in question.may_build for word in ("--no-binary", name)]
    words += [] if question.with_dependencies else ["--no-deps"]
    words += ["--offline"] if question.offline else []
    return (*words, *question.index.choices())


def _run(command: tuple[str, ...], index: Index) -> tuple[int, str]:
    """Exit status and standard error. A uv that gives no answer is ended with what it has started (builds, git)."""
    environment = {**os.environ, **index.environment()}
    try:
        # in the user's folder: an index that [tool.uv] of the project there names is the one that is meant
        child = subprocess.Popen(  # noqa: S603 - argv of our own making
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"uv could not be started: {error.strerror}", "Install it beside envdoctor: pip install uv") from error
    with child:
        try:
            _, said = child.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as late:
            _end(child.pid)
            hint = "Is the package index reachable? Try again, or name another one with --index."
            raise UserError(f"uv gave no answer in {TIMEOUT_S:g} s", hint) from late
        except BaseException:
            _end(child.pid)
            raise
    return child.returncode, said


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def without_addresses(text: str) -> str:
    """The text without addresses (an index may hold a password) and control characters, line breaks kept."""
    return "\n".join(harmless(_ADDRESS.sub("the index", line)) for line in text.strip().splitlines())


def _write(path: str, text: str) -> str:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _lines(lines: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _preferences(versions: Mapping[str, str]) -> str:
    """A lock that holds these versions: uv keeps to what its output file held before. Its own files are never read."""
    entries = []
    for name, version in sorted(versions.items()):
        if _NAME.fullmatch(name) and re.fullmatch(r"[A-Za-z0-9.!+_-]+", version):
            entries.append(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n')
    return 'lock-version = "1.0"\ncreated-by = "envdoctor"\n\n' + "\n".join(entries)


def _pins(path: str) -> tuple[Pinned, ...]:
    try:
        packages = msgspec.toml.decode(read_file(path, MAX_ANSWER_BYTES)).get("packages", [])
        return tuple(sorted((_pinned(one) for one in packages), key=lambda one: one.name))
    except (OSError, msgspec.DecodeError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"uv's answer could not be read: {error}", "envdoctor works with uv 0.8 and newer: uv --version"
        ) from error


def _pinned(one: dict[str, Any]) -> Pinned:
    files = [*one.get("wheels", []), *([one["sdist"]] if "sdist" in one else []), *([one["archive"]] if "archive" in one else [])]
    return Pinned(
        name=canonicalize_name(one["name"]), version=str(one.get("version", "")), files=tuple(_file(each) for each in files)
    )


def _file(one: dict[str, Any]) -> File:
    uploaded = one.get("upload-time")
    address = str(one.get("url") or one.get("path") or "")
    return File(
        name=str(one.get("name") or os.path.basename(address.partition("#")[0])),
        sha256=one.get("hashes", {}).get("sha256"),
        size_bytes=one.get("size"),
        uploaded=None if uploaded is None else uploaded.date().isoformat(),
        url=address,
    )
