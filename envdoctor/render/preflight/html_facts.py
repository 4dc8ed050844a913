"""Machine facts and the map of shadowed libraries, as values of the HTML page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor.facts import Known, Unknown
from envdoctor.render.preflight.html_words import GOOD, NONE, WEAK, capped
from envdoctor.traits import Area, has_image, traits, variables_of
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.linkage import LibraryCopy
    from envdoctor.traits import Trait

AREAS = {
    Area.IMAGE: "Image",
    Area.MACHINE: "Machine",
    Area.PYTHON: "Python",
    Area.BUILD: "Builds",
    Area.LIMIT: "Limits",
    Area.VARIABLE: "Environment variables",
}
MAX_VARIABLES = 60
MAX_LIBRARIES, MAX_COPIES, MAX_NAMES, MAX_PRELOADS = 60, 12, 8, 12


def told(facts: Facts) -> dict[str, dict[str, Any]]:
    """Name of a machine fact -> how it is written."""
    return {one.name: _trait(one) for one in traits(facts, (), image=has_image(facts))}


def machine(facts: Facts) -> list[dict[str, Any]]:
    """The facts by area, each with where it was read."""
    every = traits(facts, variables_of(facts), image=has_image(facts))
    areas = []
    for area, title in AREAS.items():
        kept, left = capped([one for one in every if one.area is area], MAX_VARIABLES)
        if kept:
            areas.append({"title": title, "rows": [_trait(one) for one in kept], "left": left})
    return areas


def _trait(one: Trait) -> dict[str, Any]:
    said = one.said
    if isinstance(said, Unknown):
        return {"name": one.name, "value": f"unknown: {said.why}", "via": "", "known": False}
    return {"name": one.name, "value": "none" if said.value is None else said.value, "via": brief(said.via), "known": True}


def libraries(facts: Facts) -> dict[str, Any]:
    """Every library that lies here more than once: which copy wins when, and which are shadowed."""
    linking = facts.linking
    if isinstance(linking.copies, Unknown):
        return {
            "unknown": linking.copies.why,
            "groups": [],
            "left": 0,
            "count": 0,
            "notes": [],
            "preloads": [],
            "preloads_left": 0,
        }
    by_name: dict[str, list[LibraryCopy]] = {}
    for one in linking.copies.value:
        by_name.setdefault(one.soname, []).append(one)
    kept, left = capped(list(by_name.items()), MAX_LIBRARIES)
    torch = linking.torch.value if isinstance(linking.torch, Known) else None
    preloads, preloads_left = capped(() if torch is None else torch.preloads, MAX_PRELOADS)
    notes = []
    if torch is not None and torch.problems:
        notes.append(f"import torch fails before any of this matters: {torch.problems[0].message}")
    if isinstance(linking.driver_libraries, Known) and linking.driver_libraries.value == "assumed":
        notes.append("No driver is here: libcuda.so.1 and libnvidia-ml.so.1 were taken to come with that of the machine.")
    return {
        "unknown": None,
        "groups": [_group(soname, copies) for soname, copies in kept],
        "left": left,
        "count": len(by_name),
        "notes": notes,
        "preloads": preloads,
        "preloads_left": preloads_left,
    }


def _group(soname: str, copies: list[LibraryCopy]) -> dict[str, Any]:
    kept, left = capped(copies, MAX_COPIES)
    return {"soname": soname, "count": len(copies), "copies": [_copy(one) for one in kept], "left": left}


def _copy(one: LibraryCopy) -> dict[str, Any]:
    alone = tuple(name for name in one.taken_alone if name not in one.taken_by)
    state, style = ("wins", GOOD) if one.taken_by else ("wins without torch", WEAK) if alone else ("shadowed", NONE)
    how = one.origin if one.origin.startswith("opened by") else f"found by {one.origin}"
    return {
        "path": one.path,
        "package": one.package,
        "how": how,
        "state": state,
        "style": style,
        "by": _names(one.taken_by),
        "alone": _names(alone),
    }


def _names(names: tuple[str, ...]) -> str:
    kept, left = capped(names, MAX_NAMES)
    return ", ".join(kept) + (f" and {plural(left, 'more package')}" if left else "")
