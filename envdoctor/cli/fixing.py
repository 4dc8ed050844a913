"""What ``envdoctor fix`` does once its words are known. Imports late: the probe starts first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.findings import Report
    from envdoctor.fixing.shown import Shown
    from envdoctor.resolver import Index
    from envdoctor.session import Plan

STARTED = time.monotonic()


class Words(NamedTuple):
    """What was said about planning."""

    keep: tuple[str, ...] = ()
    suppose: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    offline: bool = False
    all_plans: bool = False
    data: str | None = None


class Doing(NamedTuple):
    """What is to be done with the plan."""

    apply: bool = False
    into: str | None = None
    yes: bool = False
    system: bool = False
    resume: bool = False
    undo: bool = False
    forget: bool = False

    @property
    def changes(self) -> bool:
        """Whether a plan is to be made real."""
        return self.apply or self.into is not None


def run_fix(target: str | None, words: Words, doing: Doing, *, form: str, output: str | None, verbose: bool) -> int:
    """Plan, print, and do what was asked; gives the exit status. Raises UserError."""
    import msgspec  # noqa: PLC0415

    from envdoctor import session  # noqa: PLC0415
    from envdoctor.cli.repairing import checked, finish, make  # noqa: PLC0415

    checked(target, words, doing)
    if doing.resume or doing.undo or doing.forget:
        return finish(target, words, doing)
    with session.start(target) as pending:
        session.preload()
        made = session.plan(session.Options(suppose=words.suppose, data=words.data))
        facts = session.pasteable(session.facts_of(pending), pending)
    judged, report, notes = session.judge(facts, made, STARTED, remedies=False)
    shown = msgspec.structs.replace(shown_for(judged, report, made, words), again=again(target, words))

    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415

    if form == "json":
        from envdoctor.render.repair_json import render  # noqa: PLC0415
    else:
        from envdoctor.render.repair import render  # noqa: PLC0415
    page = Page(color=wants_color(output), width=width(output), verbose=verbose, notes=notes, today=made.today)
    emit(render(shown, judged, page), output, exact=form == "json")
    if not doing.changes or not shown.answer.plans:
        return shown.status
    return make(target, pending, facts, shown, words, doing)


def again(target: str | None, words: Words) -> tuple[str, ...]:
    """The same command as typed; an index, whose address may hold a password, has to be named once more."""
    options = [(option, word) for option, said in (("--keep", words.keep), ("--suppose", words.suppose)) for word in said]
    options += [("--index", "ADDRESS") for _ in words.indexes]
    options += [("--data", words.data)] if words.data is not None else []
    return ("envdoctor", "fix", *(() if target is None else (target,)), *(word for pair in options for word in pair))


def shown_for(judged: Facts, report: Report, made: Plan, words: Words) -> Shown:
    """The plans for a report, or why there is none. Raises UserError."""
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.facts import NotObserved  # noqa: PLC0415
    from envdoctor.fixing.asking import Resolver  # noqa: PLC0415
    from envdoctor.fixing.contradiction import clash, driver  # noqa: PLC0415
    from envdoctor.fixing.flash import about_flash_attn  # noqa: PLC0415
    from envdoctor.fixing.keeping import keeping  # noqa: PLC0415
    from envdoctor.fixing.planning import Wish, plan, treated  # noqa: PLC0415
    from envdoctor.fixing.shown import Shown  # noqa: PLC0415
    from envdoctor.views import elsewhere, in_lock, in_report, on_windows  # noqa: PLC0415

    if on_windows(judged):
        raise UserError(
            "no plan is made for Windows, which the report is about: the data knows wheels for Linux alone",
            "`envdoctor check` of it says the cause; under WSL2 the wheels for Linux are what is installed.",
        )
    try:
        keep = keeping(words.keep, judged, made.matrix)
        wish = Wish(keep=keep, index=index_of(words), several=words.all_plans)
        answer = plan(judged, made.matrix, report, wish, Resolver(offline=words.offline))
    except NotObserved as lack:
        if in_report(judged) and (what := unsaid(judged)):
            told = f"says neither {' nor '.join(what)}" if len(what) > 1 else f"does not say {next(iter(what))}"
            raise UserError(
                f"there is nothing to plan with: the report {told}", f"Give it: {'; '.join(what.values())}."
            ) from lack
        hint = "envdoctor check says what could not be read."
        raise UserError(f"there is nothing to plan with: {lack.why}", hint) from lack
    answer = treated(answer, judged, made.matrix, report)
    lacking = not answer.plans and bool(answer.wanted or answer.asked)
    return Shown(
        report=report,
        answer=answer,
        keep=keep,
        clash=clash(judged, made.matrix, keep, answer.failed, report) if lacking else None,
        driver=driver(judged, made.matrix, keep, report) if lacking else None,
        advice=about_flash_attn(judged, made.matrix, answer),
        appliable=not elsewhere(judged) and not in_lock(judged),
    )


def unsaid(facts: Facts) -> dict[str, str]:
    """What a plan needs and a report does not say -> how to give it."""
    from envdoctor.facts import Known  # noqa: PLC0415

    found = {}
    if not isinstance(facts.python, Known):
        found["Python's version"] = "--suppose python=3.12, or whichever it was"
    if not isinstance(facts.packages.distributions, Known):
        found["the versions of packages"] = "the output of `pip list` in the report, or --suppose PACKAGE=VERSION for each"
    return found


def index_of(words: Words) -> Index:
    """The named indexes. Raises UserError: one is no address."""
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.resolver import Index  # noqa: PLC0415

    for address in words.indexes:
        if address.startswith("-") or not address.strip():
            raise UserError(
                "--index is given something that is no address", "Write it as uv takes it: --index https://HOST/simple"
            )
    return Index(extra=words.indexes)
