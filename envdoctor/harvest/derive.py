"""Claims from what was read: pure functions from releases, builds and code ranges to rows that a check decides.

Releases share a row only when they say the same and no release lies between them.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from envdoctor.claims import Claim, specifier
from envdoctor.harvest.plan import PACKAGES, TRAINERS
from envdoctor.rows import PYTHONS, python_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packaging.markers import Marker

    from envdoctor.harvest.store import Derived
    from envdoctor.rows import CodeRange, Package, Release, TorchRelease, VllmRelease

COMPANIONS = ("flashinfer-cubin", "tokenizers", "huggingface-hub", "safetensors", "outlines", "tensordict")
"""Packages that are not read release by release, but whose pins decide whether a stack resolves."""
PINNED = frozenset((*PACKAGES, *COMPANIONS))
PINNERS = ("vllm", "sglang", "torch", "transformers", "trl", "verl", "openrlhf", "accelerate", "peft", "deepspeed")
"""Packages whose own requirements become claims, for planning."""
FAMILY = {
    "torchvision": '"operator torchvision::nms does not exist"',
    "torchaudio": '"undefined symbol in libtorchaudio.so"',
    "xformers": '"xFormers can\'t load C++/CUDA extensions"',
}
"""Packages compiled against one torch, and the error with another."""
EXTRA = "vllm"
"""The extra under which trainers declare the engine."""


class Statement(NamedTuple):
    """What one release says, and from where."""

    release: Release
    then: tuple[tuple[str, str], ...]
    source: str
    basis: str = "wheel-metadata"
    says: str = ""


def claims(derived: Derived) -> dict[str, tuple[Claim, ...]]:
    """Every derived claim, by the package whose file it belongs to."""
    found: dict[str, list[Claim]] = {}
    for name, package in derived.packages.items():
        rows: list[Claim] = []
        if name in PINNERS:
            rows += grouped(package, "pins", "pins", (_pins(package, one) for one in package.releases))
        if name in FAMILY:
            rows += grouped(package, "torch-family", "torch", (_family(package, one) for one in package.releases))
        if name in TRAINERS:
            for prefix, statements in zip((EXTRA, f"{EXTRA}-code"), _engine(package, derived), strict=True):
                rows += grouped(package, "trainer-engine", prefix, statements)
        if name in {"torch", "vllm"}:
            built: dict[str, TorchRelease | VllmRelease] = {row.torch: row for row in derived.torch}
            if name == "vllm":
                built = {row.vllm: row for row in derived.vllm}
            rows += grouped(package, "glibc", "glibc", (_glibc(name, one, built.get(one.version)) for one in package.releases))
        if rows:
            found[name] = rows
    return {name: tuple(rows) for name, rows in found.items()}


def grouped(package: Package, topic: str, prefix: str, said: Iterable[Statement | None]) -> Iterator[Claim]:
    """One claim for each run of releases that say the same; a release that says nothing ends a run."""

    def same(one: Statement | None) -> object:
        return None if one is None else (one.then, one.basis, one.says)

    for key, run in groupby(said, same):
        statements = [one for one in run if one is not None]
        if key is None:
            continue
        first, last = statements[0], statements[-1]
        spec = f">={first.release.version},<={last.release.version}"
        sources = dict.fromkeys((first.source, last.source))
        yield Claim(
            id=f"{prefix}-{first.release.version}",
            topic=topic,  # type: ignore[arg-type]  # the literal's members are what the callers pass
            when={package.name: spec if len(statements) > 1 else f"=={first.release.version}"},
            then=dict(first.then),
            basis=first.basis,  # type: ignore[arg-type]
            says=first.says.replace("{}", _span(package.name, first.release, last.release)),
            source=" and ".join(sources),
            read=package.read,
        )


def _span(name: str, first: Release, last: Release) -> str:
    return f"{name} {first.version}" if first is last else f"{name} {first.version} to {last.version}"


def _metadata_of(release: Release, more: str = "") -> str:
    """The source of what a release declares: the file, and what else of the same file says so."""
    name, kind = ("METADATA", "wheel") if release.file.endswith(".whl") else ("PKG-INFO", "sdist")
    return f"{name}{more} of the {kind} {release.file}, sha256 {release.sha256}"


def _pins(package: Package, release: Release) -> Statement | None:
    found = {name: spec for name, spec in requirements(package, release).items() if name in PINNED and name != package.name}
    if release.requires_python and _valid(release.requires_python):
        found["__python"] = tidy(release.requires_python)
    if not found or (release.unread and not release.requires):
        return None
    says = "{} asks for these releases in its own metadata; with others it was not made to work."
    if found.get("torch", "").startswith("=="):
        torch = found["torch"].removeprefix("==")
        says = f"{{}} is built with torch {torch} and pins it; with another, its extensions may not load."
    return Statement(release, tuple(sorted(found.items())), _metadata_of(release), says=says)


def _family(package: Package, release: Release) -> Statement | None:
    torch = requirements(package, release).get("torch")
    if torch is None:
        return None
    # 0.15.0 pins torch 2.0.0+cu117: the build tag is of that index
    spec = torch.partition("+")[0] if torch.startswith("==") else torch
    says = f"{{}} is compiled for torch {spec}; with another: {FAMILY[package.name]}."
    return Statement(release, (("torch", spec),), _metadata_of(release), says=says)


def _engine(package: Package, derived: Derived) -> Iterator[Iterable[Statement | None]]:
    """The trainer's range of vLLM, first by its metadata, then by its code; where both admit the same releases, once."""
    engine = derived.packages.get(EXTRA)
    engines = [Version(one.version) for one in engine.releases] if engine else []
    ranges = {row.version: row for row in derived.ranges if row.trainer == package.name}
    said = [_both(package, release, ranges.get(release.version), engines) for release in package.releases]
    yield [one for one, _ in said]
    yield [one for _, one in said]


