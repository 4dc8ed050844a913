"""Recorded machines for the tests of the probe's sections: those of tests/machines, and small ones written on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from envdoctor.probe.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

MACHINES = Path(__file__).parent.parent / "machines"


def recorded(name: str) -> Any:
    """The machine tests/machines/<name>."""
    return Machine.recorded(str(MACHINES / name))


def written(
    folder: Path,
    files: Mapping[str, str | bytes],
    environ: Mapping[str, str] | None = None,
    commands: Mapping[str, Any] | None = None,
) -> Any:
    """A machine of these files, environment and recorded commands, under ``folder``."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return Machine(str(root), dict(environ or {}), dict(commands or {}))


def section(module: Any, machine: Any, ask: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the section fills; fails if it leaves one of its leaves out or adds one."""
    out: dict[str, Any] = {}
    module.probe(out, machine, dict(ask or {}))
    assert set(out) == set(module.LEAVES)
    return out


def known(value: object, via: str) -> dict[str, object]:
    """A known leaf as the probe prints it."""
    return {"is": "known", "value": value, "via": via}
