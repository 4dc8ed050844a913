"""Packages as dicts of text, for the tests of what is read from source text."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

from envdoctor.probe.exporting import Exporter
from envdoctor.probe.importing import uses
from envdoctor.probe.machine import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tree:
    """A site folder of these files."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {path: text if isinstance(text, bytes) else dedent(text).encode() for path, text in files.items()}

    def paths(self, package: str) -> list[str]:
        """Its source files and compiled modules."""
        return sorted(path for path in self.files if path.split("/")[0] in {package, package + ".py"})

    def read(self, path: str) -> bytes:
        """Bytes of a file."""
        if path not in self.files:
            raise Missing(path)
        return self.files[path]


def exporter(files: Mapping[str, str | bytes], package: str = "engine") -> Any:
    """The Exporter of a package of these files; {"": text} is short for its __init__.py."""
    return Exporter(Tree({f"{package}/{path or '__init__.py'}": text for path, text in files.items()}), package)


def answers(text: str, *names: str, **others: str) -> list[str]:
    """What the exporter says of these names of a package whose __init__.py this is; ``others`` are modules beside it."""
    found = exporter({"": text, **{f"{name}.py": body for name, body in others.items()}})
    return [found.status("engine", name) for name in names]


def taken(text: str, *exporters: str, path: str = "trainer/loop.py") -> list[dict[str, Any]]:
    """What a file takes from the exporters ("engine" when none is named)."""
    return list(uses(Tree({path: text}), path.split("/", maxsplit=1)[0], exporters or ("engine",)))


def brief(text: str, *exporters: str) -> list[tuple[str, str, str]]:
    """(module, name, place) of each use."""
    return [(use["module"], use["name"], use["place"]) for use in taken(text, *exporters)]
