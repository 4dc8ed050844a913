"""``envdoctor explain``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from envdoctor.cli.complete import every_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.manual import Paged


@click.command()
@click.argument("code", shell_complete=every_code)
def command(code: str) -> int:
    """Show the manual page of a rule: what it checks, why it breaks, what to do, and the sources."""
    from envdoctor import dockerfiles, rules  # noqa: PLC0415
    from envdoctor.cli.output import emit, width  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.manual import page, wrapped  # noqa: PLC0415
    from envdoctor.wording import nearest  # noqa: PLC0415

    wanted = code.upper()
    pages: dict[str, Callable[[], Paged]] = {rules.code_of(name): partial(rules.load, name) for name in rules.REGISTRY}
    pages |= {dockerfiles.code_of(name): partial(dockerfiles.load, name) for name in dockerfiles.REGISTRY}
    if wanted not in pages:
        raise UserError(f"no rule is called {code!r}", f"{nearest(wanted, pages)} `envdoctor rules` lists them all.")
    emit(wrapped(page(pages[wanted]()), width(None)), None)
    return 0
