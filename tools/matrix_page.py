"""The tables of docs/matrix.md, from the data alone."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import admits, specifier
from envdoctor.harvest.derive import requirements
from envdoctor.pins import satisfiable
from envdoctor.stacks import Asked, table
from envdoctor.suppose import known_pins
from envdoctor.wording import brief as brief_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envdoctor.matrix import Matrix
    from envdoctor.rows import Release
    from envdoctor.stacks import Stack

NONE = "-"
TRAINERS = {"trl": "TRL", "verl": "verl", "openrlhf": "OpenRLHF"}


def tables(matrix: Matrix) -> dict[str, str]:
    """Name of each table in docs/matrix.md -> its Markdown."""
    return {
        "engines": engines(matrix),
        "kernels": kernels(matrix),
        "torch": torch(matrix),
        "trainers": trainers(matrix),
        "contradictions": contradictions(matrix),
        "incompatibilities": incompatibilities(matrix),
        "open": unbounded(matrix),
        "ages": ages(matrix),
    }


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _releases(matrix: Matrix, name: str) -> dict[str, Release]:
    package = matrix.package(name)
    return {one.version: one for one in package.releases} if package is not None else {}


def engines(matrix: Matrix) -> str:
    """One row for each vLLM release, newest first, with the three layers of truth apart."""
    built = {row.vllm: row for row in matrix.vllm_releases()}
    stacks = {one.versions["vllm"]: one for one in table(matrix, Asked()).stacks}
    rows = []
    for version, release in reversed(_releases(matrix, "vllm").items()):
        pins, row = known_pins("vllm", version, matrix), built.get(version)
        stack = stacks.get(version)
        rows.append(
            (
                version,
                release.uploaded or NONE,
                pins.get("torch", NONE).removeprefix("=="),
                stack.cuda if stack is not None and stack.cuda else NONE,
                short(row.archs) if row is not None else NONE,
                pins.get("transformers", NONE),
                ceiling(matrix, version),
                f"{release.glibc or NONE} / {row.glibc if row is not None else NONE}",
                release.requires_python or NONE,
                stack.driver_floor if stack is not None and stack.driver_floor else NONE,
                stack.declared if stack is not None else NONE,
                row.read if row is not None else NONE,
                ran(stack),
            )
        )
    heads = ("vLLM", "released", "torch", "CUDA", "GPU architectures of its core modules", "transformers, declared",
             "and known to need", "glibc: tag / bytes", "Python", "driver from", "declared", "binary", "ran")  # fmt: skip
    return markdown(heads, rows)


def short(archs: Iterable[str]) -> str:
    """Say "70 75 80 90a +PTX 90" for sm_70 sm_75 sm_80 sm_90a compute_90."""
    names = list(archs)
    machine = [one.removeprefix("sm_") for one in names if one.startswith("sm_")]
    ptx = [one.removeprefix("compute_") for one in names if one.startswith("compute_")]
    return " ".join(machine) + (f" +PTX {' '.join(ptx)}" if ptx else "")


def ceiling(matrix: Matrix, version: str) -> str:
    """What no metadata states: the runtime claims about that release."""
    about = (one for one in matrix.claims("vllm", "runtime") if one.admits("vllm", Version(version)))
    return "; ".join(f"{name} {spec}" for one in about for name, spec in one.then.items()) or NONE


def ran(stack: Stack | None) -> str:
    """Days and outcomes of the runs of a stack."""
    if stack is None or not stack.ran:
        return NONE
    return "; ".join(dict.fromkeys(f"{run.read} {run.machine} {run.outcome}" for run in stack.ran))


def kernels(matrix: Matrix) -> str:
    """Architectures of the modules beside the core, where releases differ: which attention kernels a GPU gets."""
    rows = []

    def modules(version: str) -> tuple[tuple[str, str], ...]:
        row = next(one for one in matrix.vllm_releases() if one.vllm == version)
        named = {
            name.partition(".")[0].rpartition("/")[2]: short(sorted(found, key=_order)) for name, found in row.modules.items()
        }
        return tuple(sorted(named.items()))

    for found, run in groupby((row.vllm for row in matrix.vllm_releases()), modules):
        versions = list(run)
        span = versions[0] if len(versions) == 1 else f"{versions[0]} .. {versions[-1]}"
        rows.append((span, "; ".join(f"{name}: {archs}" for name, archs in found)))
    return markdown(("vLLM", "architectures of each compiled module (machine code, then PTX)"), reversed(rows))


def _order(name: str) -> tuple[int, str]:
    number = name.rpartition("_")[2]
    return int(number.rstrip("af")), number


def torch(matrix: Matrix) -> str:
    """One row for each torch release, newest first."""
    releases = _releases(matrix, "torch")
    floors = {row.cuda: row.floor_driver for row in matrix.cuda_releases()}
    rows = [
        (
            row.torch,
            releases[row.torch].uploaded or NONE if row.torch in releases else NONE,
            row.cuda,
            short(row.archs),
            "new" if row.cxx11_abi else "old",
            f"{releases[row.torch].glibc or NONE if row.torch in releases else NONE} / {row.glibc}",
            row.python,
            floors.get(row.cuda, NONE),
            row.read,
        )
        for row in reversed(matrix.torch_releases())
    ]
    heads = ("torch", "released", "CUDA", "GPU architectures", "C++11 ABI", "glibc: tag / bytes", "Python", "driver from", "read")
    return markdown(heads, rows)


def trainers(matrix: Matrix) -> str:
    """Which vLLM each trainer release takes, newest first; releases that say the same share a row."""
    rows = []
    for name, label in TRAINERS.items():
        said = [(version, _said(matrix, name, version)) for version in _releases(matrix, name)]
        groups = []
        for words, run in groupby(said, lambda pair: pair[1]):
            versions = [version for version, _ in run]
            span = versions[0] if len(versions) == 1 else f"{versions[0]} .. {versions[-1]}"
            groups.append((f"{label} {span}", *words))
        rows += reversed(groups)
    return markdown(("trainer", "its metadata", "its code", "outside that range its code"), rows)


def _said(matrix: Matrix, name: str, version: str) -> tuple[str, str, str]:
    metadata = _declared(matrix, name, version)
    code = next((row for row in matrix.code_ranges(name) if row.version == version), None)
    return metadata, brief(code.accepts) if code else NONE, (("stops" if code.stops else "warns") if code else NONE)


def _declared(matrix: Matrix, name: str, version: str) -> str:
    package = matrix.package(name)
    if package is None:
        return NONE
    release = next(one for one in package.releases if one.version == version)
    extra = requirements(package, release, "vllm", anywhere=True).get("vllm")
    return extra or requirements(package, release, anywhere=True).get("vllm", NONE)


def brief(spec: str) -> str:
    """A range whose many single exceptions are counted, not listed."""
    clauses = [str(one) for one in specifier(spec)]
    bounds = sorted((one for one in clauses if not one.startswith("!=")), reverse=True)
    holes = len(clauses) - len(bounds)
    return ",".join(bounds) + (f" but for {holes} releases" if holes else "")


def contradictions(matrix: Matrix) -> str:
    """Releases that cannot be installed as they ask to be: their exact engine wants what they refuse."""
    rows = []
    for name, label in TRAINERS.items():
        for version in _releases(matrix, name):
            about = [one for one in matrix.claims(name, "trainer-engine") if one.admits(name, Version(version))]
            engine = next((one.then["vllm"].removeprefix("==") for one in about if one.then["vllm"].startswith("==")), None)
            if engine is None:
                continue
            rows += [(f"{label} {version}", f"vllm {engine}", *clash) for clash in _clashes(matrix, (name, version), engine)]
    return markdown(("release", "its engine", "it asks for", "the engine asks for"), rows)


def _clashes(matrix: Matrix, trainer: tuple[str, str], engine: str) -> Iterator[tuple[str, str]]:
    ours, theirs = known_pins(*trainer, matrix), known_pins("vllm", engine, matrix)
    for package in sorted(ours.keys() & theirs.keys()):
        if not satisfiable([ours[package], theirs[package]]) or not _exists(matrix, package, (ours[package], theirs[package])):
            yield f"{package} {ours[package]}", f"{package} {theirs[package]}"


def _exists(matrix: Matrix, package: str, ranges: tuple[str, str]) -> bool:
    """Whether some release that was read lies in both ranges; packages that are not read are not accused."""
    releases = _releases(matrix, package)
    return not releases or any(all(admits(spec, Version(version)) for spec in ranges) for version in releases)


def incompatibilities(matrix: Matrix) -> str:
    """Every pair that installs and then fails, with its symptom, its fix and where it is known from."""
    rows = []
    for name in matrix.subjects():
        for one in matrix.claims(name, "runtime"):
            when = ", ".join(f"{package} {spec}" for package, spec in one.when.items())
            then = ", ".join(f"{package} {spec}" for package, spec in one.then.items())
            cells = (when, then, one.severity, one.says, one.fix or NONE, one.basis, f"{brief_hash(one.source)} ({one.read})")
            rows.append([cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells])
    return markdown(("with", "take", "else", "symptom", "fix", "basis", "source (read)"), rows)


def unbounded(matrix: Matrix) -> str:
    """How many vLLM releases put no upper end on transformers."""
    releases = _releases(matrix, "vllm")
    ranges = [known_pins("vllm", version, matrix).get("transformers", "") for version in releases]
    free = sum(not any(part.operator in {"<", "<=", "==", "~="} for part in specifier(spec)) for spec in ranges)
    return f"- {free} of the {len(releases)} vLLM releases put no upper end on transformers.\n"


def ages(matrix: Matrix) -> str:
    """How many releases of which package were read, and when."""
    rows = []
    for name, day in matrix.packages().items():
        releases = _releases(matrix, name)
        unread = sum(one.unread is not None for one in releases.values())
        newest = list(releases)[-1]
        rows.append((name, str(len(releases)), newest, releases[newest].uploaded or NONE, str(unread), day))
    return markdown(("package", "releases", "newest", "of", "without readable metadata", "read"), rows)
