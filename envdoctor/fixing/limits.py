"""What metadata leaves open and the data closes: a resolver walks around a cap by an older release that has none. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.claims import admits
from envdoctor.facts import Known
from envdoctor.fixing.goals import Goal, keeps
from envdoctor.locks.bounds import LATER_CAP, bounds
from envdoctor.pins import combined, satisfiable
from envdoctor.suppose import REMOVED
from envdoctor.views import distributions, parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from packaging.version import Version

    from envdoctor.facts import Facts
    from envdoctor.locks.document import Bound
    from envdoctor.matrix import Matrix


class Limits:
    """The bounds on one environment; what is out of bounds already is no plan's fault."""

    def __init__(self, facts: Facts, matrix: Matrix, keep: Collection[str]) -> None:
        self.facts, self.matrix, self.keep = facts, matrix, keep
        python = facts.python.value.version if isinstance(facts.python, Known) else "3.12"
        self.python = ".".join(python.split(".")[:2])
        self._before = {(one.package, one.specifier) for one in self._broken(self._installed())}

    def _installed(self) -> dict[str, Version]:
        versions = ((name, parsed(one.version)) for name, one in distributions(self.facts).items())
        return {name: version for name, version in versions if version is not None}

    def _broken(self, versions: Mapping[str, Version]) -> list[Bound]:
        # the other kind, claims, the rules judge themselves
        found = [one for one in bounds(versions, self.keep, self.matrix, self.python) if one.basis == LATER_CAP]
        return [one for one in found if one.package in versions and not admits(one.specifier, versions[one.package])]

    def broken(self, supposed: Mapping[str, str]) -> tuple[Bound, ...]:
        """The bounds that these changes newly break."""
        versions = self._installed()
        for name, text in supposed.items():
            version = None if text == REMOVED else parsed(text)
            if version is None:
                versions.pop(name, None)
            else:
                versions[name] = version
        return tuple(one for one in self._broken(versions) if (one.package, one.specifier) not in self._before)

    @staticmethod
    def within(goal: Goal, broken: tuple[Bound, ...], kept: Mapping[str, str]) -> Goal | None:
        """The goal with these bounds as well; None if they contradict it or what is kept."""
        install, why = dict(goal.install), dict(goal.why)
        for one in broken:
            asked = [one.specifier, *([install[one.package]] if install.get(one.package) else [])]
            if not satisfiable(asked) or not keeps(kept, one.package, one.specifier):
                return None
            install[one.package] = combined(asked)
            why.setdefault(one.package, one.why)
        return msgspec.structs.replace(goal, install=install, why=why)
