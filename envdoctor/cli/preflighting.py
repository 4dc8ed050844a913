"""What ``envdoctor preflight`` does once its words are known."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.errors import UserError
    from envdoctor.matrix import Matrix
    from envdoctor.preflight.outcome import Preflight, Tier
    from envdoctor.render import Page

    Renderer = Callable[[Preflight, Page], str]

FOR_MACHINES = frozenset({"json", "html", "junit", "sarif", "github", "gitlab", "dotenv", "prometheus"})
"""Formats that go out as UTF-8 whatever the locale says."""
NAGIOS_UNKNOWN = 3
ON_GITHUB = "GITHUB_ACTIONS"
SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
"""Variables that name files of a GitHub runner: what is appended to them shows on the page of the run."""


class Words(NamedTuple):
    """What stands on the command line and has to be read."""

    target: str | None
    profile: str | None
    budget: str
    required: tuple[str, ...]
    lock: str | None
    dockerfiles: tuple[str, ...]
    suppose: tuple[str, ...]
    price: str | None
    baseline: str | None


class Shown(NamedTuple):
    """How and where reports go."""

    form: str
    reports: tuple[str, ...]
    verbose: bool


def run_preflight(
    words: Words,
    *,
    shown: Shown,
    smoke: bool,
    static: bool,
    strict: bool,
    fail_on: str | None,
    data: str | None,
) -> int:
    """Run a preflight, write its reports, and give the exit status. Raises UserError."""
    from envdoctor import session  # noqa: PLC0415
    from envdoctor.cli.output import checked, tell  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.preflight import asked, baseline, running  # noqa: PLC0415
    from envdoctor.preflight.going import Asked  # noqa: PLC0415
    from envdoctor.preflight.outcome import EXIT_CODES, Verdict  # noqa: PLC0415
    from envdoctor.proving.asked import seconds  # noqa: PLC0415
    from envdoctor.render.preflight import RENDERERS  # noqa: PLC0415

    reports = asked.reports(shown.reports, RENDERERS)
    if shown.form != "terminal" and any(place == "-" for _, place in reports):
        what = f"--format {shown.form} and a --report with - both want standard output"
        raise UserError(what, "Leave one of them away, or give the report a file.")
    checked({f"--report {form}={place}": place for form, place in reports})
    made = session.plan(session.Options(suppose=words.suppose, fail_on=fail_on, data=data))
    if words.profile is not None:
        made = made._replace(profile=gpu_of(words.profile, made.matrix))
    wanted = Asked(
        target=words.target,
        profile=made.profile,
        lock=running.lock_named(words.lock),
        required=asked.requirements(words.required),
        dockerfiles=words.dockerfiles,
        smoke=smoke,
        static=static,
        budget_s=seconds(words.budget),
        price=asked.price(words.price),
        baseline=None if words.baseline is None else baseline.read(words.baseline),
        strict=strict,
    )
    with Progress() as progress:
        found = running.run(wanted, made, progress.say)
    if shown.form == "nagios":
        from envdoctor.render.preflight.nagios import status  # noqa: PLC0415

        code = status(found)
    else:
        code = EXIT_CODES[found.verdict]
    try:
        write(found, reports, shown, made.today)
    except UserError as wrong:
        if found.verdict is not Verdict.FAILED:
            raise
        # a machine that was found broken stays that, whatever became of its report
        tell(f"envdoctor: {wrong.what}\n{wrong.hint}\n")
    return code


def as_plugin(run: Callable[[], int]) -> int:
    """Run it as a Nagios plugin: what cannot be judged is UNKNOWN, on standard output and by the status."""
    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.wording import harmless  # noqa: PLC0415

    try:
        return run()
    except UserError as wrong:
        emit(f"ENVDOCTOR UNKNOWN - {harmless(wrong.what)}\n{harmless(wrong.hint)}\n".replace("|", "/"), None)
        return NAGIOS_UNKNOWN


def gpu_of(profile: str, matrix: Matrix) -> str | None:
    """The GPU that a profile is for: a product of the data, or that of a target; None for a target without one.

    Raises:
        UserError: there is neither.
    """
    from envdoctor import targets  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.wording import nearest  # noqa: PLC0415

    keys = [row.key for row in matrix.gpu_products()]
    if profile.lower() in keys:
        return profile.lower()
    if profile in targets.names():
        return targets.profile(profile).gpu
    raise UserError(f"--profile {profile!r} is no GPU in the data and no target", nearest(profile, {*keys, *targets.names()}))


def write(found: Preflight, reports: tuple[tuple[str, str], ...], shown: Shown, today: str) -> None:
    """Write every report that was asked for, and what a GitHub runner shows; one that cannot be written keeps none of the others.

    Raises:
        UserError: one could not be written, after all others were.
    """
    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.preflight import RENDERERS  # noqa: PLC0415

    plain = Page(verbose=shown.verbose, today=today)
    page = Page(color=wants_color(None), width=width(None), verbose=shown.verbose, today=today)
    taken = any(place == "-" for _, place in reports)
    failed: list[UserError] = []
    for form, place in reports if taken else (*reports, (shown.form, "-")):
        try:
            text = RENDERERS[form](found, page if place == "-" else plain)
            emit(text, None if place == "-" else place, exact=form in FOR_MACHINES)
        except UserError as wrong:
            failed.append(wrong)
    if os.environ.get(ON_GITHUB) == "true":
        failed += on_github(found, plain)
    if failed:
        raise failed[0]


def on_github(found: Preflight, page: Page) -> list[UserError]:
    """Annotations on standard error, where a report on standard output stays whole; the step's summary and its outputs.

    Gives what could not be written.
    """
    from envdoctor.cli.output import tell  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.render.preflight import RENDERERS  # noqa: PLC0415
    from envdoctor.render.preflight.github import outputs  # noqa: PLC0415

    tell(RENDERERS["github"](found, page))
    failed = []
    for variable, text in ((SUMMARY, RENDERERS["markdown"](found, page)), (OUTPUT, outputs(found))):
        place = os.environ.get(variable)
        try:
            if place:
                append(place, text, variable)
        except UserError as wrong:
            failed.append(wrong)
    return failed


def append(place: str, text: str, variable: str) -> None:
    """Append to a file that the runner has named. Raises UserError: it cannot be written."""
    from envdoctor.errors import UserError  # noqa: PLC0415

    try:
        with open(place, "a", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        what = f"{variable} names {place}, which cannot be written: {error.strerror}"
        raise UserError(what, f"Run `unset {variable}` where no GitHub runner is.") from error


class Progress:
    """What is done now: one live line at a terminal, a line a tier in a log."""

    def __init__(self) -> None:
        from envdoctor.cli.deepening import Progress as Line  # noqa: PLC0415

        self.line = Line(sys.stderr)
        self.tier: Tier | None = None

    def __enter__(self) -> Progress:  # noqa: PYI034 - Self is of Python 3.11
        self.line.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        from envdoctor.cli.output import tell  # noqa: PLC0415

        self.line.__exit__(kind, *rest)
        if kind is not None and issubclass(kind, (KeyboardInterrupt, SystemExit)):
            where = "" if self.tier is None else f" in {self.tier.value}"
            tell(f"stopped{where}: all that was started has ended; no report was written\n")

    def say(self, tier: Tier, doing: str) -> None:
        """Show it."""
        from envdoctor.cli.output import tell  # noqa: PLC0415

        if tier is not self.tier:
            self.tier = tier
            if sys.stderr is not None and not sys.stderr.isatty():
                tell(f"envdoctor preflight: {tier.value} ...\n")
        self.line.say(f"{tier.value}: {doing}")
