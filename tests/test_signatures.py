"""Known error texts: each by a real line, its advice filled with the line's own numbers, bad rows refused, hostile text read in time."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor import signatures as module
from envdoctor.errors import UserError
from envdoctor.render import shell
from envdoctor.rules import REGISTRY, code_of
from envdoctor.signature_numbers import DERIVED, bytes_of, size
from envdoctor.signatures import CAUSE, NOT_SAID, Recognised, filled, harmless_texts, recognise, signatures
from envdoctor.sources.pasted.causes import JUDGES
from tests.signature_texts import WORDS

if sys.version_info >= (3, 11):
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as constants
    import sre_parse as parser

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.signatures import Harmless

ROWS = {one.id: one for one in signatures()}
MAX_REPEAT = 700
DEEPER: dict[str, set[str]] = {
    "cudnn-part-not-loaded": {"undefined-symbol-of-c"},
    "config-part-moved": {"attribute-not-there"},
}
"""Signature -> deeper ones that its example is meant to have too."""
ROW = """
[[signature]]
id = "one"
of = "torch"
depth = 2
words = ["word"]
pattern = 'word (?P<number>[0-9]{1,4})'
example = "a word 5"
title = "Number {number}"
why = "It says so."
says = "Do something."
sources = [{where = "https://example.org/1", read = "2026-11-26"}]
"""


def told(one: Recognised) -> str:
    return " ".join((one.title, one.why, one.says, *(shell(argv) for argv in one.commands)))


def test_there_are_at_least_two_hundred_signatures() -> None:
    assert len(ROWS) >= 200
    assert set(WORDS) <= set(ROWS)


@pytest.mark.parametrize("key", ROWS)
def test_an_example_is_recognised_and_its_advice_says_its_own_values(key: str) -> None:
    line = ROWS[key].example
    assert "\n" not in line
    found = {one.signature.id: one for one in recognise(f"INFO before\n{line}\nINFO after", judged=True)}
    assert key in found
    one = found[key]
    assert one.number == 1
    assert NOT_SAID not in told(one)
    for word in WORDS.get(key, ()):
        assert word in told(one)


@pytest.mark.parametrize("key", ROWS)
def test_of_the_causes_in_an_example_its_own_signature_comes_first(key: str) -> None:
    (first, *_) = recognise(ROWS[key].example, judged=True)
    same_depth = first.signature.depth == ROWS[key].depth
    assert first.signature.id == key or not same_depth


@pytest.mark.parametrize("key", ROWS)
def test_no_deeper_signature_takes_an_example_unless_that_is_meant(key: str) -> None:
    deeper = {one.signature.id for one in recognise(ROWS[key].example, judged=True) if one.signature.depth > ROWS[key].depth}
    assert deeper == DEEPER.get(key, set())


@pytest.mark.parametrize("key", [key for key, row in ROWS.items() if row.judged_only])
def test_what_a_judge_alone_makes_something_of_is_not_looked_for_in_runs_of_our_own(key: str) -> None:
    assert ROWS[key].judge is not None
    assert key not in {one.signature.id for one in recognise(ROWS[key].example)}


@pytest.mark.parametrize("key", ROWS)
def test_a_cause_or_a_judge_but_not_both(key: str) -> None:
    row = ROWS[key]
    assert row.cause is None or row.judge is None
    assert row.judge is None or row.judge in JUDGES


@pytest.mark.parametrize("row", harmless_texts(), ids=lambda row: row.text[:30])
def test_a_harmless_text_says_why_it_is_harmless_and_where_that_was_read(row: Harmless) -> None:
    assert row.why.endswith(".")
    assert not any(row.text in one.example for one in ROWS.values())


@pytest.mark.parametrize("key", ROWS)
def test_a_row_names_rules_that_exist_and_ends_its_sentences(key: str) -> None:
    row = ROWS[key]
    assert set(row.rules) <= {code_of(name) for name in REGISTRY}
    assert row.why.endswith(".")
    assert row.says.endswith(".")
    assert not row.title.endswith(".")
    assert len(row.title) <= 100
    assert all(source.read >= "2026-11-22" for source in row.sources)


def repeats(tree: Any, inside: int = 0) -> list[tuple[int, int]]:
    """Upper bound of every repeat of a parsed pattern, with how many repeats it lies in."""
    found = []
    for operator, argument in tree:
        if operator in {constants.MAX_REPEAT, constants.MIN_REPEAT}:
            _, most, inner = argument
            found.append((int(most), inside))
            found += repeats(inner, inside + 1)
        elif operator is constants.SUBPATTERN:
            found += repeats(argument[3], inside)
        elif operator is constants.BRANCH:
            for branch in argument[1]:
                found += repeats(branch, inside)
    return found


@pytest.mark.parametrize("key", ROWS)
def test_a_pattern_has_no_unbounded_repeat_and_none_of_length_inside_another(key: str) -> None:
    for most, inside in repeats(parser.parse(ROWS[key].pattern)):
        assert most <= MAX_REPEAT
        assert inside == 0 or most <= 400


def test_hostile_text_is_read_in_time() -> None:
    """Each pattern's own beginning, over and over, in lines as long as are read: what makes a pattern go back most often."""
    slowest = 0.0
    for line in (row.example for row in ROWS.values()):
        for cut in (8, 20, 40, 80, len(line) - 1):
            text = "\n".join([line[:cut] * (module.MAX_LINE // max(1, min(cut, len(line))) + 1)] * 16)
            began = time.process_time()
            recognise(text)
            slowest = max(slowest, time.process_time() - began)
    assert slowest < 1.0


def test_a_very_long_text_is_read_at_its_end_and_a_very_long_line_at_its_beginning() -> None:
    line = ROWS["disk-full"].example
    assert not recognise(line + "\n" + "x\n" * module.MAX_TEXT)
    assert [one.signature.id for one in recognise("x" * (2 * module.MAX_TEXT) + "\n" + line)] == ["disk-full"]
    assert not recognise("x" * module.MAX_LINE + line)


def test_causes_come_before_symptoms_and_wrappers_and_earlier_lines_first() -> None:
    text = "\n".join(ROWS[key].example for key in ("vllm-engine-core-crashed", "bus-error", "no-python-headers", "no-c-compiler"))
    found = recognise(text)
    assert [one.signature.id for one in found] == ["no-python-headers", "no-c-compiler", "bus-error", "vllm-engine-core-crashed"]
    assert [one.signature.depth for one in found] == [CAUSE, CAUSE, 1, 0]


def test_a_text_is_given_once_for_its_first_line() -> None:
    line = ROWS["module-missing"].example
    (one,) = recognise(f"{line}\n{line.replace('peft', 'other')}")
    assert "peft" in one.title


def test_colours_prefixes_and_boxes_around_a_text_do_not_hide_it() -> None:
    line = "\x1b[0;36m(EngineCore_DP0 pid=9)\x1b[0;0m │ \x1b[1mRuntimeError: \x1b[31mCUDA error: no kernel\x1b[0m image is available for execution on the device │"
    assert [one.signature.id for one in recognise(line)] == ["no-kernel-image"]


def test_what_a_line_says_is_harmless_in_a_command_and_on_a_page() -> None:
    line = "The vLLM server can't be reached at http://x;$(reboot)\x1b[2J\u202e after 3 seconds"
    (one,) = recognise(line)
    assert "\x1b" not in told(one)
    assert "\u202e" not in told(one)
    (other,) = recognise("ptxas fatal   : Value 'sm_12' is not defined for option 'gpu-name'")
    assert other.title.endswith("sm_12")


def test_a_value_that_the_line_does_not_say_is_said_to_be_so() -> None:
    (one,) = recognise("libm.so.6: version `GLIBC_2.38' not found")
    assert one.why.startswith(NOT_SAID)
    assert filled("{a} and {b}", {"a": "1"}) == f"1 and {NOT_SAID}"


def test_an_ordinary_text_is_not_recognised() -> None:
    assert recognise("step 3 of 40: reward 0.41\nINFO 11-26 engine started, memory 1.2 GiB free\n") == ()
    assert recognise("") == ()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("sources = [{where", "# ["), "sources"),
        (("2026-11-26", ""), "no place or no day"),
        (("depth = 2", "depth = 3"), "depth"),
        (('id = "one"', 'id = "One Thing"'), "id"),
        (("(?P<number>", "("), "names? number|name number"),
        (("{1,4})'", "{1,4}'"), "pattern"),
        (("Number {number}", "Number {other}"), "other"),
        (('title = "Number {number}"', 'title = "x"\nderive = "nothing"'), "derives"),
        (('why = "It says so."', 'why = "It says so."\nmore = 1'), "more"),
        (("[[signature]]", "[[signature"), "no table of signatures"),
    ],
)
def test_a_row_that_cannot_work_does_not_load(wrong: tuple[str, str], says: str, tmp_path: Path) -> None:
    path = tmp_path / "signatures.toml"
    path.write_text(ROW.replace(*wrong), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        signatures(str(path))
    assert re.search(says, str(caught.value))


def test_two_rows_of_one_name_and_a_missing_file_are_errors_a_user_can_act_on(tmp_path: Path) -> None:
    path = tmp_path / "signatures.toml"
    path.write_text(ROW + ROW, encoding="utf-8")
    with pytest.raises(UserError, match="two rows are called one"):
        signatures(str(path))
    with pytest.raises(UserError, match="cannot be read"):
        signatures(str(tmp_path / "none.toml"))


def test_a_table_of_the_users_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "signatures.toml"
    path.write_text(ROW, encoding="utf-8")
    (one,) = recognise("a word 17", str(path))
    assert one.title == "Number 17"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536 * 1024**2, "1.5 GiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_bytes_in_the_unit_that_suits_them(count: int, text: str) -> None:
    assert size(count) == text


def test_a_size_is_read_back_and_what_is_none_is_not() -> None:
    assert bytes_of("1.50 GiB") == 1.5 * 1024**3
    assert bytes_of("0 bytes") == 0
    assert bytes_of("many GiB") is None
    assert bytes_of("1 GB") is None


@pytest.mark.parametrize("name", ["oom", "oom_others", "oom_fragmented", "oom_old", "utilization", "utilization_taken", "cache"])
def test_numbers_that_are_none_make_no_advice(name: str) -> None:
    groups = {"wanted": ". GiB", "free": ".", "total": "0", "utilization": "", "needed": "0", "available": ".", "length": "1"}
    assert DERIVED[name].make(groups) is None


FULL = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.10 GiB is free. "
    "{others} Of the allocated memory 16.00 GiB is allocated by PyTorch, and 0.52 GiB is reserved by PyTorch but unallocated."
)


