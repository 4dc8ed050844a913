"""Truth beside prediction: what became of each module-level import, what was foretold of it, and how they agree. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .names_walk import Statement

PATH = re.compile(r" \(/[^)]*\)?")
FAILS = "fails"
WORKS = "works"
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Unit:
    """One name of one import statement: what is counted."""

    statement: Statement
    name: str
    """"" for the module itself, which a star stands for too."""

    @property
    def key(self) -> str:
        """As the child names it."""
        return f"{self.statement.module} {self.name}"

    def __str__(self) -> str:
        """As a traceback's reader would look for it."""
        taken = f"from {self.statement.module} import {self.name}" if self.name else f"import {self.statement.module}"
        return f"{self.statement.file}:{self.statement.line} {taken}"


def units(statements: Iterable[Statement]) -> Iterator[Unit]:
    """The units of these statements, each once."""
    seen = set()
    for one in statements:
        for name in one.names or ("",):
            unit = Unit(one, "" if name == "*" else name)
            if unit not in seen:
                seen.add(unit)
                yield unit


@dataclass(frozen=True)
class Truth:
    """What really happens to one unit, and how that is known."""

    outcome: str
    why: str


def truth_of(unit: Unit, direct: dict[str, str], run: dict[str, Any], finished: frozenset[str], third: bool) -> Truth:  # noqa: PLR0911
    """The truth of one unit.

    ``run`` is the child's record of the importer; ``finished`` holds the files of the modules that were imported to their
    end; ``third`` says that the exporter has the name when a third package is there, which is not.
    """
    statement = unit.statement
    said = direct.get(unit.key)
    if said is None:
        return Truth(NOT_JUDGED, "never asked")
    if said == "defined":
        return Truth(WORKS, "the exporter has it")
    if said != "missing":
        return Truth(NOT_JUDGED, f"the exporter itself fails: {without_paths(said.removeprefix('other: '))}")
    if third:
        return Truth(NOT_JUDGED, "the exporter takes the name from a third package that is not installed")
    if statement.at in run["died"] or any(one and one.get("top") and one["at"] == statement.at for one in run["last"].values()):
        return Truth(FAILS, "the module dies of it")
    if statement.at in run["ran"]:
        return Truth(WORKS, "it fails, and the importer catches that")
    if statement.file in finished:
        return Truth(WORKS, "it is not run")
    if statement.plain:
        return Truth(FAILS, "the statement fails by itself; its module dies earlier of something else")
    return Truth(NOT_JUDGED, "it stands under a condition, and its module dies earlier of something else")


def without_paths(error: str) -> str:
    """An error's wording without the files that Python names in brackets at its end: they are this machine's."""
    return PATH.sub("", error)


def taken_from_third(source: str, name: str, exporter: str) -> bool:
    """Whether a module's top level binds the name by an import from another package, under whatever condition."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module and node.module.split(".")[0] != exporter:
            if any((alias.asname or alias.name) == name for alias in node.names):
                return True
        elif isinstance(node, ast.Import) and any((alias.asname or alias.name.split(".")[0]) == name for alias in node.names):
            return True
    return False


@dataclass(frozen=True)
class Judged:
    """A unit with its truth and its prediction."""

    unit: Unit
    truth: Truth
    foretold: str
    """"fails", or why not: "defined", "undecided", "guarded", "function", "does not run", "unknown condition", "not seen"."""
    section: bool = False
    """Whether the probe's section ``names`` says so too: it has to say the same, by a shorter way."""

    @property
    def kind(self) -> str:
        """One of the four fields of the confusion table, or "" where there is no truth."""
        if self.truth.outcome == NOT_JUDGED:
            return ""
        fails, foretold = self.truth.outcome == FAILS, self.foretold == FAILS
        return ("TP" if foretold else "FN") if fails else ("FP" if foretold else "TN")


@dataclass
class Table:
    """The counts of one pair, or of all."""

    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    broken: set[tuple[str, str, str]] = field(default_factory=set)
    """(exporter release, module, name) that the importers really die of."""

    def add(self, judged: Judged, release: str) -> None:
        """Count one."""
        if not judged.kind:
            self.left_out[judged.truth.why] += 1
            return
        self.counts[judged.kind] += 1
        if judged.truth.outcome == FAILS:
            self.broken.add((release, judged.unit.statement.module, judged.unit.name))

    def merge(self, other: Table) -> None:
        """Count all of another's."""
        self.counts.update(other.counts)
        self.left_out.update(other.left_out)
        self.broken |= other.broken

    @property
    def positives(self) -> int:
        """How many units really fail."""
        return self.counts["TP"] + self.counts["FN"]

    @property
    def precision(self) -> float:
        """Of the foretold failures, the part that is real; 1 where none is foretold."""
        return _part(self.counts["TP"], self.counts["FP"])

    @property
    def recall(self) -> float:
        """Of the real failures, the part that is foretold; 1 where there is none."""
        return _part(self.counts["TP"], self.counts["FN"])


def _part(right: int, wrong: int) -> float:
    return right / (right + wrong) if right + wrong else 1.0


def foretell(
    unit: Unit, uses: Iterable[dict[str, Any]], status: Callable[[str, str], str], runs: Callable[[dict[str, Any]], bool | None]
) -> str:
    """What the reader of the importer (``uses``) and the reader of the exporter (``status``) say together of one unit.

    ``uses`` are those of the unit's file; ``runs`` decides whether one runs in the environment at hand.
    """
    statement = unit.statement
    here = [use for use in uses if use["module"] == statement.module and statement.line <= use["line"] <= statement.end]
    answers = [_of_use(use, status, runs) for use in here if use["name"] in {unit.name, ""}]
    return FAILS if FAILS in answers else (answers[-1] if answers else "not seen")


def _of_use(use: dict[str, Any], status: Callable[[str, str], str], runs: Callable[[dict[str, Any]], bool | None]) -> str:
    said = status(use["module"], use["name"])
    if said != "missing":
        return said
    if use["place"] != "module":
        return str(use["place"])
    if use["caught"] and status(use["module"], "") == "missing":
        return "guarded"
    return {True: FAILS, False: "does not run", None: "unknown condition"}[runs(use)]


def said_by_section(unit: Unit, missing: Iterable[dict[str, Any]]) -> bool:
    """Whether the section's uses that find nothing have this unit among those that run on import."""
    statement = unit.statement
    return any(
        (use["file"], use["module"], use["place"]) == (statement.file, statement.module, "module")
        and statement.line <= use["line"] <= statement.end
        and use["name"] in {unit.name, ""}
        for use in missing
    )
