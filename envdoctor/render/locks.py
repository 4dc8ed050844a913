"""The page of ``envdoctor lock``: what was resolved, what was bounded and why, how large it is, what was written."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING

from envdoctor.wording import brief, harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.locks.document import Lock
    from envdoctor.locks.making import Made

GB = 1_000_000_000
MOST_CHANGES = 12


def page(
    made: Made,
    previous: Lock | None,
    paths: tuple[str, ...],
    *,
    notes: tuple[str, ...],
    width: int,
    seconds: float,
    checked: bool = False,
) -> str:
    """The page as text.

    Args:
        made: the lock and how it came about.
        previous: the lock that was there before, or None.
        paths: the files of the lock, as they are shown.
        notes: what the user should know beside it.
        width: columns.
        seconds: that it took.
        checked: nothing was to be written (--check).
    """
    lines = [one for line in _lines(made, previous, paths, checked=checked, seconds=seconds) for one in _wrapped(line, width)]
    lines += [one for note in notes for one in _wrapped(f"note: {note}", width)]
    lines += ["next:", *(f"  {one}" for one in _next(made, paths, checked=checked))]  # not wrapped, to be copied
    return "".join(f"{harmless(line)}\n" for line in lines)


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False) or [""]


def _lines(made: Made, previous: Lock | None, paths: tuple[str, ...], *, checked: bool, seconds: float) -> Iterator[str]:
    lock = made.lock
    yield f"{lock.target}: {', '.join(f'{name} {version}' for name, version in lock.stack.items())}"
    yield f"  {plural(len(lock.packages), 'package')}, {_sizes(lock)}; resolved {_times(made.rounds)} in {seconds:.1f} s in all"
    yield f"  for Python {lock.python}, x86_64 Linux, glibc {lock.glibc} or newer, {_gpu(lock)}"
    if lock.exclude_newer:
        yield f"  files uploaded from {lock.exclude_newer} on were not considered"
    if lock.bounds:
        yield ""
        yield "bounded, because no metadata says it"
        for one in lock.bounds:
            yield f"  {one.package}{one.specifier} ({one.basis})"
            yield f"    {brief(one.why)}"
            yield f"    [{brief(one.source)}]"
    if previous is not None:
        yield from _changes(lock, previous)
    yield ""
    yield f"verdict: {lock.verdict}"
    if checked:
        otherwise = "is not what would be made" if previous is not None else "is not there, or not readable"
        yield f"the lock on disk {'is what would be made' if made.same else otherwise}"
        return
    yield f"{'unchanged' if made.same else 'written'}: {', '.join(paths)}"


def _next(made: Made, paths: tuple[str, ...], *, checked: bool) -> tuple[str, ...]:
    target = made.lock.target
    if checked:
        return (f"envdoctor {'check lock:' if made.same else 'lock '}{target}",)
    usual = paths[1] == f"lockfiles/{target}.toml"
    return (
        f"envdoctor check lock:{target if usual else shlex.quote(paths[1])}",
        f"uv pip install --require-hashes -r {shlex.quote(paths[0])}",
    )


def _times(rounds: int) -> str:
    return "once" if rounds == 1 else f"{rounds} times"


def _gpu(lock: Lock) -> str:
    if lock.gpu is None:
        return "no GPU"
    return f"{lock.gpu} (compute capability {lock.compute_capability}), driver {lock.driver_floor} or newer"


def _sizes(lock: Lock) -> str:
    told = [
        f"{size / GB:.2f} GB {what}"
        for size, what in ((lock.download_bytes, "to download"), (lock.installed_bytes, "installed"))
        if size is not None
    ]
    return ", ".join(told) or "size not known"


def _changes(lock: Lock, previous: Lock) -> Iterator[str]:
    before = {one.name: one.version for one in previous.packages}
    after = {one.name: one.version for one in lock.packages}
    changes = [
        f"{name} {before[name]} -> {after.get(name, 'gone')}" if name in before else f"{name} {after[name]} (new)"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if changes:
        yield ""
        yield f"changed: {', '.join(changes[:MOST_CHANGES])}" + (
            f" and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
        )
