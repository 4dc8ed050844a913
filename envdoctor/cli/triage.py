"""``envdoctor triage``."""

from __future__ import annotations

import click


@click.command()
@click.argument("reports", nargs=-1, type=click.Path(), metavar="FILE...")
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE instead of standard output.")
@click.option("--data", metavar="DIR", type=click.Path(), help="Compatibility data that lies over the shipped one.")
def command(reports: tuple[str, ...], form: str, output: str | None, data: str | None) -> int:
    """For maintainers: the answer to a pasted report, ready to post; of several, which causes they have.

    FILE is a text as it stands in an issue (collect_env, pip list, nvidia-smi, tracebacks, in any mixture), - for standard
    input (as is `envdoctor triage < FILE`), or a folder, of which the files that end in .txt, .md or .log are read.

    \b
    Exit status: 0 no report shows a fault, 1 one does, 2 wrong usage, or a report that could not be read, 4 a bug of envdoctor.
    """  # noqa: D301 - click keeps the lines after \b
    from envdoctor.cli.triaging import run_triage  # noqa: PLC0415 - `--help` needs none of this

    return run_triage(reports, form=form, output=output, data=data)
