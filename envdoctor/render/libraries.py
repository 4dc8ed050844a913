"""The shadowing map of ``envdoctor libs``: every library that lies here more than once, and which copy wins when."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.facts import Known, Unknown
from envdoctor.render import shortened
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.linkage import LibraryCopy


def render(facts: Facts, width: int) -> str:
    """The map as text, ending in a newline."""
    return "\n".join(_lines(facts, width)) + "\n"


def document(facts: Facts) -> str:
    """The same as indented JSON with a final newline: the leaves ``torch``, ``copies`` and ``driver_libraries`` of the facts."""
    linking = facts.linking
    found: dict[str, Any] = {
        "schema_version": 1,
        "target": facts.target.spec,
        "torch": linking.torch,
        "copies": linking.copies,
        "driver_libraries": linking.driver_libraries,
        "seconds": linking.seconds,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _lines(facts: Facts, width: int) -> Iterator[str]:
    linking = facts.linking
    yield from _wrapped(f"envdoctor: {facts.target.spec} ({facts.target.chosen})", width, "")
    yield ""
    if isinstance(linking.copies, Unknown):
        yield from _wrapped(f"Which copies there are could not be told, because {linking.copies.why}", width, "")
        return
    yield from _torch(facts, width)
    groups: dict[str, list[LibraryCopy]] = {}
    for one in linking.copies.value:
        groups.setdefault(one.soname, []).append(one)
    if not groups:
        yield "No library of CUDA or torch lies here more than once."
    for soname, copies in groups.items():
        yield from _group(soname, copies, width)
    if isinstance(linking.driver_libraries, Known) and linking.driver_libraries.value == "assumed":
        text = (
            "No driver is here: libcuda.so.1 and libnvidia-ml.so.1 were taken to come with the one of the machine that runs this."
        )
        yield from _wrapped(text, width, "note: ")
    yield from _wrapped(
        f"{plural(len(groups), 'library name')} with several copies; read in {linking.seconds:.2f} s, nothing was loaded.",
        width,
        "",
    )


def _torch(facts: Facts, width: int) -> Iterator[str]:
    torch = facts.linking.torch
    if not isinstance(torch, Known) or torch.value is None:
        return
    for problem in torch.value.problems[:1]:
        yield from _wrapped(f"`import torch` fails before any of this matters: {problem.message}", width, "")
        yield ""
    if torch.value.preloads:
        yield "`import torch` opens these itself, before anything else can be chosen:"
        for path in torch.value.preloads:
            yield f"  {harmless(shortened(path))}"
        yield ""


def _group(soname: str, copies: list[LibraryCopy], width: int) -> Iterator[str]:
    yield from _wrapped(f"{soname}: {plural(len(copies), 'copy').replace('copys', 'copies')}", width, "")
    for one in copies:
        owner = f" of {one.package}" if one.package else ""
        yield f"  {harmless(shortened(one.path))}"
        how = one.origin if one.origin.startswith("opened by") else f"found by {one.origin}"
        yield from _wrapped(f"{how}{owner if not how.endswith(str(one.package)) else ''}", width, "      ")
        if one.taken_by:
            yield from _wrapped(f"wins after `import torch`, for {', '.join(one.taken_by)}", width, "      ")
        alone = [name for name in one.taken_alone if name not in one.taken_by]
        if alone:
            yield from _wrapped(f"wins without torch, when imported first: {', '.join(alone)}", width, "      ")
        if not one.taken_by and not alone:
            yield "      shadowed: nothing that was looked at binds to it"
    yield ""


def _wrapped(text: str, width: int, first: str) -> list[str]:
    return textwrap.wrap(
        harmless(text),
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
