"""What is generated and committed is up to date."""

import platform

import pytest

from tools.generate import ROOT, generated

OLD = platform.python_version().startswith("3.10.")
pytestmark = pytest.mark.skipif(OLD, reason="msgspec cannot write the schema of generic records on Python 3.10")


@pytest.mark.parametrize("name", [] if OLD else sorted(generated()))
def test_the_committed_file_is_what_make_docs_writes(name: str) -> None:
    path = ROOT / name
    assert path.exists(), f"{name} is missing: run `make docs`"
    assert path.read_text(encoding="utf-8") == generated()[name], f"{name} is out of date: run `make docs`"


def test_no_page_of_a_rule_that_is_gone_is_left() -> None:
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "rules").glob("*.md")}
    assert pages <= set(generated())
