"""Runs under the environment's own Python (standard library only, 3.8+): really imports packages and their extension modules.

Standard input: {package: [[file, module or null], ...]}. ``import torch`` comes first, as it does in every program of the stack;
then each package is imported in a forked child of its own, and in that state each of its modules in a forked child again. Prints {"torch": error, "packages": {package: error}, "modules": {file: error}},
an empty error where the import works.

A module whose package cannot be imported is loaded from its file alone: what its package ends in is told of the package.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import re
import sys
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tests.truth.dlopens import ENDED, imported, in_a_child, in_one_line  # noqa: E402

sys.path.remove(ROOT)  # nothing of ours may be imported in the place of something of the environment

LACKING = re.compile(r"(?P<name>[^\s/]+\.so[.\d]*): cannot open shared object file")
MOST_OPENED = 8
NO_MODULE = "does not define module export function"
"""CPython's words for a library that did load but is no module: its package opens it by torch.ops or ctypes."""


def loaded(path: str, module: str | None) -> str:
    """How loading the file ends, as its package would load it.

    A library beside it that it lacks, and that the package's source names, is opened first: some do that in the function that
    uses the module.
    """
    said = tried(path, module)
    for _ in range(MOST_OPENED):
        library = opened_by_its_package(path, said)
        if library is None:
            break
        said = tried(library, None) or tried(path, module)
    return said


def tried(path: str, module: str | None) -> str:
    """How loading the file ends, and nothing else."""
    try:
        if module is None:
            ctypes.CDLL(path)
            return ""
        parent, _, name = module.rpartition(".")
        if parent.rpartition(".")[2] == name and not imported(parent):
            return ""  # cv2/cv2.abi3.so: the native half of a package, which has been loaded under the package's own name
        if parent and imported(parent):
            spec = importlib.util.spec_from_file_location(module, path)
            assert spec is not None
            assert spec.loader is not None
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        else:
            importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - as above: some end the process
        said = in_one_line(error)
        return "" if NO_MODULE in said else said
    return ""


def opened_by_its_package(path: str, said: str) -> str | None:
    """The library that is lacking, if it lies in the same package and its name stands in the package's Python source."""
    found = LACKING.search(said)
    site = next((folder for folder in sys.path if folder and path.startswith(folder + os.sep)), None)
    if found is None or site is None:
        return None
    package = os.path.join(site, os.path.relpath(path, site).split(os.sep)[0])
    place, named = None, False
    for folder, _, names in os.walk(package):
        place = os.path.join(folder, found["name"]) if found["name"] in names else place
        for name in names:
            if name.endswith(".py") and not named:
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as source:
                    named = found["name"].split(".so")[0] in source.read()
    return place if named else None


def examined(package: str, files: list[tuple[str, str | None]]) -> str:
    """In the package's child: how its own import ended and how that of each of its modules did, as JSON."""
    ended = imported(package)
    said = {path: in_a_child(loaded, path, module) for path, module in files}
    return json.dumps([ended, said])


def main() -> None:
    """Measure and print."""
    plan = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    answer = os.dup(1)
    os.dup2(2, 1)  # what an import prints is no part of the answer
    ended = in_a_child(imported, "torch")
    if not ended:
        imported("torch")
    packages: dict[str, str] = {}
    modules: dict[str, str] = {}
    for package in sorted(plan):
        said = in_a_child(examined, package, plan[package])
        if said.startswith(ENDED):  # the package takes its process along: each of its modules is then tried without it
            packages[package] = said
            modules.update((path, in_a_child(loaded, path, module)) for path, module in plan[package])
        else:
            packages[package], those = json.loads(said)
            modules.update(those)
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump({"torch": ended, "packages": packages, "modules": modules}, out)
        out.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
