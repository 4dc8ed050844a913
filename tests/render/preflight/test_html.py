"""The HTML of a preflight without a browser: well formed, asks for nothing, escapes everything, bounded, and complete.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew: what a screen reader would read, an element a line.
tests/browser tries the same pages in a real Chromium.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.findings import Joint, Layer, Severity
from envdoctor.preflight.outcome import Cost, Estimate, Preflight, Price, Problem, Tier, Verdict
from envdoctor.render import Page
from envdoctor.render.preflight import html_stack
from envdoctor.render.preflight.html import render
from envdoctor.render.preflight.html_problems import MAX_CAUSES
from envdoctor.render.preflight.words import MAX_PASTED, paid, rate
from envdoctor.traits import traits
from tests.preflight.made import DOLLARS, MADE, hostile, not_trained, passed, waived, wrong_torch
from tests.render.preflight.made_html import MANY, full, many

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "preflight-html"
CASES: dict[str, Callable[[], Preflight]] = {**MADE, "full": full}
VOID = {"meta", "input", "line", "polyline", "circle", "path", "rect", "use"}
SILENT = {"style", "script", "symbol"}
TOLD = {"title", "h1", "h2", "h3", "h4", "p", "li", "dt", "dd", "summary", "th", "td", "pre", "figcaption", "button", "a"}
LOADS = {"src", "srcset", "data", "poster", "action", "formaction", "background", "ping", "xlink:href", "srcdoc", "manifest"}
"""Attributes by which a page asks for something, or is sent somewhere."""


class Reader(HTMLParser):
    """Collects the elements and the text; complains of what is not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": []}
        self.outline: list[tuple[int, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102 - see HTMLParser
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:  # noqa: D102
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:  # noqa: D102
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
        elif not set(self.open) & SILENT and data.strip():
            self.text.append(data)
            told = next((tag for tag in reversed(self.open) if tag in TOLD), "")
            self.outline.append((self.open.count("details"), told, " ".join(data.split())))


def read(found: Preflight, page: Page | None = None) -> tuple[Reader, str]:
    """The page as parsed, and its text with single spaces."""
    reader = Reader()
    reader.feed(render(found, page or Page()))
    reader.close()
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


def outlined(reader: Reader) -> str:
    """What is told, a text a line, folded parts indented."""
    return "".join(f"{'  ' * depth}{tag}: {text}\n" for depth, tag, text in reader.outline)


def the(reader: Reader, **wanted: str) -> list[dict[str, str]]:
    """Attributes of all elements that have these."""
    return [one for _, one in reader.elements if all(one.get(name.rstrip("_")) == value for name, value in wanted.items())]


@pytest.mark.parametrize("case", ["wrong-torch", "full"])
def test_what_the_page_tells_is_its_golden_file(case: str) -> None:
    reader, _ = read(CASES[case]())
    told, golden = outlined(reader), GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [*CASES, "hostile"])
def test_it_asks_for_nothing_and_runs_only_its_own_script(case: str) -> None:
    reader, _ = read(hostile() if case == "hostile" else CASES[case]())
    for tag, attributes in reader.elements:
        assert not set(attributes) & LOADS, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        href = attributes.get("href", "")
        assert href.startswith("#") or (tag == "a" and href.startswith("https://")) or not href, (tag, href)
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "template"}, tag
    (style,), (script,) = reader.raw["style"], reader.raw["script"]
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function|fetch|XMLHttp", script)


@pytest.mark.parametrize("case", [*CASES, "hostile"])
def test_the_policy_names_its_one_style_and_its_one_script(case: str) -> None:
    reader, _ = read(hostile() if case == "hostile" else CASES[case]())
    (policy,) = (one["content"] for _, one in reader.elements if "http-equiv" in one)
    (style,), (script,) = reader.raw["style"], reader.raw["script"]

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{digest(script)}'",
        f"style-src 'sha256-{digest(style)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.parametrize("case", [*CASES, "hostile"])
def test_every_link_within_the_page_leads_somewhere_and_no_name_is_given_twice(case: str) -> None:
    reader, _ = read(hostile() if case == "hostile" else CASES[case]())
    names = [one["id"] for _, one in reader.elements if "id" in one]
    assert len(names) == len(set(names))
    wanted = {one["href"][1:] for _, one in reader.elements if one.get("href", "").startswith("#")}
    wanted |= {one["aria-labelledby"] for _, one in reader.elements if "aria-labelledby" in one}
    assert wanted <= set(names)


def test_what_a_hostile_target_said_is_text_and_harmless() -> None:
    page = render(hostile(), Page())
    reader, text = read(hostile())
    assert "<script>alert(1)</script>" in text
    assert "\\x1b[31m</script>" in text
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert not set(page) & {"\x1b", "\u202e", "\x00", "\r"}
    assert len(page) < 200_000


