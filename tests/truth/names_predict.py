"""Asks envdoctor what it foretells of one importer and one exporter, from the kept source text alone."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any

from envdoctor.probe.exporting import Exporter
from envdoctor.probe.importing import uses
from envdoctor.probe.sourcetree import Folder
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from envdoctor.probe.machine import Machine

from .names_table import EXPORTERS


@functools.lru_cache(maxsize=8)
def exporter_of(folder: str, package: str) -> Any:
    """The reader of one exporter's source text."""
    return Exporter(Folder(Machine(), folder), package)


@functools.lru_cache(maxsize=2)
def uses_of(folder: str, package: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """{(exporter, file): what the importer takes from it there}."""
    found = defaultdict(list)
    for use in uses(Folder(Machine(), folder), package, tuple(one for one in EXPORTERS if one != package)):
        found[use["exporter"], use["file"]].append(use)
    return dict(found)


def holds(when: list[list[str]], versions: dict[str, str]) -> bool:
    """Whether the version guards that a statement stands under let it run; a guard on a package that is not there does not."""
    for package, operator, version in when:
        there = versions.get(package.replace("_", "-").lower())
        try:
            if there is None or not SpecifierSet(f"{operator}{version}").contains(there, prereleases=True):
                return False
        except InvalidSpecifier:
            return False
    return True
