"""Code that is installed from a branch.

## What it checks
`git+https://...` requirements without a ref or with a branch, in commands and in requirements files of the build context;
`git clone` without a tag, commit or checkout, where the clone is installed or built afterwards; downloads of a branch
(`archive/refs/heads/main`, `archive/main.zip`, `raw.githubusercontent.com/.../main/...`) and of `releases/latest`. A commit,
a tag, and a variable whose value is not known count as held.

## Why it breaks
A branch is another program tomorrow. What vLLM's or Megatron's main needs of torch and CUDA changes within days, and layer
caching hides it: an old machine builds the old commit, a new one the new commit, from the same Dockerfile.

## What to do
Name a commit: `pip install "git+https://github.com/OWNER/NAME@COMMIT"`, or `git clone URL NAME && git -C NAME checkout
COMMIT`.

## Sources
- https://pip.pypa.io/en/stable/topics/vcs-support/
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.sheet import finding
from envdoctor.findings import Evidence, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.installs import Wanted
    from envdoctor.dockerfiles.sheet import LineFinding, Sheet
    from envdoctor.dockerfiles.stages import Executed, Stage

CODE = "ED603"
CAUSE = "git-ref-moves"
QUESTION = "Is everything that is taken from git held by a commit or tag?"
SOURCE = Source("https://pip.pypa.io/en/stable/topics/vcs-support/", "2026-11-26")
COMMIT = re.compile(r"[0-9a-f]{7,40}")
TAG = re.compile(r"(?:refs/tags/.+|.*[0-9]+\.[0-9]+.*|v?[0-9]+)")
BRANCHES = ("main", "master", "dev", "develop", "trunk", "nightly")
DOWNLOADED = re.compile(
    r"https?://(?:raw\.githubusercontent\.com/[^/\s]+/[^/\s]+/(?:refs/heads/)?(?P<raw>main|master|develop|dev)/"
    r"|github\.com/[^/\s]+/[^/\s]+/(?:archive/refs/heads/(?P<heads>[^\s\"']+?)(?:\.zip|\.tar\.gz)"
    r"|archive/(?P<archive>main|master|develop|dev)(?:\.zip|\.tar\.gz)|releases/(?P<latest>latest)/download/"
    r"|raw/(?P<raw2>main|master|develop|dev)/|zipball/(?P<ball>main|master)))"
)
BUILDERS = ("pip", "pip3", "uv", "python", "python3", "make", "cmake", "bash", "sh", "ninja", "cargo", "meson", "bazel")


def moving(ref: str) -> bool:
    """Whether a ref is a branch as far as its name tells; an unknown variable is not taken for one."""
    return not ("$" in ref or COMMIT.fullmatch(ref) or TAG.fullmatch(ref))


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """Requirements first, then clones, then downloads."""
    done: set[tuple[str | None, str]] = set()
    for placed in sheet.installs:
        for one in sheet.requirements(placed):
            if one.wanted.kind == "vcs" and (one.file, one.wanted.text) not in done:
                done.add((one.file, one.wanted.text))
                evidence = () if one.file is None else (Evidence(f"line {one.line} of {one.file}", one.wanted.text, one.file),)
                line = one.line if one.file is None else placed.install.run.line
                yield from requirement(sheet, line, one.wanted, evidence)
    for stage in sheet.dockerfile.stages:
        yield from clones(sheet, stage)
    yield from downloads(sheet)


def requirement(sheet: Sheet, line: int, wanted: Wanted, evidence: tuple[Evidence, ...]) -> Iterator[LineFinding]:
    """A git+ address without a commit or tag."""
    address = wanted.url.removeprefix("git+").split("#")[0]
    path, mark, ref = address.split("://", 1)[-1].partition("/")[2].rpartition("@")
    if not wanted.url.startswith("git+") or (mark and not moving(ref)) or "$" in address.rsplit("/", 1)[-1]:
        return
    bare = address[: -len(ref) - 1] if mark else address
    name = posixpath.basename((path if mark else ref).removesuffix(".git"))
    title = f"{name} is installed from the branch {ref}" if mark else f"{name} is installed from its default branch"
    yield told(sheet, line, title, f'pip install "git+{bare}@COMMIT"', (name,), evidence)


def told(
    sheet: Sheet, line: int, title: str, write: str, subjects: tuple[str, ...], evidence: tuple[Evidence, ...] = ()
) -> LineFinding:
    """The finding."""
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=line,
        title=title,
        severity=Severity.WARNING,
        why="The same Dockerfile builds other code tomorrow, made for another torch or CUDA; a cached layer hides it.",
        advice="Name the commit that was tried:",
        write=(write,),
        sources=(SOURCE,),
        subjects=subjects,
        evidence=evidence,
    )


def clones(sheet: Sheet, stage: Stage) -> Iterator[LineFinding]:
    """Clones of a branch that something is built from."""
    runs = list(stage.commands())
    for index, run in enumerate(runs):
        if run.argv[:1] != ("git",) or "clone" not in run.argv[1:4]:
            continue
        options, words = split(run.argv[run.argv.index("clone") + 1 :])
        ref = options.get("--branch") or options.get("-b") or options.get("--revision")
        if not words or "$" in words[0] or (ref is not None and not moving(ref)):
            continue
        name = posixpath.basename(words[0].rstrip("/").removesuffix(".git"))
        folder = posixpath.normpath(posixpath.join(run.cwd, words[1] if len(words) > 1 else name))
        later = runs[index + 1 :]
        if checked_out(later, folder) or not built(later, folder):
            continue
        title = f"{name} is built from the branch {ref}" if ref else f"{name} is built from its default branch"
        where = words[1] if len(words) > 1 else name
        yield told(sheet, run.line, title, f"git clone {words[0]} {where} && git -C {where} checkout COMMIT", (name.lower(),))


def split(words: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """The options of git clone that matter, and its other words."""
    takes = (
        "-b",
        "--branch",
        "--revision",
        "--depth",
        "-o",
        "--origin",
        "-c",
        "--config",
        "-j",
        "--jobs",
        "--filter",
        "--reference",
    )
    options, rest, queue = {}, [], list(words)
    while queue:
        word = queue.pop(0)
        name, mark, value = word.partition("=")
        if word.startswith("-"):
            options[name] = value if mark else (queue.pop(0) if name in takes and queue else "")
        else:
            rest.append(word)
    return options, rest


def checked_out(later: list[Executed], folder: str) -> bool:
    """Whether a commit, tag or unknown variable is checked out in the clone."""
    for run in later:
        if run.argv[:1] != ("git",):
            continue
        words = list(run.argv[1:])
        place = run.cwd
        if words[:1] == ["-C"] and len(words) > 1:
            place, words = posixpath.normpath(posixpath.join(run.cwd, words[1])), words[2:]
        if place == folder and words[:1] and words[0] in {"checkout", "reset", "switch", "fetch"}:
            refs = [word for word in words[1:] if not word.startswith("-") and word not in {"origin", "tags", "upstream"}]
            if any(not moving(ref.removeprefix("origin/")) or ref.startswith("pull/") for ref in refs):
                return True
    return False


def built(later: list[Executed], folder: str) -> bool:
    """Whether something is installed or compiled in the clone afterwards."""
    for run in later:
        name = posixpath.basename(run.argv[0])
        inside = run.cwd == folder or run.cwd.startswith(f"{folder}/")
        if inside and (name in BUILDERS or run.argv[0].startswith("./")):
            return True
        if "install" in run.argv and any(
            posixpath.normpath(posixpath.join(run.cwd, word.split("[")[0])) == folder
            for word in run.argv[1:]
            if not word.startswith("-")
        ):
            return True
    return False


def downloads(sheet: Sheet) -> Iterator[LineFinding]:
    """Archives and scripts of a branch, and whatever release is the latest."""
    places = [(run.line, " ".join(run.argv)) for _, _, run in sheet.dockerfile.executed() if run.argv[0] in {"wget", "curl"}]
    places += [
        (step.instruction.line, " ".join(step.words)) for _, step in sheet.dockerfile.steps() if step.instruction.keyword == "ADD"
    ]
    for line, text in places:
        found = DOWNLOADED.search(text)
        if found:
            what = next(value for value in found.groupdict().values() if value)
            if TAG.fullmatch(what):
                continue
            name = found.group().split("/")[4]
            kind = "the latest release" if what == "latest" else f"the branch {what}"
            fixed = found.group().replace(f"/{what}", "/RELEASE" if what == "latest" else "/COMMIT", 1)
            yield told(sheet, line, f"{name} is downloaded from {kind}", fixed, (name.lower(),))
