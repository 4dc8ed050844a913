"""Measures one environment and lets envdoctor predict it; all of it as one JSON document, so that nothing is measured twice."""

from __future__ import annotations

import csv
import json
import time
from typing import TYPE_CHECKING, Any

from tests.truth.modules import plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.truth.compare import Record
    from tests.truth.environments import Environment
    from tests.truth.workshop import Workshop

TOLD = ("vllm", "torch", "torchvision", "torchaudio", "xformers", "numpy")


def record_of(row: Environment, workshop: Workshop, saved: Path | None) -> Record:
    """Build, measure (or read what was measured of it before) and predict. Raises NotBuilt."""
    seconds: dict[str, float | None] = {}

    def timed(name: str, value: Any) -> Any:
        seconds[name] = round(time.perf_counter() - started, 1)
        return value

    started = time.perf_counter()
    workshop.build(row)
    timed("build", None)
    path = saved / f"{row.name}.json" if saved is not None else None
    if path is not None and path.exists():
        measured = json.loads(path.read_text(encoding="utf-8"))
    else:
        modules = plan(workshop.site, row.python)
        started = time.perf_counter()
        files = timed("dlopen", workshop.dlopens())
        started = time.perf_counter()
        imports = timed("imports", workshop.imports(modules))
        importable = {file: module for those in modules.values() for file, module in those}
        times = {module: workshop.import_seconds(module) for module in ("torch", "vllm")} if row.healthy else {}
        measured = {"files": files, "imports": imports, "importable": importable, "import_seconds": times, "seconds": seconds}
        measured = without_folder(measured, f"{workshop.site}/")
        if path is not None:
            keep(path, measured)
    record = {
        "name": row.name,
        "about": row.about,
        "python": row.python,
        "healthy": row.healthy,
        "versions": {name: workshop.version(name) for name in TOLD},
        "distributions": len(list(workshop.site.glob("*.dist-info"))),
        **measured,
        "owners": owners(workshop.site),
        **without_folder(predicted(workshop), f"{workshop.site}/"),
    }
    if saved is not None:
        keep(saved.parent / "records" / f"{row.name}.json", record)
    return record


def keep(path: Path, document: Record) -> None:
    """Write it down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def predicted(workshop: Workshop) -> Record:
    """What envdoctor says without opening anything: of each file, of the modules, and as a user is told it."""
    workshop.facts()  # warm: the files' first pages are in memory now
    facts = workshop.facts()
    everything = workshop.facts("deep_link=all", "deadline_s=120")["linking"]
    diagnoses = workshop.check()["diagnoses"]
    told = [*diagnoses, *(one for diagnosis in diagnoses for one in diagnosis["symptoms"])]
    return {
        "predicted_files": workshop.predicted_files(),
        "linking": everything,
        "default": facts["linking"],
        "overwritten": facts["overwritten"],
        "claims": [*(claim for one in told if one["severity"] == "error" for claim in claims(one, facts)), *other_cuda(facts)],
        "told": [[one["code"], one["title"], one["severity"]] for one in told],
    }


def claims(told: Record, facts: Record) -> list[list[str]]:
    """[code, layer of truth, distribution that does not work] of a diagnosis."""
    broken = told["subjects"][:1]
    if told["code"] == "ED307":  # it blames numpy; those that cannot be imported are in the facts
        leaf = facts["builds"]["numpy1_modules"]
        broken = sorted({one["package"] for one in leaf["value"]}) if leaf["is"] == "known" else []
    return [[told["code"], told["layer_of_truth"], subject] for subject in broken]


def other_cuda(facts: Record) -> list[list[str]]:
    """Torchaudio's own refusal of a torch for another CUDA, which ED302 does not say where it has said that the releases differ."""
    torch, built = (facts["builds"][leaf].get("value") for leaf in ("torch", "built_as"))
    tag = ((built or {}).get("torchaudio") or "").partition("+cu")[2]
    return [["ED302", "linked", "torchaudio"]] if torch and tag and tag != (torch["cuda"] or "").replace(".", "") else []


def owners(site: Path) -> dict[str, list[str]]:
    """Top-level names of the site folder, and the normalized names of the distributions that list files of them."""
    found: dict[str, set[str]] = {}
    for record in site.glob("*.dist-info/RECORD"):
        name = record.parent.name.split("-")[0].replace("_", "-").replace(".", "-").lower()
        with record.open(encoding="utf-8", newline="") as lines:
            for path, *_ in csv.reader(lines):
                found.setdefault(path.split("/")[0].split(".")[0], set()).add(name)
    return {top: sorted(names) for top, names in found.items()}


def without_folder(document: Record, folder: str) -> Record:
    """The same document with the site folder's files named relative to it, in keys and messages alike."""
    return dict(json.loads(json.dumps(document).replace(folder, "")))