def _both(
    package: Package, release: Release, code: CodeRange | None, engines: list[Version]
) -> tuple[Statement | None, Statement | None]:
    """What metadata says and what code says; one of them is None where the other implies it."""
    words = WORDS[package.name]
    extra = requirements(package, release, EXTRA, anywhere=True).get(EXTRA)
    declared = extra or requirements(package, release, anywhere=True).get(EXTRA)
    under = f" (extra {EXTRA})" if extra else ""
    metadata = _metadata_of(release, under)
    by_metadata = None
    if declared:
        says = words["exact" if declared.startswith("==") else "range" if "<" in declared else "open"]
        by_metadata = Statement(release, ((EXTRA, declared),), metadata, says=says)
    if code is None:
        return by_metadata, None
    by_code = Statement(release, ((EXTRA, code.accepts),), code.source, "wheel-code", words["stops" if code.stops else "warns"])
    if by_metadata is None or declared is None:
        return None, by_code
    wide = {one for one in engines if SpecifierSet(code.accepts).contains(one)}
    said = {one for one in engines if SpecifierSet(declared).contains(one)}
    if wide == said:
        return None, by_code._replace(source=_metadata_of(release, f"{under} and {code.where},"))
    return (None if wide < said else by_metadata), (None if said < wide else by_code)


WITHIN = (
    "drives vLLM's workers from inside and follows its internals release by release: with another vLLM the workers may not start."
)
WORDS = {
    "trl": {
        "exact": "TRL was written for that vLLM release: what it calls may be moved or missing in another.",
        "range": "TRL was written for those vLLM releases: what it calls may be moved or missing in another.",
        "open": "TRL was written for that vLLM or newer: what it calls may be missing in an older one.",
        "warns": 'TRL only warns ("TRL currently supports vLLM versions ...") and goes on, until it calls something that this '
        "vLLM has moved.",
        "stops": "TRL refuses another vLLM when it starts.",
    },
    "verl": {
        **dict.fromkeys(("exact", "range", "open", "warns"), f"verl {WITHIN}"),
        "stops": 'verl refuses another vLLM: "ValueError: vllm version ... not supported".',
    },
    "openrlhf": {
        **dict.fromkeys(("exact", "range", "open", "warns"), f"OpenRLHF {WITHIN}"),
        "stops": 'OpenRLHF refuses another vLLM: "AssertionError: OpenRLHF only supports vllm ...".',
    },
}
"""What happens outside a trainer's range, by how the trainer says it."""


