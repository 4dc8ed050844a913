"""``envdoctor lint``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import lint_codes

CONTEXT = (
    "The build context. Without it, the folder of the Dockerfile or the nearest one above it, up to the repository's root, "
    "that has what the Dockerfile copies."
)


@click.command()
@click.argument("dockerfiles", metavar="DOCKERFILE...", nargs=-1, type=click.Path(allow_dash=True))
@click.option("--context", metavar="DIR", type=click.Path(), help=CONTEXT)
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write the report to FILE instead of standard output.")
@click.option(
    "--select", multiple=True, metavar="CODES", shell_complete=lint_codes, help="Judge only these: ED601, ED604. Commas allowed."
)
@click.option("--skip", multiple=True, metavar="CODES", shell_complete=lint_codes, help="Leave these rules out.")
@click.option(
    "--fail-on", type=click.Choice(["error", "warning"]), default="error", help="Mildest finding that exits with 1 [error]."
)
@click.option("--strict", is_flag=True, help="Exit with 3 if something could not be told.")
@click.option("-v", "--verbose", is_flag=True, help="Show information in full too.")
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    dockerfiles: tuple[str, ...],
    context: str | None,
    form: str,
    output: str | None,
    select: tuple[str, ...],
    skip: tuple[str, ...],
    fail_on: str,
    strict: bool,
    verbose: bool,
) -> int:
    """Find the GPU-stack mistakes in a Dockerfile that break the build or let the image drift.

    DOCKERFILE is a file, a folder that has one, or - for standard input. Nothing is built, run or downloaded.

    A comment before an instruction, or inside it, ignores one rule there: # envdoctor: ignore ED602 because REASON

    \b
    Exit status: 0 no errors, 1 errors found (or warnings, with --fail-on warning),
    2 wrong usage or unreadable input, 3 something could not be told (with --strict),
    4 a bug of envdoctor.
    """  # noqa: D301 - click keeps the lines after \b
    import sys  # noqa: PLC0415
    import time  # noqa: PLC0415

    started = time.monotonic()
    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.config import known_codes  # noqa: PLC0415
    from envdoctor.dockerfiles import REGISTRY, code_of  # noqa: PLC0415
    from envdoctor.dockerfiles.linting import STDIN, exit_code, lint, read  # noqa: PLC0415
    from envdoctor.dockerfiles.parser import MAX_BYTES  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.findings import Severity  # noqa: PLC0415
    from envdoctor.matrix import Matrix  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.lint import render, render_json  # noqa: PLC0415

    if not dockerfiles:
        raise UserError(
            "no Dockerfile is named", "Name one, a folder that has one, or - for standard input: envdoctor lint Dockerfile"
        )
    every = [code_of(name) for name in REGISTRY]
    chosen = known_codes([word for words in select for word in words.split(",")], every, "--select")
    left = known_codes([word for words in skip for word in words.split(",")], every, "--skip")
    codes = [code for code in every if (not chosen or code.startswith(chosen)) and not (left and code.startswith(left))]
    matrix = Matrix()
    linted = []
    for one in dockerfiles:
        name, data = (STDIN, sys.stdin.buffer.read(MAX_BYTES + 1)) if one == STDIN else read(one)
        linted.append(lint(name, data, context, matrix, codes))
    seconds = time.monotonic() - started
    page = Page(color=wants_color(output), width=width(output), verbose=verbose)
    text = render_json(linted, seconds) if form == "json" else render(linted, page, seconds)
    emit(text, output, exact=form == "json")
    return exit_code(linted, fail_on=Severity(fail_on), strict=strict)
