"""One root cause for a run that did not end, or that broke an invariant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.measured import Measured
    from envdoctor.proving.proof import Cause, Failure, Invariant


def diagnose(failure: Failure, facts: Facts, matrix: Matrix) -> Cause:
    """The root cause of a run that did not come to its end."""
    raise NotImplementedError


def of_broken(invariants: Sequence[Invariant], measured: Measured) -> Cause | None:
    """The invariant that leads, of those that broke; None where none did."""
    raise NotImplementedError
