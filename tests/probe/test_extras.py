"""Section ``extras``: compilers and tools, for an issue block only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from envdoctor.probe import extras
from envdoctor.probe.machine import Machine
from tests.probe.recorded import known, section, written

if TYPE_CHECKING:
    from pathlib import Path

NVCC = """nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-2024 NVIDIA Corporation
Built on Thu_Mar_28_02:18:24_PDT_2024
Cuda compilation tools, release 12.4, V12.4.131
Build cuda_12.4.r12.4/compiler.34097967_0
"""


def test_each_tool_gives_the_part_that_is_asked_for(tmp_path: Path) -> None:
    commands = {
        "gcc --version": {"stdout": "gcc (Debian 12.2.0-14) 12.2.0\nCopyright (C) 2022\n"},
        "nvcc --version": {"stdout": NVCC},
        "lscpu": {"stdout": "Architecture: x86_64\nCPU(s): 2\n"},
    }
    out = section(extras, written(tmp_path, {}, commands=commands))
    assert out["gcc"] == known("gcc (Debian 12.2.0-14) 12.2.0", "gcc --version")
    assert out["nvcc"] == known("Cuda compilation tools, release 12.4, V12.4.131", "nvcc --version")
    assert out["lscpu"] == known("Architecture: x86_64\nCPU(s): 2", "lscpu")


def test_a_tool_that_is_not_there_hangs_or_fails_says_so(tmp_path: Path) -> None:
    commands = {
        "nvidia-smi topo -m": {
            "status": 9,
            "stderr": "NVIDIA-SMI has failed because it couldn't communicate with the driver.\nx",
        },
        "cmake --version": {"hangs": True},
    }
    out = section(extras, written(tmp_path, {}, commands=commands))
    assert out["clang"] == {"is": "unknown", "why": "clang is not on PATH"}
    assert out["cmake"] == {"is": "unknown", "why": "cmake: no answer in 5 s"}
    assert out["topology"] == {
        "is": "unknown",
        "why": "nvidia-smi topo -m ended with status 9: NVIDIA-SMI has failed because it couldn't communicate with the driver.",
    }


def test_tools_run_at_the_same_time_and_in_english(tmp_path: Path) -> None:
    for name in ("gcc", "clang", "cmake", "lscpu", "nvidia-smi", "nvcc"):
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\nsleep 2\necho $LC_ALL\n")
        tool.chmod(0o755)
    machine = Machine(environ={"PATH": f"{tmp_path}:/bin:/usr/bin", "LC_ALL": "de_DE.UTF-8"})
    started = time.monotonic()
    out = section(extras, machine)
    assert time.monotonic() - started < 6 * 2
    assert {leaf["value"] for leaf in out.values()} == {"C"}
