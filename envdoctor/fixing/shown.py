"""All that the page of ``envdoctor fix`` tells. Types only, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.findings import Severity

if TYPE_CHECKING:
    from envdoctor.findings import Diagnosis, Report
    from envdoctor.fixing.contradiction import Clash, Driver
    from envdoctor.fixing.planning import Answer


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A report, the plans for it, and why there is none."""

    report: Report
    answer: Answer
    keep: dict[str, str]
    clash: Clash | None = None
    driver: Driver | None = None
    advice: tuple[str, ...] = ()
    """Sentences about packages that no index can serve (flash-attn)."""
    appliable: bool = True
    """Whether the target is an environment of this machine."""
    again: tuple[str, ...] = ("envdoctor", "fix")
    """The command that planned this, with the same target; without the address of an index, which may hold a password."""

    @property
    def grave(self) -> tuple[Diagnosis, ...]:
        """The causes that no plan mends, without what is only worth knowing."""
        return tuple(one for one in self.answer.others if one.root.severity is not Severity.INFO)

    @property
    def nothing_to_mend(self) -> bool:
        """Whether no error and no warning was found and nothing was asked for."""
        return not self.answer.plans and not self.grave and self.clash is None

    @property
    def status(self) -> int:
        """Exit status: 0 nothing to mend, 1 a plan or an error is shown, 3 no plan could be proven."""
        if self.answer.plans:
            return 1
        if self.clash is not None:
            return 3
        return 1 if any(one.root.severity is Severity.ERROR for one in self.grave) else 0
