"""Why there is no plan: the two facts that contradict each other, and which driver would do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.check import check
from envdoctor.errors import UserError
from envdoctor.facts import Known, NotObserved
from envdoctor.findings import Evidence, Severity
from envdoctor.fixing.candidates import machine, stacks
from envdoctor.fixing.objections import in_short
from envdoctor.sources.plan import planned
from envdoctor.stacks import Asked, table
from envdoctor.suppose import supposing
from envdoctor.views import driver_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.facts import Facts
    from envdoctor.findings import Finding, Report
    from envdoctor.fixing.planning import Failed
    from envdoctor.matrix import Matrix
    from envdoctor.stacks import Stack

DRIVER_CODES = {"ED102", "ED103"}
"""Rules that find a driver too old for what is installed."""


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """Two facts that cannot both be."""

    says: str
    """One plain sentence with both in it."""
    facts: tuple[Evidence, ...] = ()
    """Where each was read."""
    original: str = ""
    """The resolver's own explanation, where it is the one that speaks."""
    contradicts: bool = True
    """Whether two facts clash; else the resolver could not even try (no network, no such package)."""


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """A driver that would do, and what works on the one that is there."""

    present: str
    needed: str | None
    """The oldest driver with which some stack goes; None if the data knows none."""
    needed_for: str
    works: Stack | None
    """The newest stack that starts on the present driver, whatever was to be kept."""


def clash(facts: Facts, matrix: Matrix, keep: Mapping[str, str], failed: Iterable[Failed], report: Report) -> Clash | None:
    """The two facts: of what is kept on this machine, else what the rules found of the nearest goal, else the resolver's."""
    tried = list(failed)
    findings = [
        *_of_what_is_kept(facts, matrix, keep),
        *(one for goal in tried for one in goal.findings),
    ]
    if findings:
        return Clash(says=findings[0].title, facts=findings[0].evidence[:3])
    says = next((one.says for one in tried if one.says), None)
    if says is not None:
        short, contradicts = in_short(says)
        return Clash(says=short, original=says, contradicts=contradicts)
    root = next((one.root for one in report.diagnoses if one.root.severity is Severity.ERROR), None)
    return None if root is None else Clash(says=root.title, facts=root.evidence[:3])


def _of_what_is_kept(facts: Facts, matrix: Matrix, keep: Mapping[str, str]) -> list[Finding]:
    """What the rules find in an environment of nothing but what is kept, and what that pins, on this machine."""
    if not keep:
        return []
    asked = machine(facts, matrix)
    words = {"gpu": asked.gpu.key if asked.gpu else None, "glibc": asked.glibc, "python": asked.python}
    driver = driver_version(facts)
    try:
        made, brought = planned({**keep, **{name: value for name, value in words.items() if value is not None}}, matrix)
        if isinstance(driver, Known):
            made = supposing(made, {"driver": driver.value or "none"}, matrix)
        found = [one for verdict in check(made, matrix) for one in verdict.findings if one.severity is Severity.ERROR]
    except (UserError, NotObserved):
        return []
    return [_with_bringer(one, brought) for one in found]


def _with_bringer(finding: Finding, brought: Mapping[str, str]) -> Finding:
    """The finding with who brings a package that was not named."""
    who = {name: brought[name] for name in finding.subjects if name in brought}
    more = ", ".join(f"{other} brings {name}" for name, other in who.items())
    return msgspec.structs.replace(finding, title=f"{finding.title} ({more})") if more else finding


def driver(facts: Facts, matrix: Matrix, keep: Mapping[str, str], report: Report) -> Driver | None:
    """What to say of a driver that is too old; None if that is not what is wrong."""
    present = driver_version(facts)
    if not isinstance(present, Known) or present.value is None:
        return None
    too_old = [one.root for one in report.diagnoses if one.root.code in DRIVER_CODES]
    too_old += [one for one in _of_what_is_kept(facts, matrix, keep) if one.code in DRIVER_CODES]
    if not too_old:
        return None
    asked = machine(facts, matrix)
    kept = {name: f"=={version}" for name, version in keep.items() if not name.startswith("__")}
    try:
        ours = stacks(facts, matrix, {}).stacks
    except NotObserved:
        ours = ()
    anywhere = table(matrix, Asked(gpu=asked.gpu, python=asked.python, glibc=asked.glibc, packages=kept)).stacks
    floors = [(Version(one.driver_floor), one) for one in anywhere if one.driver_floor is not None]
    least = min(floors, key=lambda pair: (pair[0], anywhere.index(pair[1])), default=None)
    return Driver(
        present=present.value,
        needed=None if least is None else str(least[1].driver_floor),
        needed_for="" if least is None else _named(least[1]),
        works=ours[0] if ours else None,
    )


def _named(stack: Stack) -> str:
    shown = [f"{name} {stack.versions[name]}" for name in ("vllm", "torch") if name in stack.versions]
    return " with ".join(shown) + (f" (CUDA {stack.cuda})" if stack.cuda else "")
