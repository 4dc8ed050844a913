"""Finds the imports that a module's top level makes of other packages: the list of what the truth is taken for.

Deliberately plain, and of its own: it shares no line with ``envdoctor/probe/importing.py``, whose answers are judged by it.
It decides nothing. A statement under ``if``, ``try`` or ``with`` is listed as well, and marked as not plain; whether it runs
is found out by running it.
"""

from __future__ import annotations

import ast
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Statement:
    """One module of an exporter named by one import statement at the top level of a module (class bodies included)."""

    file: str
    """Relative to the folder that holds the package: "trl/trainer/grpo_trainer.py"."""
    line: int
    end: int
    module: str
    names: tuple[str, ...]
    """Empty for ``import module``; ("*",) for a star."""
    plain: bool
    """It stands directly in the module's body: no condition, no try, no with, no class around it."""

    @property
    def exporter(self) -> str:
        """The import name of the package it is taken from."""
        return self.module.split(".", maxsplit=1)[0]

    @property
    def at(self) -> str:
        """Where it stands, as the key that both processes use."""
        return f"{self.file}:{self.line}"


def imports(source: str, file: str, exporters: frozenset[str]) -> Iterator[Statement]:
    """Every such statement of one file, in order; none where the file is no Python of this version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return
    yield from _of_body(tree.body, file, exporters, plain=True)


def _of_body(body: list[ast.stmt], file: str, exporters: frozenset[str], *, plain: bool) -> Iterator[Statement]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for module, names in _named(node):
            if module.split(".", maxsplit=1)[0] in exporters:
                yield Statement(file, node.lineno, node.end_lineno or node.lineno, module, names, plain)
        for inner in _bodies(node):
            yield from _of_body(inner, file, exporters, plain=False)


def _named(node: ast.stmt) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, ()
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module, tuple(alias.name for alias in node.names)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        inner = getattr(node, field, None)
        if isinstance(inner, list):
            yield inner
    for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield branch.body


def package_imports(folder: str, package: str, exporters: frozenset[str]) -> list[Statement]:
    """All of one package's, file by file."""
    found: list[Statement] = []
    for place, folders, files in os.walk(os.path.join(folder, package)):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                path = os.path.join(place, name)
                with open(path, encoding="utf-8", errors="replace") as stream:
                    source = stream.read()
                found.extend(imports(source, os.path.relpath(path, folder), exporters))
    return found


def module_of(file: str) -> str:
    """The import name of a file: "trl/trainer/__init__.py" is trl.trainer."""
    parts = file.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
