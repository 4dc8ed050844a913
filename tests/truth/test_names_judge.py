"""Prediction beside truth: what counts as which."""

from __future__ import annotations

from typing import Any

import pytest

from tests.truth.names_judge import (
    FAILS,
    NOT_JUDGED,
    WORKS,
    Judged,
    Table,
    Truth,
    Unit,
    foretell,
    taken_from_third,
    truth_of,
    units,
    without_paths,
)
from tests.truth.names_walk import Statement, imports

STATEMENT = Statement("trl/a.py", 3, 5, "vllm.config", ("EngineConfig", "Other"), plain=True)
UNIT = Unit(STATEMENT, "EngineConfig")
CONDITIONAL = Unit(Statement("trl/a.py", 3, 5, "vllm.config", ("EngineConfig",), plain=False), "EngineConfig")
GONE = {"vllm.config EngineConfig": "missing"}
NOTHING: dict[str, Any] = {"died": {}, "ran": [], "last": {}}


def outcome(
    unit: Unit, run: dict[str, Any], *, direct: dict[str, str] = GONE, finished: bool = False, third: bool = False
) -> str:
    return truth_of(unit, direct, run, frozenset({"trl/a.py"} if finished else ()), third).outcome


def test_each_name_is_a_unit_and_a_star_is_its_module() -> None:
    statements = list(imports("from vllm import *\nfrom vllm import a, b\nimport vllm.c\n", "x.py", frozenset({"vllm"})))
    assert [unit.key for unit in units(statements)] == ["vllm ", "vllm a", "vllm b", "vllm.c "]
    assert str(next(units(statements[1:]))) == "x.py:2 from vllm import a"


def test_a_missing_name_of_which_the_module_dies_fails() -> None:
    assert outcome(UNIT, {"died": {"trl/a.py:3": "ImportError"}, "ran": ["trl/a.py:3"], "last": {}}) == FAILS


def test_a_death_that_was_not_patched_is_one_too() -> None:
    last = {"trl.a": {"at": "trl/a.py:3", "top": True, "error": "ModuleNotFoundError"}}
    assert outcome(CONDITIONAL, {"died": {}, "ran": ["trl/a.py:3"], "last": last}) == FAILS
    assert outcome(CONDITIONAL, {"died": {}, "ran": ["trl/a.py:3"], "last": {"trl.a": {**last["trl.a"], "top": False}}}) == WORKS


def test_a_missing_name_whose_failure_is_caught_or_that_does_not_run_works() -> None:
    assert outcome(CONDITIONAL, {"died": {}, "ran": ["trl/a.py:3"], "last": {}}) == WORKS
    assert outcome(CONDITIONAL, NOTHING, finished=True) == WORKS


def test_where_the_module_dies_earlier_only_a_plain_statement_is_judged() -> None:
    assert outcome(UNIT, NOTHING) == FAILS
    assert outcome(CONDITIONAL, NOTHING) == NOT_JUDGED


def test_what_the_exporter_cannot_give_for_another_reason_is_not_judged() -> None:
    assert outcome(UNIT, NOTHING, third=True) == NOT_JUDGED
    assert outcome(UNIT, NOTHING, direct={"vllm.config EngineConfig": "other: OSError: libcuda.so.1"}) == NOT_JUDGED
    assert outcome(UNIT, NOTHING, direct={}) == NOT_JUDGED
    assert outcome(UNIT, NOTHING, direct={"vllm.config EngineConfig": "defined"}) == WORKS


def test_a_name_is_taken_from_a_third_package_only_where_an_import_binds_it() -> None:
    source = "from .own import a\nfrom vllm.b import c\nif x:\n    from flash_attn import d as e\n    import cupy\nf = 1\n"
    assert [name for name in "abcdef" if taken_from_third(source, name, "vllm")] == ["e"]
    assert taken_from_third(source, "cupy", "vllm")


USE = {"module": "vllm.config", "name": "EngineConfig", "line": 3, "place": "module", "caught": "", "runs": True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, FAILS),
        ({"line": 5}, FAILS),
        ({"name": ""}, FAILS),
        ({"line": 6}, "not seen"),
        ({"name": "Other"}, "not seen"),
        ({"module": "vllm"}, "not seen"),
        ({"place": "guarded"}, "guarded"),
        ({"runs": False}, "does not run"),
        ({"runs": None}, "unknown condition"),
        ({"caught": "module"}, "guarded"),
    ],
)
def test_a_use_speaks_for_the_unit_at_its_lines_with_its_name(change: dict[str, Any], said: str) -> None:
    assert foretell(UNIT, [USE | change], lambda _module, _name: "missing", lambda use: use["runs"]) == said


def test_a_use_that_the_exporter_decides_otherwise_is_no_failure() -> None:
    assert foretell(UNIT, [USE], lambda _module, _name: "undecided", lambda _use: True) == "undecided"


def judged(truth: str, foretold: str) -> Judged:
    return Judged(UNIT, Truth(truth, "why"), foretold)


def test_the_confusion_table_counts_only_what_has_a_truth() -> None:
    table = Table()
    for one in (
        judged(FAILS, FAILS),
        judged(FAILS, "undecided"),
        judged(WORKS, FAILS),
        judged(WORKS, "defined"),
        judged(NOT_JUDGED, FAILS),
    ):
        table.add(one, "vllm==1")
    assert dict(table.counts) == {"TP": 1, "FN": 1, "FP": 1, "TN": 1}
    assert (table.precision, table.recall, table.positives) == (0.5, 0.5, 2)
    assert dict(table.left_out) == {"why": 1}
    assert table.broken == {("vllm==1", "vllm.config", "EngineConfig")}


def test_tables_add_up() -> None:
    one, other = Table(), Table()
    one.add(judged(FAILS, FAILS), "vllm==1")
    other.add(judged(FAILS, "defined"), "vllm==2")
    one.merge(other)
    assert (one.positives, one.recall, len(one.broken)) == (2, 0.5, 2)
    assert Table().recall == Table().precision == 1.0


def test_an_error_is_told_without_the_paths_of_the_machine_whole_or_cut_off() -> None:
    assert (
        without_paths("cannot import name 'a' from 'b' (/env/site-packages/b/__init__.py)") == "cannot import name 'a' from 'b'"
    )
    assert without_paths("ImportError: it (most likely a circle) (/env/lib/python3.") == "ImportError: it (most likely a circle)"
