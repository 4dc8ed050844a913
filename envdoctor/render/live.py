"""What was run by ``check --deep``: a section of the page, and a part of the JSON report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.loaded import NOT_RUN
from envdoctor.predictions import compared
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.loaded import CollectiveTried, DeviceTried, ImportTried, KernelTried, Live, PairTried
    from envdoctor.predictions import Compared

    Wrap = Callable[[str, str], list[str]]
    """Text and what its first line begins with, to lines of the page's width."""
    Paint = Callable[[str, str], str]

WORDS = {
    "passed": ("ok", "good"),
    "imported": ("ok", "good"),
    "skipped": ("-", "dim"),
    "wrong": ("WRONG", "error"),
    "failed": ("FAILED", "error"),
    "late": ("LATE", "error"),
    "raised": ("FAILED", "error"),
    "died": ("DIED", "error"),
}
"""State -> its mark on the page and the style of it."""
NAME, MARK = 21, 7
LONGEST = 60
"""Characters of a name or a state that a worker told."""
MOST_PAIRS = 8


def was_run(facts: Facts) -> bool:
    """Whether anything was run."""
    live = facts.live
    return any(leaf != NOT_RUN for leaf in (live.devices, live.pairs, live.collective, live.imports))


def section(facts: Facts, wrap: Wrap, paint: Paint, *, verbose: bool, found: Collection[str] = ()) -> Iterator[str]:
    """The lines of the page; none where nothing was run.

    Args:
        facts: with what was run.
        wrap: makes lines of a text.
        paint: colours a text.
        verbose: all of it.
        found: codes of rules that found something in it, whose findings stand above: words are not repeated then.
    """
    if not was_run(facts):
        return
    live = facts.live if verbose else referred(facts.live, found)
    yield "What was run (check --deep):"
    yield from _unknown("devices", live.devices, wrap)
    for device in live.devices.value if isinstance(live.devices, Known) else ():
        yield from _device(device, wrap, paint, verbose=verbose)
    if isinstance(live.devices, Known):
        yield from _untested(facts, live.devices.value, wrap)
    if not isinstance(live.devices, Unknown):  # what keeps devices from being tried keeps pairs of them too
        yield from _unknown("between GPUs", live.pairs, wrap)
    for pair in (live.pairs.value if verbose else live.pairs.value[:MOST_PAIRS]) if isinstance(live.pairs, Known) else ():
        yield from _pair(pair, wrap)
    if isinstance(live.pairs, Known):
        yield from _rest_of_pairs(live, live.pairs.value, wrap, verbose=verbose)
    if isinstance(live.collective, Known) and live.collective.value is not None:
        yield from _collective(live.collective.value, wrap, paint)
    yield from _unknown("imports", live.imports, wrap)
    if isinstance(live.imports, Known):
        yield from _imports(live.imports.value, wrap, paint)
        yield from _predictions(_compared(facts), wrap, paint, named=verbose or "ED707" not in found)


def referred(live: Live, found: Collection[str]) -> Live:
    """What was run, with the words of failures that a finding repeats replaced by its code."""

    def words(code: str, said: str) -> str:
        return f"see {code} above" if code in found else said

    def check(one: KernelTried) -> KernelTried:
        code = "ED702" if one.state == "wrong" else "ED701" if one.name == "context" else "ED703"
        return msgspec.structs.replace(one, says=words(code, one.says)) if one.state in {"wrong", "failed"} else one

    def package(one: ImportTried) -> ImportTried:
        error = words("ED706", one.error) if one.error is not None else None
        return msgspec.structs.replace(one, error=error, unloaded=tuple(words("ED706", each) for each in one.unloaded[:1]))

    changed: dict[str, Any] = {}
    if isinstance(live.devices, Known):
        devices = (msgspec.structs.replace(one, checks=tuple(map(check, one.checks))) for one in live.devices.value)
        changed["devices"] = Known(tuple(devices), live.devices.via)
    if isinstance(live.collective, Known) and live.collective.value is not None and live.collective.value.state != "passed":
        one = live.collective.value
        changed["collective"] = Known(msgspec.structs.replace(one, says=words("ED705", one.says)), live.collective.via)
    if isinstance(live.imports, Known) and "ED706" in found:
        changed["imports"] = Known(tuple(map(package, live.imports.value)), live.imports.via)
    return msgspec.structs.replace(live, **changed)


def _rest_of_pairs(live: Live, pairs: tuple[PairTried, ...], wrap: Wrap, *, verbose: bool) -> Iterator[str]:
    """Pairs that are not shown, and those that were not tried."""
    if len(pairs) > MOST_PAIRS and not verbose:
        yield f"  {plural(len(pairs) - MOST_PAIRS, 'further pair')} (-v shows them)"
    names = [one.device for one in live.devices.value] if isinstance(live.devices, Known) else []
    every = len(names) * (len(names) - 1)
    if len(pairs) < every:
        yield from wrap(f"between GPUs: {every - len(pairs)} of {every} ordered pairs were not tried", "  ")
    elif len(names) == 1 and names != ["cpu"]:
        yield from wrap("between GPUs: nothing tested, there is one GPU", "  ")


