"""``envdoctor check``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import codes, suppositions
from envdoctor.cli.complete import targets as completed

SELECT = "Judge only these: ED102, or ED1 for all of that group."
SKIP = "Leave these rules out. Commas allowed, as in --select."
RECORD = "Also write facts and report to DIR, redacted, to replay this check anywhere."
SUPPOSE = "Judge as if: driver=535.161.08, gpu=h100, gpu=8xh100, glibc=2.31, python=3.12, torch=2.6.0, PACKAGE=none. Repeatable."

DEEP_LINK = "Link every compiled module of these packages too (names by comma, or all), not only those of the GPU stack."
DEEP = (
    "Also run it: kernels on each GPU against float64, copies and an all-reduce between them, and a real import of each package. "
    "Takes a minute."
)
NAMES = "Compare the names of this pair of packages too: trl:peft. Repeatable."
NO_RUN = "Judge an image from outside: start no container, read its exported files. So is one for another architecture."
DATA = (
    "Compatibility data that lies over the shipped one, as `matrix refresh --into DIR` writes it, for machines without a network."
)


@click.command()
@click.argument("targets", metavar="[TARGET] | LOCK TARGET", nargs=-1, type=click.Path(), shell_complete=completed)
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write the report to FILE instead of standard output.")
@click.option("--strict", is_flag=True, help="Exit with 3 if something could not be told.")
@click.option(
    "--select",
    multiple=True,
    metavar="CODES",
    shell_complete=codes,
    help=SELECT,
)
@click.option("--skip", multiple=True, metavar="CODES", shell_complete=codes, help=SKIP)
@click.option("--suppose", multiple=True, metavar="NAME=VALUE", shell_complete=suppositions, help=SUPPOSE)
@click.option("--fail-on", type=click.Choice(["error", "warning"]), help="Mildest finding that exits with 1 [error].")
@click.option(
    "--record",
    metavar="DIR",
    type=click.Path(),
    help=RECORD,
)
@click.option("--deep-link", metavar="NAMES", help=DEEP_LINK)
@click.option("--deep", is_flag=True, help=DEEP)
@click.option("--names", multiple=True, metavar="IMPORTER:EXPORTER", help=NAMES)
@click.option("--no-run", is_flag=True, help=NO_RUN)
@click.option("--data", metavar="DIR", type=click.Path(), help=DATA)
@click.option("-v", "--verbose", is_flag=True, help="Show all evidence, layers of truth and every open question.")
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    targets: tuple[str, ...],
    form: str,
    output: str | None,
    strict: bool,
    select: tuple[str, ...],
    skip: tuple[str, ...],
    suppose: tuple[str, ...],
    fail_on: str | None,
    record: str | None,
    deep_link: str | None,
    deep: bool,
    names: tuple[str, ...],
    no_run: bool,
    data: str | None,
    verbose: bool,
) -> int:
    """Find the root cause of what is wrong with an environment, and what mends it.

    TARGET is an environment's folder or a Python interpreter (PATH or venv:PATH); image:REF, a container image that the
    engine has, looked at in a container without network in which nothing can be written (image:REF::/opt/venv names the
    Python in it); root:DIR, an unpacked image or a chroot, of which nothing is run; saved:PATH, a record made earlier;
    lock:h100, a lock of `envdoctor lock` on the machine it is for (lock:FILE.txt: any list of exact versions); or
    report:FILE, a text that somebody pasted, or a log (report:- or `envdoctor check < FILE`: standard input).
    Without it the active environment is checked: VIRTUAL_ENV, else CONDA_PREFIX, else python3 on PATH.

    With two targets, a lock and an environment, the drift report: whether the environment is what the lock says, with
    files that were edited or deleted since (envdoctor check lock:h100 .venv; 1 is drift, 3 as below).

    Without --deep nothing of the environment is imported and no GPU memory is used. Nothing is installed.

    \b
    Exit status: 0 no errors, 1 errors found (or warnings, with --fail-on warning),
    2 wrong usage or unreadable input, 3 something could not be told (with --strict),
    4 a bug of envdoctor.
    """  # noqa: D301 - click keeps the lines after \b
    if len(targets) > 1:
        judging = {"--select": select, "--skip": skip, "--fail-on": fail_on, "--record": record, "--deep-link": deep_link}
        judging |= {"--names": names, "--deep": ("yes",) if deep else ()}
        refuse([option for option, value in judging.items() if value], len(targets))
        from envdoctor.cli.comparing import run_drift  # noqa: PLC0415

        lock, target = targets
        return run_drift(
            lock, target, form=form, output=output, strict=strict, suppose=suppose, run=not no_run, data=data, verbose=verbose
        )
    from envdoctor.cli.checking import run_check  # noqa: PLC0415 - `envdoctor check --help` needs none of this

    return run_check(
        next(iter(targets), None),
        form=form,
        output=output,
        strict=strict,
        select=select,
        skip=skip,
        suppose=suppose,
        fail_on=fail_on,
        record=record,
        deep_link=deep_link,
        deep=deep,
        names=names,
        run=not no_run,
        data=data,
        verbose=verbose,
    )


def refuse(options: list[str], targets: int) -> None:
    """Refuse what a drift report cannot do. Raises UserError."""
    from envdoctor.errors import UserError  # noqa: PLC0415

    if targets > 2:  # noqa: PLR2004
        what = f"check takes one target, or a lock and an environment; {targets} were given"
        raise UserError(what, "Quote a path that holds blanks.")
    if options:
        what = f"{options[0]} is for the rules, and with two targets no rule judges"
        raise UserError(what, "Leave it away; `envdoctor check TARGET` takes it.")
