"""The rules of ``envdoctor lint``: one module each, listed here explicitly (a test says that the list equals the folder).

A rule module has a docstring in fixed headings (its manual page), the constants below, and one pure function::

    check(sheet) -> Iterator[LineFinding | Doubt]

What it judges is a ``Sheet``: the Dockerfile, what its commands install, the build context if there is one, and the data.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Sheet
    from envdoctor.findings import Doubt

REGISTRY = (
    "ed601_floating_base",
    "ed602_unpinned_install",
    "ed603_moving_git_ref",
    "ed604_mixed_cuda_majors",
    "ed605_torch_overridden",
    "ed606_options_that_do_not_exist",
    "ed607_build_isolation",
    "ed608_apt_breaks_or_drifts",
    "ed609_apt_leaves_behind",
    "ed610_promised_patches",
    "ed611_copy_finds_nothing",
    "ed612_failure_swallowed",
    "ed613_unquoted_specifier",
)


class Rule(Protocol):
    """What a rule module offers."""

    CODE: str
    CAUSE: str
    """Slug of its usual cause."""
    QUESTION: str
    """What it decides, as a question that ends in a question mark."""
    __doc__: str | None
    __name__: str

    def check(self, sheet: Sheet) -> Iterator[LineFinding | Doubt]:
        """Judge."""
        ...


def load(name: str) -> Rule:
    """Import one rule by its registry name."""
    return cast("Rule", import_module(f"envdoctor.dockerfiles.{name}"))


def all_rules() -> list[Rule]:
    """Every rule, in order of code."""
    return [load(name) for name in REGISTRY]


def code_of(name: str) -> str:
    """Give ED601 for "ed601_floating_base", without importing the rule."""
    return name.split("_", 1)[0].upper()
