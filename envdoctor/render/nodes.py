"""Many nodes on one page: who fails and why in a line each, root causes once, what differs, and what to do with the names.

Readable at 80 columns, without colour and in a pipe: every mark is a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.findings import Severity
from envdoctor.nodes.lists import option
from envdoctor.nodes.naming import compact
from envdoctor.nodes.outcome import State
from envdoctor.render import harmless, shell, shortened
from envdoctor.render.difference import painted, wrapped
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.nodes.lists import Written
    from envdoctor.nodes.mattering import Reason
    from envdoctor.nodes.outcome import Found, NodeResult, Outcome
    from envdoctor.nodes.skew import Difference
    from envdoctor.render import Page

FEW = 50
"""Rows of the table without -v."""
MANY = 1000
MARKS = {
    State.SILENT: ("no answer", "error"),
    State.FAILED: ("FAILED", "error"),
    State.SKEWED: ("skewed", "warning"),
    State.PASSED: ("passed", "good"),
}
FAILING = (State.SILENT, State.FAILED, State.SKEWED)
MAX_NAME = 24
MAX_NODES = 400
"""Characters of a compact list of names."""
MAX_VALUE = 100
FEW_DIFFERENCES = 12
FEW_VALUES = 6
AGAINST = " against "


def render(outcome: Outcome, page: Page, written: Written | None) -> str:
    """The whole page, ending in a newline. ``written``: where the names were put; None where they were not."""
    blocks = (
        _head(outcome, page),
        _table(outcome, page),
        *(_cause(one, page) for one in _told(outcome, page)),
        _skew(outcome, page),
        _untold(outcome, page),
        _notes(outcome, page),
        _lists(outcome, page, written),
        [_last(outcome, page)],
    )
    return "\n\n".join(text for text in ("\n".join(lines) for lines in blocks) if text) + "\n"


def _head(outcome: Outcome, page: Page) -> Iterator[str]:
    count = len(outcome.results)
    yield from wrapped(
        f"envdoctor preflight: {plural(count, 'node')} by {outcome.program}, {outcome.target} on each", page, "", "  "
    )
    sets = plural(outcome.distinct, "different set")
    asked = f"asked {min(outcome.parallel, count)} at a time, at most {outcome.deadline_s:g} s each; {sets} of facts judged"
    yield from wrapped(asked, page, "  ")


def _table(outcome: Outcome, page: Page) -> Iterator[str]:
    failing = [one for state in FAILING for one in outcome.results if one.state is state]
    rows = _rows(failing, page)
    limit = MANY if page.verbose else FEW
    width = min(MAX_NAME, max((len(names) for names, _ in rows[:limit]), default=0))
    for names, one in rows[:limit]:
        yield from _row(names, one, width, page)
    if len(rows) > limit:
        yield f"  ... and {len(rows) - limit} more{'' if page.verbose else '; -v shows them'}"
    passed = outcome.of(State.PASSED)
    if passed:
        mark, style = MARKS[State.PASSED]
        lines = wrapped(f"{_names(passed)} ({plural(len(passed), 'node')})", page, f"{mark:<10} ")
        yield from (painted(line, style, page) for line in lines)


def _rows(failing: Sequence[NodeResult], page: Page) -> list[tuple[str, NodeResult]]:
    """One for each node; where that is too long, one for all that failed for the same reason."""
    if len(failing) <= FEW or page.verbose:
        return [(one.node, one) for one in failing]
    alike: dict[tuple[State, str], list[NodeResult]] = {}
    for one in failing:
        alike.setdefault((one.state, one.why), []).append(one)
    return [(_names([one.node for one in same]), same[0]) for same in alike.values()]


def _row(names: str, one: NodeResult, width: int, page: Page) -> Iterator[str]:
    mark, style = MARKS[one.state]
    code = f"{one.code} " if one.state is State.FAILED else ""
    more = f" (and {len(one.more)} more)" if one.more and not page.verbose else ""
    first = f"{mark:<10} {harmless(names):<{width}}  "
    indent = " " * (13 + width)
    lines = wrapped(f"{code}{brief(one.why)}{more}", page, first, indent)
    yield painted(lines[0], style, page)
    yield from lines[1:]
    for reason in one.more if page.verbose else ():
        yield from wrapped(reason, page, f"{indent}and: ", f"{indent}  ")


def _names(nodes: Sequence[str]) -> str:
    text = compact(nodes)
    return text if len(text) <= MAX_NODES else f"{text[:MAX_NODES].rpartition(',')[0] or text[:MAX_NODES]},..."


def _told(outcome: Outcome, page: Page) -> list[Found]:
    return [one for one in outcome.found if one.problem.counts or page.verbose][:FEW]


def _cause(found: Found, page: Page) -> Iterator[str]:
    problem = found.problem
    style = problem.severity.value
    for line in wrapped(f"{problem.code} {problem.title}", page, f"{style.upper()} ", "  "):
        yield painted(line, style, page)
    yield from wrapped(f"{_names(found.nodes)} ({plural(len(found.nodes), 'node')})", page, "  on      ")
    yield from wrapped(problem.why, page, "  why     ")
    for seen in problem.evidence if page.verbose else ():
        yield from wrapped(f"{seen.what}: {brief(seen.value)}  [{brief(seen.via)}]", page, "  seen    ")
    for symptom in problem.symptoms:
        yield from wrapped(f"{symptom.code} {symptom.title}", page, "  follows ")
    if problem.says:
        yield from wrapped(problem.says, page, "  fix     ")
    for argv in problem.commands:
        # never wrapped: it is there to be pasted
        yield painted(f"            {shortened(shell(argv))}", "bold", page)
    if problem.commands:
        yield "          (on the nodes)"


def _skew(outcome: Outcome, page: Page) -> Iterator[str]:
    differences = outcome.skew.differences
    matter = [one for one in differences if one.reason.matters]
    other = [one for one in differences if not one.reason.matters]
    if matter:
        yield painted("Differs between nodes, and matters:", "bold", page)
        yield from _parted(matter, page)
    if other and matter:
        yield ""
    if other:
        yield painted("Differs, and does not matter to a run over all of them:", "bold", page)
        yield from _parted(other, page)


def _parted(differences: Sequence[Difference], page: Page) -> Iterator[str]:
    """Differences that part the nodes in the same way, together: one cause has often made them all."""
    ways: dict[tuple[tuple[str, ...], ...], list[Difference]] = {}
    for one in differences:
        ways.setdefault(tuple(held.nodes for held in one.held), []).append(one)
    limit = MANY if page.verbose else FEW_DIFFERENCES
    for alike in list(ways.values())[:limit]:
        yield from _sides(alike[0], page)
        yield from _each(alike, page)
    if len(ways) > limit:
        yield f"  ... and {len(ways) - limit} more ways{'' if page.verbose else '; -v shows them'}"


def _sides(one: Difference, page: Page) -> Iterator[str]:
    """Which nodes have which value; of a majority only how many they are."""
    counts = [plural(len(held.nodes), "node") for held in one.held[:FEW_VALUES]]
    named = [f"{_names(held.nodes)} ({count})" for held, count in zip(one.held, counts, strict=False)]
    sides = counts if not one.reason.matters and not page.verbose else [counts[0] if one.majority else named[0], *named[1:]]
    yield from wrapped(f"{AGAINST.join(sides)}{_others(one)}", page, "  ", "    ")
    if one.reason.matters and not one.majority:
        kept = "so none of them passes" if one.tied else "so the first is kept: it is on most nodes, or on most without a fault"
        yield from wrapped(f"no value has a majority: there is nothing to side with, {kept}", page, "    ! ")


def _each(alike: Sequence[Difference], page: Page) -> Iterator[str]:
    """What differs so, and why that matters or not: a reason is told once."""
    limit = MANY if page.verbose else FEW_DIFFERENCES
    reasons: dict[Reason, list[Difference]] = {}
    for one in alike:
        reasons.setdefault(one.reason, []).append(one)
    for reason, same in reasons.items():
        for one in same[:limit]:
            values = AGAINST.join(_value(held.value) for held in one.held[:FEW_VALUES])
            yield from wrapped(f"{_value(one.aspect.name)}: {values}{_others(one)}", page, "    - ", "        ")
        if len(same) > limit:
            yield f"    ... and {len(same) - limit} more{'' if page.verbose else '; -v shows them'}"
        yield from wrapped(f"because {reason.why}" if reason.matters else reason.why, page, "      ")
        if page.verbose:
            yield from wrapped(f"{reason.source.where} (read {reason.source.read})", page, "      source ", "        ")


def _others(one: Difference) -> str:
    left = len(one.held) - FEW_VALUES
    return f" and {left} more values" if left > 0 else ""


def _value(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(text)} characters)"


def _untold(outcome: Outcome, page: Page) -> Iterator[str]:
    doubts = [(f"{one.question.code} {one.question.question}", one.nodes, one.question.why) for one in outcome.doubted]
    doubts += [(f"Is {one.name} the same here?", one.nodes, one.why) for one in outcome.skew.untold]
    if not doubts:
        return
    yield painted(
        f"Could not be told: {plural(len(doubts), 'question')}{'' if page.verbose else ' (-v shows them)'}", "bold", page
    )
    for question, nodes, why in doubts[:MANY] if page.verbose else ():
        yield from wrapped(f"{question} On {_names(nodes)}, because {why}", page, "  ", "    ")


def _notes(outcome: Outcome, page: Page) -> Iterator[str]:
    for crash in outcome.crashes:
        yield from wrapped(f"{crash.code} crashed, which is a bug of envdoctor, not of a node: {crash.said}", page, "BUG: ", "  ")
    minor = [one for one in outcome.found if not one.problem.counts]
    if minor and not page.verbose:
        kinds = {severity: sum(one.problem.severity is severity for one in minor) for severity in Severity}
        counts = ", ".join(f"{count} {severity.value}" for severity, count in kinds.items() if count)
        yield from wrapped(f"also found, and failing no node: {counts} (-v shows them)", page, "note: ", "  ")
    for note in outcome.notes:
        yield from wrapped(note, page, "note: ", "  ")


def _lists(outcome: Outcome, page: Page, written: Written | None) -> Iterator[str]:
    if written is None:
        return
    failing, passing = (len(outcome.of(*states)) for states in (FAILING, (State.PASSED,)))
    yield from wrapped(f"{written.failing}: {plural(failing, 'node')}", page, "wrote ", "  ")
    yield from wrapped(f"{written.passing}: {plural(passing, 'node')}", page, "wrote ", "  ")
    if failing and passing:
        # with a slash in it, Slurm takes it for a file
        yield painted(f"      {shell(('srun', f'--exclude={option(written.failing)}'))} ...", "bold", page)


def _last(outcome: Outcome, page: Page) -> str:
    counts = {state: len(outcome.of(state)) for state in State}
    failing = sum(counts[state] for state in FAILING)
    words = {State.FAILED: "failed", State.SKEWED: "skewed", State.SILENT: "gave no answer"}
    told = ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state])
    passed = f"{counts[State.PASSED]} of {plural(len(outcome.results), 'node')} passed"
    text = f"{'FAILED' if failing else 'passed'}: {passed}{f'; {told}' if told else ''}; {outcome.seconds:.1f} s"
    return "\n".join(painted(line, "error" if failing else "good", page) for line in wrapped(text, page, "", "  "))
