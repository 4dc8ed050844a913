"""NVIDIA_REQUIRE_* as the container toolkit reads it."""

from __future__ import annotations

import pytest

from envdoctor.demands import Host, Malformed, Requirement, brands, holds, requirements

H100 = Host("12.4", "550.54.15", "9.0", "nvidia")
CUDA_12_8 = " ".join(
    ["cuda>=12.8"]
    + [
        f"brand={brand},driver>={branch},driver<{branch + 1}"
        for branch in (470, 535, 550, 560, 565)
        for brand in (
            "unknown",
            "grid",
            "tesla",
            "nvidia",
            "quadro",
            "quadrortx",
            "nvidiartx",
            "vapps",
            "vpc",
            "vcs",
            "vws",
            "cloudgaming",
        )
    ]
)
"""As nvidia/cuda:12.8.1 sets it."""


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("cuda>=12.4", True),
        ("cuda>=12.8", False),
        ("CUDA>=12.4", True),
        ("cuda>12.4", False),
        ("cuda=12.4.0", True),
        ("cuda!=12.4", False),
        ("cuda<=12", False),
        ("driver>=550", True),
        ("driver<551", True),
        ("driver<=550", False),
        ("arch>=7.0", True),
        ("arch<9", False),
        ("brand=NVIDIA", True),
        ("brand!=nvidia", False),
        ("cuda>=12.8,driver>=550", False),
        ("cuda>=12.8 driver>=550", True),
        ("cuda>=12.8 brand=tesla,driver>=550 brand=nvidia,driver<551", True),
        ("", True),
        (" ", True),
        ("cuda>=12.4,", True),
        # it never comes to what it cannot read
        ("cuda>=12.4 nonsense", True),
        (CUDA_12_8, True),
    ],
)
def test_an_expression_is_evaluated_as_the_toolkit_does(expression: str, met: bool) -> None:
    assert holds(expression, H100) is met


@pytest.mark.parametrize(
    "expression", ["nonsense", "cuda", "cuda>=", ">=12", "cuda=>12", "glibc>=2", "brand>=tesla", "cuda>=twelve", "cuda>=12.8 x"]
)
def test_what_the_toolkit_cannot_read_is_told_apart_from_what_is_not_met(expression: str) -> None:
    with pytest.raises(Malformed):
        holds(expression, H100)


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("brand=tesla", None),
        ("cuda>=12.8 brand=tesla,driver>=550", None),
        ("cuda>=12.4 brand=tesla", True),
        ("brand=tesla cuda>=12.4", True),
        ("brand=tesla,driver>=999", False),
        ("arch>=7.0", None),
        ("brand=tesla nonsense", None),
        ("brand=tesla,nonsense", None),
    ],
)
def test_what_is_not_known_leaves_open_only_what_hangs_on_it(expression: str, met: bool | None) -> None:
    assert holds(expression, H100._replace(brand=None, arch=None)) is met


def test_a_geforce_is_not_in_the_list_of_the_cuda_images() -> None:
    assert holds(CUDA_12_8, H100._replace(brand="geforce")) is False
    assert "geforce" not in brands(CUDA_12_8)
    assert "tesla" in brands(CUDA_12_8)


def test_every_variable_of_the_prefix_counts_but_jetpacks() -> None:
    found = requirements(
        {"NVIDIA_REQUIRE_CUDA": "cuda>=12.8", "NVIDIA_REQUIRE_MINE": "driver>=550", "NVIDIA_REQUIRE_JETPACK": "x", "PATH": "/"}
    )
    assert found == (Requirement("NVIDIA_REQUIRE_CUDA", "cuda>=12.8"), Requirement("NVIDIA_REQUIRE_MINE", "driver>=550"))


@pytest.mark.parametrize(
    ("value", "expression"),
    [("12.4.1", "cuda>=12.4"), ("12.4", "cuda>=12.4"), ("v11", "cuda>=11.0"), ("12.4-beta", None), ("", None)],
)
def test_an_old_image_that_says_only_its_cuda_version_demands_that(value: str, expression: str | None) -> None:
    found = requirements({"CUDA_VERSION": value})
    assert [one.expression for one in found] == ([] if expression is None else [expression])
    assert [one.variable for one in requirements({"CUDA_VERSION": value, "NVIDIA_REQUIRE_CUDA": "cuda>=9"})] == [
        "NVIDIA_REQUIRE_CUDA"
    ]


@pytest.mark.parametrize(
    ("value", "counts"), [("1", False), ("true", False), ("T", False), ("0", True), ("yes", True), ("", True)]
)
def test_it_is_switched_off_by_what_go_takes_for_true(value: str, counts: bool) -> None:
    assert bool(requirements({"NVIDIA_REQUIRE_CUDA": "cuda>=13", "NVIDIA_DISABLE_REQUIRE": value})) is counts
