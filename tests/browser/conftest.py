"""What needs a real browser is not started by a plain ``pytest``; with ``make browser`` it has one, and pages to open in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.render import Page
from envdoctor.render.preflight.html import render
from tests.browser.chromium import Browser
from tests.preflight.made import MADE, hostile
from tests.render.preflight.made_html import full

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browser.chromium import Tab

HERE = Path(__file__).parent
CASES = {**MADE, "full": full, "hostile": hostile}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "browser" in config.getoption("markexpr"):
        return
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("browser") is not None:
            item.add_marker(pytest.mark.skip(reason="needs a real browser; run `make browser`"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    running = Browser(os.environ["ENVDOCTOR_CHROMIUM"], tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Case -> its page, a file."""
    folder = tmp_path_factory.mktemp("pages")
    made = {case: folder / f"{case}.html" for case in CASES}
    for case, path in made.items():
        path.write_text(render(CASES[case](), Page()), encoding="utf-8")
    return made


@pytest.fixture
def tab(browser: Browser, pages: dict[str, Path]) -> Iterator[Callable[..., Tab]]:
    """Opens a case's page; closed when the test ends."""
    opened: list[Tab] = []

    def open_(case: str, **more: Any) -> Tab:
        opened.append(browser.open(pages[case], **more))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()