def test_quotes_of_a_target_do_not_end_an_attribute() -> None:
    attack = '" onload="alert(1)" x="'
    problem = msgspec.structs.replace(wrong_torch().problems[0], code=attack, title=attack, fingerprint=attack)
    page = render(msgspec.structs.replace(wrong_torch(), problems=(problem,), target=attack), Page())
    assert 'onload="' not in page
    assert "&#34; onload=&#34;alert(1)" in page


def test_only_the_style_and_the_script_are_not_escaped() -> None:
    folder = Path(html_stack.__file__).parents[2] / "data" / "templates"
    lines = [line for path in sorted(folder.rglob("*.j2")) for line in path.read_text(encoding="utf-8").splitlines()]
    used = [line for line in lines if re.search(r"\|\s*safe\b|autoescape", line)]
    assert used == ["<style>{{ style|safe }}</style>", "<script>{{ script|safe }}</script>"]


def test_thousands_of_everything_are_cut_and_counted() -> None:
    found = many()
    page = render(found, Page())
    assert len(page) < 4_000_000
    reader = Reader()
    reader.feed(page)
    text = " ".join(" ".join(reader.text).split())
    cards = [one for one in reader.elements if one[0] == "details" and one[1].get("id", "").startswith("cause-")]
    assert len(cards) == MAX_CAUSES
    assert f"… and {MANY - MAX_CAUSES:,} more problems" in text
    for what in ("libraries", "open questions", "notes", "moves", "waived problems", "symptoms", "values", "facts"):
        assert re.search(rf"… and [\d,]+ more {what}", text), what


@pytest.mark.parametrize("case", CASES)
def test_everything_that_was_found_stands_on_it(case: str) -> None:
    found = CASES[case]()
    _, text = read(found)
    told = [found.target, *(f"{one.state.value} {one.said}" for one in found.tiers), *(row.found for row in found.stack)]
    for problem in found.problems:
        told += [*told_of(problem), problem.says, *(f"{place.path}:{place.line}" for place in problem.places)]
        told += [symptom.title for symptom in problem.symptoms]
        told += [argv[0] for argv in problem.commands]
    for kept in found.waived:
        told += [*told_of(kept.problem), kept.reason, kept.until or "for ever"]
    for question in found.questions:
        told += [question.question, question.why]
    assert [one for one in told if one not in text] == []


def told_of(problem: Problem) -> list[str]:
    """What must be said of a problem, waived or not."""
    values = [part for seen in problem.evidence for part in (seen.what, seen.value, seen.via)]
    return [problem.title, problem.why, *values, *(source.where for source in problem.sources)]


@pytest.mark.parametrize("case", [name for name in CASES if name != "bad-dockerfile"])
def test_machine_facts_are_told_with_the_place_they_were_read(case: str) -> None:
    found = CASES[case]()
    assert found.facts is not None
    _, text = read(found)
    for one in traits(found.facts, ()):
        said: Any = one.said
        assert f"{one.name} {said.value or 'none'} {said.via}" in text if hasattr(said, "via") else f"unknown: {said.why}" in text


def test_what_was_not_reached_is_not_drawn() -> None:
    reader, text = read(MADE["bad-dockerfile"]())
    assert not the(reader, id="stack")
    assert not the(reader, id="machine")
    assert "The stack" not in text


def joint(found: Preflight, name: str) -> dict[str, Any]:
    (row,) = (one for one in html_stack.stack(found, {}) if one["name"] == name)
    return row


def test_the_stack_stands_on_the_machine() -> None:
    assert [one["name"] for one in html_stack.stack(passed(), {})] == [one.value for one in reversed(Joint)]


def test_what_a_later_tier_found_is_not_overruled_by_rules_that_found_nothing() -> None:
    found = not_trained()
    blind = msgspec.structs.replace(found, stack=passed().stack)  # as the rules alone see it
    row = joint(blind, "trainer")
    assert (row["state"], row["truth"]["word"]) == ("broken", "trained")
    assert joint(MADE["drifted"](), "python")["state"] == "broken"


def test_information_breaks_no_joint_and_a_warning_only_weakens_it() -> None:
    found = passed()
    problem = msgspec.structs.replace(wrong_torch().problems[0], severity=Severity.INFO, layer=Layer.LOADED)
    for severity, state in ((Severity.INFO, "holds"), (Severity.WARNING, "weak"), (Severity.ERROR, "broken")):
        one = msgspec.structs.replace(problem, severity=severity)
        assert joint(msgspec.structs.replace(found, problems=(one,)), "engine")["state"] == state


def test_a_joint_tells_what_was_read_and_what_really_ran() -> None:
    read_there = {one["what"]: one for one in joint(passed(), "torch")["read"]}
    assert read_there["torch"]["value"] == "2.5.1"
    assert "torch-2.5.1.dist-info" in read_there["torch"]["via"]
    assert any(what.startswith("ran on ") for what in read_there)