def _glibc(name: str, release: Release, row: TorchRelease | VllmRelease | None) -> Statement | None:
    if row is None:
        return None
    says = f'"version `GLIBC_{row.glibc}\' not found" on import {name}.'
    return Statement(release, (("__glibc", f">={row.glibc}"),), f"ELF version needs in the {row.source}", "wheel-bytes", says)


def requirements(package: Package, release: Release, extra: str = "", *, anywhere: bool = False) -> dict[str, str]:
    """What a release requires on Linux x86_64, as specifiers; with ``extra`` only what that extra adds.

    A line whose marker holds on some of the release's Pythons only (those it has wheels for) is left out, unless ``anywhere``.
    """
    wheels = python_range(release.python)
    # a pin that a marker restricts to some of the Pythons that a release is for is no pin of the release
    pythons = tuple(one for one in PYTHONS if _admits(release.requires_python, one) and _admits(wheels, one))
    found: dict[str, list[str]] = {}
    for line in package.requires(release):
        asked = _asked(line, pythons, extra, any if anywhere else all)
        if asked is not None:
            found.setdefault(asked[0], []).append(asked[1])
    tidied = {name: tidy(",".join(specs)) for name, specs in found.items()}
    return {name: spec for name, spec in tidied.items() if _valid(spec)}


@lru_cache(maxsize=65536)
def _asked(line: str, pythons: tuple[str, ...], extra: str, how: Callable[[Iterable[bool]], bool]) -> tuple[str, str] | None:
    """Name and specifier of a line that has one and holds on all (or any) of these Pythons. Releases repeat their lines."""
    try:
        asked = Requirement(line)
        of_extra = asked.marker is not None and "extra" in str(asked.marker)
        if of_extra != bool(extra) or not str(asked.specifier):
            return None
        if asked.marker is not None and not how(_each(asked.marker, pythons, extra)):
            return None
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return None  # no requirement, or a marker that means nothing ("sys_platform ~= 'linux'")
    return canonicalize_name(asked.name), str(asked.specifier)


def _each(marker: Marker, pythons: tuple[str, ...], extra: str) -> Iterator[bool]:
    known = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    known |= {"implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": extra}
    for one in pythons:
        version = f"{one}.9"
        yield marker.evaluate(known | {"python_version": one, "python_full_version": version, "implementation_version": version})


@lru_cache(maxsize=4096)
def _admits(requires_python: str | None, python: str) -> bool:
    if not requires_python or not _valid(requires_python):
        return True
    return SpecifierSet(requires_python).contains(Version(f"{python}.9"))


def _valid(spec: str) -> bool:
    """Whether it is a specifier that a check can decide: long ones, of numbers that Python refuses, are refused there too."""
    try:
        specifier(spec).contains(Version("0"))
    except (InvalidSpecifier, ValueError):
        return False
    return True


def tidy(spec: str) -> str:
    """A specifier in a fixed order, each clause once; an exact pin alone where there is one."""
    clauses = sorted({str(one) for one in SpecifierSet(spec)}, key=lambda text: (text.lstrip("<>=!~"), text))
    exact = [one for one in clauses if one.startswith("==") and not one.endswith("*")]
    if len(exact) == 1 and all(SpecifierSet(one).contains(exact[0].removeprefix("==")) for one in clauses):
        return exact[0]
    return ",".join(sorted(clauses, key=lambda text: (text[0] != ">", text[0] != "<", text)))


def specifier_of(accepts: Callable[[Version], bool], engines: Iterable[Version]) -> str | None:
    """A predicate as a specifier, exact on the releases that exist; open above if it accepts any later one.

    None when it accepts none of them.
    """
    known = sorted(engines)
    accepted = [one for one in known if accepts(one)]
    if not accepted:
        return None
    far = Version(f"{known[-1].major + 1000}")
    open_above = accepted[-1] == known[-1] and accepts(far)
    clauses = [f">={accepted[0]}"] + ([] if open_above else [f"<={accepted[-1]}"])
    if len(accepted) == 1 and not open_above:
        clauses = [f"=={accepted[0]}"]
    between = [one for one in known if accepted[0] < one < accepted[-1] and not accepts(one)]
    return ",".join([*clauses, *(f"!={one}" for one in between)])
