"""``envdoctor facts``."""

from __future__ import annotations

import click

from envdoctor.cli.check import DEEP_LINK, NAMES, NO_RUN
from envdoctor.cli.complete import targets


@click.command()
@click.argument("target", required=False, type=click.Path(), shell_complete=targets)
@click.option("--format", "form", type=click.Choice(["json", "issue"]), default="json", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE instead of standard output.")
@click.option("--deep-link", metavar="NAMES", help=DEEP_LINK)
@click.option("--names", multiple=True, metavar="IMPORTER:EXPORTER", help=NAMES)
@click.option("--no-run", is_flag=True, help=NO_RUN)
def command(
    target: str | None, form: str, output: str | None, deep_link: str | None, names: tuple[str, ...], no_run: bool
) -> int:
    """Show what the probe found, without judging it.

    json is the document that `check saved:FILE` reads; issue is a block for a GitHub issue with every field that torch's
    and vLLM's collect_env print. Neither holds tokens, user or host names. TARGET is as in `envdoctor check`.
    """
    from envdoctor import session  # noqa: PLC0415

    with session.start(target, extras=form == "issue", deep_link=deep_link, names=names, run=not no_run) as pending:
        facts = session.facts_of(pending)
        session.unheard(facts, pending.ask)
        facts = session.anonymous(facts)

    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.facts import encode  # noqa: PLC0415

    if form == "issue":
        from envdoctor.render.issue import render  # noqa: PLC0415

        emit(render(facts), output)
    else:
        emit(encode(facts).decode(), output, exact=True)
    return 0