def _unknown(what: str, leaf: object, wrap: Wrap) -> Iterator[str]:
    if isinstance(leaf, Unknown):
        yield from wrap(f"{what}: not tested, because {leaf.why}", "  ")


def _line(name: str, state: str, text: str, wrap: Wrap, paint: Paint) -> Iterator[str]:
    """One thing that was tried: its name, its mark, and what was measured."""
    mark, style = WORDS.get(state, (harmless(state[:LONGEST]), "info"))
    first, *rest = wrap(text, " " * (4 + NAME + 1 + MARK + 1))
    yield f"    {harmless(name[:LONGEST]):<{NAME}} {paint(f'{mark:<{MARK}}', style)} {first.lstrip()}".rstrip()
    yield from rest


def _device(one: DeviceTried, wrap: Wrap, paint: Paint, *, verbose: bool) -> Iterator[str]:
    """One line a check; why others were not run (a CPU has one reason for all: it is no GPU)."""
    seconds = sum(check.seconds for check in one.checks)
    capability = f", compute capability {one.compute_capability}" if one.compute_capability else ""
    named = f" ({one.name}{capability})" if one.name and one.name.lower() != one.device else ""
    yield from wrap(f"{one.device}{named}: {_count(one.checks)} in {seconds:.1f} s", "  ")
    skipped: dict[str, list[str]] = {}
    for check in one.checks:
        if check.state == "skipped":
            skipped.setdefault(check.says, []).append(check.name)
        else:
            yield from _line(check.name, check.state, measured(check, verbose=verbose), wrap, paint)
    if one.ended is not None:
        state = "late" if one.ended.startswith("no answer") else "died"
        yield from _line(one.during or "", state, one.ended, wrap, paint)
    if one.said and verbose:
        yield "    the last lines that it printed:"
        for line in one.said.splitlines():
            yield from wrap(line, "      ")
    elif one.said:
        yield "    (-v shows the last lines that it printed)"
    for why, names in skipped.items() if verbose or one.device != "cpu" else ():
        yield from wrap(f"not run: {', '.join(names)}: {why}", "    ")


def _count(checks: tuple[KernelTried, ...]) -> str:
    """How many ended how: "11 passed, 7 not run"."""
    told = {"passed": "passed", "wrong": "wrong", "failed": "failed", "skipped": "not run"}
    counts = {words: sum(one.state == state for one in checks) for state, words in told.items()}
    return ", ".join(f"{count} {words}" for words, count in counts.items() if count) or "nothing came to its end"


def measured(one: KernelTried, *, verbose: bool = False) -> str:
    """The number with its bound, else the words; both where something is wrong, and with -v."""
    if one.state == "failed" or one.value is None:
        return one.says
    bound = f", at most {one.bound:.2g}" if one.bound is not None else ""
    unit = f" {one.unit}" if one.unit and one.unit != "relative error" else ""
    number = f"error {one.value:.2g}" if one.unit == "relative error" else f"{one.value:.4g}"
    return f"{number}{unit}{bound}" + (f"; {one.says}" if one.state == "wrong" or verbose else "")


def _untested(facts: Facts, devices: tuple[DeviceTried, ...], wrap: Wrap) -> Iterator[str]:
    """What a run on the CPU does not say."""
    if [one.device for one in devices] != ["cpu"]:
        return
    ran = [one.name for one in devices[0].checks if one.state == "passed" and one.name != "context"]
    left = [one.name for one in devices[0].checks if one.state == "skipped"]
    gpus, build = facts.gpus.devices, facts.builds.torch
    cpu_build = isinstance(build, Known) and build.value is not None and build.value.cuda is None
    if isinstance(gpus, Known) and gpus.value and cpu_build:
        why = f"{plural(len(gpus.value), 'GPU')} of this machine not tested, since this torch is a build for the CPU"
    elif isinstance(gpus, Known) and gpus.value:
        why = f"{plural(len(gpus.value), 'GPU')} of this machine not tested, since CUDA_VISIBLE_DEVICES hides them"
    elif isinstance(gpus, Unknown):
        why = f"GPUs could not be listed ({gpus.why})"
    else:
        why = "no GPU"
    rest = [*left, "whatever the GPU kernels of torch and of the engine do", "NCCL"]
    yield from wrap(f"{why}: tested on the CPU: {', '.join(ran) or 'nothing'}; not tested: {', '.join(rest)}", "  ")


def _pair(one: PairTried, wrap: Wrap) -> Iterator[str]:
    access = {True: "peer access", False: "no peer access", None: "peer access unknown"}[one.peer_access]
    rate = f"{one.gb_per_s:.1f} GB/s" if one.gb_per_s is not None else one.says
    yield from wrap(f"cuda:{one.first} to cuda:{one.second}: {rate}, {one.link or 'link unknown'}, {access}", "  ")


