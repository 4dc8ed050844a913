"""The Markdown of a preflight, read by a CommonMark parser: what a target says makes no markup, and a comment has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from markdown_it import MarkdownIt

from envdoctor.findings import Evidence, Source
from envdoctor.render.preflight.markdown import MOST_CHARACTERS, code, fenced, text
from tests.preflight.made import MADE, drifted, hostile, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, crashed, drawn, flooded, golden, renamed

if TYPE_CHECKING:
    from markdown_it.token import Token

OURS = {"<details>", "<summary>", "</summary>", "</details>", "<!-- -->"}


def tokens(page: str) -> list[Token]:
    """All tokens, those inside of lines too."""
    found = []
    for token in MarkdownIt("commonmark").enable(["table"]).parse(page):
        found += [token, *(token.children or ())]
    return found


def rows(page: str) -> list[int]:
    """The number of cells of each row of the tables."""
    found: list[int] = []
    for token in tokens(page):
        if token.type == "tr_open":
            found.append(0)
        elif token.type in {"td_open", "th_open"}:
            found[-1] += 1
    return found


def shown(markdown: str) -> str:
    """The text that a reader sees of one line."""
    return "".join(token.content for token in tokens(markdown) if token.type in {"text", "code_inline", "text_special"})


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_its_golden_file_and_its_table_has_every_tier(case: str) -> None:
    page = golden("markdown", case, "md")
    assert rows(page) == [4] * 7
    assert page.startswith("## envdoctor preflight: ")


@pytest.mark.parametrize("case", CASES)
def test_every_command_is_pasted_from_a_fence(case: str) -> None:
    fences = [token.content for token in tokens(drawn("markdown", MADE[case]())) if token.type == "fence"]
    ran = {argv[0] for one in MADE[case]().counted() for argv in one.commands}
    assert {line.split(" ")[0] for fence in fences for line in fence.splitlines()} == ran


def test_commands_that_mend_several_problems_stand_once() -> None:
    assert drawn("markdown", drifted()).count("uv pip install") == 1


def test_a_hostile_target_makes_no_markup_link_or_row() -> None:
    page = drawn("markdown", hostile())
    html = [token.content for token in tokens(page) if token.type in {"html_block", "html_inline"}]
    for piece in html:
        left = piece
        for tag in OURS:
            left = left.replace(tag, "")
        assert "<" not in left
    assert rows(page) == [4] * 7
    assert not [token for token in tokens(page) if token.type in {"link_open", "image"}]
    assert not set(page) & {"\x1b", "\u202e", "\r"}


@pytest.mark.parametrize(
    "raw",
    [
        "@someone",
        "[a](https://b) ![c](d)",
        "https://a.b www.c.d",
        "1. a",
        "# a",
        "- a",
        "=== ",
        "a | b",
        "`a` ``b",
        "<b>x</b> &amp;",
        "a * b * c _d_ ~~e~~ $f$",
        "\\* \\<b>",
        "::error::",
        "> a",
        "#12",
    ],
)
def test_a_text_shows_as_it_is_and_links_nothing(raw: str) -> None:
    written = text(raw)
    found = tokens(written)
    assert {token.type for token in found} <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "text_special",
        "html_inline",
    }
    assert shown(written) == raw.strip()
    assert not [each for each in ("@s", "://", "www.", "#12") if each in written]


@pytest.mark.parametrize("raw", ["a", "`", "a``b", "``` a", " `` ", "a|b", "\\"])
def test_a_code_span_holds_its_backticks(raw: str) -> None:
    spans = [token.content for token in tokens(f"x {code(raw)} y") if token.type == "code_inline"]
    assert [span.strip() for span in spans] == [raw.strip()]


def test_a_fence_is_longer_than_what_is_in_it() -> None:
    lines = ["```", "echo '`````'"]
    (fence,) = [token for token in tokens(fenced(lines, "sh")) if token.type == "fence"]
    assert fence.content.splitlines() == lines


def test_only_an_address_is_a_link() -> None:
    sources = (Source("https://docs.nvidia.com/a_b#c", "2026-11-22"), Source("https://a.b/>)[x](c", "2026-11-22"))
    found = wrong_torch()
    one = msgspec.structs.replace(found.problems[0], sources=sources)
    links = [
        token.attrs["href"] for token in tokens(drawn("markdown", changed(found, problems=(one,)))) if token.type == "link_open"
    ]
    assert links == ["https://docs.nvidia.com/a_b#c"]


def test_a_flood_stays_below_what_a_comment_holds_and_says_what_is_left_out() -> None:
    page = drawn("markdown", flooded(3000))
    assert 50_000 < len(page) < MOST_CHARACTERS
    count = sum(line.startswith("### ERROR") for line in page.splitlines())
    assert f"{3000 - count} more problems did not fit here; `--report json=FILE` has all." in page


def test_the_longest_texts_stay_below_it_too() -> None:
    worst = "\u202e[@" * 100_000
    found = wrong_torch()
    one = msgspec.structs.replace(
        found.problems[0], title=worst, why=worst, says=worst, evidence=(Evidence(worst, worst, worst),) * 50, symptoms=()
    )
    many = tuple(renamed(number, one) for number in range(20))
    tiers = tuple(msgspec.structs.replace(each, said=worst) for each in found.tiers)
    found = changed(
        found, problems=many, tiers=tiers, target=worst, chosen=worst, profile=worst, lock=worst, began=worst, notes=(worst,) * 50
    )
    assert len(drawn("markdown", found)) < MOST_CHARACTERS


def test_names_that_are_no_utf_8_and_crashes_can_be_written() -> None:
    assert "\\ud800" in drawn("markdown", changed(wrong_torch(), target=BLUNT))
    assert "BUG of envdoctor, not of your environment: 2 rules crashed" in drawn("markdown", crashed())
