"""kill -9 at seeded points in each phase: as before, byte for byte, or fully repaired (the long run: ``make kill``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.applying.killing import Ground, attempt, ground, points, right

if TYPE_CHECKING:
    from tests.applying.conftest import Home

COUNT = 50
SEED = 5


@pytest.fixture(scope="module")
def where(built: Home) -> Ground:
    return ground(built.prefix, built.saved, built.url, built.prefix.parent / "plan.json")


@pytest.mark.parametrize("number", range(COUNT))
def test_a_killed_repair_is_undone_or_finished_exactly(where: Ground, number: int) -> None:
    tried = attempt(where, points(where.steps, COUNT, SEED)[number])
    assert tried.fair
    assert right(tried), tried
