"""What builds gigabytes of environments is not started by a plain ``pytest``."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "truth" in config.getoption("markexpr"):
        return
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("truth") is not None:
            item.add_marker(pytest.mark.skip(reason="builds gigabytes of environments; run `make truth`"))
