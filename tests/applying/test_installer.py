"""The door to uv as an installer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.applying import installer
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_uv_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installer, "uv_program", lambda: str(tmp_path / "uv"))
    with pytest.raises(UserError, match="uv could not be started: No such file or directory") as told:
        installer.run_uv(("--version",), None)
    assert told.value.hint == "Install it beside envdoctor: pip install uv"
