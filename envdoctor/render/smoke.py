"""The page of ``envdoctor smoke``: the verdict first, then every invariant, the reward's curve, times and memory.

Readable without colour, in a pipe and at 60 columns: every mark is a word.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from envdoctor.proving.proof import State
from envdoctor.render import harmless, shell, shortened
from envdoctor.render.smoke_words import counted, headline, in_order, memory, number, setting, times, verdict
from envdoctor.render.sparkline import curve, sparkline
from envdoctor.render.terminal import RESET, STYLES
from envdoctor.wording import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.measured import Measured
    from envdoctor.proving.proof import Cause, Failure, Invariant, Proof
    from envdoctor.render import Page

MARKS = {State.HELD: ("held", "good"), State.BROKEN: ("BROKEN", "error"), State.UNMEASURED: ("?", "info")}
MARK = 8
"""Columns of the mark before an invariant."""
TITLE, VALUE = 0.5, 0.17
"""Shares of the rest that the title and the value take."""
GAP = 2
HEIGHT = 6
"""Rows of the curve."""
MAX_LABEL = 24
MAX_CELL = 240
"""Characters of a cell of the table."""
MAX_EVIDENCE, MAX_FRAMES, MAX_SAID = 6, 8, 15


def render(proof: Proof, page: Page, *, ascii_only: bool = False) -> str:
    """The whole page, ending in a newline. ``ascii_only``: curves of ASCII, for an encoding without block characters."""
    parts = [
        _verdict(proof, page),
        *(() if proof.failure is None else (_failure(proof.failure, page),)),
        _invariants(proof, page),
        *(() if proof.measured is None else _measured(proof.measured, proof.seconds, page, ascii_only=ascii_only)),
        (line for note in proof.notes for line in _wrapped(note, page, "note: ", "  ")),
    ]
    return "\n\n".join(text for text in ("\n".join(part) for part in parts) if text) + "\n"


def _paint(text: str, style: str, page: Page) -> str:
    return f"{STYLES[style]}{text}{RESET}" if page.color else text


def _wrapped(text: str, page: Page, first: str, rest: str | None = None) -> list[str]:
    """Lines of at most the page's width; a longer word (a path) is not cut."""
    indent = " " * len(first) if rest is None else rest
    clean = harmless(shortened(text))
    filled = textwrap.wrap(
        clean, page.width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return filled or [first.rstrip()]


def _verdict(proof: Proof, page: Page) -> Iterator[str]:
    style = "good" if proof.passed else "error"
    lines = _wrapped(f"{verdict(proof)}: {headline(proof)}", page, "", "  ")
    yield from (_paint(line, style, page) for line in lines)
    if proof.cause is not None and not proof.passed:
        yield from _cause(proof.cause, page)


def _cause(cause: Cause, page: Page) -> Iterator[str]:
    yield from _wrapped(cause.why, page, "  ")
    shown = cause.evidence if page.verbose else cause.evidence[:MAX_EVIDENCE]
    for one in shown:
        yield from _wrapped(f"{one.what}: {shortened(one.value)}  [{shortened(brief(one.via))}]", page, "  seen    ")
    yield from _wrapped(cause.says, page, "  do      ")
    for argv in cause.commands:
        # never wrapped: a command is there to be pasted
        yield _paint(f"            {shell(argv)}", "bold", page)
    for source in cause.sources:
        yield from _wrapped(f"{brief(source.where)} (read {source.read})", page, "  source  ")
    if cause.code is not None:
        yield f"  more    envdoctor explain {harmless(cause.code)}"


def _failure(failure: Failure, page: Page) -> Iterator[str]:
    yield from _wrapped(f"It failed in: {failure.phase} (after {failure.seconds:.1f} s)", page, "", "  ")
    yield from _wrapped(failure.how, page, "  how     ")
    frames = failure.trace if page.verbose else failure.trace[-MAX_FRAMES:]
    for place, frame in enumerate(frames):
        yield from _wrapped(frame, page, "  trace   " if place == 0 else "          ")
    lines = [line for line in failure.said.splitlines() if line.strip()]
    for place, line in enumerate(lines if page.verbose else lines[-MAX_SAID:]):
        # as it was printed: wrapped it could not be searched for
        yield ("  said    " if place == 0 else "          ") + harmless(shortened(line.strip()))
    if len(lines) > MAX_SAID and not page.verbose:
        yield f"          ({len(lines) - MAX_SAID} lines before these; -v shows them)"


def _invariants(proof: Proof, page: Page) -> Iterator[str]:
    if not proof.invariants:
        return
    yield f"invariants: {counted(proof.invariants)}"
    rest = page.width - MARK - 2 - 2 * GAP
    widths = (int(rest * TITLE), int(rest * VALUE), rest - int(rest * TITLE) - int(rest * VALUE))
    yield from _row("", ("what must be so", "value", "bound"), widths, page, "dim")
    for one in in_order(proof.invariants):
        mark, style = MARKS[one.state]
        yield from _row(mark, (one.title, one.value or "-", one.bound), widths, page, style)
        if one.state is not State.HELD and one.why:
            yield from _wrapped(_why(one), page, " " * (MARK + 2))


def _why(one: Invariant) -> str:
    if one.state is State.BROKEN:
        return one.why
    return f"{'not proven without it' if one.required else 'not needed for a proof'}: {one.why}"


def _row(mark: str, cells: tuple[str, ...], widths: tuple[int, ...], page: Page, style: str) -> Iterator[str]:
    """One row of the table; each cell is wrapped in its own column."""
    columns = [
        textwrap.wrap(harmless(cell[:MAX_CELL]), width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for place in range(max(len(column) for column in columns)):
        texts = [column[place] if place < len(column) else "" for column in columns]
        line = (" " * GAP).join(f"{text:<{width}}" for text, width in zip(texts, widths, strict=True)).rstrip()
        left = f"{mark if place == 0 else '':<{MARK}}"
        yield ("  " + (_paint(left, style, page) if place == 0 and mark else left) + line).rstrip()


def _measured(measured: Measured, seconds: float, page: Page, *, ascii_only: bool) -> Iterator[Iterable[str]]:
    yield _curve(measured, page, ascii_only=ascii_only)
    yield _rows("times", times(measured, seconds), page)
    yield _rows("memory", memory(measured), page)
    yield _rows("what was run", setting(measured), page)


def _rows(title: str, rows: Iterable[tuple[str, str]], page: Page) -> Iterator[str]:
    # some labels come from the target too
    listed = [(harmless(label[:MAX_LABEL]), text) for label, text in rows]
    if not listed:
        return
    yield title
    column = max(len(label) for label, _ in listed) + 4
    for label, text in listed:
        yield from _wrapped(text, page, f"  {label:<{column - 2}}", " " * column)


def _curve(measured: Measured, page: Page, *, ascii_only: bool) -> Iterator[str]:
    """The reward as a curve, and what else changes as rows of one line."""
    steps = measured.steps
    if not steps:
        return
    rewards = [one.reward for one in steps]
    said = f"reward: {number(rewards[0])} in the first step, {number(rewards[-1])} in the last (mean of a step's answers)"
    yield from _wrapped(said, page, "", "  ")
    rows, width = curve(rewards, page.width - 8, HEIGHT, ascii=ascii_only)
    bar, corner, line = ("|", "+", "-") if ascii_only else ("│", "└", "─")
    for place, row in enumerate(rows):
        label = "1.0" if place == 0 else "0.5" if place == HEIGHT // 2 else ""
        yield f"  {label:>3} {bar}{row}".rstrip()
    yield f"  0.0 {corner}{line * width}"
    last = str(len(steps) - 1)
    yield f"       0{last:>{width - 1}}" if width > len(last) + 1 else "       0"
    for label, values in (
        ("entropy", [one.entropy for one in steps]),
        ("KL", [one.kl for one in steps]),
        ("logp gap", [one.logp_gap_max for one in steps]),
    ):
        yield from _small(label, values, page, ascii_only=ascii_only)


def _small(label: str, values: list[float | None], page: Page, *, ascii_only: bool) -> Iterator[str]:
    known = [value for value in values if value is not None]
    if not known:
        return
    low, high = min(0.0, *known), max(known)
    said = f"{number(values[0])} to {number(values[-1])}, at most {number(high)}"
    marks = sparkline(values, max(10, page.width - 12 - len(said)), ascii=ascii_only, low=low, high=high)
    yield f"  {label:<8} {marks} {said}"
