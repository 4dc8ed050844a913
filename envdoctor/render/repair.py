"""The page of ``envdoctor fix``: what is wrong, the plans, what each changes and costs, and who must do the rest."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from envdoctor.facts import Known
from envdoctor.findings import Kind
from envdoctor.fixing.commands import is_neither, is_pip, is_uv
from envdoctor.fixing.ground import TORCH_BRINGS
from envdoctor.render import harmless, shell, shortened
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Remedy
    from envdoctor.fixing.contradiction import Clash, Driver
    from envdoctor.fixing.planning import Planned
    from envdoctor.fixing.shown import Shown
    from envdoctor.plans import Move
    from envdoctor.render import Page

WHO = {
    Kind.SYSTEM: "an administrator of the machine",
    Kind.REBOOT: "an administrator of the machine",
    Kind.REPLACE_IMAGE: "whoever starts the container",
    Kind.HARDWARE: "whoever owns the machine",
}
"""Who does what no package can do; everything else is the user's."""
RESET, BOLD, DIM, RED, GREEN = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[32m"
MAX_TEXT = 2000
MAX_UNTOLD = 4
GB = 1e9


def render(shown: Shown, facts: Facts, page: Page) -> str:
    """The whole page, ending in a newline."""
    answer = shown.answer
    parts = [
        "\n".join(_head(shown, facts, page)),
        *("\n".join(_plan(one, number, len(answer.plans), page)) for number, one in enumerate(answer.plans, 1)),
        *(["\n".join(_none(shown, page))] if shown.clash is not None and not answer.plans else []),
        "\n".join(_driver(shown.driver, page)) if shown.driver is not None and not answer.plans else "",
        *("\n".join(_left(one, page)) for one in answer.others),
        "\n".join(line for text in shown.advice for line in _wrapped(text, page, "  ")),
        "\n".join(line for text in page.notes for line in _wrapped(text, page, "note: ", "  ")),
        "\n".join(_last(shown, page)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _wrapped(text: str, page: Page, first: str = "", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        harmless(text[:MAX_TEXT]),
        page.width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _painted(text: str, style: str, page: Page) -> str:
    return f"{style}{text}{RESET}" if page.color else text


def _head(shown: Shown, facts: Facts, page: Page) -> Iterator[str]:
    target = facts.target
    yield from _wrapped(f"envdoctor fix: {target.spec} ({target.chosen})", page, "", "  ")
    if isinstance(facts.python, Known):
        yield from _wrapped(f"Python {facts.python.value.version}, {facts.python.value.executable}", page, "  ", "  ")
    if shown.report.supposed:
        supposed = ", ".join(f"{name}={value}" for name, value in shown.report.supposed.items())
        yield from _wrapped(f"Judged as if {supposed}.", page, "  ", "  ")
    if shown.keep:
        kept = ", ".join(f"{name} {version}" for name, version in shown.keep.items())
        yield from _wrapped(f"Kept: {kept}; and the driver and the GPU, always.", page, "  ", "  ")


def _plan(one: Planned, number: int, count: int, page: Page) -> Iterator[str]:
    label = "PLAN" if count == 1 else f"PLAN {number} of {count}"
    for place, root in enumerate([each.root for each in one.repair.mends]):
        first = f"{label}  mends {root.code}: " if place == 0 else f"{'':{len(label)}}  and   {root.code}: "
        lines = _wrapped(root.title, page, first, "        ")
        yield from (_painted(line, BOLD, page) for line in lines)
    if not one.repair.mends:
        yield _painted(f"{label}  brings what you asked for", BOLD, page)
    yield from _moves(one.repair.moves, page)
    yield from _wrapped(_sums(one), page, "  cost    ")
    for form, is_form in (("with uv", is_uv), ("with pip", is_pip), ("to do", is_neither)):
        some = [argv for argv in one.repair.commands if is_form(argv)]
        if some:
            yield f"  {form}"
        # never wrapped: a command is there to be pasted
        yield from (_painted(f"            {shell(argv)}", BOLD, page) for argv in some)
    proof = f"the rules come back clean of it, and uv resolved it ({one.repair.resolved_s:.1f} s)"
    yield from _wrapped(proof, page, "  proven  ")
    for warned in one.warnings:
        yield from _wrapped(f"{warned.code} {warned.title}", page, "  warns   ")
    untold = one.untold if page.verbose else one.untold[:MAX_UNTOLD]
    for text in untold:
        yield from _wrapped(text, page, "  open    ")
    if len(untold) < len(one.untold):
        yield f"  open    ... and {len(one.untold) - len(untold)} more (-v shows them)"
    aside = {name: why for name, why in one.aside.items() if not why.startswith("it manages") or page.verbose}
    for name, why in aside.items():
        yield from _wrapped(f"{name}: {why}; it is left as it is, and the index was not asked about it", page, "  aside   ")
    for remedy, code in _instead(one):
        yield from _wrapped(f"{remedy.says} ({WHO[remedy.kind]}; instead, for {code})", page, "  or      ")


def _instead(one: Planned) -> Iterator[tuple[Remedy, str]]:
    """What others could do in place of the plan: a newer driver."""
    for diagnosis in one.repair.mends:
        yield from ((remedy, diagnosis.root.code) for remedy in diagnosis.remedies if remedy.kind in WHO)


def _moves(moves: tuple[Move, ...], page: Page) -> Iterator[str]:
    """The table; torch's CUDA libraries in one line unless all is asked for."""
    whole = [one for one in moves if page.verbose or not (one.name.startswith(TORCH_BRINGS) and one.why.startswith("torch "))]
    brought = [one for one in moves if one not in whole]
    names = max((len(one.name) for one in whole), default=4)
    steps = {one.name: _step(one) for one in whole}
    wide = max((len(text) for text in steps.values()), default=4)
    for one in whole:
        first = f"  {harmless(one.name):<{names}}  {harmless(steps[one.name]):<{wide}}  "
        if len(first) + 24 > page.width:
            yield first.rstrip()
            yield from _wrapped(one.why, page, "      ")
        else:
            yield from _wrapped(one.why, page, first, " " * len(first))
    if brought:
        words = [
            f"{count} {verb}"
            for verb, count in (
                ("come", sum(one.before is None for one in brought)),
                ("change", sum(one.before is not None and one.after is not None for one in brought)),
                ("go", sum(one.after is None for one in brought)),
            )
            if count
        ]
        yield from _wrapped(f"and CUDA libraries and triton, as torch asks: {', '.join(words)} (-v lists them)", page, "  ")


def _step(one: Move) -> str:
    if one.before == one.after:
        return f"{one.before} again"
    return f"{one.before or '(new)'} -> {one.after or '(removed)'}"


def _sums(one: Planned) -> str:
    moves = one.repair.moves
    unknown = sum(move.download_bytes is None for move in moves)
    changed = sum(move.before is not None and move.after is not None for move in moves)
    words = [f"{gigabytes(one.repair.download_bytes)} to download", f"{plural(changed, 'package')} changed"]
    words += [f"{count} {verb}" for verb, count in _comings(moves) if count]
    return ", ".join(words) + (f"; the index tells no size of {plural(unknown, 'file')}" if unknown else "")


def _comings(moves: tuple[Move, ...]) -> tuple[tuple[str, int], ...]:
    return ("new", sum(one.before is None for one in moves)), ("removed", sum(one.after is None for one in moves))


def gigabytes(size: int) -> str:
    """A size in GB of 10^9 bytes, as indexes tell it."""
    return f"{size / GB:.2f} GB" if size >= GB / 100 else f"{size / 1e6:.1f} MB"


def _none(shown: Shown, page: Page) -> Iterator[str]:
    clash: Clash | None = shown.clash
    if clash is None:
        return
    kept = " with what you keep" if shown.keep else ""
    why = "What contradicts each other:" if clash.contradicts else "What the resolver says:"
    yield _painted(f"NO PLAN could be proven{kept}. {why}", RED, page)
    yield from _wrapped(clash.says, page, "  ")
    for one in clash.facts:
        yield from _wrapped(f"{one.what}: {shortened(one.value)}  [{shortened(brief(one.via))}]", page, "  seen    ")
    if clash.original and page.verbose:
        yield "  in uv's own words:"
        yield from (f"    {harmless(line)}" for line in clash.original.splitlines())
    elif clash.original:
        yield "  (-v shows uv's own explanation)"


def _driver(driver: Driver | None, page: Page) -> Iterator[str]:
    if driver is None:
        return
    if driver.needed is not None:
        text = f"Driver {driver.needed} or newer would do, for {driver.needed_for}; here is {driver.present}. An administrator "
        yield from _wrapped(f"{text}of the machine must install it: no container and no package brings a driver.", page, "  ")
    if driver.works is not None:
        named = ", ".join(f"{name} {version}" for name, version in driver.works.versions.items())
        yield from _wrapped(f"The newest stack that works on driver {driver.present}: {named}.", page, "  ")
        yield f"            envdoctor fix --keep vllm=={driver.works.versions['vllm']}"
    else:
        yield from _wrapped(f"No stack in the data works on driver {driver.present} and this machine.", page, "  ")


def _left(one: Diagnosis, page: Page) -> Iterator[str]:
    root = one.root
    for line in _wrapped(f"{root.code} {root.title}", page, f"{root.severity.value.upper()} ", "  "):
        yield _painted(line, BOLD, page)
    if not one.remedies:
        told = "No single change mends it alone" if root.changes else "No command mends it"
        yield from _wrapped(f"{told}; `envdoctor explain {root.code}` says what can be done.", page, "  fix     ")
        for rejected in one.rejected:
            yield from _wrapped(f"not: {rejected}", page, "          ", "               ")
    for number, remedy in enumerate(one.remedies):
        who = f" ({WHO[remedy.kind]} must do it)" if remedy.kind in WHO else ""
        yield from _wrapped(remedy.says + who, page, "  fix     " if number == 0 else "  or      ")
        yield from (_painted(f"            {shell(argv)}", BOLD, page) for argv in remedy.commands)


def _last(shown: Shown, page: Page) -> Iterator[str]:
    answer = shown.answer
    doubts = sum(len(verdict.doubts) for verdict in shown.report.verdicts)
    if shown.nothing_to_mend:
        more = f"; {plural(doubts, 'question')} could not be answered (envdoctor check tells them)" if doubts else ""
        yield _painted(f"Nothing to mend was found{more}.", GREEN, page)
        return
    words = [plural(len(answer.plans), "plan")] if answer.wanted or answer.plans or shown.clash is not None else []
    if answer.others:
        words.append(f"{plural(len(answer.others), 'cause')} that no plan mends")
    timed = f"planned in {answer.seconds:.1f} s ({plural(answer.questions, 'question')} to uv, {answer.resolved_s:.1f} s)"
    yield _painted(f"{', '.join(words)}; {timed}", DIM, page)
    if answer.plans and shown.appliable:
        yield "To make it so, with a snapshot to go back to:"
        yield _painted(f"  {shell((*shown.again, '--apply'))}", BOLD, page)
