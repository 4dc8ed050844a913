"""An old pynvml package shadows nvidia-ml-py.

## What it checks
Whether a pynvml distribution older than 12 is installed, or another one owns the file pynvml.py that nvidia-ml-py brings.

## Why it breaks
nvidia-ml-py is NVIDIA's binding to the driver's management library, imported as `pynvml` from one file, pynvml.py. The
pynvml distribution up to 11.5 brings a folder pynvml/ of its own, and Python takes a folder before a file of the same name.
Engines then get an older binding: vLLM says "UnspecifiedPlatform" and "Failed to infer device type" on a machine where
torch sees the GPU. From release 12 on pynvml brings no such folder and only requires nvidia-ml-py.

## What to do
Uninstall pynvml, and install nvidia-ml-py again in case the two shared the file.

## Sources
- the file lists and METADATA of the pynvml 11.5.3 and 12.0.0 wheels
- https://github.com/vllm-project/vllm/issues/12847
- https://github.com/XuehaiPan/nvitop/issues/44
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import combined, said
from envdoctor.requirements import requirements
from envdoctor.views import distributions, in_report, installed, metadata_path, parsed, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix

CODE = "ED206"
CAUSE = "pynvml-conflict"
JOINT = Joint.PYTHON
QUESTION = "Is the pynvml module the one of nvidia-ml-py?"
EXPLAINED_BY = ()

OFFICIAL = "nvidia-ml-py"
SHIM = Version("12")
"""First pynvml release without a pynvml module of its own."""
RIVALS = ("pynvml", "nvidia-ml-py3")
"""Distributions that bring a module of that name too."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """Look for a rival of nvidia-ml-py."""
    version = version_of(facts, "pynvml")
    if version is not None and version < SHIM:
        yield finding(facts, "pynvml", sharing=False)
        return
    if not any(installed(facts, name) for name in RIVALS):
        return
    owners = need(facts.builds.module_owners).get("pynvml.py", ())
    for name in RIVALS:
        if name in owners and installed(facts, name) is not None:
            yield finding(facts, name, sharing=True)


def severity(facts: Facts, *, engine: bool) -> Severity:
    """In lists of reports both names are common and mostly do no harm: there the error tells, which names this cause."""
    if in_report(facts):
        return Severity.INFO
    return Severity.ERROR if engine else Severity.WARNING


def finding(facts: Facts, name: str, *, sharing: bool) -> Finding:
    """The finding on one rival."""
    rival, official = distributions(facts)[name], installed(facts, OFFICIAL)
    engine = installed(facts, "vllm")
    how = "shares the file pynvml.py with" if sharing else "hides"
    evidence = [Evidence(f"installed {name}", rival.version, metadata_path(rival))]
    if official is not None:
        evidence.append(Evidence(f"installed {OFFICIAL}", official.version, metadata_path(official)))
        title = f"{said(rival)} {how} {said(official)}"
    else:
        title = f"{said(rival)} is installed in the place of {OFFICIAL}"
    owners = facts.builds.module_owners
    if sharing and isinstance(owners, Known):
        evidence.append(Evidence("owners of pynvml.py", ", ".join(owners.value["pynvml.py"]), owners.via))
    asked = combined(edge.specifier for edge in requirements(facts).edges if edge.name == OFFICIAL)
    again = asked if official is None else pinned(official)
    reason = " again: the removal may take its file along" if official is not None else " in its place"
    return Finding(
        code=CODE,
        title=title,
        severity=severity(facts, engine=engine is not None),
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=(name, OFFICIAL, *(["vllm"] if engine is not None else [])),
        why='`import pynvml` gives an outdated binding: vLLM says "Failed to infer device type" although torch sees the GPU.',
        evidence=tuple(evidence),
        sources=(
            Source("file lists and METADATA of the pynvml 11.5.3 and 12.0.0 wheels", "2026-11-22"),
            Source("https://github.com/vllm-project/vllm/issues/12847", "2026-11-22"),
        ),
        changes=(
            Change(
                kind=Kind.UNINSTALL,
                says=f"Uninstall {said(rival)}, then install {OFFICIAL}{again}{reason}.",
                remove=(name,),
                install={OFFICIAL: again},
            ),
        ),
    )


def pinned(one: Distribution) -> str:
    """The specifier of its version; empty where that is no version that can be asked for."""
    return f"=={one.version}" if parsed(one.version) is not None else ""
