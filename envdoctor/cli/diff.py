"""``envdoctor diff``."""

from __future__ import annotations

import click

from envdoctor.cli.check import DATA, NO_RUN
from envdoctor.cli.complete import targets


@click.command()
@click.argument("a", type=click.Path(), shell_complete=targets)
@click.argument("b", type=click.Path(), shell_complete=targets)
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE instead of standard output.")
@click.option("--strict", is_flag=True, help="Exit with 3 if nothing differs but something could not be compared.")
@click.option("--no-run", is_flag=True, help=NO_RUN)
@click.option("--data", metavar="DIR", type=click.Path(), help=DATA)
@click.option("-v", "--verbose", is_flag=True, help="List every package and every property of the machine that differs.")
def command(a: str, b: str, form: str, output: str | None, strict: bool, no_run: bool, data: str | None, verbose: bool) -> int:
    """Say in words what differs between two targets, newest incompatible pair first.

    A and B are targets as in `envdoctor check`: environments, root:DIR, image:REF, lock:h100, or records of two machines that
    `envdoctor facts --output FILE` wrote (saved:FILE). Both are judged: what only one of them suffers from comes first, with
    the changed packages it is about; then the stack, the machine and the rest by number.

    \b
    Exit status: 0 nothing differs, 1 something does, 2 wrong usage or unreadable input,
    3 nothing differs but something could not be compared (with --strict), 4 a bug of envdoctor.
    """  # noqa: D301 - click keeps the lines after \b
    from envdoctor.cli.comparing import run_diff  # noqa: PLC0415 - `--help` needs none of this

    return run_diff(a, b, form=form, output=output, strict=strict, data=data, verbose=verbose, run=not no_run)
