"""``envdoctor sbom``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envdoctor.cli.check import NO_RUN
from envdoctor.cli.complete import targets

if TYPE_CHECKING:
    from envdoctor.facts import Facts


@click.command()
@click.argument("target", required=False, type=click.Path(), shell_complete=targets)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE instead of standard output.")
@click.option("--no-run", is_flag=True, help=NO_RUN)
def command(target: str | None, output: str | None, no_run: bool) -> int:
    """Write the software bill of materials of a lock or an environment, as CycloneDX JSON.

    Of a lock (lock:h100) it holds every package with the hash of its file, and the machine that the lock assumes; the same
    lock gives the same bytes. Of an environment it holds what is installed. TARGET is as in `envdoctor check`.
    """
    from envdoctor import session  # noqa: PLC0415

    with session.start(target, run=not no_run) as pending:
        if pending.spec.scheme == "lock":
            text = _of_lock(pending.spec.path)
        else:
            facts = session.anonymous(session.facts_of(pending))
            text = _of_facts(facts)

    from envdoctor.cli.output import emit  # noqa: PLC0415

    emit(text, output, exact=True)
    return 0


def _of_lock(spec: str) -> str:
    from envdoctor.locks import sbom  # noqa: PLC0415
    from envdoctor.locks.document import Listed  # noqa: PLC0415
    from envdoctor.sources import lock  # noqa: PLC0415

    found = lock.read(spec)
    return sbom.of_listed(found) if isinstance(found, Listed) else sbom.of_lock(found)


def _of_facts(facts: Facts) -> str:
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.facts import NotObserved  # noqa: PLC0415
    from envdoctor.locks import sbom  # noqa: PLC0415

    try:
        return sbom.of_facts(facts)
    except NotObserved as lack:
        raise UserError(f"what is installed could not be read: {lack.why}", "`envdoctor check` says more.") from lack
