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

    target = target or pasted_on_stdin()
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
    if target is None and waiting_on_stdin():
        asked += ("text waits on standard input and was not read; `envdoctor check report:-` judges it",)
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
    return exit_code(report, fail_on=made.fail_on, strict=strict, facts=judged)


def pasted_on_stdin() -> str | None:
    """``report:-`` for `envdoctor check < log`; None where standard input is no file that was given for this.

    A file alone is taken: a pipe may be open for ever, and a file that was read already (a script that a shell reads line by
    line) is somebody else's. An empty one is taken too: who gave it (``program > log``, where the program wrote to standard
    error) asked for that text to be judged, not the environment of whoever reads it. /dev/null is no regular file.
    """
    import os  # noqa: PLC0415 - start-up time
    import stat  # noqa: PLC0415

    try:
        if stat.S_ISREG(os.fstat(0).st_mode) and os.lseek(0, 0, os.SEEK_CUR) == 0:
            return "report:-"
    except OSError:
        pass
    return None


def waiting_on_stdin() -> bool:
    """Whether a pipe on standard input holds bytes by now; nothing is read, and nothing is waited for."""
    import os  # noqa: PLC0415
    import stat  # noqa: PLC0415

    try:
        import fcntl  # noqa: PLC0415
        import termios  # noqa: PLC0415

        if not stat.S_ISFIFO(os.fstat(0).st_mode):
            return False
        return any(fcntl.ioctl(0, termios.FIONREAD, b"\0\0\0\0"))
    except (ImportError, OSError):
        return False
