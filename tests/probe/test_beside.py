"""Sections in processes of their own: their results arrive, and one that hangs, dies or fails costs its own leaves."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace
from typing import Any

from envdoctor.probe.beside import ENDED, Beside
from envdoctor.probe.machine import Machine, known, unknown
from tests.probe.machines import WAITS_S
from tests.processes import gone


def section(behaviour: Any) -> SimpleNamespace:
    return SimpleNamespace(LEAVES=("leaf",), probe=behaviour)


def fine(out: dict[str, Any], machine: Machine, ask: dict[str, Any]) -> None:
    out["leaf"] = known("seen" if ask["sections"]["python"]["interpreter"]["is"] == "known" else "blind", "here")


def collected(*behaviours: Any, seconds: float = 5.0) -> tuple[dict[str, Any], float, Beside]:
    names = [f"section{number}" for number in range(len(behaviours))]
    leaves = {name: {"leaf": unknown("no answer")} for name in names}
    started = time.monotonic()
    beside = Beside(Machine(), {}, tuple(zip(names, map(section, behaviours), strict=True)))
    child = beside.child
    beside.collect(leaves, started + seconds)
    took = time.monotonic() - started
    assert child is not None
    assert gone([child])
    return {name: leaves[name]["leaf"] for name in names}, took, beside


def test_results_arrive_with_the_interpreter_and_packages_known() -> None:
    leaves, _, beside = collected(fine, fine)
    assert [leaf["value"] for leaf in leaves.values()] == ["seen", "seen"]
    beside.kill()  # a second time is harmless


def test_a_section_that_hangs_is_killed_and_costs_only_itself() -> None:
    leaves, took, _ = collected(fine, lambda *_: time.sleep(60), seconds=1.5)
    assert leaves["section0"]["value"] == "seen"
    assert leaves["section1"] == unknown("no answer")
    assert took < WAITS_S


def test_a_process_that_dies_says_so_for_what_it_had_not_done() -> None:
    leaves, took, _ = collected(fine, lambda *_: os.kill(os.getpid(), signal.SIGKILL), fine)
    assert leaves["section0"]["value"] == "seen"
    assert leaves["section1"] == leaves["section2"] == unknown(ENDED)
    assert took < 5


def test_a_section_that_fails_says_why_and_the_next_one_runs() -> None:
    def failing(out: dict[str, Any], machine: Machine, ask: dict[str, Any]) -> None:
        raise ValueError("odd")

    leaves, _, _ = collected(failing, fine)
    assert leaves["section0"] == unknown("the probe failed here: ValueError: odd")
    assert leaves["section1"]["value"] == "seen"


def test_a_large_result_arrives_whole() -> None:
    def talkative(out: dict[str, Any], machine: Machine, ask: dict[str, Any]) -> None:
        out["leaf"] = known("x" * 1_000_000, "here")

    leaves, _, _ = collected(talkative)
    assert len(leaves["section0"]["value"]) == 1_000_000
