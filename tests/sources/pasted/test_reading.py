"""Pasted reports as facts: each format in words of our own, what contradicts, what is not there, and any text without a crash."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.errors import UserError
from envdoctor.facts import Facts, Known, Unknown, decode, encode, need
from envdoctor.pasted import Pasted
from envdoctor.sources import pasted
from envdoctor.views import driver_version, version_of
from tests.factory import MATRIX

COLLECT = """\
Collecting environment information...
PyTorch version: 2.5.1+cu124
Is debug build: False
CUDA used to build PyTorch: 12.4
ROCM used to build PyTorch: N/A

OS: Ubuntu 22.04.5 LTS (x86_64)
Libc version: glibc-2.35

Python version: 3.11.9 (main, Apr  6 2024, 17:59:24) [GCC 11.4.0] (64-bit runtime)
Python platform: Linux-5.15.0-101-generic-x86_64-with-glibc2.35
Is CUDA available: True
CUDA runtime version: 12.1.105
GPU models and configuration:
GPU 0: NVIDIA A100-SXM4-80GB
GPU 1: NVIDIA A100-SXM4-80GB

Nvidia driver version: 535.183.01
[pip3] numpy==1.26.4
[pip3] torch==2.5.1
[pip3] vllm==0.6.6
[conda] transformers 4.47.1 pypi_0 pypi
"""
SECTIONS = """\
==============================
       PyTorch Info
