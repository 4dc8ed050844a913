"""``python -m tests.truth.names_truth [--folder FOLDER] [--page PAGE] [ROW ...]``: takes the truth, compares, prints, writes."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import tempfile

from .names_build import Workshop
from .names_compare import compare
from .names_measure import measure
from .names_report import page, total
from .names_table import ENVIRONMENTS, NOTES, REASONS

LEAST_PAIRS, LEAST_PRECISION, LEAST_RECALL = 40, 0.98, 0.95


def main(words: list[str] | None = None) -> int:
    """0 when there are enough pairs and both parts are high enough."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", help="only rows whose name starts with one of these")
    parser.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "envdoctor-truth-names"))
    parser.add_argument("--page", help="write the page here")
    told = parser.parse_args(words)
    workshop = Workshop(told.folder)
    rows = tuple(one for one in ENVIRONMENTS if not told.rows or one.name.startswith(tuple(told.rows)))
    truths = measure(workshop, rows)
    pairs, modules = compare(workshop, truths)
    today = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
    text = page(today, pairs, modules, REASONS, NOTES, len(truths))
    if told.page:
        with open(told.page, "w", encoding="utf-8") as stream:
            stream.write(text)
    sys.stdout.write(text.partition("## Pairs")[0])
    table = total(pairs)
    good = len(pairs) >= LEAST_PAIRS and table.precision >= LEAST_PRECISION and table.recall >= LEAST_RECALL
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
