"""Compiled modules built for NumPy 1 under NumPy 2.

## What it checks
When NumPy 2 is installed, the compiled modules of packages that use NumPy are searched for the marks of NumPy 1 headers. A module
built with NumPy 2 headers runs under both.

## Why it breaks
NumPy 2 changed its binary interface. "A module that was compiled using NumPy 1.x cannot be run in NumPy 2", followed by
"ImportError: numpy.core.multiarray failed to import" or "_ARRAY_API not found"; sometimes only a warning and then a crash or
wrong numbers. Metadata is silent about it when the package says only "numpy".

## What to do
Install numpy<2, or newer releases of these packages.

## Sources
- https://numpy.org/devdocs/dev/depending_on_numpy.html
- https://github.com/vllm-project/vllm/issues/5594
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.facts import need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import combined, said, satisfiable
from envdoctor.requirements import requirements
from envdoctor.views import distributions, metadata_path, parsed, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts, NumpyAbi
    from envdoctor.matrix import Matrix

CODE = "ED307"
CAUSE = "numpy2-abi"
JOINT = Joint.ENGINE
QUESTION = "Can all compiled modules run with the installed NumPy?"
EXPLAINED_BY = ("ED205",)


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """One finding for all modules."""
    numpy = version_of(facts, "numpy")
    if numpy is None or numpy < Version("2.0.0a0"):
        return
    modules = need(facts.builds.numpy1_modules)
    if modules:
        yield finding(facts, modules)


def finding(facts: Facts, modules: tuple[NumpyAbi, ...]) -> Finding:
    """The finding, with NumPy to blame and the first module of each package as evidence."""
    present = distributions(facts)
    numpy = present["numpy"]
    first = {one.package: one for one in reversed(modules)}
    packages = sorted(first)
    named = [said(present[name]) if name in present else name for name in packages]
    shown = ", ".join(named[:2]) + (f" and {len(named) - 2} more" if len(named) > 2 else "")  # noqa: PLR2004
    return Finding(
        code=CODE,
        title=f"numpy {numpy.version} is installed, but {shown} {'is' if len(named) == 1 else 'are'} compiled for NumPy 1",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("numpy",),
        why='The import fails or crashes: "compiled using NumPy 1.x cannot be run in NumPy 2", "_ARRAY_API not found".',
        evidence=(
            Evidence("installed numpy", numpy.version, metadata_path(numpy)),
            *(
                Evidence(f"built with NumPy 1 headers ({name})", first[name].path, "strings in its .rodata section")
                for name in packages
            ),
        ),
        sources=(Source("https://numpy.org/devdocs/dev/depending_on_numpy.html", "2026-11-22"),),
        changes=tuple(changes(facts, packages)),
    )


def changes(facts: Facts, packages: list[str]) -> Iterator[Change]:
    """NumPy 1, unless something requires 2; or newer releases of the packages, where their dependants allow it."""
    asked = [edge.specifier for edge in requirements(facts).edges if edge.name == "numpy"]
    if satisfiable([*asked, "<2"]):
        spec = combined([*asked, "<2"])
        yield Change(kind=Kind.INSTALL, says=f"Install numpy{spec}.", install={"numpy": spec})
    present = distributions(facts)
    newer = {
        name: f">{present[name].version}" for name in packages if name in present and parsed(present[name].version) is not None
    }
    if len(newer) == len(packages):
        listed = ", ".join(f"{name}{spec}" for name, spec in newer.items())
        yield Change(kind=Kind.INSTALL, says=f"Upgrade to releases built for NumPy 2: {listed}.", install=newer)
