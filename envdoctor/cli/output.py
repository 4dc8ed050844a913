"""Writing results: to a file or to standard output, in any locale, coloured only for a person at a terminal."""

from __future__ import annotations

import os
import shutil
import sys

from envdoctor.errors import UserError

MIN_WIDTH, MAX_WIDTH = 60, 120


def emit(text: str, output: str | None, *, exact: bool = False) -> None:
    """Write to the file, or to standard output; what its encoding cannot write is escaped.

    ``exact``: the text is for machines (JSON) and goes out as UTF-8 whatever the locale says.

    Raises:
        UserError: the file cannot be written.
    """
    if output is None or output == "-":
        if sys.stdout is None:
            raise UserError(
                "standard output is closed",
                "Open it, or let a file take what it would get (--output, or --report of a preflight).",
            )
        encoding = "utf-8" if exact else sys.stdout.encoding or "utf-8"
        try:
            sys.stdout.buffer.write(text.encode(encoding, "backslashreplace"))
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            # what is still buffered cannot be written either; the interpreter must not try again at exit
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            what = f"the report cannot be written to standard output: {error.strerror}"
            raise UserError(
                what, "Make room on the disk, or let a file on another one take it (--output, or --report of a preflight)."
            ) from error
        return
    try:
        with open(output, "w", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        hint = "Give a file in a folder that exists, on a disk with room, that you may write."
        raise UserError(f"{output} cannot be written: {error.strerror}", hint) from error


def tell(text: str) -> None:
    """Write to standard error what is only worth telling: where that is closed or full, the work goes on and its status stays."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        # what is still buffered cannot be written either; the interpreter must not try again at exit
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def checked(places: dict[str, str | None]) -> None:
    """Refuse, before anything is run, reports that could not be written, or of which one would take another's place.

    Raises:
        UserError: names the option and what is wrong with its file.
    """
    given = {option: place for option, place in places.items() if place not in {None, "", "-"}}
    seen: dict[str, str] = {}
    for option, place in given.items():
        real = os.path.realpath(str(place))
        if real in seen:
            raise UserError(f"{option} and {seen[real]} name the same file, {place}", "Give each its own.")
        seen[real] = option
        folder = os.path.dirname(real)
        if os.path.isdir(real) or not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
            what = (
                "is a folder"
                if os.path.isdir(real)
                else f"cannot be written: {os.path.dirname(str(place)) or '.'} is no folder, or not yours"
            )
            raise UserError(f"{option} {place} {what}", "Give a file in a folder that exists and that you may write.")


def wants_color(output: str | None) -> bool:
    """A terminal, and no NO_COLOR (no-color.org) or TERM=dumb; or FORCE_COLOR, for logs that show colours."""
    if os.environ.get("FORCE_COLOR"):
        return output is None
    return (
        output is None
        and sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def width(output: str | None) -> int:
    """Columns: the terminal's, within reason; 80 in a pipe or a file."""
    if output is not None or sys.stdout is None or not sys.stdout.isatty():
        return 80
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))
