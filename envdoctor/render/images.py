"""The page of ``envdoctor build-image``: what was built, how large its layers are, what was found, how to go on."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import msgspec

from envdoctor.render import Page, shell
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.images.building import Built

SIGNS = {"ok": "ok", "stopped": "STOPPED", "skipped": "-"}
VERDICTS = ("judge the lock", "compare a second build", "look from outside", "try on a GPU")
MB = 1_000_000
MAX_DIFFERENCES = 12
MAX_INSTRUCTION = 56


def render(built: Built, page: Page, typed: str | None = None) -> str:
    """The page as text; what a failing check had to say comes before the table, as its own page.

    Args:
        built: what came of it.
        page: how to print.
        typed: the target as the user named it; None: by its name.
    """
    lines = [
        *_why(built, page),
        *_head(built),
        *_stages(built, page),
        *_layers(built, page),
        *_next(built, page, typed or built.asked.target),
    ]
    return "".join(f"{harmless(line)}\n" for line in lines)


def document(built: Built) -> str:
    """The same for machines: the manifest where there is one, and every stage."""
    said = {
        "target": built.asked.target,
        "ok": built.ok,
        "reference": built.reference if built.ok else None,
        "digest": None if built.made is None else built.made.digest,
        "pushed": built.pushed,
        "stages": [one._asdict() for one in built.stages],
        "differences": list(built.differences),
        "log": list(built.log),
        "manifest": msgspec.to_builtins(built.manifest),
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=1).decode() + "\n"


def _why(built: Built, page: Page) -> Iterator[str]:
    """The pages of what stopped it."""
    if built.ok:
        return
    if built.judged is not None and not built.judged.clean():
        for one in built.judged.errors:
            yield from _filled(f"ERROR {one.code} {one.title}", page)
            yield from _filled(one.why, page, "  ")
        for lack in built.judged.lacks:
            yield from _filled(f"ERROR {lack.importer} takes names that {lack.exporter} does not have", page)
        yield from ("", "say more: " + shell(("envdoctor", "check", f"lock:{built.lock.target}")), "")
    yield from built.log
    if built.outside is not None and not built.outside.right:
        yield from _outside(built, page)
    for text in built.differences[:MAX_DIFFERENCES]:
        yield f"differs: {text}"
    if len(built.differences) > MAX_DIFFERENCES:
        yield f"and {len(built.differences) - MAX_DIFFERENCES} more"


def _outside(built: Built, page: Page) -> Iterator[str]:
    from envdoctor.render import terminal  # noqa: PLC0415 - only where something is wrong

    found = built.outside
    if found is None:
        return
    if found.errors:
        yield from terminal.render(found.report, found.facts, page).splitlines()
    for one in found.drift.departures[:MAX_DIFFERENCES]:
        yield from _filled(f"drift: {one.name}: locked {one.locked or 'not'}, in the image {one.found or 'not'} {one.says}", page)


def _filled(text: str, page: Page, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, page.width, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False
    )


def _head(built: Built) -> Iterator[str]:
    lock = built.lock
    name = built.reference if built.ok and built.reference else f"{built.asked.target}: not built"
    yield name
    yield f"  lock {lock.target} of {lock.made}: {', '.join(f'{one} {version}' for one, version in list(lock.stack.items())[:4])}"
    if built.base is not None:
        yield f"  base {built.base.base.image}, {built.base.how}"
    if built.made is not None:
        yield f"  {built.made.digest}"
    yield ""


def _stages(built: Built, page: Page) -> Iterator[str]:
    for one in built.stages:
        head = f"{SIGNS[one.state]:<8}{one.name:<23}{one.seconds:>7.1f} s"
        # the rest was said while it went on, or stands in the head
        says = one.says if one.state != "ok" or one.name in VERDICTS else ""
        yield from textwrap.wrap(
            f"{head}  {says}", page.width, subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False
        )


def _layers(built: Built, page: Page) -> Iterator[str]:
    if not built.ok or built.archive is None:
        return
    yield ""
    yield f"{plural(len(built.archive.layers), 'layer')}, {built.archive.size_bytes / MB:,.0f} MB to pull"
    for number, one in enumerate(built.archive.layers, 1):
        yield f"  {number:>2} {one.size_bytes / MB:>9,.1f} MB  {one.instruction[:MAX_INSTRUCTION]}"
    yield from (line for one in built.compared for line in _filled(f"beside it: {one}", page))


def _next(built: Built, page: Page, target: str) -> Iterator[str]:
    yield from (line for note in page.notes for line in _filled(f"note: {note}", page))
    if not built.ok or built.reference is None:
        return
    gpus = ("--gpus", "all") if built.lock.gpu else ()
    yield ""
    yield "next:"
    yield "  " + shell(("docker", "run", "--rm", "-it", *gpus, "--shm-size", "8g", built.reference))
    if built.pushed is not None:
        name = (
            built.reference.rpartition("/")[0]
            + "/" * ("/" in built.reference)
            + built.reference.rpartition("/")[2].partition(":")[0]
        )
        yield "  " + shell(("docker", "pull", f"{name}@{built.pushed}"))
    else:
        yield "  " + shell(("envdoctor", "build-image", target, "--tag", "REGISTRY/NAME:TAG", "--push"))
