"""An option that the installer does not have.

## What it checks
Every option of `pip install`, `uv pip install` and `uv sync` against a table that was made by asking the option parsers of 7
releases of pip and 12 of uv (tools/installer_options.py). An option counts as missing if no release asked has it; pip takes
beginnings of options, uv does not. What uv knows only to refuse it (`--user`) counts too, and so does what the newest pip has
dropped (`--global-option`) where the Dockerfile upgrades pip to the newest.

## Why it breaks
The command stops with "no such option", and the build with it; behind `|| true` the install silently does not happen. The
usual reason is that pip's and uv's options were taken for the same: --torch-backend and --system are uv's, --user is pip's.

## What to do
Use the option of the tool that runs, or the other tool.

## Sources
- https://docs.astral.sh/uv/pip/compatibility/
- https://pip.pypa.io/en/stable/cli/pip_install/
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.dockerfiles.sheet import finding
from envdoctor.findings import Evidence, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Placed, Sheet
    from envdoctor.rows import InstallerOption

CODE = "ED606"
CAUSE = "option-does-not-exist"
QUESTION = "Does the installer have every option that it is given?"
OTHER = {"pip install": "uv pip install", "uv pip install": "pip install", "uv sync": "uv pip install"}
SHAPE = re.compile(r"--?[a-zA-Z0-9][a-zA-Z0-9-]*")
PATCHED = re.compile(r"(?:18\.04|20\.04|bionic|focal|buster|bullseye|stretch)")
"""Distributions whose own pip had --system."""


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each option and line."""
    for placed in sheet.installs:
        rows = sheet.options.get(placed.install.tool)
        if not rows:
            continue
        shorts = 0
        for name in dict.fromkeys(name for name, _ in placed.install.options):
            row = rows.get(name)
            if row is not None and dropped(sheet, placed, row):
                yield gone(sheet, placed, row)
            if SHAPE.fullmatch(name) is None or (row is not None and not row.refused):
                continue
            if placed.install.tool == "pip install" and row is None and shortened(name, list(rows)):
                continue
            if name == "--system" and PATCHED.search(placed.stage.root):
                continue
            shorts += not name.startswith("--")
            if shorts > 1 and not name.startswith("--"):
                continue  # "-upgrade" is seven letters and one mistake
            yield said(sheet, placed, name, refused=row is not None)


def dropped(sheet: Sheet, placed: Placed, row: InstallerOption) -> bool:
    """Whether a newer release no longer has the option, and the Dockerfile takes the newest pip before."""
    newest = max((one.last for one in sheet.options[row.tool].values()), key=Version)
    if row.tool != "pip install" or row.last == newest:
        return False
    return any(
        (pip := other.install.wants("pip")) is not None and not pip.pinned and other.install.run.line < placed.install.run.line
        for other in sheet.made_of(placed.stage)
    )


def gone(sheet: Sheet, placed: Placed, row: InstallerOption) -> LineFinding:
    """The finding on an option that the newest pip has dropped."""
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=sheet.line_of(placed.step, placed.install.run.line, row.option),
        title=f"the newest pip has no option {row.option}, and this Dockerfile takes the newest pip",
        severity=Severity.ERROR,
        why=f'The command stops with an error about "{row.option}"; pip {row.last} is the newest of those asked that has it.',
        advice="Pin pip, or write it the new way (--global-option became --config-settings=--build-option=...):",
        write=(f'pip install "pip=={row.last}"',),
        sources=(Source(row.source, row.read),),
        subjects=("pip",),
    )


def shortened(name: str, known: list[str]) -> bool:
    """Whether pip takes it for the beginning of an option."""
    return name.startswith("--") and any(one.startswith(name) for one in known)


def said(sheet: Sheet, placed: Placed, name: str, *, refused: bool) -> LineFinding:
    """The finding, with what may have been meant."""
    tool = placed.install.tool
    rows = sheet.options[tool]
    theirs = sheet.options.get(OTHER[tool], {}).get(name)
    close = difflib.get_close_matches(name, [one for one, row in rows.items() if not row.refused], n=1, cutoff=0.8)
    if theirs is not None and not theirs.refused and not refused:
        advice = f"It is an option of {OTHER[tool]}: run that, or leave it away."
    elif close:
        advice = f"Write {close[0]}, if that was meant; else leave {name} away."
    else:
        advice = f"Leave {name} away."
    source = next(iter(rows.values()))
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=sheet.line_of(placed.step, placed.install.run.line, name),
        title=f"{tool} {'refuses' if refused else 'has no option'} {name}",
        severity=Severity.ERROR,
        why=f'The command stops ("{name}: unsupported").' if refused else f'The command stops with an error about "{name}".',
        advice=advice,
        sources=(Source(source.source, source.read),),
        subjects=(tool.split()[0],),
        evidence=(Evidence("releases asked that have it", "none" if not refused else "known only to be refused", source.source),),
    )
