"""Two environments that were broken on purpose and really tried: one cause each, an error, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.examine import Wishes, examine, exit_code
from envdoctor.findings import Severity
from envdoctor.loaded import Live
from envdoctor.render import Page
from envdoctor.render.terminal import render
from tests.factory import MATRIX, healthy

if TYPE_CHECKING:
    from envdoctor.findings import Finding

RECORDED = Path(__file__).parent / "recorded"
MISSING = "numpy-takes-a-module-that-is-not-there"
WRONG = "a-bfloat16-product-is-wrong"


def examined(name: str, *, verbose: bool = False) -> tuple[Finding, str]:
    """The one finding, and the page."""
    live = msgspec.json.decode((RECORDED / f"{name}.json").read_bytes(), type=Live)
    facts, report = examine(msgspec.structs.replace(healthy(), live=live), MATRIX, Wishes(), time.monotonic())
    assert exit_code(report, fail_on=Severity.ERROR, strict=False) == 1
    (one,) = report.diagnoses
    assert one.symptoms == ()
    return one.root, " ".join(render(report, facts, Page(verbose=verbose)).split())


def test_a_package_that_takes_a_module_nobody_declares_is_found_with_its_line() -> None:
    found, page = examined(MISSING)
    assert found.code == "ED706"
    assert found.title == "numpy cannot be imported: ModuleNotFoundError: No module named 'numpy_fast_kernels'"
    assert "numpy/__init__.py:951" in page
    assert "numpy: see ED706 above" in page


def test_a_product_that_is_wrong_in_one_element_is_found_with_its_bound() -> None:
    found, page = examined(WRONG)
    assert found.code == "ED702"
    assert found.title == "the CPU computes wrongly: matmul bfloat16 has an error of 0.12, rounding explains 0.004"
    assert "matmul bfloat16 WRONG error 0.12, at most 0.004; see ED702 above" in page


@pytest.mark.parametrize("name", [MISSING, WRONG])
def test_the_page_says_the_words_of_a_failure_once_and_with_v_again(name: str) -> None:
    words = {MISSING: "numpy: ModuleNotFoundError: No module named", WRONG: "256 x 512 by 512 x 256 against float64; summed"}[
        name
    ]
    (_, page), (_, whole) = examined(name), examined(name, verbose=True)
    assert whole.count(words) > page.count(words)
