"""A comparison of versions as PEP 440 orders them, for what conditions in code ask; packaging is not at hand here."""

import re

VERSION = re.compile(
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?"
    r"(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$",
    re.I,
)
MAX_LENGTH = 64
PHASES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
# before everything of its release and after it
FIRST, LAST = (-1,), (1,)


def key(text):
    """Something that orders as the version does; None for text that is no version."""
    found = VERSION.match(text.strip()) if isinstance(text, str) and len(text) <= MAX_LENGTH else None
    if found is None:
        return None
    epoch, release, phase, phase_number, dash, post, dev, dev_number, local = found.groups()
    numbers = [int(part) for part in release.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    posted = dash if dash is not None else post
    after = FIRST if posted is None else (0, int(posted or 0))
    if phase:
        phase = phase.lower()
        before = (0, PHASES.get(phase, phase), int(phase_number or 0))
    else:
        before = FIRST if dev and posted is None else LAST
    ready = (0, int(dev_number or 0)) if dev else LAST
    parts = (
        tuple((1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in re.split("[-_.]", local))
        if local
        else ()
    )
    return (int(epoch or 0), tuple(numbers), before, after, ready, parts)


def holds(installed, operator, version):
    """Whether ``installed operator version``; None where it cannot be told. ``installed`` None: it is not there.

    Both are compared as code compares two Version objects, the local part of an installed "2.5.1+cu124" included.
    """
    if operator in ("installed", "absent"):
        return (installed is not None) == (operator == "installed")
    one, other = key(installed), key(version)
    if one is None or other is None:
        return None
    return {
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
        "==": one == other,
        "!=": one != other,
    }.get(operator)
