"""What holds for every test."""

from __future__ import annotations

import pytest

from envdoctor import prescribe


@pytest.fixture(autouse=True)
def _time_enough_for_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which remedies are proven must not depend on how busy this machine is; a test of the budget sets its own."""
    monkeypatch.setattr(prescribe, "PROOF_S", 600.0)
