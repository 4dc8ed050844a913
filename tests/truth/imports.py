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
import sys
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tests.truth.dlopens import ENDED, imported, in_a_child, in_one_line  # noqa: E402

sys.path.remove(ROOT)  # nothing of ours may be imported in the place of something of the environment

NO_MODULE = "does not define module export function"
"""CPython's words for a library that did load but is no module: its package opens it by torch.ops or ctypes."""


def loaded(path: str, module: str | None) -> str:
    """How loading the file ends, as its package would load it."""
    try:
        if module is None:
            ctypes.CDLL(path)
            return ""
        parent, _, name = module.rpartition(".")
        if parent and not imported(parent) and parent.endswith(name):
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
