"""What changed between two states of the derived data, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.harvest.store import Derived
    from envdoctor.nametables import Exports, Uses
    from envdoctor.rows import Package, Release

MANY = 8
"""Requirements of one release that are told one by one."""
TOLD = ("torch", "transformers", "vllm", "flashinfer-python", "numpy", "accelerate", "triton")
"""Requirements that are told of a new release."""


def differences(old: Derived, new: Derived) -> Iterator[str]:
    """One sentence for each difference; packages in the order of the newer data."""
    for name in dict.fromkeys((*new.packages, *old.packages)):
        yield from _of_package(name, old.packages.get(name), new.packages.get(name))
    yield from _of_torch(old, new)
    yield from _of_vllm(old, new)
    yield from _of_ranges(old, new)
    yield from _of_names(old, new)


def _of_package(name: str, old: Package | None, new: Package | None) -> Iterator[str]:
    if new is None or old is None:
        there = new or old
        count = plural(len(there.releases), "release") if there is not None else ""
        yield f"{name} is {'not read any more' if new is None else 'read now'}: {count}"
        return
    before = {one.version: one for one in old.releases}
    after = {one.version: one for one in new.releases}
    yield from (f"{name} {version} is gone" for version in before if version not in after)
    for version, release in after.items():
        if version not in before:
            yield f"{name} {version} is new{_day(release)}{_asks(new, release)}"
        else:
            yield from (f"{name} {version}: {what}" for what in _of_release(old, before[version], new, release))


def _day(release: Release) -> str:
    return f" ({release.uploaded})" if release.uploaded else ""


def _asks(package: Package, release: Release) -> str:
    """The requirements that decide about a stack, as the metadata writes them."""
    lines = [line for line in package.requires(release) if "extra" not in line and line.startswith(TOLD)]
    kept = [line for line in lines if not line.removeprefix(next(one for one in TOLD if line.startswith(one)))[:1].isalnum()]
    told = ", ".join(
        line.partition(";")[0].strip() for line in kept if "-" not in line.partition(";")[0] or line.startswith("flashinfer")
    )
    return f": asks for {told}" if told else ""


def _of_release(old: Package, before: Release, new: Package, after: Release) -> Iterator[str]:
    if before.yanked != after.yanked:
        yield "was yanked" if after.yanked else "is no longer yanked"
    if before.requires_python != after.requires_python:
        yield f"Requires-Python was {before.requires_python}, is {after.requires_python}"
    if before.python != after.python:
        yield f"has wheels for {' '.join(after.python) or 'none'}, had for {' '.join(before.python) or 'none'}"
    if before.glibc != after.glibc:
        yield f"its wheels' tag asks for glibc {after.glibc}, asked for {before.glibc}"
    if before.file == after.file and before.sha256 != after.sha256:
        yield f"{after.file} has another hash: {after.sha256}, was {before.sha256}"
    were, are = set(old.requires(before)), set(new.requires(after))
    changes = [
        *(f"no longer requires {line}" for line in sorted(were - are)),
        *(f"now requires {line}" for line in sorted(are - were)),
    ]
    yield from changes[:MANY]
    if len(changes) > MANY:
        yield f"and {plural(len(changes) - MANY, 'other change')} of its requirements"


def _of_torch(old: Derived, new: Derived) -> Iterator[str]:
    before = {row.torch: row for row in old.torch}
    for row in new.torch:
        was = before.get(row.torch)
        told = f"CUDA {row.cuda}, {' '.join(row.archs)}, glibc {row.glibc}, C++11 ABI {'new' if row.cxx11_abi else 'old'}"
        if was is None:
            yield f"torch {row.torch} is built with {told}"
        elif (was.cuda, was.archs, was.glibc, was.cxx11_abi) != (row.cuda, row.archs, row.glibc, row.cxx11_abi):
            yield f"torch {row.torch} is now built with {told}; was CUDA {was.cuda}, {' '.join(was.archs)}, glibc {was.glibc}"


def _of_vllm(old: Derived, new: Derived) -> Iterator[str]:
    before = {row.vllm: row for row in old.vllm}
    for row in new.vllm:
        was = before.get(row.vllm)
        told = f"CUDA {row.cuda_major}, {' '.join(row.archs)}, glibc {row.glibc}"
        if was is None:
            yield f"vllm {row.vllm} is built for {told}"
        elif (was.cuda_major, was.modules, was.glibc) != (row.cuda_major, row.modules, row.glibc):
            yield f"vllm {row.vllm} is now built for {told}; was CUDA {was.cuda_major}, {' '.join(was.archs)}, glibc {was.glibc}"


def _of_ranges(old: Derived, new: Derived) -> Iterator[str]:
    before = {(row.trainer, row.version): row for row in old.ranges}
    for row in new.ranges:
        was = before.get((row.trainer, row.version))
        if was is None or was.accepts != row.accepts:
            ending = "" if was is None else f", accepted {was.accepts}"
            yield f"the code of {row.trainer} {row.version} accepts {row.engine} {row.accepts}{ending}"


def _of_names(old: Derived, new: Derived) -> Iterator[str]:
    """Releases whose Python names, or what they take of others, are known now or no more; not each name by itself."""
    yield from _known("the Python names of {} are known {}", old.exports, new.exports)
    yield from _known("what the code of {} takes is known {}", old.uses, new.uses)


def _known(sentence: str, before: Mapping[str, Exports | Uses], after: Mapping[str, Exports | Uses]) -> Iterator[str]:
    for name in dict.fromkeys((*after, *before)):
        had, has = _versions(before.get(name)), _versions(after.get(name))
        for word, versions in (
            ("now", [one for one in has if one not in had]),
            ("no more", [one for one in had if one not in has]),
        ):
            if versions:
                span = versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]} ({len(versions)})"
                yield sentence.format(f"{name} {span}", word)


def _versions(table: Exports | Uses | None) -> list[str]:
    return [one.version for one in table.releases] if table is not None else []
