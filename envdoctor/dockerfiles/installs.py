"""What the commands of a Dockerfile install: pip, uv and conda, their requirements and options. Pure."""

from __future__ import annotations

import posixpath
import re
from collections import deque
from typing import TYPE_CHECKING, Literal

import msgspec
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from envdoctor.claims import exact_pin
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envdoctor.dockerfiles.stages import Executed

Tool = Literal["pip install", "uv pip install", "uv sync", "conda install"]
Kind = Literal["named", "vcs", "url", "path", "unknown"]
PIP = re.compile(r"pip(?:3(?:\.[0-9]+)?)?")
PYTHON = re.compile(r"python(?:[23](?:\.[0-9]+)?)?(?:\.sh)?")
CONDAS = ("conda", "mamba", "micromamba")
ARCHIVES = (".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2")
MAX_WANTED = 300
"""Requirements of one command; people write some thirty."""
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)[ \t]*(\[[^\]]*\])?[ \t]*([^;#]*)")
_WHEEL = re.compile(r"([A-Za-z0-9_.]+)-([^-/]+)(?:-[^-/]+)?-[^-/]+-[^-/]+-[^-/]+\.whl")
CONDA_VALUES = (
    "-n",
    "--name",
    "-p",
    "--prefix",
    "-c",
    "--channel",
    "-f",
    "--file",
    "--solver",
    "--repodata-fn",
    "-r",
    "--root-prefix",
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of an install."""

    text: str
    kind: Kind
    name: str = ""
    """Normalized; empty where it is not known, as of a path or of an address without a name."""
    spec: str = ""
    url: str = ""

    @property
    def exact(self) -> str | None:
        """The one version it admits; of a wheel, that of its file name. None if it admits several or that is not known."""
        if self.kind == "named":
            try:
                found = exact_pin(self.spec)
            except (InvalidSpecifier, InvalidVersion):
                return None
            return None if found is None else str(found)
        wheel = _WHEEL.fullmatch(posixpath.basename(self.url.split("#")[0].replace("%2B", "+").replace("%2b", "+")))
        return wheel[2] if wheel and "$" not in wheel[2] else None

    @property
    def pinned(self) -> bool:
        """Whether it names one version or one file; an unknown variable in an exact pin counts as one."""
        if self.kind != "named":
            return True
        clauses = [clause.strip() for clause in self.spec.split(",")]
        return any(clause.startswith("==") and not clause.endswith("*") for clause in clauses) or "$" in self.text


class Install(msgspec.Struct, frozen=True, kw_only=True):
    """One install command."""

    tool: Tool
    run: Executed
    wanted: tuple[Wanted, ...] = ()
    files: tuple[str, ...] = ()
    """-r."""
    constraints: tuple[str, ...] = ()
    """-c, PIP_CONSTRAINT, UV_CONSTRAINT, --overrides."""
    options: tuple[tuple[str, str], ...] = ()
    """As written, with the value where there is one."""
    where: str = ""
    """Which environment it installs into, as far as words can tell: equal texts are the same one."""

    def has(self, *names: str) -> bool:
        """Whether one of the options is given."""
        return any(name in names for name, _ in self.options)

    def values(self, *names: str) -> list[str]:
        """The values given to options."""
        return [value for name, value in self.options if name in names]

    def wants(self, name: str) -> Wanted | None:
        """Its requirement of a package, None if it has none."""
        return next((one for one in self.wanted if one.name == name), None)

    @property
    def indexes(self) -> list[str]:
        """Where it looks for packages beside or instead of the usual index."""
        found = self.values("--index-url", "-i", "--extra-index-url", "--index", "--default-index", "--find-links", "-f")
        names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX")
        return found + [self.run.env[name] for name in names if self.run.env.get(name)]


def installs(run: Executed, takes: Mapping[str, Mapping[str, bool]]) -> Install | None:
    """The install that a command is, None if it is none.

    Args:
        run: the command.
        takes: for each tool its options, and whether they take a value.
    """
    found = _tool(run.argv)
    if found is None:
        return None
    tool, where, rest = found
    if tool == "conda install":
        return _conda(run, where, rest)
    options, words = _options(rest, takes.get(tool, {}))
    names = dict(options)
    constraints = [
        value for name, value in options if name in {"-c", "--constraint", "--constraints", "--overrides", "--override"}
    ]
    constraints += [run.env[name] for name in ("PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE") if run.env.get(name)]
    wanted = [wanted_from(word) for word in words[:MAX_WANTED] if word and not word.startswith("-")]
    for name, value in options:
        if name in {"-e", "--editable"} and value:
            one = wanted_from(value)  # never a name of the index: "python[all]" is a folder here
            wanted.append(Wanted(text=value, kind="path", url=value) if one.kind == "named" else one)
    places = [run.activated, where, *(names.get(one, "") for one in ("--python", "-p", "--target", "-t", "--prefix", "--root"))]
    places += [run.env.get("VIRTUAL_ENV", ""), run.env.get("UV_PROJECT_ENVIRONMENT", "")]
    return Install(
        tool=tool,
        run=run,
        wanted=() if tool == "uv sync" else tuple(wanted),
        files=tuple(value for name, value in options if name in {"-r", "--requirement", "--requirements"} and value),
        constraints=tuple(constraints),
        options=tuple(options),
        where=" ".join(place for place in places if place),
    )


def _tool(argv: Sequence[str]) -> tuple[Tool, str, list[str]] | None:
    """Which installer a command is, through what it is called, and the words behind "install"."""
    words = list(argv)
    name = posixpath.basename(words[0]) if words else ""
    if name in CONDAS:
        if "run" in words[1:4] and "pip" in words:
            at = words.index("pip")
            inner = _tool(words[at:])
            return None if inner is None else (inner[0], " ".join(words[:at]), inner[2])
        after = _behind(words[1:], ("install", "create", "update"))
        return None if after is None else ("conda install", name, after)
    where = ""
    if "-m" in words[1:4] and (PYTHON.fullmatch(name) or "$" in name):
        at = words.index("-m")
        where = words[0] if "/" in words[0] else ""
        words = words[at + 1 :]
        name = words[0] if words else ""
    elif PIP.fullmatch(name):
        where = posixpath.dirname(words[0])
    if PIP.fullmatch(name):
        after = _behind(words[1:], ("install",))
        return None if after is None else ("pip install", where, after)
    if name != "uv":
        return None
    after = _behind(words[1:], ("pip",))
    if after is not None:
        after = _behind(after, ("install", "sync"))
        return None if after is None else ("uv pip install", where, after)
    if len(words) > 1 and words[1] == "run" and "pip" in words[2:]:
        return _tool(words[words.index("pip") :])
    after = _behind(words[1:], ("sync",))
    return None if after is None else ("uv sync", where, after)


def _behind(words: list[str], commands: tuple[str, ...]) -> list[str] | None:
    """The words behind a subcommand, with the options before it; None if another word comes first."""
    for index, word in enumerate(words):
        if word in commands:
            return words[:index] + words[index + 1 :]
        if not word.startswith("-") and not (index and words[index - 1].startswith("--") and "=" not in words[index - 1]):
            return None
    return None


def _options(words: list[str], takes: Mapping[str, bool]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and the other words. An option that is not known is taken to have no value."""
    options: list[tuple[str, str]] = []
    rest: list[str] = []
    queue = deque(words)
    while queue:
        word = queue.popleft()
        if word.startswith("--") and len(word) > 2:  # noqa: PLR2004 - "--" alone
            name, mark, value = word.partition("=")
            if not mark and takes.get(name) and queue:
                value = queue.popleft()
            options.append((name, value))
        elif word.startswith("-") and word != "-" and "$" not in word[:2]:
            letters = word[1:]
            while letters:
                name, letters = f"-{letters[0]}", letters[1:]
                value = ""
                if takes.get(name):
                    value, letters = (letters.removeprefix("="), "") if letters else (queue.popleft() if queue else "", "")
                options.append((name, value))
        elif word != "--":
            rest.append(word)
    return options, rest


def wanted_from(text: str) -> Wanted:
    """Read one requirement as pip would take it."""
    word = text.strip()
    name, mark, address = word.partition("@")
    if mark and "://" in address and re.fullmatch(r"[A-Za-z0-9._-]+\s*(\[[^\]]*\])?\s*", name):
        clean = normalized(re.sub(r"\[.*", "", name).strip())
        return Wanted(text=word, kind="vcs" if address.strip().startswith("git+") else "url", name=clean, url=address.strip())
    if word.startswith(("git+", "hg+", "svn+", "bzr+")):
        egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", word)
        return Wanted(text=word, kind="vcs", name=normalized(egg[1]) if egg else "", url=word)
    if "://" in word:
        return Wanted(text=word, kind="url", name=_wheel_name(word), url=word)
    if (
        word.startswith((".", "/", "~", "file:"))
        or word.split("[")[0].endswith(ARCHIVES)
        or ("/" in word and "$" not in word[:1])
    ):
        return Wanted(text=word, kind="path", name=_wheel_name(word), url=word)
    found = _NAMED.match(word)
    if found is None or word.startswith("$"):
        return Wanted(text=word, kind="unknown")
    return Wanted(text=word, kind="named", name=normalized(found[1]), spec=found[3].strip().strip("()"))


def _wheel_name(address: str) -> str:
    wheel = _WHEEL.fullmatch(posixpath.basename(address.split("#", maxsplit=1)[0]))
    return normalized(wheel[1]) if wheel else ""


def _conda(run: Executed, where: str, words: list[str]) -> Install:
    takes = dict.fromkeys(CONDA_VALUES, True)
    options, rest = _options(words, takes)
    wanted = []
    for word in rest[:MAX_WANTED]:
        bare = word.split("::")[-1]
        name, mark, version = re.sub(r"(==|>=|<=|!=|=|>|<| )", r" \1", bare, count=1).partition(" ")
        spec = version.strip()
        wanted.append(
            Wanted(
                text=word, kind="named", name=normalized(name), spec=f"=={spec.lstrip('=')}" if mark and spec[:1] == "=" else spec
            )
        )
    names = dict(options)
    place = f"conda {names.get('-n') or names.get('--name') or names.get('-p') or names.get('--prefix') or where}"
    files = tuple(value for name, value in options if name in {"-f", "--file"} and value)
    return Install(tool="conda install", run=run, wanted=tuple(wanted), files=files, options=tuple(options), where=place)


def requirement_lines(text: str) -> Iterator[tuple[int, str]]:
    """The requirements of a requirements file with the numbers of their lines: no options, no comments, hashes kept."""
    pending, begin = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        begin = begin if pending else number
        if bare.endswith("\\"):
            pending += bare[:-1] + " "
            continue
        whole, pending = (pending + bare).strip(), ""
        if whole:
            yield begin, whole


def version(text: str | None) -> Version | None:
    """A version, None if it is not one."""
    try:
        return None if text is None else Version(text)
    except InvalidVersion:
        return None
