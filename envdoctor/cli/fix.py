"""``envdoctor fix``."""

from __future__ import annotations

import click

from envdoctor.cli.check import DATA, SUPPOSE
from envdoctor.cli.complete import suppositions, targets

KEEP = "Keep this package as it is (NAME), or bring and keep this version (NAME==VERSION). Repeatable."
INDEX = "Ask this index as well, before the default one; it is never printed. Repeatable."
APPLY = "Make the best plan real, with a snapshot to go back to. Asks before it changes anything."
INTO = "Build the repaired environment in this new folder, and leave the old one alone."
SYSTEM = "With --apply: also change a Python that belongs to the system, to conda's base or to somebody else."


@click.command()
@click.argument("target", required=False, type=click.Path(), shell_complete=targets)
@click.option("--keep", multiple=True, metavar="NAME[==VERSION]", help=KEEP)
@click.option("--suppose", multiple=True, metavar="NAME=VALUE", shell_complete=suppositions, help=SUPPOSE)
@click.option("--index", multiple=True, metavar="ADDRESS", help=INDEX)
@click.option("--offline", is_flag=True, help="Ask no index: plan with what uv has in its cache.")
@click.option("--all-plans", is_flag=True, help="Show the other plans that were proven, too.")
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write the page to FILE instead of standard output.")
@click.option("--data", metavar="DIR", type=click.Path(), help=DATA)
@click.option("--apply", "apply_it", is_flag=True, help=APPLY)
@click.option("--into", metavar="FOLDER", type=click.Path(), help=INTO)
@click.option("--yes", is_flag=True, help="Do not ask: for CI, with --apply or --into.")
@click.option("--system", is_flag=True, help=SYSTEM)
@click.option("--resume", is_flag=True, help="Finish a repair that was broken off.")
@click.option("--undo", is_flag=True, help="Put the environment back as it was before the last repair.")
@click.option("--forget", is_flag=True, help="Drop the snapshot that the last repair kept.")
@click.option("-v", "--verbose", is_flag=True, help="Show every move, every open question and the resolver's own words.")
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    target: str | None,
    keep: tuple[str, ...],
    suppose: tuple[str, ...],
    index: tuple[str, ...],
    offline: bool,
    all_plans: bool,
    form: str,
    output: str | None,
    data: str | None,
    apply_it: bool,
    into: str | None,
    yes: bool,
    system: bool,
    resume: bool,
    undo: bool,
    forget: bool,
    verbose: bool,
) -> int:
    """Plan the smallest change of packages that mends an environment, and make it with --apply.

    TARGET is as in `envdoctor check`. The driver and the GPU are never changed. Every plan is proven twice before it is
    shown: the rules come back clean on the facts after it, and uv resolves it.

    \b
    Exit status: 0 nothing to mend, or the repair was made; 1 a plan is shown, or errors
    that no package mends; 2 wrong usage, or it was not made; 3 no plan could be proven;
    4 a bug of envdoctor. 1 as well when a repair was made and undone again.
    """  # noqa: D301 - click keeps the lines after \b
    from envdoctor.cli.fixing import Doing, Words, run_fix  # noqa: PLC0415 - `envdoctor fix --help` needs none of this

    words = Words(keep=keep, suppose=suppose, indexes=index, offline=offline, all_plans=all_plans, data=data)
    doing = Doing(apply=apply_it, into=into, yes=yes, system=system, resume=resume, undo=undo, forget=forget)
    return run_fix(target, words, doing, form=form, output=output, verbose=verbose)
