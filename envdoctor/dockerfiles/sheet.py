"""What a rule of ``envdoctor lint`` gets, what it says, and the questions that several of them ask. Pure."""

from __future__ import annotations

import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.dockerfiles.installs import Install, installs, requirement_lines, wanted_from
from envdoctor.findings import Evidence, Finding, Layer, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.context import Context
    from envdoctor.dockerfiles.installs import Wanted
    from envdoctor.dockerfiles.stages import Dockerfile, Executed, Stage, Step
    from envdoctor.matrix import Matrix
    from envdoctor.rows import InstallerOption

BEST_PRACTICES = Source("https://docs.docker.com/build/building/best-practices/", "2026-11-26")
MAX_SHOWN = 300
MAX_INCLUDED = 20
"""Requirements files that include one another."""
_IMAGE = re.compile(r"(?P<name>[^@]+?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-fA-F]{64}))?")
_CUDA_TAG = re.compile(r"(?:^|[-_.])(?:cuda|cu)[-_]?([0-9]{2})(?:\.?[0-9])?")


class LineFinding(Finding, frozen=True, kw_only=True):
    """A finding on a line of a Dockerfile, with what to write there instead."""

    line: int
    write: tuple[str, ...] = ()
    """Lines to write instead, or commands that tell what to write; empty where words must do."""
    advice: str
    """What to do, in one imperative sentence."""


class Image(NamedTuple):
    """A reference to an image."""

    name: str
    tag: str | None
    digest: str | None


class Placed(NamedTuple):
    """An install, and where it stands."""

    stage: Stage
    step: Step
    install: Install


class Requirement(NamedTuple):
    """A requirement of an install, from the command itself or from a file of the context."""

    wanted: Wanted
    file: str | None
    line: int
    """Of the Dockerfile, or of the file."""
    hashed: bool
    conditional: bool = False
    """Whether it is asked for under a condition only: "; python_version < '3.11'"."""


class Sheet:
    """A Dockerfile as its rules see it."""

    def __init__(self, dockerfile: Dockerfile, context: Context | None, matrix: Matrix) -> None:
        self.dockerfile = dockerfile
        self.context = context
        self.matrix = matrix

    @cached_property
    def options(self) -> dict[str, dict[str, InstallerOption]]:
        """Tool -> option -> what is known of it."""
        found: dict[str, dict[str, InstallerOption]] = {}
        for row in self.matrix.installer_options():
            found.setdefault(row.tool, {})[row.option] = row
        return found

    @cached_property
    def installs(self) -> list[Placed]:
        """Every install command, in the order of the file."""
        # an option that the tool does not have is read as the other one would: it is judged by ED606, not taken for a package
        every = {name: row.takes_value for rows in self.options.values() for name, row in rows.items() if name.startswith("--")}
        takes = {tool: {**every, **{name: row.takes_value for name, row in rows.items()}} for tool, rows in self.options.items()}
        found = []
        for stage, step, run in self.dockerfile.executed():
            install = installs(run, takes)
            if install is not None:
                found.append(Placed(stage, step, install))
        return found

    def made_of(self, stage: Stage) -> list[Placed]:
        """The installs that end up in a stage, those of the stages it begins with first."""
        lineage = {one.number for one in stage.lineage()}
        return [one for one in self.installs if one.stage.number in lineage]

    def text(self, line: int) -> str:
        """A line as written, cut where it is very long."""
        return _cut(self.dockerfile.text.line(line))

    def line_of(self, step: Step, line: int, *needles: str) -> int:
        """The line of a continued instruction that has one of the texts, ``line`` if none has; the first text counts most."""
        for needle in needles:
            for number in range(line, step.instruction.end + 1):
                if needle and needle in self.dockerfile.text.line(number):
                    return number
        return line

    def seen(self, line: int) -> Evidence:
        """A line as evidence."""
        return Evidence(f"line {line}", self.text(line), self.dockerfile.name)

    def copied_from_context(self, path: str, stage: Stage, cwd: str) -> str | None:
        """Which file of the context a path in the image is a copy of, by the COPY lines and bind mounts; None: not known."""
        full = posixpath.normpath(posixpath.join(cwd, path))
        for step in reversed(stage.history()):
            if step.instruction.keyword not in {"COPY", "ADD"} or step.instruction.flag("from") or len(step.words) < 2:  # noqa: PLR2004
                continue
            *sources, target = step.words
            into = posixpath.join(step.cwd, target)
            for source in sources:
                found = _origin(full, source, posixpath.normpath(into), into.endswith("/") or len(sources) > 1, self.context)
                if found is not None:
                    return found
        return None

    def bound(self, step: Step, path: str, cwd: str) -> str | None:
        """The same by the bind mounts of one RUN."""
        for mount in step.instruction.flags_of("mount"):
            parts = dict(part.partition("=")[::2] for part in mount.split(","))
            target = parts.get("target") or parts.get("dst") or parts.get("destination")
            source = parts.get("source") or parts.get("src") or "."
            if parts.get("type", "bind") == "bind" and "from" not in parts and target:
                full = posixpath.normpath(posixpath.join(cwd, path))
                place = posixpath.normpath(posixpath.join(cwd, target))
                if full == place or full.startswith(place.rstrip("/") + "/"):
                    return posixpath.normpath(posixpath.join(source, posixpath.relpath(full, place)))
        return None

    def requirements(self, placed: Placed) -> Iterator[Requirement]:
        """What an install asks for, its requirements files included as far as they are in the context."""
        for wanted in placed.install.wanted:
            line = self.line_of(placed.step, placed.install.run.line, wanted.text, wanted.url, wanted.text.split("=")[0])
            yield Requirement(wanted, None, line, hashed=False)
        for file in placed.install.files:
            yield from self.file(placed, file)

    def origin(self, placed: Placed, file: str) -> str | None:
        """Where in the context a file that an install names comes from; None if that is not known."""
        if self.context is None or "$" in file or "://" in file:
            return None
        cwd = placed.install.run.cwd
        return self.bound(placed.step, file, cwd) or self.copied_from_context(file, placed.stage, cwd)

    def file(self, placed: Placed, file: str) -> Iterator[Requirement]:
        """The requirements of a file, and of those it includes."""
        origin = self.origin(placed, file)
        queue = [] if origin is None else [origin]
        done: set[str] = set()
        while queue and len(done) < MAX_INCLUDED and self.context is not None:
            path = queue.pop(0)
            text = None if path in done else self.context.read(path)
            done.add(path)
            for number, line in requirement_lines(text or ""):
                words = line.split()
                if words[0] in {"-r", "--requirement"} and len(words) > 1:
                    queue.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), words[1])))
                elif not line.startswith("-"):
                    clean = line.split(" --")[0].split(";")[0].strip()
                    yield Requirement(wanted_from(clean), path, number, "--hash" in line, ";" in line)


