"""The answers of ``envdoctor matrix`` as text: stacks as a table, joints in words, differences as a list."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING, Any

from envdoctor.findings import DATA_IS_OLD_AFTER_DAYS, Layer, Severity, age_days
from envdoctor.wording import brief, harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.findings import Finding
    from envdoctor.lifetimes import Lack
    from envdoctor.reasons import Reasons
    from envdoctor.stacks import Refusal, Stack, Table
    from envdoctor.taken import Taken

HEADS = {
    "vllm": "vllm",
    "torch": "torch",
    "cuda": "CUDA",
    "driver": "driver from",
    "gpus": "compute capability",
    "python": "Python",
    "glibc": "glibc from",
    "transformers": "transformers",
    "trainer": "trl",
    "declared": "declared",
    "linked": "binary",
    "ran": "ran",
}
NARROW = ("gpus", "glibc", "python")
"""Columns that are left out, in this order, where the page is too narrow."""
LAYERS = {
    Layer.DECLARED: "declared: what packages say, or a table of the vendor",
    Layer.LINKED: "binary: read from the bytes",
    Layer.LOADED: "ran: it was loaded",
    Layer.TRAINED: "ran: it trained",
}
MACHINE = ("gpu", "driver", "python", "glibc")
TRAINERS = ("trl", "verl", "openrlhf")
NONE = "-"
MANY_NAMES = 4
"""Missing names of one joint that are told besides the first."""


def stacks(table: Table, trainer: str, width: int, most: int | None, today: str) -> str:
    """The stacks, newest first, as a table of at most ``width`` columns where that is possible, and why others are not in it."""
    shown = table.stacks if most is None else table.stacks[:most]
    lines: list[str] = []
    if shown:
        rows = [_row(one, trainer) for one in shown]
        lines += _columns(rows, {**HEADS, "trainer": trainer}, width)
        if len(shown) < len(table.stacks):
            lines.append(f"... and {plural(len(table.stacks) - len(shown), 'older stack')} (--all shows them)")
        lines += ["", *_legend(shown, trainer, width)]
    telling = [one for one in table.refusals if one.kind != "engine"]
    if telling or not shown:
        head = f"{plural(len(telling), 'vLLM release')} left out:" if shown else "No stack fits."
        lines += [*([""] if shown else []), head, *_refused(telling or table.refusals, width)]
    lines += _age(min((one.declared for one in table.stacks), default=None), today, width)
    return "\n".join(lines) + "\n"


def _row(one: Stack, trainer: str) -> dict[str, str]:
    return {
        "vllm": one.versions["vllm"],
        "torch": one.versions.get("torch", NONE),
        "cuda": one.cuda or NONE,
        "driver": one.driver_floor or NONE,
        "gpus": " ".join(one.capabilities) or NONE,
        "python": f"{one.python[0]}-{one.python[-1]}" if one.python else NONE,
        "glibc": one.glibc or NONE,
        "transformers": one.versions.get("transformers", NONE),
        "trainer": one.versions.get(trainer, NONE),
        "declared": one.declared,
        "linked": one.linked or NONE,
        "ran": _ran(one),
    }


def _ran(one: Stack) -> str:
    """For each machine the day of its newest run of these versions, and how many of its runs ended well if not all did."""
    cells = []
    for machine in sorted({run.machine for run in one.ran}):
        runs = [run for run in one.ran if run.machine == machine]
        passed = sum(run.outcome == "pass" for run in runs)
        ending = "" if passed == len(runs) else f" {passed} of {len(runs)} passed" if passed else " FAILED"
        cells.append(f"{max(run.read for run in runs)} {machine}{ending}")
    return ", ".join(cells) or NONE


def _columns(rows: list[dict[str, str]], heads: dict[str, str], width: int) -> list[str]:
    names = list(heads)
    sizes = {name: max(len(heads[name]), *(len(row[name]) for row in rows)) for name in names}
    for name in NARROW:
        if sum(sizes[one] + 2 for one in names) - 2 > width:
            names.remove(name)
    return ["  ".join(row[name].ljust(sizes[name]) for name in names).rstrip() for row in (heads, *rows)]


def _legend(shown: Iterable[Stack], trainer: str, width: int) -> Iterator[str]:
    text = (
        "declared: metadata of the releases, read on that day; binary: CUDA, GPU code and glibc from the bytes of torch's and "
        "vLLM's wheels, read on that day; ran: the day of a real run. transformers and "
        f"{trainer} are the newest that go with the engine, as far as its own day knew."
    )
    yield from textwrap.wrap(text, width)
    for one in shown:
        for run in one.ran:
            words = f"ran: vllm {one.versions['vllm']} on {run.machine}: {run.ran} ({run.outcome}, {run.read})"
            yield from textwrap.wrap(words, width, subsequent_indent="     ")


def _refused(refusals: Iterable[Refusal], width: int) -> Iterator[str]:
    """Refusals by reason, newest first: one line a reason."""
    reasons: dict[str, list[str]] = {}
    for one in refusals:
        reasons.setdefault(one.why, []).append(one.version)
    for why, versions in reasons.items():
        span = versions[0] if len(versions) == 1 else f"{versions[-1]} to {versions[0]} ({len(versions)})"
        yield from textwrap.wrap(f"{span}: {why}", width, initial_indent="  ", subsequent_indent="    ")


def _age(day: str | None, today: str, width: int) -> list[str]:
    """A sentence where the data is too old to know what was released since."""
    if day is None or age_days(day, today) <= DATA_IS_OLD_AFTER_DAYS:
        return []
    text = f"This rests on data of {day}, {age_days(day, today)} days ago. Renew it: envdoctor matrix refresh"
    return ["", *textwrap.wrap(text, width)]


def why(answer: Reasons, width: int, today: str, *, verbose: bool = False) -> str:
    """Every joint that breaks, in words, with its layer of truth and source; then those that hold."""
    named = ", ".join(f"{name} {version}" for name, version in answer.named.items())
    lines = textwrap.wrap(harmless(f"Judged as if installed together: {named}"), width, subsequent_indent="  ")
    by: dict[str, list[str]] = {}
    for name, (version, whose) in answer.brought.items():
        by.setdefault(whose, []).append(f"{name} {version}")
    for whose, those in by.items():
        lines += textwrap.wrap(
            f"with what {whose} pins: {', '.join(those)}", width, initial_indent="  ", subsequent_indent="    "
        )
    lines += _against(answer, width)
    joined = [one for one in answer.taken if not (one.at("module") or one.at("function"))]
    if answer.held or joined:
        lines += ["", "holds"]
    for held in answer.held:
        text = f"{held.upper} - {held.lower}: {held.range} ({held.layer.value}, {held.source.read})"
        lines += textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ")
    for one in joined:
        lines += textwrap.wrap(_joined(one, verbose=verbose), width, initial_indent="  ", subsequent_indent="    ")
    for unknown in answer.unknown:
        lines += ["", *textwrap.wrap(harmless(f"cannot tell  {unknown}"), width, subsequent_indent=" " * 13)]
    lines += _beside(answer, width, verbose=verbose)
    broken = sum(one.severity is Severity.ERROR for one in answer.broken) + len(answer.clashes) + len(answer.gone)
    broken += sum(one.breaks() for one in answer.taken)
    unsure = "nothing known speaks against it, but not everything can be told"
    ending = f"{plural(broken, 'joint')} broken" if broken else "nothing known speaks against it" if answer.told() else unsure
    lines += ["", ending]
    if broken:
        lines += ["what goes together instead:", f"  {_other_way(answer)}"]
    return "\n".join(lines + _age(answer.data_as_of, today, width)) + "\n"


def _against(answer: Reasons, width: int) -> Iterator[str]:
    """What breaks: findings of the rules, pinned releases that are gone, and ranges that exclude each other."""
    for one in answer.broken:
        yield ""
        yield from _joint(one, width)
    for gone in answer.gone:
        yield ""
        yield from textwrap.wrap(harmless(f"BROKEN  {gone}"), width, subsequent_indent=" " * 8)
    for taken in answer.taken:
        if taken.at("module") or taken.at("function"):
            yield ""
            yield from _names(taken, width)
    for clash in answer.clashes:
        (who, theirs, source), (other, others, second) = clash.wishes
        head = f"BROKEN  no {clash.package} fits both: {who} needs {theirs}, {other} needs {others}"
        yield ""
        yield from textwrap.wrap(harmless(head), width, subsequent_indent=" " * 8)
        yield from _told(LAYERS[Layer.DECLARED], width, "known from")
        for each in dict.fromkeys((source, second)):
            yield from _told(f"{brief(each.where)} (read {each.read})", width, "source")


def _names(taken: Taken, width: int) -> Iterator[str]:
    """The names that one package takes from another and that are not there, the worst first."""
    first, *others = (*taken.at("module"), *taken.at("function"))
    verb, what, where = _taking(taken, first)
    word = "BROKEN" if taken.breaks() else "doubtful"
    head = f"{word:<7} {taken.importer} {verb} {what} ({where}): {_since(first, taken.exporter)}"
    yield from textwrap.wrap(harmless(head), width, subsequent_indent="        ", break_on_hyphens=False)
    alone = "Only what is in that file fails: it is loaded by itself, when it is asked for."
    why = "That import fails." if first.breaks() else alone if first.place == "module" else "It fails when that is called."
    yield from _told(why, width)
    most = MANY_NAMES if taken.breaks() else 1
    for one in others[:most]:
        verb, what, where = _taking(taken, one)
        yield from _told(harmless(f"{verb} {what} ({where}): {_since(one, taken.exporter)}"), width, "and")
    if len(others) > most:
        yield from _told(f"{plural(len(others) - most, 'other name')}; --format json lists them", width, "and")
    if taken.fits:
        kept = (taken.importer, taken.exporter)
        pairs = [(one, next(each for each in kept if each.partition(" ")[0] != one.package)) for one in taken.fits]
        yield from _told("; ".join(f"{one.package} {one.version} with {other}" for one, other in pairs), width, "instead")
    yield from _told(LAYERS[Layer.LINKED], width, "known from")
    for source in taken.sources:
        yield from _told(f"{brief(source.where)} (read {source.read})", width, "source")


def _taking(taken: Taken, lack: Lack) -> tuple[str, str, str]:
    """What is done with a name, the name, and where."""
    use = lack.use
    owner, bracket, keyword = use.name.partition("(")
    if bracket:
        verb, what = "passes", f"{keyword.rstrip(')')} to {use.module}.{owner}"
    elif use.kind in {"patch", "attribute"}:
        verb, what = "patches" if use.kind == "patch" else "looks up", f"{use.module}.{use.name}"
    elif use.name:
        verb, what = "imports", f"{use.name} from {use.module}"
    else:
        verb, what = "imports", use.module
    run = {"module": "at module level", "guarded": "under a guard"}.get(lack.place, f"when {use.scope or 'a function'} runs")
    files = taken.files(lack)
    more = f" and {plural(len(files) - 1, 'other file')}" if len(files) > 1 else ""
    return verb, what, f"{files[0]}{more}, {run}"


def _since(lack: Lack, exporter: str) -> str:
    """Since when a name is not there, as far as the releases that were read tell."""
    package, _, version = exporter.rpartition(" ")
    _, gone, again = lack.lifetime
    if gone is not None:
        later = f", back in {again}" if again is not None else ""
        return f"gone since {package} {gone}{later}"
    if again is not None:
        return f"not there before {package} {again}"
    return f"not in {package} {version}"


def _joined(one: Taken, *, verbose: bool) -> str:
    """What can be said where no name is missing."""
    guarded = one.at("guarded")
    text = f"{one.importer} - {one.exporter}: {plural(one.names - one.undecided - len(guarded), 'name')} taken from it are there"
    if one.undecided:
        text += f", {one.undecided} cannot be told"
    if guarded:
        text += f", {len(guarded)} under a guard are not"
        text += f" ({', '.join(_taking(one, lack)[1] for lack in guarded)})" if verbose else ""
    return f"{text} (linked, {max(source.read for source in one.sources)})"


def _beside(answer: Reasons, width: int, *, verbose: bool) -> Iterator[str]:
    """What the tables know beside the joints."""
    shown = [note for note in answer.notes if verbose or note.first]
    if answer.notes:
        yield from ("", "beside")
    for note in shown:
        text = f"{note.says} [{brief(note.source.where)}, read {note.source.read}]"
        yield from textwrap.wrap(
            text, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
    if len(shown) < len(answer.notes):
        yield f"  {plural(len(answer.notes) - len(shown), 'fact')} about its NCCL and base images: -v"


def _other_way(answer: Reasons) -> str:
    """The command that lists what works with the machine and the trainer that were named, whatever the engine."""
    kept = (*MACHINE, *(name for name in TRAINERS if name in answer.named))
    words = [f"--{name} {shlex.quote(answer.named[name])}" for name in kept if name in answer.named]
    return " ".join(["envdoctor matrix show", *words])


def _joint(one: Finding, width: int) -> Iterator[str]:
    word = {Severity.ERROR: "BROKEN", Severity.WARNING: "doubtful", Severity.INFO: "note"}[one.severity]
    yield from textwrap.wrap(harmless(f"{word:<7} {one.title}"), width, subsequent_indent="        ")
    yield from _told(harmless(one.why), width)
    yield from _told(LAYERS[one.layer], width, "known from")
    said = {source.where for source in one.sources}
    for seen in one.evidence:
        if seen.via not in said and not seen.via.startswith("supposed"):  # what was named on the command line is no news
            yield from _told(harmless(f"{seen.what}: {seen.value}  [{brief(seen.via)}]"), width, "seen")
    for source in one.sources:
        yield from _told(f"{brief(source.where)} (read {source.read})", width, "source")
    yield from _told(f"envdoctor explain {one.code}", width, "more")


def _told(text: str, width: int, label: str = "") -> list[str]:
    """A paragraph below a headline, behind a label where it has one."""
    first = " " * 8 + label.ljust(12 if label else 0)
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False, break_on_hyphens=False
    )


def stacks_document(table: Table, most: int | None) -> dict[str, Any]:
    """The stacks as plain values, for JSON."""
    return {
        "schema_version": 1,
        "stacks": [
            {
                "versions": one.versions,
                "cuda": one.cuda,
                "driver_floor": one.driver_floor,
                "compute_capabilities": list(one.capabilities),
                "python": list(one.python),
                "glibc": one.glibc,
                "declared": one.declared,
                "linked": one.linked,
                "ran": [{"machine": run.machine, "ran": run.ran, "outcome": run.outcome, "read": run.read} for run in one.ran],
            }
            for one in (table.stacks if most is None else table.stacks[:most])
        ],
        "refused": [{"vllm": one.version, "kind": one.kind, "why": one.why} for one in table.refusals],
    }


def why_document(answer: Reasons) -> dict[str, Any]:
    """The joints as plain values, for JSON."""
    return {
        "schema_version": 1,
        "named": answer.named,
        "brought": {name: {"version": version, "by": whose} for name, (version, whose) in answer.brought.items()},
        "works": answer.works(),
        "broken": [
            {
                "code": one.code,
                "cause": one.cause,
                "title": one.title,
                "severity": one.severity.value,
                "layer_of_truth": one.layer.value,
                "why": one.why,
                "sources": [{"where": each.where, "read": each.read} for each in one.sources],
            }
            for one in answer.broken
        ],
        "clashes": [
            {
                "package": one.package,
                "wishes": [{"by": who, "range": spec, "source": said.where} for who, spec, said in one.wishes],
            }
            for one in answer.clashes
        ],
        "held": [
            {
                "upper": one.upper,
                "lower": one.lower,
                "range": one.range,
                "layer_of_truth": one.layer.value,
                "source": one.source.where,
            }
            for one in answer.held
        ],
        "names": [
            {
                "importer": one.importer,
                "exporter": one.exporter,
                "taken": one.names,
                "undecided": one.undecided,
                "missing": [_lack_document(lack) for lack in one.lacks],
                "instead": [{"package": fit.package, "version": fit.version} for fit in one.fits],
                "layer_of_truth": Layer.LINKED.value,
                "sources": [{"where": each.where, "read": each.read} for each in one.sources],
            }
            for one in answer.taken
        ],
        "gone": list(answer.gone),
        "unknown": list(answer.unknown),
        "notes": [{"says": one.says, "source": one.source.where, "read": one.source.read} for one in answer.notes],
        "data_as_of": answer.data_as_of,
    }


def _lack_document(lack: Lack) -> dict[str, Any]:
    use = lack.use
    return {
        "module": use.module,
        "name": use.name,
        "place": lack.place,
        "file": use.file,
        "line": use.line,
        "scope": use.scope,
        "last_in": lack.lifetime.last,
        "gone_since": lack.lifetime.gone,
        "again_in": lack.lifetime.again,
    }
