"""The dated page about names."""

from __future__ import annotations

from collections import Counter

from tests.truth.names_compare import Modules, Pair
from tests.truth.names_judge import FAILS, NOT_JUDGED, WORKS, Judged, Truth, Unit
from tests.truth.names_report import page, total
from tests.truth.names_walk import Statement


def judged(name: str, truth: str, foretold: str, line: int = 3) -> Judged:
    return Judged(
        Unit(Statement("trl/a.py", line, line, "vllm.config", (name,), plain=True), name), Truth(truth, f"it {truth}"), foretold
    )


PAIRS = [
    Pair(
        "trl==1.0.0",
        "vllm==0.9.2",
        "vllm-0.9.2",
        [judged("A", FAILS, FAILS), judged("A", FAILS, FAILS, 9), judged("B", WORKS, "defined")],
    ),
    Pair(
        "trl==1.0.0",
        "peft==0.9.0",
        "vllm-0.9.2",
        [judged("C", FAILS, "undecided"), judged("D", NOT_JUDGED, FAILS), judged("E", WORKS, FAILS)],
    ),
]
MODULES = Modules(
    loads=5,
    dies_foretold=2,
    dies_unforetold=["trl.a: trl/a.py:3: ImportError: x | y"],
    otherwise=Counter({"OSError: libcuda": 3}),
)


def lines(reasons: dict[tuple[str, str], str] | None = None) -> list[str]:
    return page("2026-11-25", PAIRS, MODULES, reasons or {}, "A note.\n", 1).splitlines()


def test_the_totals_are_of_all_pairs() -> None:
    table = total(PAIRS)
    assert (table.positives, table.counts["TP"], table.counts["FN"], table.counts["FP"], table.counts["TN"]) == (3, 2, 1, 1, 1)
    text = lines()
    assert "| pairs of an importer release and an exporter release | 2, of which 2 are really broken |" in text
    assert "| **precision** | **0.6667** |" in text
    assert "| **recall** | **0.6667** |" in text
    assert "| of these: it fails | 3, of which 2 are foretold |" in text


def test_a_name_that_two_statements_take_counts_once_among_the_different_ones() -> None:
    (line,) = (one for one in lines() if "different (importer" in one)
    assert "precision 0.5000, recall 0.5000, 2 that fail" in line


def test_every_disagreement_stands_there_with_its_reason() -> None:
    text = lines({("vllm.config", "C"): "made when it runs"})
    assert (
        "| FN | `vllm.config` `C` | undecided | it fails | 1 | trl==1.0.0 trl/a.py:3, peft==0.9.0 | made when it runs |" in text
    )
    assert "| FP | `vllm.config` `E` | fails | it works | 1 | trl==1.0.0 trl/a.py:3, peft==0.9.0 | not explained |" in text


def test_each_pair_has_its_line_sorted_by_exporter() -> None:
    text = lines()
    assert text[-2:] == [
        "| trl==1.0.0 | peft==0.9.0 | 2 | 1 | 0 | 1 | 1 | 1 |",
        "| trl==1.0.0 | vllm==0.9.2 | 3 | 2 | 2 | 0 | 0 | 0 |",
    ]


def test_whole_modules_and_what_is_not_judged_are_accounted_for() -> None:
    text = lines()
    assert any("5 load as they are and 3 die of a name" in one and "2 of these deaths are foretold" in one for one in text)
    assert "- `trl.a: trl/a.py:3: ImportError: x \\| y`" in text
    assert "| 3 | `OSError: libcuda` |" in text
    assert "| 1 | it not judged |" in text
    assert "A note." in text
