"""What ``envdoctor diff A B`` and ``envdoctor check lock:h100 venv:.venv`` do once their words are known. Imports late."""

from __future__ import annotations

import os


def run_diff(
    a: str, b: str, *, form: str, output: str | None, strict: bool, data: str | None, verbose: bool, run: bool = True
) -> int:
    """Compare two targets and print what differs; gives the exit status. Raises UserError."""
    from envdoctor import session  # noqa: PLC0415

    # of two targets it is for those that are images; for none of them it makes no sense, which the first then says
    first_runs, second_runs = run or (not image(a) and image(b)), run or not image(b)
    with session.start(a, run=first_runs) as first, session.start(b, run=second_runs) as second:
        from envdoctor.compare import compare  # noqa: PLC0415 - both probes are at work meanwhile
        from envdoctor.overlay import opened  # noqa: PLC0415

        matrix = opened(data, os.environ)
        facts = session.facts_of(first, matrix), session.facts_of(second, matrix)
    difference = compare(*facts, matrix)

    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.difference import document, render  # noqa: PLC0415

    page = Page(color=wants_color(output), width=width(output), verbose=verbose, notes=session.passed_over(matrix))
    emit(document(difference) if form == "json" else render(difference, page), output, exact=form == "json")
    if not difference.same:
        return 1
    return 3 if strict and difference.untold else 0


def run_drift(  # noqa: PLR0913 - one argument an option of the command
    lock: str,
    target: str,
    *,
    form: str,
    output: str | None,
    strict: bool,
    suppose: tuple[str, ...],
    data: str | None,
    verbose: bool,
    run: bool = True,
) -> int:
    """Judge whether an environment is what its lock says, and print what drifted; gives the exit status. Raises UserError."""
    from envdoctor import session  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415

    with session.start(lock) as before, session.start(target, records=True, run=run) as pending:
        kinds = before.spec.scheme, pending.spec.scheme
        if kinds[0] != "lock" or kinds[1] == "lock":
            raise UserError(*not_a_drift(kinds, lock, target))
        from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415 - the probe is at work meanwhile
        from envdoctor.drift import drift  # noqa: PLC0415
        from envdoctor.realign import steps  # noqa: PLC0415
        from envdoctor.render import Page  # noqa: PLC0415
        from envdoctor.render.drift import Subject, document, render  # noqa: PLC0415
        from envdoctor.sources import lock as source  # noqa: PLC0415
        from envdoctor.suppose import require_known, supposing  # noqa: PLC0415

        made = session.plan(session.Options(suppose=suppose, data=data))
        sought = source.read(before.spec.path)
        says = session.facts_of(before, made.matrix).target
        facts = session.facts_of(pending, made.matrix)
    require_known(made.wishes.suppose, facts, made.matrix)
    facts = session.pasteable(supposing(facts, made.wishes.suppose, made.matrix), pending)
    found = drift(sought, facts)
    todo = steps(found, sought, facts, session.shown(source.requirements_of(sought, before.spec.path)))
    subject = Subject(lock=says.spec, says=says.chosen, next_command=("envdoctor", "check", target))
    page = Page(color=wants_color(output), width=width(output), verbose=verbose, notes=session.passed_over(made.matrix))
    text = document(found, subject, todo, facts) if form == "json" else render(found, subject, todo, facts, page)
    emit(text, output, exact=form == "json")
    if found.departures:
        return 1
    return 3 if strict and found.untold else 0


def image(target: str) -> bool:
    """Whether the word names an image."""
    return target.startswith("image:")


def not_a_drift(kinds: tuple[str, str], first: str, second: str) -> tuple[str, str]:
    """What is wrong with two targets that are not a lock and an environment, and what was probably meant."""
    what = "two targets are a lock and the environment that should be like it"
    if kinds == ("lock", "lock"):
        return f"{what}; these are two locks", f"Two locks are compared by: envdoctor diff {first} {second}"
    if kinds[1] == "lock":
        return f"{what}, in this order", f"Turn them round: envdoctor check {second} {first}"
    return f"{what}; {first} is no lock", f"Two environments are compared by: envdoctor diff {first} {second}"
