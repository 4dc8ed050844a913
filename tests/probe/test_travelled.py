"""The probe as text in memory: NVML is asked with a pynvml that no file of the machine holds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.nodes.payload import mark, program

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = program("abc", {"deadline_s": "10"})


def driver_of(text: bytes, library_path: Path, **env: str) -> dict[str, Any]:
    """The section of the driver, as a Python tells it that gets this program on standard input."""
    env = {"LD_LIBRARY_PATH": str(library_path), "PATH": os.defpath, **env}
    done = subprocess.run([sys.executable, "-I", "-S", "-"], input=text, capture_output=True, check=True, env=env)
    found: dict[str, Any] = msgspec.json.decode(done.stdout.partition(mark("abc"))[2])
    section: dict[str, Any] = found["driver"]
    return section


def test_nvml_is_asked_with_the_module_that_travelled(fake_driver: Path) -> None:
    driver = driver_of(PROGRAM, fake_driver, FAKE_CUDA_VERSION="12040")
    assert driver["nvml"] == {"is": "known", "value": "550.54.15", "via": f"NVML ({fake_driver}/libnvidia-ml.so.1)"}
    assert driver["cuda_api"]["value"] == "12.4"


def test_where_it_cannot_be_unpacked_nvml_is_not_asked_and_the_reason_says_so(fake_driver: Path) -> None:
    without_zlib = PROGRAM.replace(b"import binascii, zlib", b"raise ImportError('zlib')")
    assert without_zlib != PROGRAM
    driver = driver_of(without_zlib, fake_driver, FAKE_CUDA_VERSION="12040")
    assert driver["nvml"]["why"] == "NVML was not asked: pynvml (the nvidia-ml-py package) did not come with the probe"
    assert driver["cuda_api"]["value"] == "12.4", "which needs no pynvml"
