"""The rules: one module each, listed here explicitly (a test says that the list equals the folder).

A rule module has a docstring in fixed headings (its manual page), the constants below, and one pure function::

    check(facts, matrix) -> Iterator[Finding | Doubt]

It may raise NotObserved (through ``need``): that becomes a Doubt of the whole rule.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.findings import Doubt, Finding, Joint
    from envdoctor.matrix import Matrix

REGISTRY = (
    "ed101_no_driver",
    "ed102_driver_too_old",
    "ed103_ptx_newer_than_driver",
    "ed104_driver_library_mismatch",
    "ed105_cuda_compat_conflict",
    "ed106_fabric_manager",
    "ed107_gpu_arch_missing",
    "ed108_gpu_arch_dropped",
    "ed109_device_code_missing",
    "ed201_incompatible_versions",
    "ed202_python_range",
    "ed203_missing_requirement",
    "ed204_damaged_distribution",
    "ed205_leaking_path",
    "ed206_pynvml_shadow",
    "ed207_interpreter_gone",
    "ed208_overwritten_files",
    "ed301_torch_cpu_build",
    "ed302_torch_family",
    "ed303_two_cuda_majors",
    "ed304_nvidia_wheels",
    "ed305_foreign_cuda_libraries",
    "ed306_cuda_home",
    "ed307_numpy_abi",
    "ed308_cuda_build_over_cpu_torch",
    "ed309_torch_does_not_load",
    "ed310_module_does_not_load",
    "ed401_trainer_engine_range",
    "ed402_runtime_incompatibility",
    "ed403_flashinfer_companions",
    "ed404_missing_names",
    "ed501_glibc_too_old",
    "ed502_container_without_gpu",
    "ed503_small_shm",
    "ed504_low_memlock",
    "ed505_image_refuses_driver",
    "ed701_device_does_not_start",
    "ed702_wrong_results",
    "ed703_kernel_fails",
    "ed704_slow_links",
    "ed705_all_reduce",
    "ed706_import_fails",
    "ed707_wrong_prediction",
    "ed801_reported_error",
)
OF_REPORTS = "ED8"
"""How the codes of rules begin that judge only what was pasted."""
OF_WHAT_RAN = "ED7"
"""The rules of facts that only running something gives (check --deep): without them there is nothing for these to judge."""


class Rule(Protocol):
    """What a rule module offers."""

    CODE: str
    CAUSE: str
    """Slug of its usual cause."""
    JOINT: Joint
    QUESTION: str
    """What it decides, as a question that ends in a question mark; shown when it cannot tell."""
    EXPLAINED_BY: tuple[str, ...]
    """Codes whose findings, when they share a subject with one of this rule's, are its cause. Acyclic by test."""
    __doc__: str | None
    __name__: str

    def check(self, facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
        """Judge."""
        ...


def load(name: str) -> Rule:
    """Import one rule by its registry name."""
    return cast("Rule", import_module(f"envdoctor.rules.{name}"))


def all_rules() -> list[Rule]:
    """Every rule, in order of code."""
    return [load(name) for name in REGISTRY]


def code_of(name: str) -> str:
    """Give ED102 for "ed102_driver_too_old", without importing the rule."""
    return name.split("_", 1)[0].upper()
