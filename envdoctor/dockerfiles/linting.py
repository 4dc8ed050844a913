"""One Dockerfile through all rules: text -> findings. A crash of a rule is a result."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.dockerfiles import REGISTRY, code_of, load
from envdoctor.dockerfiles.context import Context
from envdoctor.dockerfiles.ignores import ignores
from envdoctor.dockerfiles.parser import MAX_BYTES, NotDockerfile, parse
from envdoctor.dockerfiles.sheet import LineFinding, Sheet
from envdoctor.dockerfiles.sources import guessed
from envdoctor.dockerfiles.stages import staged
from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.findings import Doubt, Severity

if TYPE_CHECKING:
    from collections.abc import Collection

    from envdoctor.matrix import Matrix

NAMES = ("Dockerfile", "dockerfile", "Containerfile")
STDIN = "-"
BEGINNING = 1024
"""Bytes that tell text from other things."""
CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say of one Dockerfile."""

    name: str
    context: str | None
    """The build context that was looked at, None where there was none."""
    context_chosen: bool
    """Whether the user has named it."""
    findings: tuple[LineFinding, ...]
    """Gravest first, then in the order of the lines."""
    ignored: tuple[tuple[LineFinding, str], ...]
    """Findings that a comment of the Dockerfile ignores, each with the reason given."""
    doubts: tuple[tuple[str, Doubt], ...]
    """Each with the code of its rule."""
    crashes: tuple[tuple[str, str], ...]
    """Code of a rule that crashed, and the error."""
    rules: int


def lint(name: str, data: bytes, folder: str | None, matrix: Matrix, codes: Collection[str]) -> Linted:
    """Judge one Dockerfile.

    Args:
        name: its path, or how it is called if it came from standard input.
        data: its bytes.
        folder: the build context that the user has named; None: look for it, if ``name`` is a path.
        matrix: the compatibility data.
        codes: the rules to judge by.

    Raises:
        UserError: it is no Dockerfile (a binary file is told as such, not shown), or the context is not a folder.
    """
    if binary(data):
        raise UserError(f"{name} is a binary file, not a Dockerfile", "Name a Dockerfile; nothing else can be judged.")
    if len(data) > MAX_BYTES:
        raise UserError(f"{name} is larger than {MAX_BYTES // 1024} KiB", "Name a Dockerfile.")
    try:
        dockerfile = staged(parse(data.decode("utf-8", "replace")), name)
    except NotDockerfile as wrong:
        raise UserError(f"{name} is not a Dockerfile: {wrong}", "Name a Dockerfile; nothing else can be judged.") from wrong
    if not dockerfile.stages:
        raise UserError(f"{name} is not a Dockerfile: it has no FROM", "Name a Dockerfile; nothing else can be judged.")
    if folder is not None:
        context: Context | None = Context(folder, None if name == STDIN else name)
    else:
        context = None if name == STDIN else guessed(dockerfile, name)
    sheet = Sheet(dockerfile, context, matrix)
    findings, doubts, crashes = _said(sheet, codes)
    kept, ignored = _ignored(sheet, findings, doubts)
    severities = tuple(Severity)
    return Linted(
        name=name,
        context=None if context is None else context.folder,
        context_chosen=context is not None and context.chosen,
        findings=tuple(sorted(kept, key=lambda said: (severities.index(said.severity), said.line, said.code))),
        ignored=tuple(ignored),
        doubts=tuple(doubts),
        crashes=tuple(crashes),
        rules=len(codes),
    )


def binary(data: bytes) -> bool:
    """Whether bytes cannot be text: a zero byte, or what is neither UTF-8 nor free of control characters at the beginning."""
    if b"\0" in data:
        return True
    head = data[:BEGINNING]
    return bool(CONTROL.search(head)) and "\ufffd" in head.decode("utf-8", "replace")[:-4]  # a character may be cut at the end


def _said(sheet: Sheet, codes: Collection[str]) -> tuple[list[LineFinding], list[tuple[str, Doubt]], list[tuple[str, str]]]:
    """What the rules say: findings, doubts, crashes."""
    findings: list[LineFinding] = []
    doubts: list[tuple[str, Doubt]] = []
    crashes: list[tuple[str, str]] = []
    for name in REGISTRY:
        code = code_of(name)
        if code not in codes:
            continue
        try:
            for said in load(name).check(sheet):
                if isinstance(said, LineFinding):
                    findings.append(said)
                else:
                    doubts.append((code, said))
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - a rule's bug must not take the others down
            crashes.append((code, f"{type(error).__name__}: {error}"))
    return findings, doubts, crashes


def _ignored(
    sheet: Sheet, findings: list[LineFinding], doubts: list[tuple[str, Doubt]]
) -> tuple[list[LineFinding], list[tuple[LineFinding, str]]]:
    """The findings that count, and those that a comment ignores; an ignore without a reason becomes a doubt."""
    kept, ignored = list(findings), []
    for ignore in ignores(sheet.dockerfile.text):
        if ignore.reason is None:
            question = f"Why is {ignore.code} ignored in line {ignore.line}?"
            doubts.append((ignore.code, Doubt(question, f"no reason is given: # envdoctor: ignore {ignore.code} because ...")))
            continue
        meant = [said for said in kept if said.code == ignore.code and ignore.first <= said.line <= ignore.last]
        ignored += [(said, ignore.reason) for said in meant]
        kept = [said for said in kept if said not in meant]
    return kept, ignored


def read(path: str) -> tuple[str, bytes]:
    """A Dockerfile and its path; of a folder, its Dockerfile. Raises UserError: there is none, or it cannot be read."""
    if os.path.isdir(path):
        names = [os.path.join(path, name) for name in NAMES if os.path.isfile(os.path.join(path, name))]
        if not names:
            raise UserError(f"{path} has no Dockerfile", f"Name the file; looked for {', '.join(NAMES)}.")
        path = names[0]
    try:
        return path, read_file(path, MAX_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", "Name a Dockerfile, a folder that has one, or - for standard input."
        ) from error


def exit_code(linted: Collection[Linted], *, fail_on: Severity, strict: bool) -> int:
    """0 nothing of at least that severity, 1 something, 3 something could not be told (strict), 4 a rule crashed."""
    severities = tuple(Severity)
    limit = severities.index(fail_on)
    if any(severities.index(said.severity) <= limit for one in linted for said in one.findings):
        return 1
    if any(one.crashes for one in linted):
        return 4
    return 3 if strict and any(one.doubts for one in linted) else 0
