"""Writes the dated page: totals, pairs, what was left out, and every disagreement with its reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from .names_judge import FAILS, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .names_compare import Modules, Pair

SHOWN_OTHERWISE = 25
INTRODUCTION = """\
What envdoctor foretells of module-level imports, from source text alone, beside what really happens. `make truth-names`
builds each environment from real wheels (the exporter with the dependencies of its day and a CPU build of torch), takes every
(module, name) that an importer's top level takes from an exporter by exactly that statement in a forked child, and really
imports each of the importer's modules to see which statements run and which failures are caught. The list of statements comes from a
plain walk over the syntax trees that shares nothing with the code under test.

A unit is one name of one import statement at the top level of a module. It *fails* when the module really dies of it, or, where
the module dies earlier of something else (no GPU, a package that was not installed), when the statement stands under no condition and
fails by itself. It *works* when the exporter has the name, when the statement does not run, or when its failure is caught.
"""


def page(date: str, pairs: list[Pair], modules: Modules, reasons: dict[tuple[str, str], str], notes: str, rows: int) -> str:
    """The whole page."""
    return "\n".join(
        (*_head(date, pairs, rows), notes, *_modules(modules), *_disagreements(pairs, reasons), *_left_out(pairs), *_pairs(pairs))
    )


def total(pairs: list[Pair]) -> Table:
    """The counts of all pairs."""
    table = Table()
    for pair in pairs:
        table.merge(pair.table)
    return table


def _head(date: str, pairs: list[Pair], rows: int) -> Iterator[str]:
    table = total(pairs)
    names = {(module, name) for _, module, name in table.broken}
    broken = sum(pair.table.positives > 0 for pair in pairs)
    distinct = _distinct(pairs)
    yield f"# Names foretold and names really missing, {date}\n"
    yield INTRODUCTION
    yield "| what | number |\n|---|---|"
    yield f"| environments | {rows} |"
    yield f"| pairs of an importer release and an exporter release | {len(pairs)}, of which {broken} are really broken |"
    yield f"| units judged | {sum(table.counts.values()):,} |"
    yield f"| units not judged (reasons below) | {sum(table.left_out.values()):,} |"
    yield f"| units that really fail | {table.positives:,}: {len(names)} different names, {len(table.broken)} with the exporter's release |"
    for why, (all_of_it, foretold) in sorted(_positives(pairs).items()):
        yield f"| of these: {why} | {all_of_it:,}, of which {foretold:,} are foretold |"
    yield f"| foretold and real (TP) | {table.counts['TP']:,} |"
    yield f"| foretold, not real (FP) | {table.counts['FP']:,} |"
    yield f"| real, not foretold (FN) | {table.counts['FN']:,} |"
    yield f"| neither (TN) | {table.counts['TN']:,} |"
    yield f"| **precision** | **{table.precision:.4f}** |"
    yield f"| **recall** | **{table.recall:.4f}** |"
    yield (
        f"| the same over different (importer, exporter, module, name) | precision {distinct.precision:.4f}, recall "
        f"{distinct.recall:.4f}, {distinct.positives:,} that fail |"
    )
    apart = [(pair, one) for pair in pairs for one in pair.judged if one.section != (one.foretold == FAILS)]
    yield f"| units of which the probe's section `names`, which goes a shorter way, says something else | {len(apart)} |"
    yield ""
    for pair, one in apart[:SHOWN_OTHERWISE]:
        yield f"- section {'says' if one.section else 'does not say'} `{one.unit}` fails: {pair.importer}, {pair.exporter}, {one.foretold}"
    yield ""


def _positives(pairs: list[Pair]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for one in (one for pair in pairs for one in pair.judged if one.kind in {"TP", "FN"}):
        count, foretold = found.get(one.truth.why, (0, 0))
        found[one.truth.why] = (count + 1, foretold + (one.kind == "TP"))
    return found


def _distinct(pairs: list[Pair]) -> Table:
    table = Table()
    for pair in pairs:
        worst: dict[str, str] = {}
        for one in pair.judged:
            if one.kind in {"FN", "FP"} or (one.kind and one.unit.key not in worst):
                worst[one.unit.key] = one.kind
            elif one.kind == "TP" and worst[one.unit.key] == "TN":
                worst[one.unit.key] = "TP"
        table.counts.update(worst.values())
    return table


def _modules(modules: Modules) -> Iterator[str]:
    dies = modules.dies_foretold + len(modules.dies_unforetold)
    yield "## Whole modules\n"
    yield (
        f"Of the importers' modules that import an exporter at their top level, {modules.loads:,} load as they are and {dies:,} die of a "
        f"name that an exporter lacks, theirs or that of a module they import; {modules.dies_foretold:,} of these deaths are foretold at the "
        f"very line. {sum(modules.otherwise.values()):,} die of something else first; what that is:\n"
    )
    yield "| modules | error |\n|---|---|"
    for error, count in modules.otherwise.most_common(SHOWN_OTHERWISE):
        yield f"| {count} | `{_cell(error)}` |"
    rest = modules.otherwise.most_common()[SHOWN_OTHERWISE:]
    if rest:
        yield f"| {sum(count for _, count in rest)} | {len(rest)} others |"
    if modules.dies_unforetold:
        yield "\nNot foretold:\n"
        yield from (f"- `{_cell(one)}`" for one in modules.dies_unforetold)
    yield ""


def _disagreements(pairs: list[Pair], reasons: dict[tuple[str, str], str]) -> Iterator[str]:
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for pair in pairs:
        for one in pair.judged:
            if one.kind in {"FP", "FN"}:
                key = (one.kind, one.unit.statement.module, one.unit.name, one.foretold, one.truth.why)
                found[key].append(f"{pair.importer} {one.unit.statement.file}:{one.unit.statement.line}, {pair.exporter}")
    yield "## Disagreements\n"
    if not found:
        yield "None.\n"
        return
    yield "| | name | foretold | truth | units | for instance | reason |\n|---|---|---|---|---|---|---|"
    for (kind, module, name, foretold, why), places in sorted(found.items()):
        reason = reasons.get((module, name), "not explained")
        yield f"| {kind} | `{module}` `{name}` | {foretold} | {why} | {len(places)} | {places[0]} | {reason} |"
    yield ""


def _left_out(pairs: list[Pair]) -> Iterator[str]:
    counts = Counter[str]()
    for pair in pairs:
        counts.update(pair.table.left_out)
    yield "## Not judged\n\n| units | why |\n|---|---|"
    yield from (f"| {count} | {_cell(why)} |" for why, count in counts.most_common())
    yield ""


def _pairs(pairs: list[Pair]) -> Iterator[str]:
    yield "## Pairs\n"
    yield "| importer | exporter | judged | fail | TP | FP | FN | not judged |\n|---|---|---|---|---|---|---|---|"
    for pair in sorted(pairs, key=lambda one: (one.exporter, one.importer)):
        table = pair.table
        numbers = (sum(table.counts.values()), table.positives, *(table.counts[kind] for kind in ("TP", "FP", "FN")))
        cells = " | ".join(str(number) for number in (*numbers, sum(table.left_out.values())))
        yield f"| {pair.importer} | {pair.exporter} | {cells} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")
