"""ED609: what apt leaves in layers."""

from __future__ import annotations

import pytest

from tests.dockerfiles.linted import CUDA, titles

CLEAN = "apt-get update && apt-get install -y --no-install-recommends git"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (f"RUN {CLEAN}", "2: apt-get install: its package lists stay in the layer"),
        (f"RUN {CLEAN}\nRUN rm -rf /var/lib/apt/lists/*", "2: apt-get install: its package lists stay in the layer"),
        (
            "RUN apt-get update && apt-get install -y git && rm -rf /var/lib/apt/lists/*",
            "2: apt-get install: recommended packages come along",
        ),
    ],
)
def test_lists_and_recommended_packages_are_told(lines: str, says: str) -> None:
    assert titles("ED609", f"{CUDA}{lines}\n") == [says]


@pytest.mark.parametrize(
    "lines",
    [
        f"RUN {CLEAN} && rm -rf /var/lib/apt/lists/*",
        f"RUN {CLEAN} && rm -rf /tmp/x /var/lib/apt/lists /var/cache/apt",
        f"RUN --mount=type=cache,target=/var/lib/apt,sharing=locked {CLEAN}",
        "RUN echo 'APT::Install-Recommends \"0\";' > /etc/apt/apt.conf.d/01\nRUN apt-get update && apt-get install -y git && apt-get distclean",
        "RUN apt-get install --download-only -y git",
    ],
)
def test_a_clean_layer_is_no_fault(lines: str) -> None:
    assert titles("ED609", f"{CUDA}{lines}\n") == []


def test_a_stage_that_others_only_copy_from_is_left_out() -> None:
    text = f"{CUDA}".replace("\n", " AS build\n") + f"RUN {CLEAN}\nFROM a\nCOPY --from=build /x /x\n"
    assert titles("ED609", text) == []
    through = (
        f"{CUDA}".replace("\n", " AS tools\n") + f"RUN {CLEAN}\nFROM tools AS build\nRUN x\nFROM a\nCOPY --from=build /x /x\n"
    )
    assert titles("ED609", through) == []
    assert len(titles("ED609", text + "FROM build\n")) == 1
