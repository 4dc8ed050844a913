"""The head of the HTML page: the verdict, what was judged, what it took and spared; the tiers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor.preflight.outcome import EXIT_CODES, State, Tier, Verdict
from envdoctor.render.preflight.html_words import BAD, GOOD, MAX_HEADLINE, NONE, OPEN, short
from envdoctor.render.preflight.words import BEGUN, lasting, paid, rate
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.preflight.outcome import Cost, Preflight

VERDICTS = {
    Verdict.PASSED: ("Passed", GOOD),
    Verdict.FAILED: ("Failed", BAD),
    Verdict.UNTOLD: ("Could not tell", OPEN),
    Verdict.CRASHED: ("A rule crashed", OPEN),
}
STATES = {State.PASSED: GOOD, State.FAILED: BAD, State.UNTOLD: OPEN, State.NOT_RUN: NONE, State.NOT_ASKED: NONE}
ABOUT = {
    Tier.LINT: "Dockerfiles of the repository",
    Tier.CHECK: "rules, requirements, waivers",
    Tier.DRIFT: "versions against the lock",
    Tier.FILES: "files against their hashes",
    Tier.DEEP: "really loaded, really computed",
    Tier.SMOKE: "really trained with GRPO",
}
BAR = 1000.0
"""Width of the picture of the budget, in its own units."""
SLIVER = 3.0
"""The least width of a tier in it, so that it can be seen."""


def banner(found: Preflight) -> dict[str, Any]:
    """The verdict in words, and the rows under it."""
    word, style = VERDICTS[found.verdict]
    headline, more = _headline(found)
    return {
        "word": word,
        "style": style,
        "target": short(found.target),
        "headline": short(headline, MAX_HEADLINE),
        "more": more,
        "exit": EXIT_CODES[found.verdict],
        "rows": [(label, short(value), short(remark)) for label, value, remark in _rows(found)],
        "spared": _spared(found.cost),
    }


def _headline(found: Preflight) -> tuple[str, str]:
    """What it came to in one sentence, and what else there is."""
    counted = found.counted()
    if found.verdict is Verdict.FAILED and counted:
        others = len(counted) - 1
        return counted[0].title, f"{plural(others, 'more problem')} beside it" if others else ""
    if found.verdict is Verdict.CRASHED:
        return "A rule crashed, which is a bug of envdoctor and says nothing of the target.", ""
    if found.verdict is Verdict.UNTOLD:
        silent = next((one for one in found.tiers if one.state is State.UNTOLD), None)
        silent = silent or next((one for one in found.tiers if one.state is State.NOT_RUN), None)
        if silent is None:
            return f"Nothing failed, and {plural(len(found.questions), 'question')} stayed open.", ""
        return f"Nothing failed, but the tier {silent.tier.value} could not answer: {silent.said}.", ""
    passed = sum(one.state is State.PASSED for one in found.tiers)
    told = f"Nothing was found that would stop a run: {plural(passed, 'tier')} passed."
    others = len(found.problems)
    return told, f"Below: {plural(others, 'problem')}, not grave enough to fail it or in the baseline" if others else ""


def _rows(found: Preflight) -> Iterator[tuple[str, str, str]]:
    """Label, value, and a remark in small."""
    yield "Target", found.target, found.chosen
    yield "Profile", found.profile or "none", "" if found.profile else "--profile NAME judges for a machine"
    yield "Lock", found.lock or "none", "" if found.lock else "--lock NAME compares with one"
    day, _, clock = found.began.partition("T")
    yield "Began", day, f"{clock.removesuffix('Z')} UTC" if clock else ""
    yield "Took", lasting(found.seconds), f"of a budget of {lasting(found.budget_s)}"
    price = found.cost.price
    if price is None:
        yield "Cost", "not told", "--price 24/h tells what the node costs"
    else:
        yield "Cost", paid(price, found.cost.spent_s), f"at {rate(price)}"


def _spared(cost: Cost) -> dict[str, Any] | None:
    """What stopping early spared; None where nothing was."""
    if not cost.spared:
        return None
    seconds = sum(one.seconds for one in cost.spared)
    vias = list(dict.fromkeys(one.via for one in cost.spared))
    return {
        "time": lasting(seconds),
        "money": None if cost.price is None else paid(cost.price, seconds),
        "tiers": ", ".join(f"{one.tier.value} {lasting(one.seconds)}" for one in cost.spared),
        "via": "; ".join(vias),
    }


def tiers(found: Preflight) -> dict[str, Any]:
    """The six, in their order, and how much of the budget each took."""
    rows = [
        {
            "name": one.tier.value,
            "about": ABOUT[one.tier],
            "state": one.state.value,
            "style": STATES[one.state],
            "time": lasting(one.seconds) if one.state in BEGUN else "",
            "said": short(one.said),
            "asked": one.state is not State.NOT_ASKED,
        }
        for one in found.tiers
    ]
    return {"rows": rows, "bar": list(_bar(found)), "budget": lasting(found.budget_s), "took": lasting(found.seconds)}


def _bar(found: Preflight) -> Iterator[dict[str, str]]:
    """Where each tier's time lies in the budget, as rectangles beside each other."""
    whole = max(found.budget_s, sum(one.seconds for one in found.tiers))
    x = 0.0
    for one in found.tiers:
        if one.seconds <= 0 or whole <= 0:
            continue
        width = max(SLIVER, BAR * one.seconds / whole)
        yield {"x": f"{x:.1f}", "width": f"{min(width, max(SLIVER, BAR - x)):.1f}", "style": STATES[one.state]}
        x += width
