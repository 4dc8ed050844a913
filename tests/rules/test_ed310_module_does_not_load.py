"""ED310: compiled modules that the loader refuses."""

from __future__ import annotations

import pytest

from envdoctor.findings import Outcome, Severity
from envdoctor.linkage import LinkProblem
from tests import linked
from tests.factory import blind, dist, drop, edit, healthy, judged, put

RULE = "ed310_module_does_not_load"


def judge(*modules: object) -> tuple:  # type: ignore[type-arg]
    return judged(RULE, edit(healthy(), linking=linked.linking(*modules)))  # type: ignore[arg-type]


def test_modules_that_load_are_no_finding() -> None:
    assert judged(RULE, healthy())[:2] == (Outcome.PASS, ())


def test_one_of_several_variants_is_no_finding() -> None:
    gone = linked.not_found("libavutil.so.56", "torchcodec/libtorchcodec_core4.so")
    assert judge(linked.module("torchcodec", "torchcodec/libtorchcodec_core4.so", gone, optional=True))[0] is Outcome.PASS


def test_what_was_not_linked_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "linking__modules"))[0] is Outcome.UNKNOWN


def test_a_symbol_of_another_torch_is_one_finding_for_all_packages_that_pin_it() -> None:
    facts = put(healthy(), dist("torch", "2.6.0"))
    found = judged(
        RULE,
        edit(
            facts,
            linking=linked.linking(
                linked.module("vllm", "vllm/_C.abi3.so", linked.undefined()),
                linked.module("vllm", "vllm/_moe_C.abi3.so", linked.undefined(file="vllm/_moe_C.abi3.so")),
                linked.module("torchvision", "torchvision/_C.so", linked.undefined(file="torchvision/_C.so")),
            ),
        ),
    )[1]
    (one,) = found
    assert one.severity is Severity.ERROR
    assert one.title.startswith("3 modules of vllm 0.6.6.post1, torchvision 0.20.1 cannot be loaded: the symbol _ZNK3c10")
    assert one.title.endswith("is not in torch 2.6.0")
    assert one.subjects == ("vllm", "torchvision")
    assert one.changes[0].install == {"torch": "==2.5.1"}
    assert [line.value for line in one.evidence] == [linked.THROW] * 3
    assert "operator torchvision::nms does not exist" in one.why


def test_a_package_without_a_pin_is_a_finding_of_its_own() -> None:
    facts = put(healthy(), dist("flash-attn", "2.7.3", "torch"))
    modules = (
        linked.module("vllm", "vllm/_C.abi3.so", linked.undefined()),
        linked.module("flash-attn", "flash_attn_2_cuda.cpython-311-x86_64-linux-gnu.so", linked.undefined()),
    )
    found = judged(RULE, edit(facts, linking=linked.linking(*modules)))[1]
    assert [one.subjects for one in found] == [("vllm",), ("flash-attn",)]
    assert found[1].changes[0].says.startswith("Install a build of flash-attn for torch 2.5.1; where there is none, build it")


def test_a_library_of_the_other_cuda_is_named() -> None:
    gone = linked.not_found("libcudart.so.13", "vllm/_C.abi3.so")
    (found,) = judge(linked.module("vllm", "vllm/_C.abi3.so", gone))[1]
    assert found.title == "vllm/_C.abi3.so cannot be loaded: libcudart.so.13 is not found"
    assert found.subjects == ("vllm", "nvidia-cuda-runtime")


@pytest.mark.parametrize(
    ("problem", "subject", "said"),
    [
        (LinkProblem(kind="missing-version", file="vllm/_C.abi3.so", wants="GLIBC_2.38", of="libc.so.6",
                     message="/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by vllm/_C.abi3.so)"),
         "__glibc", "GLIBC_2.38 of libc.so.6 is not in glibc"),
        (LinkProblem(kind="missing-version", file="vllm/_C.abi3.so", wants="GLIBCXX_3.4.32", of="libstdc++.so.6",
                     message="/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found"),
         "__libstdc++", "GLIBCXX_3.4.32 of libstdc++.so.6 is not in libstdc++"),
        (LinkProblem(kind="wrong-python", file="vllm/_C.cpython-310-x86_64-linux-gnu.so", wants="cpython-310-x86_64-linux-gnu", of=None,
                     message="No module named 'vllm._C'"),
         "__python", "a file for this Python is not there; it is built for cpython-310-x86_64-linux-gnu"),
        (LinkProblem(kind="static-tls", file="vllm/_C.abi3.so", wants="4096 bytes", of=None,
                     message="vllm/_C.abi3.so: cannot allocate memory in static TLS block"),
         "__tls", "4096 bytes of static thread-local storage are more than the loader keeps free"),
    ],
    ids=["glibc", "libstdc++", "python", "tls"],
)  # fmt: skip
def test_what_the_system_lacks_is_named_as_such(problem: LinkProblem, subject: str, said: str) -> None:
    (found,) = judge(linked.module("vllm", "vllm/_C.abi3.so", problem))[1]
    assert found.subjects == ("vllm", subject)
    assert said in found.title
    assert problem.message in found.evidence[0].via


def test_a_package_outside_the_stack_is_a_warning() -> None:
    (found,) = judge(linked.module("h5py", "h5py/_errors.so", linked.not_found("libhdf5.so.200", "h5py/_errors.so")))[1]
    assert found.severity is Severity.WARNING


def test_an_undecided_module_is_a_doubt_about_its_package() -> None:
    outcome, findings, doubts = judge(linked.module("vllm", "vllm/_C.abi3.so", undecided="its bytes are not here"))
    assert (outcome, findings) == (Outcome.UNKNOWN, ())
    assert doubts[0].subjects == ("vllm",)
    assert "its bytes are not here" in doubts[0].why


def test_without_the_distribution_its_import_name_is_said() -> None:
    facts = edit(
        drop(healthy(), "vllm"),
        linking=linked.linking(linked.module("vllm", "vllm/_C.so", linked.undefined(), linked.undefined())),
    )
    assert judged(RULE, facts)[1][0].title.startswith("vllm/_C.so cannot be loaded")


def test_a_damaged_file_is_called_so_and_its_package_is_installed_again() -> None:
    problem = LinkProblem(kind="not-elf", file="vllm/_moe_C.abi3.so", wants="", of=None, message="it ends too early")
    (found,) = judge(linked.module("vllm", "vllm/_moe_C.abi3.so", problem))[1]
    assert found.title == "vllm/_moe_C.abi3.so cannot be loaded: vllm/_moe_C.abi3.so is damaged"
    assert found.changes[0].remove == ("vllm",)
    assert found.changes[0].install == {"vllm": "==0.6.6.post1"}


def test_without_torch_at_all_its_absence_is_the_cause() -> None:
    gone = linked.not_found("libtorch.so", "vllm/_C.abi3.so")
    facts = edit(drop(healthy(), "torch"), linking=linked.linking(linked.module("vllm", "vllm/_C.abi3.so", gone)))
    assert judged(RULE, facts)[1][0].subjects == ("vllm", "torch")


def test_a_library_of_no_package_is_never_to_be_installed_from_the_package_that_lacks_it() -> None:
    path = "nvidia/cu13/lib/libcufile_rdma.so.1"
    (found,) = judge(linked.module("nvidia-cufile", path, linked.not_found("libmlx5.so.1", path)))[1]
    assert [change.install for change in found.changes] == [{}]
    assert "this system" in found.changes[0].says
