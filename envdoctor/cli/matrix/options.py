"""Options that the commands of ``envdoctor matrix`` share, and how they print their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.matrix import Matrix

data_option = click.option("--data", metavar="DIR", type=click.Path(), help="Data that lies over the shipped one.")
format_option = click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
output_option = click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE, not to standard output.")


def today() -> str:
    """The day, as an ISO date in UTC."""
    import datetime as dt  # noqa: PLC0415

    return dt.datetime.now(tz=dt.timezone.utc).date().isoformat()


def answer(
    form: str, output: str | None, text: Callable[[], str], document: Callable[[], dict[str, Any]], matrix: Matrix
) -> None:
    """Print an answer in the format that was asked for, and on standard error which damaged files were passed over."""
    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.session import passed_over  # noqa: PLC0415

    if form == "json":
        import msgspec  # noqa: PLC0415

        emit(msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n", output, exact=True)
    else:
        emit(text(), output)
    for note in passed_over(matrix):
        click.echo(f"note: {note}", err=True)
