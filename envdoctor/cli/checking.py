"""What ``envdoctor check`` does once its words are known. Imports late: the probe starts first."""

from __future__ import annotations

import time

STARTED = time.monotonic()


def run_check(  # noqa: PLR0913 - one argument an option of the command
    target: str | None,
    *,
    form: str = "terminal",
    output: str | None = None,
    strict: bool = False,
    select: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    suppose: tuple[str, ...] = (),
    fail_on: str | None = None,
    record: str | None = None,
    deep_link: str | None = None,
    deep: bool = False,
    names: tuple[str, ...] = (),
    run: bool = True,
    data: str | None = None,
    verbose: bool = False,
) -> int:
    """Check a target and print the report; gives the exit status. Raises UserError."""
    from envdoctor import session  # noqa: PLC0415

    if deep:
        from envdoctor.cli.deepening import deepened, refuse  # noqa: PLC0415

        refuse(target)
    with session.start(target, deep_link=deep_link, names=names, run=run) as pending:
        session.preload()
        made = session.plan(session.Options(select, skip, suppose, fail_on, data))
        facts = session.facts_of(pending, made.matrix)
    if deep:
        facts = deepened(facts, pending)
    asked = session.unheard(facts, pending.ask) if pending.ask else ()
    judged, report, notes = session.judge(session.pasteable(facts, pending), made, STARTED)
    notes += asked

    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.examine import exit_code  # noqa: PLC0415
    from envdoctor.render import Page, renderers  # noqa: PLC0415

    formats = renderers()
    if record is not None:
        from envdoctor.record import write  # noqa: PLC0415

        kept = session.anonymous(facts)
        judged_kept, their_report, _ = session.judge(kept, made, STARTED)
        again = write(record, kept, formats["json"](their_report, judged_kept, Page(today=made.today)), made.wishes)
        notes += (f"recorded; replay with: {again}",)
    page = Page(color=wants_color(output), width=width(output), verbose=verbose, notes=notes, today=made.today)
    emit(formats[form](report, judged, page), output, exact=form == "json")
    return exit_code(report, fail_on=made.fail_on, strict=strict)