@pytest.mark.parametrize(
    ("others", "found", "says"),
    [
        ("Process 3210 has 78.04 GiB memory in use.", "cuda-out-of-memory", "This process holds 78.0 GiB"),
        ("Process 11 has 60.00 GiB memory in use. Process 12 has 18.00 GiB memory in use.", "cuda-out-of-memory-others", "Other processes hold 60.0 GiB, this one 18.0 GiB"),
        ("Process 11 has 70.00 GiB memory in use. Including non-PyTorch memory, this process has 8.00 GiB memory in use.", "cuda-out-of-memory-others", "Other processes hold 70.0 GiB, this one 8.0 GiB"),
    ],
)  # fmt: skip
def test_a_process_that_is_this_one_is_not_counted_among_the_others(others: str, found: str, says: str) -> None:
    one = next(one for one in recognise(FULL.format(others=others)) if one.signature.id.startswith("cuda-out-of-memory"))
    assert one.signature.id == found
    assert says in one.why


@pytest.mark.parametrize(("free", "found"), [("2.51", "vllm-gpu-taken"), ("60.00", "vllm-free-memory-below-utilization")])
def test_a_gpu_that_is_taken_is_not_answered_with_a_share_in_which_nothing_runs(free: str, found: str) -> None:
    line = f"ValueError: Free memory on device ({free}/79.10 GiB) on startup is less than desired GPU memory utilization (0.9, 71.19 GiB)."
    assert [one.signature.id for one in recognise(line)] == [found]
