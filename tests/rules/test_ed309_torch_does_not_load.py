"""ED309: the loader fails in `import torch`."""

from __future__ import annotations

from envdoctor.facts import Known
from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.linkage import LinkProblem, TorchImport
from tests import linked
from tests.factory import SITE, blind, edit, healthy, judged

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


def test_a_library_of_a_foreign_folder_is_taken_off_the_path() -> None:
    problem = LinkProblem(
        kind="undefined-symbol", file=f"{SITE}/nvidia/cusparse/lib/libcusparse.so.12", wants=NVJITLINK, of=FOREIGN,
        message=f"libcusparse.so.12: undefined symbol: {NVJITLINK}, version libnvJitLink.so.12",
    )  # fmt: skip
    facts = edit(
        healthy(),
        linking__torch=with_problem(problem),
        environ=Known({"LD_LIBRARY_PATH": "/usr/local/cuda-12.1/lib64:/opt/lib"}, "the environment of the target"),
    )
    (found,) = judged(RULE, facts)[1]
    assert found.subjects == ("torch", "nvidia-nvjitlink-cu12", "__libnvjitlink")
    assert found.changes[0].kind is Kind.SET_ENV
    assert found.changes[0].env == {"LD_LIBRARY_PATH": "/opt/lib"}
    assert "is not in libnvJitLink.so.12 of nvidia-nvjitlink-cu12 12.4.127" in found.title


def test_a_symbol_that_nobody_is_known_for_still_gets_a_way_out() -> None:
    (found,) = judged(RULE, edit(healthy(), linking__torch=with_problem(linked.undefined("frobnicate"))))[1]
    assert found.subjects == ("torch",)
    assert "is nowhere to be found" in found.title
    assert found.changes[-1].install["torch"] == "==2.5.1"
