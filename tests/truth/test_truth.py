"""The loader's verdict beside envdoctor's, on environments of real wheels. Run by ``make truth``.

TRUTH_FOLDER names a folder that is kept: what was measured is not measured again, and the wheels of the last group are there.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.truth.compare import Outcome, compare
from tests.truth.environments import ENVIRONMENTS, Environment
from tests.truth.page import page, said_of_linking
from tests.truth.record import record_of
from tests.truth.workshop import NotBuilt, Workshop, runs_here

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.truth, pytest.mark.skipif(not runs_here(), reason="the wheels are for Linux x86_64")]

KEPT = os.environ.get("TRUTH_FOLDER")
ROOM_BYTES = 22 * 1000**3
PAGES = Path(__file__).resolve().parents[2] / "docs" / "truth"
LEAST_ENVIRONMENTS = 14
LEAST_RECALL = 0.98
TOLERATED = 2
"""How many rows the index in use may not be able to build."""


class Measured:
    """What was found so far."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.outcomes: list[Outcome] = []
        self.failed: dict[str, str] = {}


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured()


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    if KEPT:
        yield Workshop(Path(KEPT))
        return
    with tempfile.TemporaryDirectory(prefix="envdoctor-truth-", ignore_cleanup_errors=True) as folder:
        free = shutil.disk_usage(folder).free
        assert free >= ROOM_BYTES, (
            f"{ROOM_BYTES // 1000**3} GB of disk are needed under {folder}, {free / 1e9:.1f} GB are free (TMPDIR chooses another place)"
        )
        yield Workshop(Path(folder))


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.name)
def test_what_the_loader_refuses_is_what_was_predicted(row: Environment, workshop: Workshop, measured: Measured) -> None:
    try:
        outcome = compare(record_of(row, workshop, Path(KEPT) / "measured" if KEPT else None))
    except NotBuilt as error:
        measured.failed[row.name] = str(error)
        pytest.skip(f"it cannot be built here: {error}")
    finally:
        workshop.remove()
    measured.outcomes.append(outcome)
    assert not outcome.wrong()
    assert len(outcome.files) > 100
    if row.healthy:
        assert not said_of_linking(outcome.record), "a healthy environment stays quiet"


def test_what_fails_to_import_is_what_was_predicted(measured: Measured, capsys: pytest.CaptureFixture[str]) -> None:
    if not measured.outcomes:
        pytest.skip("no environment was built")
    today = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
    machine = f"glibc {platform.libc_ver()[1]}, {os.cpu_count()} cores"
    text = page(measured.outcomes, measured.failed, today, machine)
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - the table is what this is run for
    counts: Counter[str] = Counter()
    for outcome in measured.outcomes:
        counts.update(outcome.counted())
    if len(measured.outcomes) + len(measured.failed) == len(ENVIRONMENTS):  # none was deselected
        assert len(measured.failed) <= TOLERATED
        assert len(measured.outcomes) >= LEAST_ENVIRONMENTS
        PAGES.mkdir(exist_ok=True)
        (PAGES / f"{today}-linking.md").write_text(text, encoding="utf-8")
    assert counts["FP"] == 0
    assert counts["TP"] >= LEAST_RECALL * (counts["TP"] + counts["FN"])
