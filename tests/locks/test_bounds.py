"""The ranges that metadata leaves open: on the shipped data, where the answers are known, and on a small world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from envdoctor.claims import Claim, admits
from envdoctor.locks.bounds import LATER_CAP, LATER_NEED, bounds, needs, tightest
from envdoctor.locks.document import Bound
from envdoctor.matrix import Matrix
from envdoctor.rows import Run
from tests import small

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = Matrix()
OLD_TRANSFORMERS = ("0.6.6.post1", "0.7.0", "0.8.4", "0.9.1", "0.10.2", "0.11.0")


def resolved(**versions: str) -> dict[str, Version]:
    return {name.replace("_", "-"): Version(version) for name, version in versions.items()}


def of(package: str, found: tuple[Bound, ...]) -> dict[str, str]:
    """Specifier -> basis."""
    return {one.specifier: one.basis for one in found if one.package == package}


@pytest.mark.parametrize("version", OLD_TRANSFORMERS)
def test_a_vllm_that_breaks_under_transformers_5_gets_an_older_one(version: str) -> None:
    found = of("transformers", bounds(resolved(vllm=version), {"vllm"}, MATRIX))
    assert found["<5"] == "measured"
    assert not all(admits(spec, Version("5.24.0")) for spec in found)


def test_the_cap_of_the_next_release_counts_for_the_one_that_states_none() -> None:
    (bound,) = bounds(resolved(vllm="0.30.0", torch="2.13.0"), {"vllm"}, MATRIX)
    assert (bound.package, bound.specifier, bound.basis) == ("transformers", "<5.18.0", LATER_CAP)
    assert "0.31.0" in bound.why
    assert "vllm-0.31.0" in bound.source


def test_a_release_that_states_its_cap_gets_none() -> None:
    assert not of("transformers", bounds(resolved(vllm="0.31.0"), {"vllm"}, MATRIX))


def test_what_the_user_pinned_is_never_bounded() -> None:
    both = resolved(vllm="0.7.0", transformers="5.24.0")
    assert of("transformers", bounds(both, {"vllm"}, MATRIX))
    assert not of("transformers", bounds(both, {"vllm", "transformers"}, MATRIX))


def test_a_trainer_bounds_the_engine_by_what_its_code_accepts() -> None:
    assert of("vllm", bounds(resolved(trl="1.16.0"), {"trl"}, MATRIX)) == {">=0.22.0,<=0.31.0": "wheel-code"}


def test_what_the_engine_pins_exactly_is_not_bounded_again() -> None:
    found = bounds(resolved(vllm="0.7.0", torch="2.5.1", compressed_tensors="0.9.0"), {"vllm"}, MATRIX)
    assert not of("torch", found)
    assert of("transformers", found)["<5.0.0"] == LATER_CAP


def test_triton_that_imports_setuptools_without_asking_gets_it() -> None:
    (bound,) = needs(resolved(triton="3.1.0"), MATRIX)
    assert (bound.package, bound.specifier, bound.basis) == ("setuptools", ">=40.8.0", LATER_NEED)
    assert not needs(resolved(triton="3.7.1"), MATRIX)
    assert not needs(resolved(torch="2.5.1"), MATRIX)


def world(tmp_path: Path, *claims: Claim, runs: tuple[Run, ...] = ()) -> Matrix:
    made = small.matrix(
        tmp_path,
        curated=claims,
        vllm=(
            small.Made("1.0", "2025-01-01", ("transformers>=4", "pandas")),
            small.Made("1.1", "2025-02-01", ("transformers>=4,<6", "pandas==2.0")),
        ),
        transformers=(small.Made("4.0", "2024-01-01"), small.Made("6.0", "2025-01-15")),
    )
    if runs:
        made.runs = lambda: runs  # type: ignore[method-assign]
    return made


def test_an_exact_pin_of_a_later_release_is_no_cap(tmp_path: Path) -> None:
    found = bounds(resolved(vllm="1.0"), {"vllm"}, world(tmp_path))
    assert [(one.package, one.specifier) for one in found] == [("transformers", "<6")]


def test_a_run_that_passed_above_the_cap_lifts_it(tmp_path: Path) -> None:
    def run(version: str, outcome: str) -> Run:
        said = {"vllm": "1.0", "transformers": version}
        return Run(versions=said, machine="CPU", ran="it", outcome=outcome, source="a test", read="2026-01-02")  # type: ignore[arg-type]

    for version, outcome, left in (("6.0", "pass", 0), ("6.0", "fail", 1), ("5.0", "pass", 1)):
        matrix = world(tmp_path / f"{version}{outcome}", runs=(run(version, outcome),))
        assert len(bounds(resolved(vllm="1.0"), {"vllm"}, matrix)) == left


def test_a_measured_claim_counts_in_place_of_the_cap(tmp_path: Path) -> None:
    claim = Claim(
        id="seen", topic="runtime", when={"vllm": "==1.0"}, then={"transformers": "<7"}, basis="measured", says="It breaks.",
        source="a test", read="2026-01-02",
    )  # fmt: skip
    assert of("transformers", bounds(resolved(vllm="1.0"), {"vllm"}, world(tmp_path, claim))) == {"<7": "measured"}


def test_an_upper_end_above_another_is_left_out() -> None:
    def bound(package: str, specifier: str) -> Bound:
        return Bound(package=package, specifier=specifier, why="", source="", basis="")

    given = [bound("a", "<5"), bound("a", "<4.52"), bound("a", ">=4"), bound("a", "!=4.50"), bound("b", "<=1"), bound("b", "<1")]
    kept = [(one.package, one.specifier) for one in tightest(given)]
    assert kept == [("a", "!=4.50"), ("a", "<4.52"), ("a", ">=4"), ("b", "<1")]
