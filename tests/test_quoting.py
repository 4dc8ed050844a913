"""What the error texts of a report come to: one cause each, by the text and by what is installed; warnings are milder than errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.findings import Severity
from envdoctor.quoting import no_fault, told, untold
from envdoctor.sources import pasted
from tests.factory import MATRIX, healthy

if TYPE_CHECKING:
    from envdoctor.facts import Facts

OUT_OF_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 GiB of which "
    "1.00 GiB is free.\n"
)
OLD_PYNVML = (
    "WARNING 11-01 10:12:01 cuda.py:22] You are using a deprecated `pynvml` package. Please install `nvidia-ml-py` instead\n"
)
BARE = "undefined symbol: _ZN3c104cuda9SetDeviceEi\n"


def report(text: str) -> Facts:
    return pasted.facts_of(text.encode(), "x", MATRIX)


def causes(text: str) -> list[tuple[str, Severity]]:
    return [(one.cause, one.severity) for one in told(report(text))]


def test_of_an_environment_nothing_is_told() -> None:
    assert told(healthy()) == ()
    assert no_fault(healthy()) is None
    assert untold(healthy()) is None


@pytest.mark.parametrize(
    ("packages", "cause", "guessed"),
    [
        ("", "flash-attn-abi", True),
        ("flash-attn==2.7.4\nvllm==0.8.5\n", "flash-attn-abi", True),
        ("vllm==0.8.5\n", "torch-vllm-pin-mismatch", True),
        ("sgl-kernel==0.1.0\n", "kernel-ext-torch-abi", True),
        ("xformers==0.0.29\ntorchvision==0.21.0\n", "xformers-torch-mismatch", True),
        ("accelerate==1.2.0\n", "flash-attn-abi", True),
    ],
)
def test_where_a_text_does_not_say_whose_part_fails_what_is_installed_decides(packages: str, cause: str, guessed: bool) -> None:
    (one,) = told(report(packages + BARE))
    assert (one.cause, one.guessed) == (cause, guessed)


def test_a_text_that_names_its_file_is_no_guess_whatever_is_installed() -> None:
    (one,) = told(report(f"vllm==0.8.5\nflash_attn_2_cuda.cpython-311-x86_64-linux-gnu.so: {BARE}"))
    assert (one.cause, one.guessed) == ("flash-attn-abi", False)


def test_a_warning_with_several_causes_is_mild_and_beside_a_known_failure_it_is_not_told() -> None:
    assert causes(OLD_PYNVML) == [("pynvml-conflict", Severity.WARNING)]
    assert causes(OLD_PYNVML + OUT_OF_MEMORY) == []


def test_a_warning_that_is_a_cause_by_itself_is_an_error_unless_something_else_is_known_to_have_failed() -> None:
    text = "UserWarning: NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\n"
    assert causes(text) == [("arch-not-in-torch-build", Severity.ERROR)]
    assert causes(text + OUT_OF_MEMORY) == [("arch-not-in-torch-build", Severity.WARNING)]


def test_the_error_that_is_no_fault_of_the_environment_is_known_only_where_no_error_names_a_cause() -> None:
    found = no_fault(report(OUT_OF_MEMORY))
    assert found is not None
    assert found.line == 1
    assert no_fault(report(OUT_OF_MEMORY + "RuntimeError: operator torchvision::nms does not exist\n")) is None
    assert no_fault(report("RuntimeError: Engine core initialization failed. See root cause above.\n")) is None


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        (OUT_OF_MEMORY, True),
        ("RuntimeError: No CUDA GPUs are available\n", False),
        (
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': 1}\n",
            False,
        ),
    ],
)
def test_an_error_that_names_no_cause_is_told_as_what_it_is(text: str, elsewhere: bool) -> None:
    found = untold(report(text))
    assert found is not None
    assert found.elsewhere is elsewhere
    assert found.text.title


def test_where_an_error_names_a_cause_no_other_is_told_as_open() -> None:
    assert (
        untold(report("RuntimeError: operator torchvision::nms does not exist\nRuntimeError: No CUDA GPUs are available\n"))
        is None
    )
