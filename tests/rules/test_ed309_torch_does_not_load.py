"""ED309: the loader fails in `import torch`."""

from __future__ import annotations

import pytest

from envdoctor.facts import Known
from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.linkage import LibraryCopy, LinkProblem, TorchImport
from tests import linked
from tests.factory import SITE, blind, edit, healthy, judged, with_torch

RULE = "ed309_torch_does_not_load"
NVJITLINK = "__nvJitLinkComplete_12_4"
FOREIGN = "/usr/local/cuda-12.1/lib64/libnvJitLink.so.12"


def with_problem(problem: LinkProblem) -> object:
    return Known(TorchImport(problems=(problem,), preloads=()), linked.VIA)


def test_torch_that_loads_is_no_finding() -> None:
    outcome, findings, doubts = judged(RULE, healthy())
    assert (outcome, findings, doubts) == (Outcome.PASS, (), ())


def test_no_torch_is_no_finding() -> None:
    assert judged(RULE, edit(healthy(), linking__torch=Known(None, linked.VIA)))[0] is Outcome.PASS


def test_what_was_not_simulated_cannot_be_told() -> None:
    outcome, _, doubts = judged(RULE, blind(healthy(), "linking__torch", why="no answer in 8 s"))
    assert outcome is Outcome.UNKNOWN
    assert doubts[0].why == "no answer in 8 s"


def test_a_library_that_is_missing_is_named_with_the_wheel_that_brings_it() -> None:
    problem = linked.not_found("libnccl.so.2", "torch/lib/libtorch_cuda.so")
    (found,) = judged(RULE, edit(healthy(), linking__torch=with_problem(problem)))[1]
    assert found.severity is Severity.ERROR
    assert found.title == "torch 2.5.1 cannot be imported: libnccl.so.2 is not found"
    assert found.subjects == ("torch", "nvidia-nccl-cu12")
    assert found.changes[0].install == {"nvidia-nccl-cu12": "==2.21.5"}
    assert "cannot open shared object file" in found.why


@pytest.mark.parametrize("of", [FOREIGN, "libnvJitLink.so.12"])
def test_a_library_that_a_variable_puts_in_front_is_taken_out_of_it(of: str) -> None:
    problem = LinkProblem(
        kind="undefined-symbol", file=f"{SITE}/nvidia/cusparse/lib/libcusparse.so.12", wants=NVJITLINK, of=of,
        message=f"libcusparse.so.12: undefined symbol: {NVJITLINK}, version libnvJitLink.so.12",
    )  # fmt: skip
    copy = LibraryCopy(
        soname="libnvJitLink.so.12", path=FOREIGN, package=None, origin="LD_LIBRARY_PATH", taken_by=("torch",), taken_alone=()
    )
    facts = edit(
        healthy(),
        linking__torch=with_problem(problem),
        linking__copies=Known((copy,), linked.VIA),
        environ=Known({"LD_LIBRARY_PATH": "/usr/local/cuda-12.1/lib64:/opt/lib"}, "the environment of the target"),
    )
    (found,) = judged(RULE, facts)[1]
    assert found.subjects == ("torch", "nvidia-nvjitlink-cu12", "__libnvjitlink")
    assert found.title.endswith(f"is not in {FOREIGN}, which LD_LIBRARY_PATH puts in front")
    (change,) = found.changes
    assert (change.kind, change.env) == (Kind.SET_ENV, {"LD_LIBRARY_PATH": "/opt/lib"})


def test_a_damaged_library_is_called_so_and_no_words_of_the_loader_are_made_up() -> None:
    problem = LinkProblem(kind="not-elf", file="torch/lib/libtorch_cpu.so", wants="", of=None, message="it ends too early")
    (found,) = judged(RULE, edit(healthy(), linking__torch=with_problem(problem)))[1]
    assert found.title == "torch 2.5.1 cannot be imported: torch/lib/libtorch_cpu.so is damaged"
    assert "ImportError" not in found.why


def test_a_torch_of_pytorchs_own_index_is_reinstalled_from_there() -> None:
    facts = edit(with_torch(healthy(), "2.5.1+cpu", None), linking__torch=with_problem(linked.undefined("frobnicate")))
    (found,) = judged(RULE, facts)[1]
    assert found.changes[-1].torch_backend == "cpu"


def test_a_symbol_that_nobody_is_known_for_still_gets_a_way_out() -> None:
    (found,) = judged(RULE, edit(healthy(), linking__torch=with_problem(linked.undefined("frobnicate"))))[1]
    assert found.subjects == ("torch",)
    assert "is nowhere to be found" in found.title
    assert found.changes[-1].install["torch"] == "==2.5.1"