def _origin(full: str, source: str, into: str, is_folder: bool, context: Context | None) -> str | None:
    """Which file of the context ``full`` is, if ``COPY source into`` brought it."""
    clean = posixpath.normpath(source.lstrip("/"))
    if "$" in source or "://" in source or any(mark in clean for mark in "*?["):
        name = posixpath.basename(full)
        if "*" in clean and posixpath.dirname(full) == into and context is not None:
            candidate = posixpath.normpath(posixpath.join(posixpath.dirname(clean), name))
            return candidate if context.read(candidate) is not None else None
        return None
    if full == into and not is_folder:
        return clean
    if full.startswith(into.rstrip("/") + "/"):
        rest = posixpath.relpath(full, into)
        if rest == posixpath.basename(clean) and (context is None or context.read(clean) is not None):
            return clean
        folder = posixpath.normpath(posixpath.join(clean, rest))
        return folder if context is not None and context.read(folder) is not None else None
    return None


def finding(  # noqa: PLR0913 - one argument a part of a finding
    sheet: Sheet,
    *,
    code: str,
    cause: str,
    line: int,
    title: str,
    severity: Severity,
    why: str,
    advice: str,
    sources: tuple[Source, ...],
    write: tuple[str, ...] = (),
    subjects: tuple[str, ...] = (),
    evidence: tuple[Evidence, ...] = (),
) -> LineFinding:
    """A finding on a line, which is always the first thing seen. What a Dockerfile says is declared, nothing stronger."""
    return LineFinding(
        code=code,
        title=_cut(title),
        severity=severity,
        layer=Layer.DECLARED,
        cause=cause,
        subjects=subjects,
        why=why,
        evidence=(sheet.seen(line), *evidence),
        sources=sources,
        line=line,
        write=tuple(map(_cut, write)),
        advice=advice,
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def image(reference: str) -> Image | None:
    """Read a reference; None if it cannot be read, as where a variable in it is not known."""
    found = _IMAGE.fullmatch(reference)
    if found is None or "$" in reference or not found["name"]:
        return None
    return Image(found["name"], found["tag"], found["digest"])


def cuda_major(one: Image) -> int | None:
    """The CUDA major that an image's own name tells; None if it does not."""
    if one.tag is None:
        return None
    if one.name.endswith("nvidia/cuda"):
        digits = re.match(r"[0-9]{2}", one.tag)
        return int(digits.group()) if digits else None
    found = _CUDA_TAG.search(one.tag)
    return int(found[1]) if found and 10 <= int(found[1]) <= 20 else None  # noqa: PLR2004 - majors that there are


def always(run: Executed) -> bool:
    """Whether a command is on no branch."""
    return not run.arms


def exclusive(one: Executed, other: Executed) -> bool:
    """Whether two commands are on different branches, or one of them on one that may not be taken."""
    return one.arms != other.arms
