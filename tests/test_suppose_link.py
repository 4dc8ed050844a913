"""Linkage under a supposition: what makers pin stands in for bytes that are not here, the rest is undecided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, Unknown
from envdoctor.linkage import LibraryCopy, LinkProblem, TorchImport
from envdoctor.suppose import supposing
from tests import linked
from tests.factory import MATRIX, SITE, dist, edit, healthy, put

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.linkage import LinkedModule

BROKEN = edit(
    put(healthy(), dist("torch", "2.6.0"), dist("flash-attn", "2.7.3", "torch")),
    linking=linked.linking(
        linked.module("vllm", "vllm/_C.abi3.so", linked.undefined()),
        linked.module("flash-attn", "flash_attn_2_cuda.so", linked.undefined()),
        linked.module("triton", "triton/_C/libtriton.so"),
    ),
)
FOREIGN = "/usr/local/cuda-12.1/lib64"


def modules(facts: Facts) -> dict[str, LinkedModule]:
    leaf = facts.linking.modules
    assert isinstance(leaf, Known)
    return {one.package: one for one in leaf.value}


def test_a_package_that_pins_the_supposed_torch_loads_with_it() -> None:
    after = modules(supposing(BROKEN, {"torch": "2.5.1"}, MATRIX))
    assert (after["vllm"].problems, after["vllm"].undecided) == ((), None)


def test_a_package_that_pins_nothing_is_undecided() -> None:
    after = modules(supposing(BROKEN, {"torch": "2.5.1"}, MATRIX))["flash-attn"]
    assert after.problems == ()
    assert after.undecided is not None
    assert "torch=2.5.1" in after.undecided


def test_a_package_that_does_not_bind_to_torch_does_not_care() -> None:
    assert modules(supposing(BROKEN, {"torch": "2.5.1"}, MATRIX))["triton"] == modules(BROKEN)["triton"]


def test_another_release_that_pins_the_present_torch_loads() -> None:
    facts = edit(healthy(), linking=linked.linking(linked.module("xformers", "xformers/_C.so", linked.undefined())))
    after = modules(supposing(facts, {"xformers": "0.0.28.post3"}, MATRIX))
    assert (after["xformers"].problems, after["xformers"].undecided) == ((), None)


def test_a_removed_package_has_no_modules() -> None:
    assert "flash-attn" not in modules(supposing(BROKEN, {"flash-attn": "none"}, MATRIX))


def test_a_change_of_something_else_changes_nothing() -> None:
    assert supposing(BROKEN, {"transformers": "5.0.0"}, MATRIX).linking == BROKEN.linking


def test_torch_loads_with_the_cuda_libraries_that_it_pins() -> None:
    problem = linked.undefined("ncclCommRegister", file="torch/lib/libtorch_cuda.so")
    facts = put(
        edit(healthy(), linking__torch=Known(TorchImport(problems=(problem,), preloads=()), linked.VIA)),
        dist("nvidia-nccl-cu12", "2.18.1"),
    )
    mended = supposing(facts, {"nvidia-nccl-cu12": "2.21.5"}, MATRIX).linking.torch
    assert isinstance(mended, Known)
    assert mended.value == TorchImport(problems=(), preloads=())
    assert isinstance(supposing(facts, {"nvidia-nccl-cu12": "2.20.0"}, MATRIX).linking.torch, Unknown)


def test_without_torch_nothing_is_imported() -> None:
    assert supposing(healthy(), {"torch": "none"}, MATRIX).linking.torch == Known(None, "supposed (torch=none)")


def test_a_foreign_folder_off_the_path_gives_torch_its_own_library_back() -> None:
    problem = LinkProblem(
        kind="undefined-symbol", file="torch/lib/libtorch_cuda.so", wants="__nvJitLinkComplete_12_4",
        of=f"{FOREIGN}/libnvJitLink.so.12", message="undefined symbol",
    )  # fmt: skip

    def copy(folder: str) -> LibraryCopy:
        path = f"{folder}/libnvJitLink.so.12"
        return LibraryCopy(soname="libnvJitLink.so.12", path=path, package=None, origin="default", taken_by=(), taken_alone=())

    facts = edit(
        healthy(),
        linking__torch=Known(TorchImport(problems=(problem,), preloads=()), linked.VIA),
        linking__copies=Known((copy(FOREIGN), copy(f"{SITE}/nvidia/nvjitlink/lib")), linked.VIA),
        environ=Known({"LD_LIBRARY_PATH": FOREIGN}, "the environment of the target"),
    )
    mended = supposing(facts, {"env:LD_LIBRARY_PATH": "none"}, MATRIX).linking.torch
    assert isinstance(mended, Known)
    assert mended.value is not None
    assert mended.value.problems == ()
    alone = edit(facts, linking__copies=Known((copy(FOREIGN),), linked.VIA))
    assert isinstance(supposing(alone, {"env:LD_LIBRARY_PATH": "none"}, MATRIX).linking.torch, Unknown)


def test_names_of_another_release_are_not_those_that_were_read() -> None:
    facts = edit(healthy(), names=linked.names(linked.use("GuidedDecodingParams")))
    after = supposing(facts, {"vllm": "0.10.2"}, MATRIX).names
    assert after.missing == Known((), "source text")
    assert isinstance(after.pairs, Known)
    assert {(one.importer, one.exporter) for one in after.pairs.value} == {("trl", "transformers"), ("trl", "accelerate")}
