"""The page of a proof: golden files of three, the verdict first, 60 to 120 columns, no colour in a pipe, hostile text harmless.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.proving.proof import State
from envdoctor.render import Page
from envdoctor.render.smoke import MAX_SAID, render
from envdoctor.render.smoke_words import headline, memory, number, setting, size, times
from tests.proving import recorded
from tests.proving.made import INVARIANTS, asked, failure, invariant, measured, not_started, proven, stale, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.proving.proof import Proof

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "smoke"
PROOFS: dict[str, Callable[[], Proof]] = {
    "proven": proven,
    "broken-invariant": stale,
    "engine-did-not-start": not_started,
    "recorded-bare-cpu": lambda: recorded.proof("bare-cpu"),
    "recorded-engine-stale": lambda: recorded.proof("engine-stale"),
}
HOSTILE = "\x1b[2J\x1b]0;title\x07\u202egnp.exe\n\r\x00<script>alert(1)</script>" + "x" * 5000


def hostile() -> Proof:
    """A proof in which every text that comes from a target is an attack."""
    proof = stale()
    assert proof.measured is not None
    return msgspec.structs.replace(
        proof,
        engine=HOSTILE,
        measured=msgspec.structs.replace(
            proof.measured,
            device_name=HOSTILE,
            compute_capability=HOSTILE,
            model_kind=HOSTILE,
            asked=asked(model=HOSTILE, engine_dtype=HOSTILE, device=HOSTILE),
            versions={HOSTILE: HOSTILE},
            times_s={HOSTILE: 1.0},
            not_finite=(HOSTILE,),
            unmeasured={HOSTILE: HOSTILE},
            ended_by=HOSTILE,
        ),
        invariants=tuple(
            msgspec.structs.replace(one, title=HOSTILE, value=HOSTILE, bound=HOSTILE, why=HOSTILE) for one in proof.invariants
        ),
        failure=failure(phase=HOSTILE, how=HOSTILE, message=HOSTILE, trace=(HOSTILE,) * 30, said="\n".join([HOSTILE] * 300)),
        cause=None
        if proof.cause is None
        else msgspec.structs.replace(
            proof.cause, title=HOSTILE, why=HOSTILE, says=HOSTILE, commands=((HOSTILE, HOSTILE),), code=HOSTILE
        ),
        notes=(HOSTILE,),
    )


@pytest.mark.parametrize("name", PROOFS)
def test_the_page_of_a_proof_is_its_golden_file(name: str) -> None:
    page = render(PROOFS[name](), Page())
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROOFS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_line_fits_but_for_what_must_not_be_cut(name: str, width: int) -> None:
    page = render(PROOFS[name](), Page(width=width))
    printed = page.partition("  said    ")[2]  # as it was printed: it is there to be searched for
    for line in page.removesuffix(printed).splitlines():
        is_command = re.match(r"^ {12}\S", line)
        longest_word = max(len(word) for word in line.split(" ")) if line else 0
        assert len(line) <= width or is_command or longest_word > 40 or line.startswith("  said "), line


def test_the_verdict_stands_first_with_the_one_cause_and_the_one_thing_to_do() -> None:
    assert render(proven(), Page()).startswith("PROVEN: GRPO with the engine vllm really trains here: 9 invariants held\n")
    lines = render(not_started(), Page()).splitlines()
    assert lines[0] == "NOT PROVEN: vLLM wants 71.26 GiB of the GPU, and 19.77 GiB are free"
    assert "  do      Set gpu_memory_utilization to at most 0.24, or end what else holds" in lines
    broken = render(stale(), Page())
    assert broken.startswith("NOT PROVEN: The engine keeps old weights after a push\n")


def test_broken_invariants_come_first_then_those_not_measured() -> None:
    page = render(stale(), Page())
    marks = [line.split()[0] for line in page.splitlines() if re.match(r"  (BROKEN|held|\?) ", line)]
    assert marks == ["BROKEN"] * 2 + ["?"] + ["held"] * 7
    assert "the engine samples from old weights" in page
    assert "not needed for a proof: 8 steps were run again" in page
    lacking = invariant("x", "a thing", State.UNMEASURED, why="it could not be")
    assert "not proven without it: it could not be" in render(msgspec.structs.replace(stale(), invariants=(lacking,)), Page())


def test_without_colour_there_is_no_escape_and_with_it_the_words_stay_the_same() -> None:
    for make in PROOFS.values():
        plain, colored = render(make(), Page()), render(make(), Page(color=True))
        assert "\x1b" not in plain
        assert "\x1b[1;3" in colored or "\x1b[32m" in colored
        assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_in_ascii_every_mark_of_the_curves_is_ascii() -> None:
    page = render(proven(), Page(), ascii_only=True)
    assert page.isascii()
    assert "+" + "-" * 40 in page
    assert not render(proven(), Page()).isascii()


def test_what_a_failed_run_printed_is_shown_at_its_end_and_verbose_in_full() -> None:
    said = "\n".join(f"line {number}" for number in range(MAX_SAID + 5))
    proof = msgspec.structs.replace(not_started(), failure=failure(said=said, trace=tuple(f"f.py:{n} g" for n in range(20))))
    short, full = render(proof, Page()), render(proof, Page(verbose=True))
    assert "line 4\n" not in short
    assert f"line {MAX_SAID + 4}\n" in short
    assert "(5 lines before these; -v shows them)" in short
    assert "f.py:0 g" not in short
    assert "f.py:19 g" in short
    assert "line 4\n" in full
    assert "f.py:0 g" in full
    assert "-v shows" not in full


def test_a_hostile_target_cannot_move_the_cursor_or_flood_the_page() -> None:
    page = render(hostile(), Page())
    assert not set(page) & {"\x1b", "\x07", "\u202e", "\x00", "\r"}
    assert len(page) < 120_000


def test_a_proof_without_a_cause_or_without_invariants_still_says_why() -> None:
    broken = tuple(msgspec.structs.replace(one, state=State.BROKEN, value="7") for one in INVARIANTS[:1])
    proof = msgspec.structs.replace(stale(), cause=None, invariants=broken)
    assert headline(proof) == "no NaN or Inf anywhere: 7, none"
    assert headline(msgspec.structs.replace(not_started(), cause=None)) == "the run did not come to its end"
    nothing = msgspec.structs.replace(stale(), cause=None, invariants=())
    assert headline(nothing) == "a required invariant was not measured"
    assert "invariants" not in render(nothing, Page())


def test_a_run_without_steps_or_with_numbers_that_are_none_is_shown_without_a_crash() -> None:
    empty = msgspec.structs.replace(proven(), measured=measured(steps=(), times_s={}, peak_bytes=None, versions={}))
    assert "reward:" not in render(empty, Page())
    lost = tuple(step(number, reward=None, entropy=None, kl=None, logp_gap_max=None) for number in range(3))
    page = render(msgspec.structs.replace(proven(), measured=measured(steps=lost)), Page())
    assert "reward: not a number in the first step, not a number in the last" in page
    assert "?????????" in page
    assert "entropy" not in page


def test_times_name_the_start_of_the_engine_apart_and_leave_the_first_step_out_of_the_rates() -> None:
    rows = dict(times(measured(), 52.3))
    assert list(rows) == ["import torch", "engine start", "train", "repeat", "in all", "tokens/s"]
    assert rows["engine start"] == "31.5 s"
    assert rows["in all"] == "52.3 s"
    assert rows["tokens/s"] == ("6,400 in the rollout, 12,800 in the training, each learnt from 2 times (without the first step)")
    assert "tokens/s" not in dict(times(measured(steps=()), 1.0))
    one = dict(times(measured(steps=(step(0),), asked=asked(inner_steps=1)), 1.0))
    assert one["tokens/s"] == "1,280 in the rollout, 1,707 in the training (without the first step)"


def test_memory_says_its_growth_and_what_a_value_network_costs() -> None:
    rows = dict(memory(measured()))
    assert rows == {"peak": "1.2 GiB (of the GPU)", "growth": "39.0 KiB from the first step to the last, 1.0 KiB a step"}
    proof = stale()
    assert proof.measured is not None
    assert dict(memory(proof.measured))["value network"].endswith(
        "beside the policy's 1.3 MiB, 85 % more than GRPO, which has none"
    )
    on_cpu = dict(memory(measured(asked=asked(device="cpu"), steps=())))
    assert on_cpu == {"peak": "1.2 GiB (resident set of the process)"}


def test_what_was_run_says_the_budget_that_ended_it_and_several_gpus() -> None:
    rows = dict(setting(measured(ended_by="budget", steps=(step(0),), asked=asked(gpus=2, model="~/models/tiny"))))
    assert rows["ended by"] == "budget (60 s): 39 steps of 40 left out"
    assert rows["device"].endswith("compute capability 9.0; 2 GPUs, the last one for vLLM alone")
    on_cpu = dict(setting(measured(asked=asked(gpus=3, device="cpu", engine="bare"))))
    assert on_cpu["device"].endswith("; 3 processes"), "there is no GPU to count"
    assert "~/models/tiny" in rows["model"]
    assert "1 step of 8 prompts x 16 answers x 4 tokens" in rows["run"]


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (-2048, "-2.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")])
def test_bytes_have_a_unit_and_a_sign(count: int, text: str) -> None:
    assert size(count) == text


def test_a_number_that_is_none_is_said_to_be_none() -> None:
    assert number(None) == number(float("nan")) == "not a number"
    assert number(2.4e-6) == "2.4e-06"
