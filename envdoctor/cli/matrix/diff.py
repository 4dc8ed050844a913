"""``envdoctor matrix diff``."""

from __future__ import annotations

import click


@click.command()
@click.argument("old", default="shipped", type=click.Path())
@click.argument("new", default="refreshed", type=click.Path())
def command(old: str, new: str) -> int:
    """Say in words what changed between two states of the data.

    OLD and NEW are folders of data, or "shipped" (what came with envdoctor) or "refreshed" (what `matrix refresh` wrote for you).
    Without them: shipped against refreshed.
    """
    import os  # noqa: PLC0415 - `--help` needs none of this

    from envdoctor.harvest.run import diff  # noqa: PLC0415

    return diff(os.environ, old, new)
