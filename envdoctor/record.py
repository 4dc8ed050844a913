"""``check --record DIR``: everything needed to replay a check elsewhere, redacted (the probe redacts at the source)."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.facts import encode
from envdoctor.sources.saved import FACTS_FILE

if TYPE_CHECKING:
    from envdoctor.examine import Wishes
    from envdoctor.facts import Facts

REPORT_FILE = "report.json"
README_FILE = "README.txt"


def write(folder: str, facts: Facts, report: str, wishes: Wishes) -> str:
    """Write the facts as probed (before any supposition), the JSON report and how to replay; gives the command.

    Raises:
        UserError: the folder cannot be written.
    """
    place = Path(folder)
    command = replay(folder, wishes)
    if not folder.strip():
        raise UserError("--record has no folder", "Name one: --record DIR")
    if place.is_dir() and any(place.iterdir()) and not (place / FACTS_FILE).exists():
        raise UserError(f"{folder} holds other files and is no record", "Give a folder that is new, empty or an earlier record.")
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / FACTS_FILE).write_bytes(encode(facts))
        (place / REPORT_FILE).write_text(report, encoding="utf-8")
        (place / README_FILE).write_text(
            "Recorded by envdoctor, without home folders, user and host names, tokens and GPU UUIDs.\n"
            "Ignores of a configuration file are not part of it.\n"
            f"Replay anywhere: {command}\n",
            encoding="utf-8",
        )
    except OSError as error:
        raise UserError(
            f"the record cannot be written to {folder}: {error.strerror}", "Give a folder on a disk with room that you may write."
        ) from error
    return command


def replay(folder: str, wishes: Wishes) -> str:
    """The command that judges the record in the same way."""
    words = ["envdoctor", "check", f"saved:{os.fsencode(folder).decode('utf-8', 'replace')}"]
    for name, value in wishes.suppose.items():
        words += ["--suppose", f"{name}={value}"]
    for code in wishes.select:
        words += ["--select", code]
    for code in wishes.skip:
        words += ["--skip", code]
    return shlex.join(words)
