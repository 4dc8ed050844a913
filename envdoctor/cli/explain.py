"""``envdoctor explain``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import codes


@click.command()
@click.argument("code", shell_complete=codes)
def command(code: str) -> int:
    """Show the manual page of a rule: what it checks, why it breaks, what to do, and the sources."""
    from envdoctor.cli.output import emit, width
    from envdoctor.errors import UserError
    from envdoctor.manual import page, wrapped
    from envdoctor.rules import REGISTRY, code_of, load
    from envdoctor.wording import nearest

    names = {code_of(name): name for name in REGISTRY}
    if code.upper() not in names:
        raise UserError(f"no rule is called {code!r}", f"{nearest(code.upper(), names)} `envdoctor rules` lists them all.")
    emit(wrapped(page(load(names[code.upper()])), width(None)), None)
    return 0