def test_states_are_told_by_word_and_shape_not_by_colour_alone() -> None:
    reader, text = read(wrong_torch())
    shapes = {one["href"] for tag, one in reader.elements if tag == "use"}
    assert {"#good", "#bad", "#none"} <= shapes
    assert "broken engine against torch declared" in text
    assert "holds driver and GPU linked" in text


def test_a_command_that_is_too_long_is_cut_and_cannot_be_copied() -> None:
    problem = wrong_torch().problems[0]
    for length, buttons in ((1000, 2), (MAX_PASTED + 1, 0)):
        long = msgspec.structs.replace(problem, code="LONG", joint=None, commands=(("uv", "x" * length),) * 2)
        found = msgspec.structs.replace(wrong_torch(), problems=(long,))
        reader, text = read(found)
        assert len(the(reader, class_="copy")) == buttons
        assert ("x" * length in text) == bool(buttons)
        assert (f"cut: {length + 3} characters" in text) != bool(buttons)


def test_verbose_unfolds_everything() -> None:
    folds = [one for tag, one in read(full(), Page(verbose=True))[0].elements if tag == "details"]
    assert folds
    assert all("open" in one for one in folds)
    assert not all("open" in one for tag, one in read(full())[0].elements if tag == "details")


@pytest.mark.parametrize(
    ("verdict", "word", "status"),
    [(Verdict.PASSED, "Passed", 0), (Verdict.FAILED, "Failed", 1), (Verdict.UNTOLD, "Could not tell", 3), (Verdict.CRASHED, "A rule crashed", 4)],
)  # fmt: skip
def test_the_verdict_stands_first_with_its_exit_status(verdict: Verdict, word: str, status: int) -> None:
    reader, text = read(msgspec.structs.replace(passed(), verdict=verdict))
    assert [one[2] for one in reader.outline if one[1] == "h1"] == [word]
    assert text.startswith(f"{word}: ~/venvs/grpo")
    assert f"Exit status {status}" in text


def test_what_stopping_early_spared_is_told_in_time_and_money() -> None:
    cost = Cost(price=DOLLARS, spent_s=0.5, spared=(Estimate(tier=Tier.SMOKE, seconds=300.0, via="the budget"),))
    _, text = read(msgspec.structs.replace(wrong_torch(), cost=cost))
    assert "Stopping early spared 300 s, $2.00 : smoke 300 s. Times from: the budget." in text
    _, text = read(msgspec.structs.replace(wrong_torch(), cost=msgspec.structs.replace(cost, price=None)))
    assert "Stopping early spared 300 s : smoke 300 s." in text
    assert "--price 24/h tells what the node costs" in text


def test_what_a_node_costs_is_written_as_people_say_it() -> None:
    euros, bare = Price(per_hour=24.5, currency="EUR"), Price(per_hour=24, currency="")
    assert [paid(one, 3600) for one in (DOLLARS, euros, bare)] == ["$24.00", "24.50 EUR", "24.00"]
    assert [rate(one) for one in (DOLLARS, euros, bare)] == ["$24/h", "24.5 EUR/h", "24/h"]
    assert [paid(DOLLARS, one) for one in (0.1, 0.0)] == ["less than $0.01", "$0.00"]


def test_a_name_that_is_no_utf_8_can_be_written() -> None:
    page = render(msgspec.structs.replace(passed(), target="caf\udce9", notes=("caf\udce9",)), Page())
    assert page.encode("utf-8").count(b"caf\\udce9") == 3


def test_the_shadowing_map_says_which_copy_wins_when() -> None:
    _, text = read(full())
    assert "2 libraries lie here more than once." in text
    assert "found by import torch, of nvidia-nvjitlink-cu12 after import torch : torch, vllm" in text
    assert "found by LD_LIBRARY_PATH imported before torch: vllm, flash-attn" in text
    assert "shadowed /lib/x86_64-linux-gnu/libnvJitLink.so.12 found by ld.so.cache nothing that was looked at binds to it" in text
    assert "No driver is here" in text


def test_silence_is_not_told_as_health() -> None:
    assert "None was found by what could answer." in read(MADE["out-of-time"]())[1]
    assert "None was found. " in read(passed())[1]


def test_changes_lead_to_the_problems_that_are_new() -> None:
    reader, text = read(waived())
    assert the(reader, href="#cause-1")
    assert "torch 2.5.1 2.6.0" in text
    assert "deepspeed not there 0.18.2" in text
    assert "ED405 32 file descriptors are too few for Ray" in text


def test_the_reward_and_the_kl_come_first_among_the_curves() -> None:
    reader, _ = read(passed())
    labels = [one["aria-label"] for tag, one in reader.elements if tag == "svg" and "aria-label" in one]
    assert [label.partition(":")[0] for label in labels[:2]] == ["Reward", "KL to the reference (nats)"]
