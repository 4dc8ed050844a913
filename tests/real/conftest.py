"""Real environments are downloads of gigabytes: nobody starts them by a plain ``pytest``."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "real" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="downloads gigabytes of wheels; run `make real`")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)