==============================
PyTorch version              : 2.9.0+cu128
CUDA used to build PyTorch   : 12.8
Is CUDA available            : True
GPU models and configuration : GPU 0: NVIDIA H100 80GB HBM3
Nvidia driver version        : 570.86.15
"""
SMI = """\
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
|   0  NVIDIA H100 80GB HBM3          On  |   00000000:04:00.0 Off |                    0 |
|   1  NVIDIA H100 80GB HBM3          On  |   00000000:05:00.0 Off |                    0 |
"""
BULLETS = "- Platform: Linux-6.8.0-x86_64-with-glibc2.39\n- `transformers` version: 4.57.1\n- TRL version: 0.25.0\n- PyTorch version: 2.9.0 (CUDA)\n- PEFT version: not installed\n"


def read(text: str) -> Facts:
    return pasted.facts_of(text.encode(), "a test", MATRIX)


def versions(facts: Facts) -> dict[str, str]:
    return {one.name: one.version for one in need(facts.packages.distributions)}


def test_collect_env_tells_torch_driver_gpus_python_and_packages() -> None:
    facts = read(COLLECT)
    build = need(facts.builds.torch)
    assert build is not None
    assert (build.version, build.cuda) == ("2.5.1+cu124", "12.4")
    assert driver_version(facts) == Known("535.183.01", "line 18 of the report (fields)")
    assert [need(one.compute_capability) for one in need(facts.gpus.devices)] == ["8.0", "8.0"]
    assert need(facts.host.libc).version == "2.35"
    assert need(facts.python).version == "3.11.9"
    assert versions(facts)["vllm"] == "0.6.6"
    assert versions(facts)["transformers"] == "4.47.1"
    assert str(version_of(facts, "torch")) == "2.5.1+cu124", "torch's own word names its build"


def test_sections_bullets_and_nvidia_smi_tell_the_same_things() -> None:
    sections, smi, bullets = read(SECTIONS), read(SMI), read(BULLETS)
    assert driver_version(sections) == Known("570.86.15", "line 8 of the report (fields)")
    assert len(need(smi.gpus.devices)) == 2
    assert need(smi.driver.cuda_api) == "12.4"
    assert versions(bullets) == {"transformers": "4.57.1", "trl": "0.25.0", "torch": "2.9.0"}


@pytest.mark.parametrize("text", [COLLECT + SMI, SMI + COLLECT, f"<details>\n```text\n{COLLECT}```\n</details>\n你好\n{SMI}"])
def test_the_order_and_what_stands_around_do_not_matter(text: str) -> None:
    facts = read(text)
    assert driver_version(facts) in {Known("550.54.15", one.via) for one in (driver_version(facts),) if isinstance(one, Known)}, (
        "nvidia-smi speaks for the driver"
    )
    assert "torch" in versions(facts)


def test_pips_conflicts_give_both_versions_and_the_requirement() -> None:
    facts = read("vllm 0.7.3 requires torch==2.5.1, but you have torch 2.4.0+cu124 which is incompatible.")
    assert versions(facts) == {"vllm": "0.7.3", "torch": "2.4.0+cu124"}
    (one,) = [one for one in need(facts.packages.distributions) if one.name == "vllm"]
    assert "torch==2.5.1" in one.requires


@pytest.mark.parametrize(
    "text",
    [
        "xFormers was built for PyTorch 2.6.0+cu124 with CUDA None",
        "TRL requires vllm>=0.9",
        "please upgrade to transformers 4.50.0",
        "it works on torch 2.4.0",
    ],
)
def test_versions_that_something_wants_or_that_worked_elsewhere_are_not_taken_for_installed(text: str) -> None:
    assert isinstance(read(text).packages.distributions, Unknown)


def test_no_cuda_in_every_field_is_not_probed_and_never_no_driver() -> None:
    facts = read(
        "Is CUDA available: False\nCUDA runtime version: No CUDA\nGPU models and configuration: No CUDA\nNvidia driver version: No CUDA\n"
    )
    assert isinstance(driver_version(facts), Unknown)
    assert isinstance(facts.gpus.devices, Unknown)
    report = need(facts.pasted)
    assert report is not None
    assert report.asked_for_gpu is None


def test_what_old_collect_env_said_of_the_c_library_is_not_believed() -> None:
    assert isinstance(read("Libc version: glibc-2.2.5\nPython platform: Linux-4.14-x86_64-with-centos-7.5").host.libc, Unknown)


def test_torchs_warning_tells_the_gpu_and_what_torch_was_compiled_for() -> None:
    facts = read(
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\n"
        "The current PyTorch install supports CUDA capabilities sm_50 sm_90.\nPyTorch version: 2.6.0+cu124\n"
    )
    (gpu,) = need(facts.gpus.devices)
    assert need(gpu.compute_capability) == "12.0"
    build = need(facts.builds.torch)
    assert build is not None
    assert need(build.gpu_archs) == ("sm_50", "sm_90")


def test_homes_and_users_do_not_go_into_facts() -> None:
    facts = read(
        '  File "/home/alice/x.py", line 1\nImportError: /home/alice/env/lib/vllm/_C.abi3.so: undefined symbol: _ZN5torch3jitE\nLD_LIBRARY_PATH=/home/alice/lib\n'
    )
    assert b"alice" not in encode(facts)


def test_the_facts_can_be_written_and_read_again() -> None:
    facts = read(COLLECT)
    assert decode(encode(facts)) == facts
    assert isinstance(need(facts.pasted), Pasted)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read(document: bytes) -> None:
    pasted.facts_of(document, "x", MATRIX)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(COLLECT + SMI)), st.integers(0, len(COLLECT + SMI)))
def test_a_text_that_is_cut_off_anywhere_is_read_and_invents_no_package(start: int, end: int) -> None:
    whole = versions(read(COLLECT + SMI))
    facts = read((COLLECT + SMI)[min(start, end) : max(start, end)])
    if isinstance(facts.packages.distributions, Known):
        assert set(versions(facts)) <= set(whole) | {name[i:] for name in whole for i in range(len(name))}


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        pasted.read(f"{tmp_path}/none.txt")
    monkeypatch.setattr(pasted, "MAX_BYTES", 10)
    with open(f"{tmp_path}/large.txt", "wb") as file:
        file.write(b"x" * 20)
    with pytest.raises(UserError, match="larger than") as wrong:
        pasted.read(f"{tmp_path}/large.txt")
    assert "tail -c" in wrong.value.hint


def test_a_requirement_that_the_report_does_not_say_is_the_datas_word() -> None:
    facts = read("vllm==0.7.2\ntorch==2.6.0\n")
    vllm = next(one for one in need(facts.packages.distributions) if one.name == "vllm")
    assert "torch==2.5.1" in vllm.requires
    assert vllm.metadata_dir == "line 1 of the report (pip freeze)"
    assert vllm.requires_from == "line 1 of the report (pip freeze); METADATA of vllm 0.7.2, in the compatibility data"
    complaint = "ERROR: mine 1.0 requires torch==2.5.1, but you have torch 2.6.0 which is incompatible.\n"
    mine = next(one for one in need(read(complaint).packages.distributions) if one.name == "mine")
    assert (mine.requires, mine.requires_from) == (("torch==2.5.1",), None)
