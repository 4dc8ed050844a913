"""Takes the truth of the rows of the table, one environment at a time, and keeps each answer, so that none is measured twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from .names_table import PRELOADED
from .names_walk import module_of, package_imports

if TYPE_CHECKING:
    from .names_build import Workshop
    from .names_table import Environment
    from .names_walk import Statement


def statements_of(workshop: Workshop, pin: str, exporters: frozenset[str]) -> list[Statement]:
    """The importer's module-level imports of the exporters, itself aside."""
    package = pin.partition("==")[0]
    return package_imports(workshop.path("src", pin), package, exporters - {package})


def job_of(workshop: Workshop, row: Environment, found: dict[str, str]) -> dict[str, Any]:
    """What the child has to do in this environment."""
    exporters = frozenset(found)
    wanted: set[tuple[str, str]] = set()
    importers = []
    inside = {one.partition("==")[0] for one in row.importers if one in row.installed}
    for pin in row.importers:
        package = pin.partition("==")[0]
        folder = workshop.site if package in inside else workshop.importer(pin)
        statements = statements_of(workshop, pin, exporters)
        for one in statements:
            wanted |= {(one.module, ""), *((one.module, name) for name in one.names if name != "*")}
        modules = sorted({module_of(one.file) for one in statements})
        importers.append(
            {
                "pin": pin,
                "package": package,
                "folder": folder,
                "statements": [[one.at, one.module, list(one.names)] for one in statements],
                "modules": [one for one in modules if all(part.isidentifier() for part in one.split("."))],
                "protected": [*exporters, package],
            }
        )
    preload = [one for one in PRELOADED if one.split(".")[0] not in inside]
    return {"preload": preload, "direct": sorted(wanted), "importers": importers}


def measure(workshop: Workshop, rows: tuple[Environment, ...]) -> list[dict[str, Any]]:
    """Every row's truth, from the file of an earlier run where there is one; a row that cannot be built is said and left out."""
    truths = []
    for row in rows:
        kept = workshop.path("truth", f"{row.name}.json")
        if not os.path.exists(kept):
            began = time.monotonic()
            try:
                found = workshop.build(row)
                answer = workshop.ask(job_of(workshop, row, found))
            except (subprocess.SubprocessError, OSError) as error:
                sys.stderr.write(f"{row.name}: not measured: {error}\n")
                continue
            finally:
                workshop.take_down()
            answer |= {"row": row.name, "date": row.date, "exporters": found, "seconds": round(time.monotonic() - began)}
            with open(f"{kept}.part", "w", encoding="utf-8") as stream:
                json.dump(answer, stream)
            os.rename(f"{kept}.part", kept)
            sys.stderr.write(f"{row.name}: measured in {answer['seconds']} s\n")
        with open(kept, encoding="utf-8") as stream:
            truths.append(json.load(stream))
    return truths
