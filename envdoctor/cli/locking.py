"""What ``envdoctor lock`` does once its words are known."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from envdoctor.locks.asking import Ask
    from envdoctor.locks.document import Lock
    from envdoctor.locks.making import Made


def run_lock(target: str, ask: Ask, *, form: str, output: str, data: str | None, check: bool) -> int:
    """Make the lock, write it, and print what came of it; gives the exit status. Raises UserError."""
    from envdoctor.cli.matrix.options import today  # noqa: PLC0415
    from envdoctor.cli.output import emit, width  # noqa: PLC0415
    from envdoctor.locks.making import make  # noqa: PLC0415
    from envdoctor.locks.wheels import measured  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.render.locks import page  # noqa: PLC0415
    from envdoctor.session import passed_over, shown  # noqa: PLC0415
    from envdoctor.targets import profile  # noqa: PLC0415

    started = time.monotonic()
    wanted = profile(target)
    matrix = opened(data, os.environ)
    previous, damage = _previous(wanted.name, output)
    made = make(wanted, ask, matrix, today=today(), previous=previous, measure=measured, tell=_tell)
    paths = () if check else _written(made, form, output)
    notes = (*made.notes, *([damage] if damage else []), *passed_over(matrix))
    seconds = time.monotonic() - started
    text = page(
        made, previous, tuple(shown(path) for path in paths), notes=notes, width=width(None), seconds=seconds, checked=check
    )
    emit(text, None)
    return 1 if check and not made.same else 0


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _previous(target: str, folder: str) -> tuple[Lock | None, str]:
    """The lock that is there, or None and why it does not count."""
    from envdoctor.locks import files  # noqa: PLC0415

    path = os.path.join(folder, f"{target}.toml")
    if not os.path.lexists(path):
        return None, ""
    try:
        return files.read(path if "/" in path else f"./{path}"), ""
    except UserError as damaged:
        return None, f"the lock that is there did not count: {damaged.what}"


def _written(made: Made, form: str, folder: str) -> tuple[str, ...]:
    from envdoctor.locks import files  # noqa: PLC0415

    stem = os.path.join(folder, made.lock.target)
    paths = (f"{stem}.txt", f"{stem}.toml") if made.same else files.write(made.lock, folder)
    if form != "pylock":
        return paths
    from envdoctor.locks.pylock import pylock  # noqa: PLC0415

    path = os.path.join(folder, f"pylock.{made.lock.target}.toml")
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(pylock(made.lock))
    except OSError as error:
        hint = "Give a folder that you may write, on a disk with room: --output DIR"
        raise UserError(f"{path} cannot be written: {error.strerror}", hint) from error
    return (*paths, path)
