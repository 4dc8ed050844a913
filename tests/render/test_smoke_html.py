"""The HTML of a proof: one file that asks for nothing, runs nothing, and escapes whatever a target said."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.render import curves
from envdoctor.render.smoke_html import render
from tests.proving.made import measured, not_started, proven, step
from tests.render.test_smoke import PROOFS, hostile

if TYPE_CHECKING:
    from envdoctor.proving.proof import Proof

VOID = {"meta", "line", "polyline", "circle", "br", "link", "img", "input"}
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "strong", "code", "pre", "dl", "dt", "dd", "table", "thead",
    "tbody", "tr", "th", "td", "div", "figure", "figcaption", "svg", "line", "text", "polyline", "circle",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "scope", "viewbox", "role", "aria-label", "x", "y", "x1", "x2", "y1",
    "y2", "cx", "cy", "r", "points", "text-anchor",
}  # fmt: skip


class Reader(HTMLParser):
    """Collects the elements, their attributes and the text; complains of what is not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(  # noqa: D102 - see HTMLParser
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:  # noqa: D102
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:  # noqa: D102
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(proof: Proof) -> tuple[Reader, str]:
    page = render(proof)
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


@pytest.mark.parametrize("name", [*PROOFS, "hostile"])
def test_the_page_has_only_elements_and_attributes_that_do_nothing(name: str) -> None:
    reader, _ = read(hostile() if name == "hostile" else PROOFS[name]())
    assert set(reader.tags) <= KNOWN
    assert reader.attributes <= ATTRIBUTES


@pytest.mark.parametrize("name", [*PROOFS, "hostile"])
def test_nothing_is_asked_of_another_place_and_no_script_is_run(name: str) -> None:
    page = render(hostile() if name == "hostile" else PROOFS[name]())
    assert "<script" not in page.lower()
    assert not re.search(r"\b(?:href|src|srcset|action|on[a-z]+)\s*=", re.sub(r'"[^"]*"', '""', page), re.IGNORECASE)
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_what_a_hostile_target_said_is_text_and_harmless() -> None:
    reader, text = read(hostile())
    assert "<script>alert(1)</script>" in text
    page = render(hostile())
    assert not set(page) & {"\x1b", "\x07", "\u202e", "\x00", "\r"}
    assert len(page) < 400_000
    assert reader.tags.count("h1") == 1


def test_quotes_of_a_target_do_not_end_an_attribute() -> None:
    attack = '" onload="alert(1)" x="'
    proof = proven()
    assert proof.measured is not None
    page = render(msgspec.structs.replace(proof, notes=(attack,), engine=attack))
    assert 'onload="' not in page
    assert "&#34; onload=&#34;alert(1)" in page


@pytest.mark.parametrize("name", PROOFS)
def test_the_page_says_the_verdict_first_and_what_the_terminal_says(name: str) -> None:
    proof = PROOFS[name]()
    _, text = read(proof)
    assert text.startswith(("PROVEN", "NOT PROVEN"))
    for one in proof.invariants:
        assert " ".join(one.title.split()) in text
        assert one.value in text
    if proof.cause is not None:
        assert proof.cause.title in text
        assert proof.cause.says in text
        assert "envdoctor" in text
    if proof.failure is not None:
        assert proof.failure.how in text


def test_four_curves_are_drawn_with_a_point_a_step_and_a_name_for_those_who_do_not_see() -> None:
    page = render(proven())
    assert page.count("<svg ") == page.count('role="img"') == 4
    first = re.search(r'<polyline class="curve" points="([^"]*)"', page)
    assert first is not None
    points = [tuple(map(float, point.split(","))) for point in first.group(1).split()]
    assert len(points) == 40
    assert points[0][0] == curves.LEFT
    assert points[-1][0] == curves.RIGHT
    assert points[-1][1] < points[0][1], "the reward has risen: up is less"
    assert all(curves.TOP <= y <= curves.BOTTOM for _, y in points)
    assert 'aria-label="Reward: 0.1 to 0.99"' in page


def test_a_step_without_a_number_breaks_the_line_and_is_marked() -> None:
    steps = tuple(step(number, reward=None if number == 2 else 0.5) for number in range(5))
    page = render(msgspec.structs.replace(proven(), measured=measured(steps=steps)))
    reward = page.partition("<svg ")[2].partition("</svg>")[0]
    assert reward.count("<polyline") == 2
    assert reward.count('class="gap"') == 1
    assert "1 of 5 steps have no number" in page


def test_a_curve_that_no_step_tells_is_left_out_but_the_reward_never() -> None:
    steps = tuple(step(number, reward=None, logp_gap_max=None) for number in range(3))
    page = render(msgspec.structs.replace(proven(), measured=measured(steps=steps)))
    assert page.count("<svg ") == 3
    assert "was not measured" in page
    assert render(msgspec.structs.replace(proven(), measured=measured(steps=()))).count("<svg ") == 0
    assert render(msgspec.structs.replace(proven(), measured=measured(steps=(step(0),)))).count("<polyline") == 0


def test_a_run_of_many_steps_has_no_dots_and_a_failed_one_no_curves() -> None:
    many = tuple(step(number) for number in range(curves.MAX_DOTS + 1))
    assert 'class="dot"' not in render(msgspec.structs.replace(proven(), measured=measured(steps=many)))
    assert 'class="dot"' in render(proven())
    page = render(not_started())
    assert "<svg " not in page
    assert "It failed in: start the engine" in page


def test_it_is_readable_in_the_dark_and_on_paper() -> None:
    page = render(proven())
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert '<html lang="en">' in page