def _collective(one: CollectiveTried, wrap: Wrap, paint: Paint) -> Iterator[str]:
    mark, style = WORDS.get(one.state, (harmless(one.state[:LONGEST]) or "?", "info"))
    rate = f"{one.bus_gb_per_s:.2f} GB/s bus bandwidth; " if one.bus_gb_per_s is not None else ""
    first, *rest = wrap(f"all-reduce, {one.backend[:LONGEST]}: {mark} {rate}{one.says}", "  ")
    yield first.replace(mark, paint(mark, style), 1)
    yield from rest


def _imports(tried: tuple[ImportTried, ...], wrap: Wrap, paint: Paint) -> Iterator[str]:
    """One line a package, and one for each part of it that fails."""
    yield f"  imports, each in a process of its own: {_imported(tried)}"
    for one in tried:
        part = "." in one.module
        if part and one.state == "imported":
            continue
        if one.state == "imported":
            parts = (each for each in tried if each.package == one.package and "." in each.module and each.state == "imported")
            text = "; ".join((f"{one.seconds:.1f} s", *(f"{each.module} {each.seconds:.1f} s" for each in parts)))
        else:
            text = f"{one.module}: {one.error or one.state}"
        text += "".join(f"; {each}" for each in one.unloaded[:2])
        text += f"; {plural(len(one.unloaded) - 2, 'further module')} not loaded" if len(one.unloaded) > 2 else ""  # noqa: PLR2004
        yield from _line(one.package, one.state, text, wrap, paint)


def _predictions(told: tuple[Compared, ...], wrap: Wrap, paint: Paint, *, named: bool) -> Iterator[str]:
    """How many imports came out as the linker had said; one that did not is our bug, and is called so where it is ``named``."""
    judged = [one for one in told if one.agree is not None]
    wrong = [one for one in judged if not one.agree]
    if not told:
        return
    if not judged:
        yield from wrap("the linker had predicted nothing of them", "    ")
        return
    right = f"{len(judged) - len(wrong)} of {len(judged)}" if wrong else f"all {len(judged)}" if len(judged) > 1 else "one"
    yield from wrap(f"what the linker had predicted of imports and compiled modules: {right} came true", "    ")
    for one in wrong if named else ():
        predicted = "loads" if one.predicted else "does not load"
        mark, what = "BUG", f"{one.what} ({one.package})"
        text = f"it was predicted that {what} {predicted} ({one.why}), and what came is: {one.outcome}"
        line, *rest = wrap(f"{mark} of envdoctor, not of your environment: {text}", "    ")
        yield line.replace(mark, paint(mark, "error"), 1)
        yield from rest


def _imported(tried: tuple[ImportTried, ...]) -> str:
    bad = sum(one.state != "imported" for one in tried)
    return f"{len(tried) - bad} of {len(tried)} worked" if bad else f"all {len(tried)} worked"


def _compared(facts: Facts) -> tuple[Compared, ...]:
    try:
        return compared(facts)
    except NotObserved:
        return ()


def document(facts: Facts) -> dict[str, Any] | None:
    """The part of the JSON report; None where nothing was run."""
    if not was_run(facts):
        return None
    live = facts.live
    leaves: Mapping[str, object] = {
        "devices": live.devices,
        "pairs": live.pairs,
        "collective": live.collective,
        "imports": live.imports,
    }
    return {
        "devices": [_device_document(one) for one in live.devices.value] if isinstance(live.devices, Known) else None,
        "pairs": [_pair_document(one) for one in live.pairs.value] if isinstance(live.pairs, Known) else None,
        "collective": _collective_document(live.collective.value) if isinstance(live.collective, Known) else None,
        "imports": [_import_document(one) for one in live.imports.value] if isinstance(live.imports, Known) else None,
        "predictions": [
            {
                "package": one.package,
                "what": one.what,
                "predicted": one.predicted,
                "why": one.why,
                "loaded": one.loaded,
                "outcome": one.outcome,
                "agree": one.agree,
            }
            for one in _compared(facts)
        ],
        "unknown": {name: leaf.why for name, leaf in leaves.items() if isinstance(leaf, Unknown)},
    }


def _device_document(one: DeviceTried) -> dict[str, Any]:
    return {
        "device": one.device,
        "name": one.name,
        "compute_capability": one.compute_capability,
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "value": check.value,
                "bound": check.bound,
                "unit": check.unit,
                "says": check.says,
                "seconds": check.seconds,
            }
            for check in one.checks
        ],
        "during": one.during,
        "ended": one.ended,
        "said": one.said,
    }


def _pair_document(one: PairTried) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "peer_access": one.peer_access,
        "link": one.link,
        "gb_per_s": one.gb_per_s,
        "says": one.says,
    }


def _collective_document(one: CollectiveTried | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "backend": one.backend,
        "devices": one.devices,
        "state": one.state,
        "bus_gb_per_s": one.bus_gb_per_s,
        "says": one.says,
    }


def _import_document(one: ImportTried) -> dict[str, Any]:
    return {
        "package": one.package,
        "module": one.module,
        "state": one.state,
        "seconds": one.seconds,
        "error": one.error,
        "trace": list(one.trace),
        "warned": list(one.warned),
        "unloaded": list(one.unloaded),
    }
