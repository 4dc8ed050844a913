"""What of an installed environment the resolver is asked about, and what is left aside. Pure.

The index is asked only about what came from an index. What did not (an editable checkout, a build of one's own, +cpu builds of
another index) stays as it is: the resolver does not hear of it, but of the ranges that it asks for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.claims import exact_pin
from envdoctor.facts import Known, NotObserved, need
from envdoctor.requirements import in_stack, reachable, requirements
from envdoctor.resolver import Index, Question
from envdoctor.views import distributions, in_lock, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from envdoctor.facts import Distribution, Facts
    from envdoctor.fixing.goals import Goal

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_NEVER = "python_version < '3'"
"""A marker that no target meets: an override with it takes a requirement away."""
INSTALLERS = ("pip", "uv")
"""What manages the environment: never a reason to change anything."""
GLIBCS = (17, 28, *range(31, 41))
"""Minor versions of glibc 2 that uv has a platform for."""
TORCH_BRINGS = ("nvidia-", "triton")


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """An environment as the resolver sees it."""

    roots: tuple[str, ...]
    """What is asked for: what nobody requires, and the packages of the stack."""
    pinned: dict[str, str]
    """Installed versions of everything that came from an index."""
    aside: dict[str, str]
    """What the resolver is not asked about, and why."""
    wishes: tuple[str, ...]
    """What those that are left aside ask of the others."""
    python: str
    platform: str | None


def ground(facts: Facts, moving: Collection[str] = (), also_aside: Mapping[str, str] | None = None) -> Ground:
    """The environment as the resolver sees it.

    Args:
        facts: of the target.
        moving: names that will change, and so are asked of the index whatever they are now.
        also_aside: more that is left aside, with the reason.

    Raises:
        NotObserved: the distributions or the interpreter are not known.
    """
    present = distributions(facts)
    edges = requirements(facts).edges
    aside = {name: why for name, one in present.items() if name not in moving and (why := _apart(name, one)) is not None}
    aside |= {name: why for name, why in (also_aside or {}).items() if name not in moving}
    pinned = {name: one.version for name, one in present.items() if name not in aside and _public(one.version)}
    required = {edge.name for edge in edges}
    stack = {name for name in present if in_stack(name) and not name.startswith(TORCH_BRINGS)}
    roots = {name for name in present if name not in aside and (name not in required or name in stack)}
    if in_lock(facts):
        roots = stack - set(aside)  # a lock does not hold who requires whom: the rest follows the stack
        present = {name: present[name] for name in roots}
    # a circle of packages that require each other has no root: one of it is taken
    while left := sorted(set(present) - set(aside) - reachable(edges, roots)):
        roots.add(left[0])
    staying = [edge for edge in edges if normalized(edge.requirer.name) in aside and edge.name not in aside and edge.specifier]
    return Ground(
        roots=tuple(sorted(roots)),
        pinned=pinned,
        aside=aside,
        wishes=tuple(sorted({f"{edge.name}{edge.specifier}" for edge in staying})),
        python=need(facts.python).version,
        platform=platform(facts),
    )


def _public(version: str) -> bool:
    found = parsed(version)
    return found is not None and found.local is None


def _apart(name: str, one: Distribution) -> str | None:
    """Why the index cannot be asked about a distribution, or None."""
    if name in INSTALLERS:
        return "it manages the environment"
    if one.direct_url is not None:
        return "it is an editable install" if one.direct_url.editable else f"it was installed from {_origin(one.direct_url.kind)}"
    version = parsed(one.version)
    if version is None or _NAME.fullmatch(name) is None:
        return "its name or version is none that an index could have"
    if version.local is not None:
        return f"{one.version} is a build of another index"
    if any(re.search(r"-linux_\w+$", tag) for tag in one.wheel_tags):
        return "it was built on this machine"
    return None


def _origin(kind: str) -> str:
    return {"vcs": "a version control system", "archive": "a file's address", "file": "a file or folder"}.get(kind, "elsewhere")


def platform(facts: Facts) -> str | None:
    """The platform in uv's words, by the target's glibc and processor; None where they are not known."""
    libc, arch = facts.host.libc, facts.host.arch
    if not isinstance(arch, Known) or arch.value not in {"x86_64", "aarch64"} or not isinstance(libc, Known):
        return None
    version = parsed(libc.value.version)
    if libc.value.name != "glibc":
        return f"{arch.value}-unknown-linux-musl"
    if version is None or version.major != 2:  # noqa: PLR2004 - glibc 2
        return None
    fits = [minor for minor in GLIBCS if minor <= version.minor]
    return f"{arch.value}-manylinux_2_{fits[-1]}" if fits else None


def followers(facts: Facts, goal: Goal, closed: Iterable[str]) -> frozenset[str]:
    """Installed names that must be free to move with a goal: what exact pins tie to it, by the data and by metadata."""
    try:
        edges = requirements(facts).edges
    except NotObserved:
        return frozenset()
    free = {*goal.install, *goal.remove, *closed}
    tied = [(normalized(edge.requirer.name), edge.name) for edge in edges if exact_pin(edge.specifier) is not None]
    grown = True
    while grown:
        more = {other for one, two in tied for name, other in ((one, two), (two, one)) if name in free} - free
        free |= more
        grown = bool(more)
    return frozenset(free | (brought_by_torch(facts) if "torch" in free else set()))


def brought_by_torch(facts: Facts) -> frozenset[str]:
    """The installed CUDA libraries and triton that torch requires, directly or not. Raises NotObserved."""
    below = reachable(requirements(facts).edges, ["torch"])
    return frozenset(name for name in distributions(facts) if name in below and name.startswith(TORCH_BRINGS))


def question(at: Ground, goal: Goal, kept: Mapping[str, str], free: Collection[str], *, strict: bool, index: Index) -> Question:
    """The goal as a question to the resolver.

    Args:
        at: the environment.
        goal: what must be so afterwards.
        kept: exact versions that must stay or come.
        free: names that may move.
        strict: everything else is pinned to what is installed; else it is only preferred.
        index: where to ask.
    """
    asked = {
        name: f"=={kept[name]}" if name in kept else goal.install.get(name, "") for name in (*at.roots, *goal.install, *kept)
    }
    lines = tuple(f"{name}{spec}" for name, spec in sorted(asked.items()) if name not in goal.remove and name not in at.aside)
    pins = {name: version for name, version in at.pinned.items() if name not in asked or not asked[name]}
    held = tuple(f"{name}=={version}" for name, version in sorted(pins.items()) if name not in free) if strict else ()
    backend = index if goal.backend is None or index.torch_backend else msgspec.structs.replace(index, torch_backend=goal.backend)
    return Question(
        requirements=lines,
        python=at.python,
        platform=at.platform,
        constraints=(*held, *(wish for wish in at.wishes)),
        overrides=tuple(f"{name} ; {_NEVER}" for name in sorted({*at.aside, *goal.remove})),
        preferences=at.pinned,
        index=backend,
    )
