"""Asks envdoctor what it foretells of one importer and one exporter, from the kept source text alone."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from typing import Any

from envdoctor.probe import names
from envdoctor.probe.exporting import Exporter
from envdoctor.probe.importing import uses
from envdoctor.probe.judging import runs
from envdoctor.probe.machine import Machine, known
from envdoctor.probe.sourcetree import Folder

from .names_table import EXPORTERS


@functools.lru_cache(maxsize=8)
def exporter_of(folder: str, package: str) -> Any:
    """The reader of one exporter's source text."""
    return Exporter(Folder(Machine(), folder), package)


@functools.lru_cache(maxsize=1)
def uses_of(folder: str, package: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """{(exporter, file): what the importer takes from it there}."""
    found = defaultdict(list)
    for use in uses(Folder(Machine(), folder), package, tuple(one for one in EXPORTERS if one != package)):
        found[use["exporter"], use["file"]].append(use)
    return dict(found)


def runs_in(use: dict[str, Any], status: Any, versions: dict[str, str]) -> bool | None:
    """Whether a use runs where these distributions are installed; None where that cannot be told."""
    answer: bool | None = runs(use, status, {name.replace("-", "_"): version for name, version in versions.items()})
    return answer


def section(workshop_source: str, importer: str, exporters: dict[str, str], versions: dict[str, str]) -> list[dict[str, Any]]:
    """What the probe's section ``names`` finds missing where these releases are installed, each in its own folder of source text."""
    package, _, version = importer.partition("==")
    there = versions | exporters | {package: version}
    distributions = [
        {"name": one, "version": has, "location": os.path.join(workshop_source, f"{one}=={has}")} for one, has in there.items()
    ]
    sections = {
        "python": {"interpreter": known({"site_dirs": known([], "")}, "")},
        "packages": {"distributions": known(distributions, "")},
    }
    out: dict[str, Any] = {}
    names.probe(out, Machine(), {"sections": sections, "name_pairs": ",".join(f"{package}>{one}" for one in exporters)})
    if out["missing"]["is"] != "known":
        raise ValueError(out["missing"]["why"])
    return [one for one in out["missing"]["value"] if one["importer"] == package]
