"""The words of the command line: what is required, what the node costs, which reports are wanted."""

from __future__ import annotations

import pytest

from envdoctor.errors import UserError
from envdoctor.preflight.asked import price, reports, requirements


def test_requirements_are_read_from_several_options_and_a_comma_in_a_range_stays_in_it() -> None:
    found = requirements(("gpu>=8, trl", "vllm>=0.19,<0.34,Flash_Attn"))
    assert [(one.name, str(one.specifier)) for one in found] == [
        ("gpu", ">=8"),
        ("trl", ""),
        ("vllm", "<0.34,>=0.19"),
        ("flash-attn", ""),
    ]


@pytest.mark.parametrize("text", ["", "gpu,,trl", "8gpus>", "trl[vllm]", "torch @ file:///x", "trl; python_version > '3'", "-r"])
def test_what_is_no_requirement_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="--require") as wrong:
        requirements((text,))
    assert "vllm==0.33.0" in wrong.value.hint or "NAME>=VERSION" in wrong.value.hint


@pytest.mark.parametrize(
    ("text", "per_hour", "currency"),
    [
        ("24/h", 24.0, "$"),
        ("$24/h", 24.0, "$"),
        ("24", 24.0, "$"),
        ("0.40 EUR/min", 24.0, "EUR"),
        ("€2.99/hour", 2.99, "€"),
        ("576/day", 24.0, "$"),
    ],
)
def test_a_price_is_read_by_the_hour(text: str, per_hour: float, currency: str) -> None:
    found = price(text)
    assert found is not None
    assert found.per_hour == pytest.approx(per_hour)
    assert found.currency == currency


@pytest.mark.parametrize("text", ["", "free", "-3/h", "24/parsec", "24//h", "1e9", "2 4"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no price"):
        price(text)


def test_without_a_price_there_is_none() -> None:
    assert price(None) is None


def test_reports_name_a_format_and_a_file_and_one_of_them_standard_output() -> None:
    assert reports(("junit=a.xml", "json=b=c.json", "markdown=-"), ("junit", "json", "markdown")) == (
        ("junit", "a.xml"),
        ("json", "b=c.json"),
        ("markdown", "-"),
    )


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("junt=a.xml",), "no format 'junt'", 'Did you mean "junit"?'),
        (("junit",), "names no file", "--report junit=FILE"),
        (("junit=",), "names no file", "--report junit=FILE"),
        (("junit=-", "json=-"), "two reports are for standard output", "FORMAT=FILE"),
    ],
)
def test_a_report_that_cannot_be_meant_is_refused(words: tuple[str, ...], what: str, hint: str) -> None:
    with pytest.raises(UserError) as wrong:
        reports(words, ("junit", "json"))
    assert what in wrong.value.what
    assert hint in wrong.value.hint
