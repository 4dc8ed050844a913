"""Texts that were never meant to be read: large, broken, cut, mixed, made to make patterns slow. None may crash, hang or fill the memory."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.facts import decode, encode, need
from envdoctor.sources import pasted
from envdoctor.sources.pasted.text import MAX_LINE, MAX_LINES, Line, bare, cleaned
from tests.factory import MATRIX

if TYPE_CHECKING:
    from envdoctor.pasted import Quote

ROOT = Path(__file__).resolve().parents[3]
REPORTS = sorted((ROOT / "tests" / "stories" / "reports").glob("*/report.txt"))
LAST = b"\nImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory\n"


def _growth() -> Any:
    spec = importlib.util.spec_from_file_location("pasted_growth", ROOT / "benchmarks" / "pasted_growth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GROWTH = _growth()
KINDS = tuple(GROWTH.KINDS)
EXHAUSTING = {"candidates", "bombs", "real reports", "binary"}
"""Texts that themselves hold known errors, or anything."""


def quoted(document: bytes) -> tuple[Quote, ...]:
    report = need(pasted.facts_of(document, "x", MATRIX).pasted)
    assert report is not None
    return report.quotes


def seconds(document: bytes) -> float:
    began = time.process_time()
    pasted.facts_of(document, "x", MATRIX)
    return time.process_time() - began


@pytest.mark.parametrize("kind", KINDS)
def test_a_megabyte_of_it_takes_seconds_and_four_times_as_much_no_more_than_eight_times_as_long(kind: str) -> None:
    small, large = (seconds(GROWTH.KINDS[kind](size)) for size in (250_000, 1_000_000))
    assert large < 15
    assert large < 8 * max(small, 0.1)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - EXHAUSTING))
def test_an_error_after_a_megabyte_of_it_is_still_found_in_its_line(kind: str) -> None:
    document = GROWTH.KINDS[kind](1_000_000) + LAST
    (quote,) = (one for one in quoted(document) if one.cause == "cuda-major-mismatch")
    assert quote.line == document.count(b"\n")


def test_memory_is_bounded_where_a_small_text_is_millions_of_lines() -> None:
    """20 MB of lines of two letters: as strings of Python they were 600 MB."""
    script = (
        "from envdoctor.sources.pasted.text import cleaned\n"
        "import json\n"
        "kept = cleaned(b'ab\\n' * 7_000_000)\n"
        "peak = next(int(line.split()[1]) // 1024 for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(json.dumps([len(kept), kept[-1].number, peak]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    kept, last, peak = json.loads(done.stdout)
    assert (kept, last) == (MAX_LINES - 1, 7_000_000)  # the last line of all is empty
    assert peak < 250


def test_a_line_of_many_megabytes_is_cut_and_the_next_one_keeps_its_number() -> None:
    lines = cleaned(b"x" * 20_000_000 + b"\nafter")
    assert [(line.number, len(line.text)) for line in lines] == [(1, MAX_LINE), (2, 5)]


def test_of_a_progress_bar_longer_than_a_line_the_last_state_is_kept() -> None:
    assert cleaned(b"10%\r" * 100_000 + b"done\r\nafter") == (Line(1, "done"), Line(2, "after"))


def test_a_text_whose_lines_end_with_carriage_returns_alone_has_lines() -> None:
    assert cleaned(b"a\rb\r") == (Line(1, "a"), Line(2, "b"))


@pytest.mark.parametrize("number", ["&#" + "1" * 5000 + ";", "&#x" + "f" * 5000 + ";", "&#" + "9" * 9])
def test_a_number_that_names_no_character_is_no_crash(number: str) -> None:
    """html.unescape raises ValueError for more than 4300 digits."""
    assert bare(f"a{number}b;").startswith("a")


def test_numbers_that_name_characters_are_read() -> None:
    assert bare("torch&#62;&#x3D;2") == "torch>=2"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(REPORTS), st.floats(0, 1), st.floats(0, 1))
def test_a_report_that_is_cut_off_anywhere_is_read(path: Path, one: float, other: float) -> None:
    document = path.read_bytes()
    start, end = sorted((int(one * len(document)), int(other * len(document))))
    facts = pasted.facts_of(document[start:end], "x", MATRIX)
    assert decode(encode(facts)) == facts


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(REPORTS), st.sampled_from(REPORTS), st.lists(st.booleans(), max_size=60))
def test_two_reports_in_any_interleaving_are_read_and_each_quote_stands_in_its_line(
    one: Path, other: Path, turns: list[bool]
) -> None:
    queues = [one.read_bytes().split(b"\n"), other.read_bytes().split(b"\n")]
    mixed: list[bytes] = []
    for turn in turns:
        mixed += queues[turn][:3]
        del queues[turn][:3]
    mixed += queues[0] + queues[1]
    for quote in quoted(b"\n".join(mixed)):
        # by a word of it: homes are taken out of what is kept, and colours out of what is read
        line = bare(mixed[quote.line - 1].decode())
        assert set(re.findall(r"\w{4,}", line)) & set(re.findall(r"\w{4,}", quote.text))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.text("\r\n\t \x1b[m<>&#;`~|│>0123456789abct.=+-_/:'\"", max_size=600))
def test_any_text_is_read(text: str) -> None:
    facts = pasted.facts_of(text.encode("utf-8", "surrogatepass"), "x", MATRIX)
    assert decode(encode(facts)) == facts
