"""The section of a deep check: golden files of a real run and of two made ones, any width, no colour in a pipe, hostile text harmless.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, Known, Unknown
from envdoctor.findings import Outcome
from envdoctor.loaded import CollectiveTried, DeviceTried, ImportTried, Live, PairTried
from envdoctor.matrix import Matrix
from envdoctor.render import Page, live
from envdoctor.render.terminal import _run
from tests.factory import healthy
from tests.render.made_live import MADE, check, good, h100, imported, on, recorded, slow_link, wrong_and_hung

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "live"
HOSTILE = "\x1b[2J\x1b]0;title\x07\u202egnp.exe\n\r\x00<script>" + "x" * 3000


NOTHING_FOUND: Any = SimpleNamespace(verdicts=())


def page(facts: Facts, report: Any = NOTHING_FOUND, **more: Any) -> str:
    """The section as it is where no rule found anything in it, or below the findings of a report."""
    return "".join(f"{line}\n" for line in _run(report, facts, Page(**more)))


def as_json(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_what_a_finding_above_says_is_not_said_again_but_with_v() -> None:
    facts = wrong_and_hung()
    _, report = examine(facts, Matrix(), Wishes(), 0.0, remedies=False)
    assert {"ED702", "ED703"} <= {one.code for one in report.verdicts if one.outcome is Outcome.FAIL}
    assert "see ED702 above" in flat(page(facts, report))
    assert "see ED702 above" not in flat(page(facts, report, verbose=True))


@pytest.mark.parametrize("name", MADE)
def test_the_section_is_its_golden_file(name: str) -> None:
    text = page(MADE[name]())
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_section_fits_its_width_and_says_the_same(name: str, width: int) -> None:
    facts = MADE[name]()
    text = page(facts, width=width)
    for line in text.splitlines():
        # a word that is longer than the place for it (a path, a symbol) is not cut
        assert len(line) <= width or len(max(line.split(), key=len)) > width - 36
    assert flat(text) == flat(page(facts, width=80))


def test_where_nothing_was_run_there_is_no_section() -> None:
    assert page(healthy()) == ""
    assert live.document(healthy()) is None


def test_no_colour_but_where_it_is_asked_for() -> None:
    facts = wrong_and_hung()
    assert "\x1b" not in page(facts)
    colored = page(facts, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == page(facts)


def test_a_run_on_a_cpu_says_what_it_does_not_tell() -> None:
    text = flat(page(recorded()))
    assert "no GPU: tested on the CPU: allocation, copy within device, matmul float32" in text
    for left in ("matmul float4", "cuda graph", "triton kernel", "whatever the GPU kernels of torch and of the engine do, NCCL"):
        assert left in text.partition("not tested: ")[2]


def test_a_wrong_prediction_is_our_own_bug() -> None:
    text = flat(page(slow_link()))
    assert "what the linker had predicted of imports and compiled modules: 0 of 1 came true" in text
    assert "BUG of envdoctor, not of your environment: it was predicted that vllm._C (vllm) does not load (" in text
    assert text.endswith("and what came is: loaded")


def test_a_device_that_hung_is_late_with_what_it_did_and_v_shows_the_frames() -> None:
    text = page(wrong_and_hung())
    assert "cuda graph            LATE    no answer in 15 s" in text
    assert "compiling.py" not in text
    assert "(-v shows the last lines that it printed)" in text
    assert 'File "envdoctor_live/compiling.py", line 97 in cuda_graph' in page(wrong_and_hung(), verbose=True)


def test_why_checks_were_not_run_is_said_once_for_all_that_share_it() -> None:
    skipped = [check(name, "skipped", says="its kernels are for GPUs") for name in ("one", "two")]
    facts = on(Live(devices=Known((h100(0, *good(), *skipped),), "run"), pairs=Known((), "there is one GPU")), 1)
    text = flat(page(facts))
    assert "not run: one, two: its kernels are for GPUs" in text
    assert "between GPUs: nothing tested, there is one GPU" in text


def test_pairs_that_were_not_tried_are_counted() -> None:
    one = PairTried(first=0, second=1, peer_access=True, link="nvlink", gb_per_s=380.0, says="")
    facts = on(Live(devices=Known(tuple(h100(n, *good()) for n in range(4)), "run"), pairs=Known((one,) * 10, "copies")), 4)
    assert "2 further pairs (-v shows them)" in page(facts)
    assert "between GPUs: 2 of 12 ordered pairs were not tried" in page(facts)
    assert page(facts, verbose=True).count("nvlink, peer access") == 10


def test_what_was_not_run_says_why() -> None:
    facts = on(
        Live(devices=Unknown("torch is not installed"), pairs=Unknown("x"), imports=Unknown("the folder cannot be read")), 1
    )
    assert page(facts).splitlines()[1:] == [
        "  devices: not tested, because torch is not installed",
        "  imports: not tested, because the folder cannot be read",
    ]


def hostile() -> Facts:
    """Every text that a worker tells is an attack."""
    device = DeviceTried(
        device="cuda:0",
        name=HOSTILE,
        compute_capability=HOSTILE,
        checks=(
            check(HOSTILE, HOSTILE, says=HOSTILE),
            check(HOSTILE, "skipped", says=HOSTILE),
            check("x", "wrong", 1.0, 0.5, HOSTILE, HOSTILE),
        ),
        during=HOSTILE,
        ended=HOSTILE,
        said="\n".join([HOSTILE] * 30),
    )
    raised = imported("vllm", state=HOSTILE, error=HOSTILE, trace=(HOSTILE,), warned=(HOSTILE,), unloaded=(HOSTILE,) * 5)
    assert isinstance(raised, ImportTried)
    return on(
        Live(
            devices=Known((device,), "run"),
            pairs=Known((PairTried(first=0, second=1, peer_access=None, link=HOSTILE, gb_per_s=None, says=HOSTILE),), "copies"),
            collective=Known(CollectiveTried(backend=HOSTILE, devices=2, state=HOSTILE, bus_gb_per_s=None, says=HOSTILE), "x"),
            imports=Known((raised, imported("torch", unloaded=(HOSTILE,) * 5)), "imported"),
        ),
        1,
    )


@pytest.mark.parametrize("verbose", [False, True])
def test_hostile_text_is_harmless(verbose: bool) -> None:
    text = page(hostile(), verbose=verbose)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\x1b[2J" in text
    assert len(text) < 100_000 if not verbose else len(text) < 400_000


@pytest.mark.parametrize("name", [*MADE, "hostile"])
def test_the_document_has_every_field_and_can_be_written(name: str) -> None:
    facts = hostile() if name == "hostile" else MADE[name]()
    document = live.document(facts)
    assert document is not None
    assert msgspec.json.decode(msgspec.json.encode(document)) == document
    ours = facts.live
    if isinstance(ours.devices, Known):
        assert document["devices"] == as_json(ours.devices.value)
    if isinstance(ours.pairs, Known):
        assert document["pairs"] == as_json(ours.pairs.value)
    if isinstance(ours.collective, Known):
        assert document["collective"] == as_json(ours.collective.value)
    if isinstance(ours.imports, Known):
        assert document["imports"] == as_json(ours.imports.value)
    assert set(document["unknown"]) == {
        one for one in ("devices", "pairs", "collective", "imports") if isinstance(getattr(ours, one), Unknown)
    }
