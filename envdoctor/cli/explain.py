"""``envdoctor explain``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import codes


@click.command()
@click.argument("code", shell_complete=codes)
def command(code: str) -> int:
    """Show the manual page of a rule: what it checks, why it breaks, what to do, and the sources."""
    from envdoctor.cli.output import emit, width  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.manual import page, wrapped  # noqa: PLC0415
    from envdoctor.rules import REGISTRY, code_of, load  # noqa: PLC0415
    from envdoctor.wording import nearest  # noqa: PLC0415

    names = {code_of(name): name for name in REGISTRY}
    if code.upper() not in names:
        raise UserError(f"no rule is called {code!r}", f"{nearest(code.upper(), names)} `envdoctor rules` lists them all.")
    emit(wrapped(page(load(names[code.upper()])), width(None)), None)
    return 0
