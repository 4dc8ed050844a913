"""What needs programs of others in an environment of its own is not started by a plain ``pytest``."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
WANTED = {
    "deploy": "needs schemas and pre-commit in an environment of their own; run `make deploy`",
    "ray": "needs Ray in the Python that is named; run `make ray`",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("markexpr")
    for item in items:
        for marker, why in WANTED.items():
            if HERE in item.path.parents and item.get_closest_marker(marker) is not None and marker not in chosen:
                item.add_marker(pytest.mark.skip(reason=why))
