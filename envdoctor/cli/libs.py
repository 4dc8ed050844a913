"""``envdoctor libs``."""

from __future__ import annotations

import click

from envdoctor.cli.check import DEEP_LINK
from envdoctor.cli.complete import targets


@click.command()
@click.argument("target", required=False, type=click.Path(), shell_complete=targets)
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE instead of standard output.")
@click.option("--deep-link", metavar="NAMES", help=DEEP_LINK)
def command(target: str | None, form: str, output: str | None, deep_link: str | None) -> int:
    """Show which libraries of CUDA and torch lie here more than once, and which copy wins in which order of imports.

    The dynamic loader's search is done on the files alone; nothing is loaded. TARGET is as in `envdoctor check`.
    """
    from envdoctor import session  # noqa: PLC0415 - `--help` needs none of this

    with session.start(target, deep_link=deep_link) as pending:
        facts = session.facts_of(pending)
        session.unheard(facts, pending.ask)
        facts = session.pasteable(facts, pending)

    from envdoctor.cli.output import emit, width  # noqa: PLC0415
    from envdoctor.render.libraries import document, render  # noqa: PLC0415

    emit(document(facts) if form == "json" else render(facts, width(output)), output, exact=form == "json")
    return 0
