"""What ``envdoctor triage`` does once its words are known."""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

ENDINGS = (".txt", ".md", ".log")
LISTED = ", ".join(ENDINGS)
MOST_ENDINGS = 4
"""That are told of the files which are not read."""


def run_triage(reports: tuple[str, ...], *, form: str, output: str | None, data: str | None) -> int:
    """Judge the reports and print what they come to; gives the exit status. Raises UserError."""
    from envdoctor.cli.checking import pasted_on_stdin  # noqa: PLC0415
    from envdoctor.cli.output import checked, emit, tell  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.examine import Wishes, examine, too_little  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.render.triage import NONE, TOO_LITTLE, Triaged, Unread, answer, as_json, table  # noqa: PLC0415
    from envdoctor.session import shown  # noqa: PLC0415
    from envdoctor.sources import pasted  # noqa: PLC0415
    from envdoctor.wording import harmless  # noqa: PLC0415

    given = pasted_on_stdin()
    if not reports and given is None:
        raise UserError(
            "no report is named", "Name a text file, a folder of them, or - for standard input: envdoctor triage report.txt"
        )
    checked({"--output": output})
    found = [files_of(name) for name in reports or (pasted.STDIN,)]
    files = dict(pair for one in found for pair in one.files)
    matrix = opened(data, os.environ)
    many: list[Triaged] = []
    unread: list[Unread] = []
    for file, called in files.items():
        name = "standard input" if file == pasted.STDIN else shown(called)
        try:
            document = pasted.read(file)
        except UserError as error:
            if len(files) == 1:
                raise
            unread.append(Unread(name, str(error)))
            continue
        facts = pasted.facts_of(document, name, matrix)
        judged, report = examine(facts, matrix, Wishes(), 0.0, remedies=len(files) == 1)
        many.append(Triaged(name, judged, report, too_little(judged)))
    text = as_json(many, unread) if form == "json" else table(many, unread) if len(files) > 1 else answer(many[0])
    emit(text, output, exact=form == "json")
    # not in the answer: that is to be posted as it is
    tell("".join(f"note: {harmless(shown(one.note))}\n" for one in found if one.note))
    if unread:
        return 2
    if any(one.cause not in {NONE, TOO_LITTLE} for one in many):
        return 1
    return 4 if any(verdict.crash for one in many for verdict in one.report.verdicts) else 0


class Found(NamedTuple):
    """What a word on the command line names."""

    files: list[tuple[str, str]]
    """(path, what it is called)."""
    note: str = ""
    """What of a folder was left out."""


def files_of(name: str) -> Found:
    """A file itself; of a folder its text files, in the order of their names, called as seen from it.

    Raises:
        UserError: the folder holds none.
    """
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.wording import plural  # noqa: PLC0415

    if not os.path.isdir(name):
        return Found([(name, name)])
    every = sorted(os.path.join(above, file) for above, _, files in os.walk(name) for file in files)
    read = [file for file in every if file.lower().endswith(ENDINGS)]
    others = Counter(os.path.splitext(file)[1].lower() or "no ending" for file in every if not file.lower().endswith(ENDINGS))
    told = ", ".join(sorted(others, key=lambda ending: (-others[ending], ending))[:MOST_ENDINGS])
    more = f" and {len(others) - MOST_ENDINGS} other endings" if len(others) > MOST_ENDINGS else ""
    count = plural(sum(others.values()), "file")
    if not read:
        beside = f", but {count} ({told}{more})" if others else ""
        raise UserError(f"{name} holds no report ({LISTED}){beside}", "Name the files themselves: any ending will do then.")
    left = f"left out: {count} of {name} ({told}{more}); of a folder only {LISTED} are read. Name others themselves."
    return Found([(file, os.path.relpath(file, name)) for file in read], left if others else "")
