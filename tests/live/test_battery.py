"""How checks are run and told; without torch."""

from __future__ import annotations

import os
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.live import battery, matmul
from envdoctor.live.battery import Bench, Measured, Skip
from envdoctor.live.telling import Teller, one_line


class Told:
    """Takes the place of the teller."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def tell(self, event: str, **values: Any) -> None:
        """Keep it."""
        self.events.append({"event": event, **values})

    def states(self) -> list[tuple[str, str]]:
        """Each check with its state."""
        return [(one["name"], one["state"]) for one in self.events if one["event"] == "check"]


def bench(answer: Any) -> Bench:
    """A GPU that adds one and one to an answer, or raises it."""

    class One(float):
        def item(self) -> float:
            return float(self)

        def __add__(self, other: float) -> One:
            return One(answer)

    def ones(*_: Any, **__: Any) -> One:
        if isinstance(answer, Exception):
            raise answer
        return One(1.0)

    torch = SimpleNamespace(ones=ones, cuda=SimpleNamespace(synchronize=lambda _: None))
    return Bench(torch, "cuda:0", (9, 0), "")


def gives(**values: Any) -> Any:
    return lambda _: Measured("it", **values)


def raises(error: Exception) -> Any:
    def check(_: Bench) -> Measured:
        raise error

    return check


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "passed"),
        ({"value": 1.0, "bound": 1.0}, "passed"),
        ({"value": 1.0000001, "bound": 1.0}, "wrong"),
        ({"value": float("nan"), "bound": 1.0}, "wrong"),
        ({"value": 5.0}, "passed"),
        ({"value": 0.5, "bound": 1.0, "wrong": True}, "wrong"),
    ],
)
def test_a_result_is_wrong_beyond_its_bound(values: dict[str, Any], state: str) -> None:
    told = Told()
    battery.run(told, bench(2.0), [("it", gives(**values))])  # type: ignore[arg-type]
    assert told.states() == [("it", state)]


def test_each_check_is_announced_before_it_runs() -> None:
    told = Told()
    seen: list[int] = []

    def check(_: Bench) -> Measured:
        seen.append(len(told.events))
        return Measured("it")

    battery.run(told, bench(2.0), [("one", check), ("two", check)])  # type: ignore[arg-type]
    assert seen == [1, 3]
    assert [one["event"] for one in told.events] == ["phase", "check", "phase", "check"]


def test_an_error_of_one_check_leaves_the_next_where_the_device_still_adds() -> None:
    told = Told()
    checks = [("one", raises(RuntimeError("it broke"))), ("two", gives()), ("three", raises(Skip("not for it")))]
    assert battery.run(told, bench(2.0), checks) == ""  # type: ignore[arg-type]
    assert told.states() == [("one", "failed"), ("two", "passed"), ("three", "skipped")]
    assert [one["says"] for one in told.events if one["event"] == "check"] == ["RuntimeError: it broke", "it", "not for it"]


@pytest.mark.parametrize("answer", [RuntimeError("CUDA error: an illegal memory access was encountered"), 3.0])
def test_once_the_device_answers_nothing_the_rest_is_told_as_not_tried_also_in_the_next_stage(answer: Any) -> None:
    told = Told()
    device = bench(answer)
    broken = battery.run(told, device, [("one", raises(RuntimeError("x"))), ("two", gives())])  # type: ignore[arg-type]
    assert broken == "one"
    assert battery.run(told, device, [("three", gives())], broken) == "one"  # type: ignore[arg-type]
    assert told.states() == [("one", "failed"), ("two", "skipped"), ("three", "skipped")]
    assert told.events[-1]["says"] == "not tried: the device answers nothing since one failed"


def test_a_device_whose_memory_others_took_is_not_dead() -> None:
    assert battery.alive(bench(RuntimeError("CUDA out of memory. Tried to allocate 2.00 MiB")))


def test_numbers_that_are_not_finite_travel_as_null(tmp_path: Any) -> None:
    path = tmp_path / "events"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    Teller(descriptor).tell("check", value=float("nan"), bound=float("inf"), unit="")
    os.close(descriptor)
    assert path.read_text() == '{"event": "check", "value": null, "bound": null, "unit": ""}\n'


def test_a_doctor_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    Teller(writing).tell("done")
    os.close(writing)


def test_an_error_is_one_line_of_a_size() -> None:
    assert one_line(ValueError("a\n  b\tc")) == "ValueError: a b c"
    assert len(one_line(ValueError("x" * 9000))) == 400


@given(st.integers(1, 600), st.integers(8, 30))
def test_gamma_bounds_what_rounding_every_term_does(terms: int, bits: int) -> None:
    """Higham, lemma 3.1: a product of k factors (1 + d), |d| <= u, is within gamma_k of one where k u < 1."""
    unit = Fraction(1, 2**bits)
    if terms * unit >= 1:
        return
    grown = (1 + unit) ** terms - 1
    shrunk = 1 - (1 - unit) ** terms
    assert matmul.gamma(terms, float(unit)) * (1 + 1e-12) >= float(max(grown, shrunk))


def test_the_bounds_are_those_of_the_page_that_derives_them() -> None:
    u32 = 2.0**-24
    assert matmul.gamma(512, u32) == pytest.approx(512 * u32, rel=1e-4)
    # 14 bits lost over 128 terms is what dominates float8; a tile that is left out has an error near 0.24
    assert pytest.approx(0.015625) == matmul.PROMOTED_EVERY * matmul.FP8_SUM_UNIT
    assert [code for code, value in enumerate(matmul.FP4_VALUES) if value != float4_value(code)] == []


def float4_value(code: int) -> float:
    """E2M1 by its definition: one bit of mantissa, exponents with a bias of one, and a subnormal half."""
    exponent, mantissa = code >> 1, code & 1
    return mantissa * 0.5 if exponent == 0 else 2.0 ** (exponent - 1) * (1 + mantissa / 2)
