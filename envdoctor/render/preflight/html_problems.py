"""Root causes with their symptoms, what is waived, and what changed since the baseline, as values of the HTML page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.render.preflight.html_words import SEVERITIES, capped, command, evidence, pasted, sources, truth
from envdoctor.render.preflight.words import is_rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envdoctor.preflight.outcome import Move, Place, Preflight, Problem, Waived

MAX_CAUSES, MAX_WAIVED, MAX_CHANGES = 100, 100, 100
MAX_SYMPTOMS, MAX_PLACES, MAX_COMMANDS, MAX_LINES = 30, 8, 20, 60


class Named(msgspec.Struct, frozen=True):
    """A problem that has a place on the page."""

    number: int
    """1 for the first."""
    problem: Problem

    @property
    def id(self) -> str:
        """Of the element that tells it."""
        return f"cause-{self.number}"


def named(problems: Sequence[Problem]) -> dict[str, Named]:
    """Fingerprint -> the problem with its number, for those that the page tells in full."""
    return {one.fingerprint: Named(number, one) for number, one in enumerate(problems[:MAX_CAUSES], 1)}


def causes(found: Preflight, known: Mapping[str, Named]) -> dict[str, Any]:
    """All root causes: those that fail it, then the others."""
    new = set() if found.since is None else set(found.since.new)
    # what the commands of a card above mend too stays folded
    above: set[object] = set()
    cards = []
    for one in known.values():
        same = one.problem.commands and (one.problem.tier, one.problem.commands)
        cards.append(_card(one, is_new=one.problem.fingerprint in new) | {"open": one.problem.counts and same not in above})
        if same:
            above.add(same)
    counted = len(found.counted())
    return {
        "failing": [one for one in cards if one["counts"]],
        "others": [one for one in cards if not one["counts"]],
        "counted": counted,
        "uncounted": len(found.problems) - counted,
        "left": len(found.problems) - len(cards),
    }


def _card(one: Named, *, is_new: bool) -> dict[str, Any]:
    problem = one.problem
    return about(problem) | {
        "id": one.id,
        "number": one.number,
        "counts": problem.counts,
        "known": problem.known,
        "new": is_new,
        "joint": None if problem.joint is None else problem.joint.value,
        "symptoms": _symptoms(problem),
        "places": [_place(place) for place in problem.places[:MAX_PLACES]],
        "fingerprint": problem.fingerprint,
    }


def about(problem: Problem) -> dict[str, Any]:
    """What is told of a problem wherever it stands: how it is known, where the claim is from, what to do."""
    commands, commands_left = capped(problem.commands, MAX_COMMANDS)
    lines, lines_left = capped(problem.write, MAX_LINES)
    return {
        "code": problem.code,
        "title": problem.title,
        "why": problem.why,
        "severity": problem.severity.value,
        "style": SEVERITIES[problem.severity],
        "tier": problem.tier.value,
        "truth": truth(problem.layer),
        "evidence": evidence(problem.evidence),
        "sources": sources(problem.sources),
        "says": problem.says,
        "commands": [command(argv) for argv in commands if argv],
        "commands_left": commands_left,
        "write": [pasted(line) for line in lines],
        "write_left": lines_left,
        "write_at": _place(problem.places[0]) if problem.places else None,
        "explain": command(("envdoctor", "explain", problem.code)) if is_rule(problem.code) else None,
    }


def _symptoms(problem: Problem) -> dict[str, Any]:
    kept, left = capped(problem.symptoms, MAX_SYMPTOMS)
    return {"rows": [{"code": one.code, "title": one.title} for one in kept], "left": left, "count": len(problem.symptoms)}


def _place(place: Place) -> str:
    return f"{place.path}:{place.line}"


def waived(found: Preflight) -> dict[str, Any]:
    """What the configuration waives, each with its reason and its date."""
    kept, left = capped(found.waived, MAX_WAIVED)
    return {"rows": [_waived(number, one) for number, one in enumerate(kept, 1)], "left": left, "count": len(found.waived)}


def _waived(number: int, one: Waived) -> dict[str, Any]:
    joint = one.problem.joint
    return about(one.problem) | {
        "id": f"waived-{number}",
        "reason": one.reason,
        "until": one.until,
        "joint": None if joint is None else joint.value,
    }


def changes(found: Preflight, known: Mapping[str, Named]) -> dict[str, Any] | None:
    """What is not as the baseline has it; None where none was given."""
    since = found.since
    if since is None:
        return None
    titles = {one.fingerprint: (one.code, one.title) for one in found.problems}
    new = [
        {"id": known[key].id if key in known else None, "code": titles[key][0], "title": titles[key][1]}
        for key in since.new
        if key in titles
    ]
    new, new_left = capped(new, MAX_CHANGES)
    gone, gone_left = capped(since.gone, MAX_CHANGES)
    moves, moves_left = capped(since.moves, MAX_CHANGES)
    return {
        "taken_at": None if since.taken_at is None else since.taken_at.replace("T", " ").replace("Z", " UTC"),
        "new": new,
        "new_left": new_left,
        "gone": [{"code": one.code, "title": one.title} for one in gone],
        "gone_left": gone_left,
        "moves": [_move(one) for one in moves],
        "moves_left": moves_left,
        "untold": since.untold,
        "same": not (since.new or since.gone or since.moves or since.untold),
    }


def _move(one: Move) -> dict[str, str]:
    return {"what": one.what, "before": one.before or "not there", "after": one.after or "not there"}
