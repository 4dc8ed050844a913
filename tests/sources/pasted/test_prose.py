"""What a sentence says of the machine counts only where nothing else in the text speaks against it."""

from __future__ import annotations

import pytest

from envdoctor.facts import Known, need
from envdoctor.sources import pasted
from envdoctor.views import driver_version
from tests.factory import MATRIX


def gpus(text: str) -> list[str]:
    devices = pasted.facts_of(text.encode(), "x", MATRIX).gpus.devices
    return [str(need(one.name)) for one in devices.value] if isinstance(devices, Known) else []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("My setup: Ubuntu 22.04, RTX 5090, PyTorch 2.6.0", ["RTX 5090"]),
        ("Running on H100 with torch==1.12.1+cu102", ["H100"]),
        ("I rented a GeForce RTX 5090.\nThe RTX 5090 is new.", ["GeForce RTX 5090"]),
        ("I have a 3090 at home and an RTX 5090 here.\nOn an A100 I see it too.", []),
        ("It works on my RTX 4090.", []),
        ("torch supports the RTX 5090 since 2.7", []),
        ("the same code runs on an H100", []),
        ("no file device_name=NVIDIA_H100_80GB_HBM3.json in /opt/configs", []),
        ("see figure A2 of the paper", []),
        ("we run it on 2x H200 nodes", ["H200"] * 2),
        ("A800 x4 with verl", ["A800"] * 4),
    ],
)
def test_the_one_gpu_that_all_sentences_speak_of(text: str, found: list[str]) -> None:
    assert gpus(text) == found


def test_a_list_says_more_than_a_sentence() -> None:
    assert gpus("I have an H100.\nGPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-1)\n") == ["NVIDIA A100-SXM4-80GB"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("vllm 0.8.5 on 8 GPUs (driver 535.104.05)", "535.104.05"),
        ("nvidia driver version: 470.82.01 with torch", "470.82.01"),
        ("it needs driver 570.86 or newer", None),
        ("driver 5.15", None),
    ],
)
def test_the_driver_that_a_sentence_names(text: str, version: str | None) -> None:
    found = driver_version(pasted.facts_of(text.encode(), "x", MATRIX))
    assert (found.value if isinstance(found, Known) else None) == version
