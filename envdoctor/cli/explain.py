"""``envdoctor explain``."""

from __future__ import annotations

import re

import click

from envdoctor.cli.complete import every_code

LIKE_A_CODE = re.compile(r"ED\d*$")
LISTS = "Rules have codes, as ED102 (`envdoctor rules`); causes have slugs, as driver-too-old-for-cuda (docs/causes.md)."
OF_A_PREFLIGHT = ("DRIFT-", "REQUIRE-", "WAIVER-", "SMOKE-")


@click.command()
@click.argument("code", shell_complete=every_code)
def command(code: str) -> int:
    """Show the manual page of a rule: what it checks, why it breaks, what to do, and the sources.

    CODE is a rule's, or the slug of a cause (driver-too-old-for-cuda), as each diagnosis carries one, or what
    `triage` prints in its place (healthy, too-little).
    """
    from envdoctor.cli.output import emit, width  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.glossary import INSTEAD, causes, told, told_instead  # noqa: PLC0415
    from envdoctor.manual import every, page, wrapped  # noqa: PLC0415
    from envdoctor.wording import nearest  # noqa: PLC0415

    wanted = code.upper()
    pages = every()
    if wanted.startswith(OF_A_PREFLIGHT):
        what = f"{wanted} is no rule with a page: a preflight says with it all that there is to say"
        raise UserError(what, "docs/ci.md has the words for all of them.")
    if wanted not in pages:
        slug, known = code.lower(), causes()
        if slug not in known and slug not in INSTEAD:
            what = "rule" if LIKE_A_CODE.match(wanted) else "cause" if "-" in code else "rule and no cause"
            close = nearest(wanted if what == "rule" else slug, pages if what == "rule" else (*known, *INSTEAD))
            meant = f"{close} " if close.startswith("Did you") else ""
            raise UserError(f"no {what} is called {code!r}", meant + LISTS)
        emit(wrapped(told(known[slug]) if slug in known else told_instead(slug), width(None)), None)
        return 0
    emit(wrapped(page(pages[wanted]()), width(None)), None)
    return 0
