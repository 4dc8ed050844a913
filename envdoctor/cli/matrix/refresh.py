"""``envdoctor matrix refresh``."""

from __future__ import annotations

import click

INTO = (
    "Write into this folder of data, for `--data DIR` elsewhere. Without it: the user's own data folder, which is used by itself."
)
LOSE = "Write even where the index no longer has what is known."


@click.command()
@click.option("--package", "packages", multiple=True, metavar="NAME", help="Only this package. Repeatable.")
@click.option("--index", "url", metavar="URL", help="The simple index to read; else the one configured for uv or pip.")
@click.option("--into", metavar="DIR", type=click.Path(), help=INTO)
@click.option("--full", is_flag=True, help="Read again what has not changed, too (about 22 GB).")
@click.option("--drop-lost", is_flag=True, help=LOSE)
def command(packages: tuple[str, ...], url: str | None, into: str | None, full: bool, drop_lost: bool) -> int:
    """Renew the data from the package index: every release of the stack, from its metadata and the bytes of its wheels.

    Reads only what is new, with four connections at most, and goes on where it was interrupted. What is known is not touched
    until all of it has been read.

    \b
    Exit status: 0 renewed, 1 renewed but for what could not be read, 2 nothing was written.
    """  # noqa: D301 - click keeps the lines after \b
    import os  # noqa: PLC0415 - `--help` needs none of this

    from envdoctor.cli.matrix.options import today  # noqa: PLC0415
    from envdoctor.harvest.run import refresh  # noqa: PLC0415

    return refresh(os.environ, os.getcwd(), packages=packages, url=url, into=into, full=full, may_lose=drop_lost, day=today())
