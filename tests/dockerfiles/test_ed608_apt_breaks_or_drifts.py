"""ED608: apt that stops the build or drifts."""

from __future__ import annotations

import pytest

from tests.dockerfiles.linted import CUDA, titles


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("RUN apt-get update && apt-get install git", "2: apt-get install without -y: it may ask, and nobody answers in a build"),
        ("RUN apt-get update\nRUN apt-get install -y git", "3: the apt-get update for this install is in another RUN (line 2)"),
        ("RUN apt-get update && apt-get -y upgrade", "2: apt-get upgrade makes another image each day"),
        ("RUN apt-get update && apt-get install -y libnccl2 git", "2: libnccl2 has no version"),
        (
            "RUN apt-get update && apt-get install -y cuda-toolkit cudnn9-cuda-12",
            "2: cuda-toolkit, cudnn9-cuda-12 have no version",
        ),
        (
            "RUN apt-get update \\\n    apt-get install -y git",
            "2: apt-get update is given 'apt-get', which it does not take: a && is missing",
        ),
        ("RUN apt update && apt install -y git", "2: apt is made for people; its behaviour may change between releases"),
    ],
)
def test_each_fault_is_found(lines: str, says: str) -> None:
    assert titles("ED608", f"{CUDA}{lines}\n") == [says]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN apt-get update && apt-get install -yq git",
        "RUN apt-get update -qq && apt-get install -qq git",
        "RUN apt-get update && apt-get -o APT::Get::Assume-Yes=true install git",
        "RUN echo 'APT::Get::Assume-Yes \"true\";' > /etc/apt/apt.conf.d/90yes\nRUN apt-get update && apt-get install git",
        "RUN apt-get update && apt-get install -y libnccl2=2.27.3-1+cuda12.8 cuda-nvcc-12-8 cuda-toolkit-12-8",
        "RUN apt-get update\nRUN apt-get update && apt-get install -y git",
        "RUN apt-get update\nRUN --mount=type=cache,target=/var/lib/apt/lists apt-get install -y git",
        "RUN apt-get update\nRUN apt-get install -y ./driver.deb",
        "RUN apt-get install -y --fix-broken",
        "RUN apt-get install -y git",
    ],
)
def test_what_runs_unattended_and_alike_is_no_fault(lines: str) -> None:
    assert titles("ED608", f"{CUDA}{lines}\n") == []
