"""A version range that the shell takes for a redirection.

## What it checks
pip, uv and conda installs in which `>`, `>=` or `<` of a requirement stands without quotes.

## Why it breaks
For the shell, `pip install numpy>=1.26` is `pip install numpy` with its output in a file named `=1.26`: the range is lost,
the newest release is installed, and the log of the install is gone. `torch<2.8` reads a file named 2.8, and the command
fails.

## What to do
Quote each requirement: `pip install "numpy>=1.26"`.

## Sources
- https://pip.pypa.io/en/stable/reference/requirement-specifiers/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.sheet import finding
from envdoctor.findings import Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Sheet

CODE = "ED613"
CAUSE = "specifier-not-quoted"
QUESTION = "Do the version ranges reach the installer?"
VERSION = re.compile(r"=?[0-9]+(?:\.[0-9a-z*]+)*(?:,.*)?")
SOURCE = Source("https://pip.pypa.io/en/stable/reference/requirement-specifiers/", "2026-11-26")


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each range."""
    for placed in sheet.installs:
        for operator, target in placed.install.run.redirects:
            if operator not in {"<", ">"} or not VERSION.fullmatch(target) or (operator == ">" and not target.startswith("=")):
                continue
            yield finding(
                sheet,
                code=CODE,
                cause=CAUSE,
                line=sheet.line_of(placed.step, placed.install.run.line, f"{operator}{target}"),
                title=f'"{operator}{target}" is a redirection for the shell, not a version range',
                severity=Severity.ERROR if operator == "<" else Severity.WARNING,
                why=(
                    f"The command reads a file named {target}, which is not there, and fails."
                    if operator == "<"
                    else f"The range is lost, and what the command says goes into a file named {target}."
                ),
                advice="Quote the requirement:",
                write=(f'{placed.install.tool} "NAME{operator}{target}"',),
                sources=(SOURCE,),
            )
