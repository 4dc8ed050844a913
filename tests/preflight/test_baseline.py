"""A baseline: what it has is known, what is gone and what moved is told, a file that is none is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.errors import UserError
from envdoctor.preflight.baseline import Baseline, marked, read, since, traits_of
from envdoctor.preflight.outcome import Move
from envdoctor.render import Page
from envdoctor.render.preflight.json import render
from tests.factory import blind, dist, drop, healthy, put, with_driver
from tests.preflight.made import bad_dockerfile, drifted, passed, waived, wrong_torch

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.preflight.outcome import Preflight


def base_of(found: Preflight, tmp_path: Path) -> Baseline:
    """The baseline that a preflight leaves, through its file."""
    path = tmp_path / "baseline.json"
    path.write_text(render(found, Page()))
    return read(str(path))


def test_what_the_baseline_has_is_known_and_fails_nothing_and_what_it_has_not_still_does(tmp_path: Path) -> None:
    old, other = base_of(drifted(), tmp_path), wrong_torch().problems
    assert [(one.known, one.counts) for one in marked(drifted().problems, old)] == [(True, False)] * 3
    assert marked(other, old) == other
    assert marked(other, None) == other


def test_what_is_gone_is_told_only_of_tiers_that_were_run(tmp_path: Path) -> None:
    old = base_of(drifted(), tmp_path)
    now = passed()
    assert [one.code for one in since(old, (), now.tiers, now.facts).gone] == ["DRIFT-VERSION", "DRIFT-MISSING", "DRIFT-EXTRA"]
    stopped = bad_dockerfile()
    assert since(old, (), stopped.tiers, None).gone == ()


def test_what_is_new_is_told_by_its_fingerprint(tmp_path: Path) -> None:
    problems = drifted().problems
    old = base_of(msgspec.structs.replace(drifted(), problems=problems[1:]), tmp_path)
    assert since(old, problems, drifted().tiers, drifted().facts).new == (problems[0].fingerprint,)


def test_packages_and_the_machine_that_moved_are_told(tmp_path: Path) -> None:
    facts = healthy()
    old = base_of(msgspec.structs.replace(passed(), facts=facts), tmp_path)
    moved = with_driver(drop(put(facts, dist("deepspeed", "0.18.2"), dist("trl", "0.0.1")), "peft"), "590.44.01", "13.1")
    moves = since(old, (), passed().tiers, moved).moves
    assert Move(what="deepspeed", before=None, after="0.18.2") in moves
    assert any(one.what == "trl" and one.after == "0.0.1" for one in moves)
    assert any(one.what == "driver" and one.after == "590.44.01" for one in moves)
    assert since(old, (), passed().tiers, facts).moves == ()


def test_what_one_side_could_not_tell_has_not_moved(tmp_path: Path) -> None:
    facts = healthy()
    old = base_of(msgspec.structs.replace(passed(), facts=facts), tmp_path)
    silent = blind(facts, "host__libc", "gpus__devices", "packages__distributions")
    assert set(traits_of(silent)) < set(traits_of(facts))
    assert since(old, (), passed().tiers, silent).moves == ()


def test_where_the_environment_was_not_read_that_is_said(tmp_path: Path) -> None:
    assert since(base_of(bad_dockerfile(), tmp_path), (), passed().tiers, healthy()).untold is not None
    assert since(base_of(passed(), tmp_path), (), bad_dockerfile().tiers, None).untold is not None


def test_a_waived_problem_is_not_gone(tmp_path: Path) -> None:
    one = waived()
    old = base_of(msgspec.structs.replace(one, problems=tuple(known.problem for known in one.waived)), tmp_path)
    assert since(old, (*one.problems, *(known.problem for known in one.waived)), one.tiers, one.facts).gone == ()


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b"\xff", b'{"schema_version": 1}', b"[" * 100_000, b'{"schema_version": 2, "began": "", "problems": [], "tiers": []}'],
    ids=["empty", "nothing", "a list", "no text", "half", "deep", "older"],
)  # fmt: skip
def test_what_is_no_baseline_is_refused_with_the_command_that_makes_one(document: bytes, tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_bytes(document)
    with pytest.raises(UserError, match="is no baseline") as wrong:
        read(str(path))
    assert "--report json=baseline.json" in wrong.value.hint


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"problems": [{"code": 1}]}, {"packages": [1]}])
def test_a_baseline_of_another_version_or_shape_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_text(json.dumps(json.loads(render(passed(), Page())) | change))
    with pytest.raises(UserError, match="is no baseline"):
        read(str(path))


def test_a_baseline_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read(str(tmp_path / "none.json"))
    with pytest.raises(UserError, match="cannot be read"):
        read(str(tmp_path))
