"""A Dockerfile as stages of steps: which image each begins with, what each RUN really runs, with variables put in. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.dockerfiles.parser import Instruction, Text, heredoc_openings
from envdoctor.dockerfiles.shell import MAX_DEPTH, Command, commands
from envdoctor.dockerfiles.variables import expand, pairs, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELLS = ("sh", "bash", "dash", "ash", "zsh")
PREFIXES = ("sudo", "env", "nohup", "exec", "command", "nice")
_FROM = re.compile(r"(\S+)(?:\s+as\s+(\S+))?", re.IGNORECASE)


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a RUN with known variables put in."""

    argv: tuple[str, ...]
    line: int
    plain: tuple[bool, ...]
    """Which words were written without quotes."""
    env: dict[str, str]
    """ENV, ARG and shell variables in force."""
    cwd: str
    arms: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    redirects: tuple[tuple[str, str], ...] = ()
    sets: dict[str, str] = {}
    """Assignments before the words."""
    activated: str = ""
    """The virtual environment or conda environment that was entered before it in the same RUN."""
    stops: bool = False
    """Whether the shell stops at the first command that fails (set -e)."""
    pipefail: bool = False
    condition: bool = False
    """Whether its failure is an answer: it stands between "if" and "then"."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction of a stage, in its scope."""

    instruction: Instruction
    runs: tuple[Executed, ...] = ()
    words: tuple[str, ...] = ()
    """Of COPY and ADD: sources and destination, variables put in, without the names of here-documents."""
    cwd: str = "/"
    env: dict[str, str] = {}


class Stage(msgspec.Struct, kw_only=True):
    """A stage: from FROM to the next one."""

    number: int
    name: str | None
    base: str
    """The image or stage it begins with, variables put in; with "$" in it where one has no value."""
    line: int
    parent: Stage | None
    written: str = ""
    """The base as the Dockerfile writes it."""
    steps: list[Step] = []

    def lineage(self) -> list[Stage]:
        """The stages it is made of, the first one first."""
        found: list[Stage] = [self]
        while found[0].parent is not None:
            found.insert(0, found[0].parent)
        return found

    def history(self) -> list[Step]:
        """Every step that made it, those of the stages it begins with included."""
        return [step for stage in self.lineage() for step in stage.steps]

    def commands(self) -> Iterator[Executed]:
        """Every command of its own RUN lines."""
        for step in self.steps:
            yield from step.runs

    @property
    def root(self) -> str:
        """The image at the bottom of it."""
        return self.lineage()[0].base


class Dockerfile(msgspec.Struct, frozen=True, kw_only=True):
    """A Dockerfile, ready to be judged."""

    name: str
    """As shown to the user."""
    text: Text
    stages: tuple[Stage, ...]

    def steps(self) -> Iterator[tuple[Stage, Step]]:
        """Every step with its stage."""
        for stage in self.stages:
            for step in stage.steps:
                yield stage, step

    def executed(self) -> Iterator[tuple[Stage, Step, Executed]]:
        """Every command of every RUN."""
        for stage, step in self.steps():
            for run in step.runs:
                yield stage, step, run


def staged(text: Text, name: str) -> Dockerfile:
    """Follow the instructions of a Dockerfile."""
    follower = _Follower()
    for instruction in text.instructions:
        follower.take(instruction)
    return Dockerfile(name=name, text=text, stages=tuple(follower.stages))


