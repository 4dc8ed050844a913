"""Lays prediction beside truth, pair by pair."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .names_judge import FAILS, Judged, Table, foretell, said_by_section, taken_from_third, truth_of, units, without_paths
from .names_measure import statements_of
from .names_predict import exporter_of, runs_in, section, uses_of
from .names_walk import module_of

if TYPE_CHECKING:
    from .names_build import Workshop

PYTHON = "3.11"


@dataclass
class Pair:
    """One importer release against one exporter release."""

    importer: str
    exporter: str
    row: str
    judged: list[Judged] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """Its counts."""
        table = Table()
        for one in self.judged:
            table.add(one, self.exporter)
        return table


@dataclass
class Modules:
    """What the whole import of the importers' modules says, before anything was patched."""

    loads: int = 0
    dies_foretold: int = 0
    dies_unforetold: list[str] = field(default_factory=list)
    otherwise: Counter[str] = field(default_factory=Counter)


def compare(workshop: Workshop, truths: list[dict[str, Any]]) -> tuple[list[Pair], Modules]:
    """Every pair once, in the order of the rows, and the account of whole modules."""
    pairs: dict[tuple[str, str], Pair] = {}
    modules = Modules()
    for truth in truths:
        for pin, run in truth["importers"].items():
            found = _of_importer(workshop, truth, pin, run)
            _count_modules(modules, run, [one for pair in found for one in pair.judged])
            for pair in found:
                if pair.judged:
                    pairs.setdefault((pair.importer, pair.exporter), pair)
    return list(pairs.values()), modules


def _of_importer(workshop: Workshop, truth: dict[str, Any], pin: str, run: dict[str, Any]) -> list[Pair]:
    exporters: dict[str, str] = truth["exporters"]
    versions = truth.get("versions", {"torch": "2.13.0"}) | truth["exporters"] | {"python": PYTHON}
    folder = workshop.path("src", pin)
    told = uses_of(folder, pin.partition("==")[0])
    pairs = {name: Pair(pin, f"{name}=={version}", truth["row"]) for name, version in exporters.items()}
    statements = statements_of(workshop, pin, frozenset(exporters))
    finished = frozenset(one.file for one in statements if run["last"].get(module_of(one.file), run) is None)

    missing = section(workshop.path("src"), pin, exporters, truth.get("versions", {"torch": "2.13.0"}))

    def status(module: str, name: str) -> str:
        package = module.split(".", maxsplit=1)[0]
        return str(exporter_of(workshop.path("src", f"{package}=={exporters[package]}"), package).status(module, name))

    for unit in units(statements):
        name = unit.statement.exporter
        exported = workshop.path("src", f"{name}=={exporters[name]}")
        third = truth["direct"].get(unit.key) == "missing" and _third(exported, unit.statement.module, unit.name)
        happened = truth_of(unit, truth["direct"], run, finished, third)
        said = foretell(unit, told.get((name, unit.statement.file), ()), status, lambda use: runs_in(use, status, versions))
        pairs[name].judged.append(Judged(unit, happened, said, said_by_section(unit, missing)))
    return list(pairs.values())


def _third(folder: str, module: str, name: str) -> bool:
    stem = os.path.join(folder, *module.split("."))
    for path in (f"{stem}.py", os.path.join(stem, "__init__.py")):
        if name and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as stream:
                return taken_from_third(stream.read(), name, module.split(".", maxsplit=1)[0])
    return False


def _count_modules(modules: Modules, run: dict[str, Any], judged: list[Judged]) -> None:
    by_place: dict[str, list[Judged]] = {}
    for one in judged:
        by_place.setdefault(one.unit.statement.at, []).append(one)
    for module, outcome in run["first"].items():
        if outcome is None:
            modules.loads += 1
        elif outcome.get("top") and outcome["at"] in run["died"]:
            if any(one.foretold == FAILS for one in by_place.get(outcome["at"], ())):
                modules.dies_foretold += 1
            else:
                modules.dies_unforetold.append(f"{module}: {outcome['at']}: {without_paths(outcome['error'])}")
        else:
            modules.otherwise[without_paths(outcome["error"])] += 1
