"""Packages of the user site or of PYTHONPATH leak into the environment.

## What it checks
The training stack (torch, vLLM, trainers and whatever they require) in the user's own site-packages
(~/.local/lib/pythonX.Y/site-packages) when the environment is a venv or conda environment, and in the folders that PYTHONPATH
names: whether a copy there hides one of the environment in another version, or is the only one.

## Why it breaks
Both folders come before the environment's own. A conda environment does not switch the user site-packages off, so one
`pip install --user` years ago changes every environment of that user. The versions that `pip install` resolved are then
not the ones that are imported, and on another machine the same environment behaves otherwise.

## What to do
Set PYTHONNOUSERSITE=1, or unset PYTHONPATH, and install into the environment what it lacked.

## Sources
- https://docs.python.org/3/library/site.html
- https://docs.python.org/3/using/cmdline.html#envvar-PYTHONNOUSERSITE
- https://github.com/conda/conda/issues/8770
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import said
from envdoctor.requirements import STACK, reachable, requirements
from envdoctor.views import metadata_path, normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts, Interpreter
    from envdoctor.matrix import Matrix

CODE = "ED205"
CAUSE = "leaking-path"
JOINT = Joint.PYTHON
QUESTION = "Does the environment use only its own packages?"
EXPLAINED_BY = ("ED207",)

SITE = Source("https://docs.python.org/3/library/site.html", "2026-11-22")
PYTHONPATH = Source("https://docs.python.org/3/using/cmdline.html#envvar-PYTHONPATH", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """One finding for each foreign folder that holds packages of the stack."""
    python = need(facts.python)
    outside = foreign(python)
    if not outside:
        return
    places: dict[str, list[Distribution]] = {}
    for one in need(facts.packages.distributions):
        places.setdefault(normalized(one.name), []).append(one)
    matter = reachable(requirements(facts).edges, (name for name in places if name in STACK))
    for folder, variable in outside.items():
        winners = [copies for name, copies in sorted(places.items()) if name in matter and copies[0].location == folder]
        hiding: list[tuple[Distribution, Distribution]] = []
        alone: list[Distribution] = []
        for copies in winners:
            own = next((one for one in copies if one.location not in outside), None)
            if own is None:
                alone.append(copies[0])
            elif own.version != copies[0].version:
                hiding.append((copies[0], own))
        if hiding or alone:
            yield finding(python, folder, variable, hiding, alone)


def foreign(python: Interpreter) -> dict[str, str]:
    """Folder -> the variable that governs it. The user site belongs to a system Python, but not to an environment."""
    folders = dict.fromkeys(python.pythonpath, "PYTHONPATH")
    user = need(python.user_site)
    if user is not None and python.kind != "system":
        folders[user] = "PYTHONNOUSERSITE"
    return folders


def finding(
    python: Interpreter, folder: str, variable: str, hiding: list[tuple[Distribution, Distribution]], alone: list[Distribution]
) -> Finding:
    """The finding on one folder."""
    name = "the user site-packages" if variable == "PYTHONNOUSERSITE" else "PYTHONPATH"
    strangers = [*(above for above, _ in hiding), *alone]
    if hiding:
        first = f"{said(hiding[0][0])} over the environment's {hiding[0][1].version}"
    else:
        first = f"{said(alone[0])}, which the environment itself lacks"
    more = f" (and {len(strangers) - 1} more)" if len(strangers) > 1 else ""
    return Finding(
        code=CODE,
        title=f"{name} puts {first}{more}",
        severity=Severity.ERROR if hiding else Severity.WARNING,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=tuple(normalized(one.name) for one in strangers),
        why="What is imported is not what was installed into the environment; its versions were never resolved together.",
        evidence=(
            *(Evidence(f"{said(above)} in front of", said(own), metadata_path(above)) for above, own in hiding),
            *(Evidence("only outside the environment", said(one), metadata_path(one)) for one in alone),
        ),
        sources=(SITE if variable == "PYTHONNOUSERSITE" else PYTHONPATH,),
        changes=(without(python, folder, variable, alone),),
    )


def without(python: Interpreter, folder: str, variable: str, alone: list[Distribution]) -> Change:
    """Take the folder off the path."""
    after = f", then install {', '.join(one.name for one in alone)} into the environment" if alone else ""
    if variable == "PYTHONNOUSERSITE":
        return Change(kind=Kind.SET_ENV, says=f"Set PYTHONNOUSERSITE=1{after}.", env={variable: "1"})
    left = ":".join(one for one in python.pythonpath if one != folder)
    return Change(kind=Kind.SET_ENV, says=f"Take {folder} out of PYTHONPATH{after}.", env={variable: left or None})
