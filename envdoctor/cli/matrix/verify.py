"""``envdoctor matrix verify``."""

from __future__ import annotations

import click

from envdoctor.cli.matrix.options import data_option


@click.command()
@click.option("-n", "--rows", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows.")
@click.option("--seed", type=int, help="Draw the same sample again; each run prints its own.")
@click.option("--index", "url", metavar="URL", help="The simple index to read; else the one configured for uv or pip.")
@data_option
def command(rows: int, seed: int | None, url: str | None, data: str | None) -> int:
    """Read a random sample of rows from the package index again and compare them with the data.

    \b
    Exit status: 0 all agree, 1 some differ, 2 wrong usage, 3 some could not be read.
    """  # noqa: D301 - click keeps the lines after \b
    import os  # noqa: PLC0415 - `--help` needs none of this

    from envdoctor.harvest.run import verify  # noqa: PLC0415

    return verify(os.environ, os.getcwd(), rows=rows, seed=seed, url=url, data=data)