class _Follower:
    """Keeps what is in force: global ARGs, and of the stage at hand its variables, folder and shell."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.globals: dict[str, str] = {}
        self.ends: list[tuple[dict[str, str], dict[str, str], str, tuple[str, ...]]] = []
        self.env: dict[str, str] = {}
        self.args: dict[str, str] = {}
        self.cwd = "/"
        self.shell: tuple[str, ...] = ("/bin/sh", "-c")

    @property
    def scope(self) -> dict[str, str]:
        return {**self.args, **self.env}

    def take(self, one: Instruction) -> None:
        if one.keyword == "FROM":
            self._from(one)
            return
        if not self.stages:
            if one.keyword == "ARG":
                self.globals.update({name: expand(value, self.globals) for name, value in pairs(one.value).items()})
            return
        scope = self.scope
        runs: tuple[Executed, ...] = ()
        words: tuple[str, ...] = ()
        if one.keyword == "ENV":
            self.env.update({name: expand(value, scope) for name, value in pairs(one.value).items()})
        elif one.keyword == "ARG":
            self._arg(one.value, scope)
        elif one.keyword == "WORKDIR":
            self.cwd = posixpath.normpath(posixpath.join(self.cwd, expand(unquoted(one.value), scope)))
        elif one.keyword == "SHELL" and one.json:
            self.shell = one.json
        elif one.keyword == "RUN":
            runs = tuple(_Runner(one, scope, self.cwd, self.shell).run())
        elif one.keyword in {"COPY", "ADD"}:
            words = _copied(one, scope)
        self.stages[-1].steps.append(Step(instruction=one, runs=runs, words=words, cwd=self.cwd, env=scope))

    def _from(self, one: Instruction) -> None:
        if self.stages:
            self.ends.append((self.env, self.args, self.cwd, self.shell))
        found = _FROM.match(expand(one.value, self.globals))
        base, name = (unquoted(found[1]), found[2]) if found else ("", None)
        parent = next((stage for stage in reversed(self.stages) if stage.name and stage.name.lower() == base.lower()), None)
        self.stages.append(
            Stage(number=len(self.stages), name=name, base=base, line=one.line, parent=parent, written=one.value, steps=[])
        )
        self.env, self.args, self.cwd, self.shell = {}, {}, "/", ("/bin/sh", "-c")
        if parent is not None:
            env, args, self.cwd, self.shell = self.ends[parent.number]
            self.env, self.args = dict(env), dict(args)

    def _arg(self, value: str, scope: dict[str, str]) -> None:
        given = pairs(value)
        for name in value.split():
            if "=" not in name and name in self.globals:
                self.args[name] = self.globals[name]
        self.args.update({name: expand(text, scope) for name, text in given.items() if "=" in value})


def _copied(one: Instruction, scope: dict[str, str]) -> tuple[str, ...]:
    announced = {opening.group() for opening in heredoc_openings(one.value)} if one.heredocs else set()
    words = list(one.json) if one.json is not None else [word for word in one.value.split() if word not in announced]
    return tuple(expand(word if one.json is not None else unquoted(word), scope) for word in words)


class _Runner:
    """What one RUN runs, followed as a shell would follow it as far as that is certain."""

    def __init__(self, one: Instruction, scope: dict[str, str], cwd: str, shell: tuple[str, ...]) -> None:
        self.one = one
        self.env = dict(scope)
        self.cwd = cwd
        self.activated = ""
        self.left: list[str] = []
        self.pipefail = "pipefail" in shell
        self.stops = any(flag.startswith("-") and "e" in flag.lstrip("-") and flag.lstrip("-").isalpha() for flag in shell[1:])

    def run(self) -> Iterator[Executed]:
        one = self.one
        if one.json is not None:
            yield from self._argv(one.json)
            return
        bodies = [doc for doc in one.heredocs if self._is_script(doc.body)]
        if one.heredocs and bodies:
            for word in self._line_words()[1:]:  # bash -exo pipefail <<EOF
                self.stops = self.stops or (word.startswith("-") and "e" in word)
                self.pipefail = self.pipefail or word == "pipefail"
            for doc in bodies:
                yield from self._text(doc.body, doc.line, 0)
            return
        yield from self._text(one.value, None, 0)

    def _is_script(self, body: str) -> bool:
        """Whether the here-document of this RUN is what the shell runs: nothing but it on the line, or a shell before it."""
        rest = self._line_words()
        if body.startswith("#!"):
            return any(shell in body.split("\n", 1)[0] for shell in SHELLS)
        return not rest or (
            posixpath.basename(rest[0]) in SHELLS and all(word.startswith("-") or word == "pipefail" for word in rest[1:])
        )

    def _line_words(self) -> list[str]:
        """The words of the instruction beside its here-documents."""
        return re.sub(r"[0-9]*<<-?\s*\S+", " ", self.one.value).split()

    def _argv(self, words: tuple[str, ...]) -> Iterator[Executed]:
        if len(words) > 2 and posixpath.basename(words[0]) in SHELLS and words[1].startswith("-") and words[1].endswith("c"):  # noqa: PLR2004
            yield from self._text(words[2], self.one.line, 1)
        elif words:
            plain = tuple(False for _ in words)
            yield Executed(argv=words, line=self.one.line, plain=plain, env=dict(self.env), cwd=self.cwd)

    def _text(self, text: str, line: int | None, depth: int, base: int = 0) -> Iterator[Executed]:
        for command in commands(text):
            at = self.one.line_at(base + command.offset) if line is None else line + text.count("\n", 0, command.offset)
            argv = self._expanded(command)
            inner = _shell_text(argv)
            if inner is not None and depth < MAX_DEPTH:
                offset = base + command.words[-1].offset
                yield from self._text(inner, line if line is None else at, depth + 1, offset)
                continue
            sets = {
                name.removesuffix("+"): expand(value, self.env)
                for name, _, value in (one.partition("=") for one in command.assigns)
            }
            if argv:
                yield Executed(
                    argv=argv,
                    line=at,
                    plain=tuple(word.plain for word in command.words)[-len(argv) :],
                    env={**self.env, **sets},
                    cwd=self.cwd,
                    arms=command.arms,
                    before=command.before,
                    after=command.after,
                    redirects=tuple((operator, expand(target, self.env)) for operator, target in command.redirects),
                    sets=sets,
                    activated=self.activated,
                    stops=self.stops,
                    pipefail=self.pipefail,
                    condition=command.condition,
                )
            self._follow(command, argv, sets)

    def _expanded(self, command: Command) -> tuple[str, ...]:
        words = [expand(word.text, self.env) for word in command.words]
        while words and (posixpath.basename(words[0]) in PREFIXES) and len(words) > 1:
            words.pop(0)
            while words and (words[0].startswith("-") or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", words[0], re.DOTALL)):
                words.pop(0)
        return tuple(words)

    def _follow(self, command: Command, argv: tuple[str, ...], sets: dict[str, str]) -> None:
        """Take over what a command changes for those behind it; under a condition it only makes known things unknown."""
        name = posixpath.basename(argv[0]) if argv else ""
        if name == "export":
            sets = {one.partition("=")[0]: one.partition("=")[2] for one in argv[1:] if "=" in one}
        if not argv or name == "export":
            for variable, value in sets.items():
                if command.arms or "$(...)" in value:
                    self.env.pop(variable, None)
                else:
                    self.env[variable] = value
        elif name in {"for", "read"} and len(argv) > 1:
            self.env.pop(argv[1], None)
        elif name in {"cd", "pushd", "popd"}:
            self._move(name, argv)
        elif name == "set":
            self.stops = self.stops or any(word.startswith("-") and "e" in word for word in argv[1:])
            self.stops = self.stops and "+e" not in argv
            self.pipefail = self.pipefail or "pipefail" in argv
        else:
            self._enter(name, argv)

    def _move(self, name: str, argv: tuple[str, ...]) -> None:
        if name == "popd":
            self.cwd = self.left.pop() if self.left else self.cwd
        elif len(argv) > 1:
            self.left += [self.cwd] if name == "pushd" else []
            self.cwd = posixpath.normpath(posixpath.join(self.cwd, argv[1]))

    def _enter(self, name: str, argv: tuple[str, ...]) -> None:
        """A virtual environment or conda environment that is entered."""
        if name in {"source", "."} and len(argv) > 1 and "activate" in argv[1]:
            self.activated = argv[1]
        elif name in {"conda", "mamba", "micromamba"} and argv[1:2] == ("activate",):
            self.activated = " ".join(argv)


def _shell_text(argv: tuple[str, ...]) -> str | None:
    """What ``sh -c TEXT`` runs."""
    if len(argv) < 3 or posixpath.basename(argv[0]) not in SHELLS:  # noqa: PLR2004
        return None
    for index, word in enumerate(argv[1:-1], 1):
        if word.startswith("-") and not word.startswith("--") and word.endswith("c"):
            return argv[index + 1] if index + 2 == len(argv) else None
    return None
