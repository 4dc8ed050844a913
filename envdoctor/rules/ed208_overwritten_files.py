"""Two packages wrote the same module files, and one lies over the other.

## What it checks
The lists of installed files (RECORD) against each other: modules that two packages list with different hashes. A few of them are
hashed to see whose contents are on disk. Equal files, namespace packages, and tests or examples that lie at the top by mistake
are left out; pynvml is ED206.

## Why it breaks
Installers write over files without a word and `pip check` looks at versions only. `import cuda.bindings` of
cuda-bindings 13.5.0 gets the CUDA 12 code of cuda-python 12.6.2.post1, which still brought bindings of its own: "module
'cuda.bindings.runtime' has no attribute 'cudaLibrary_t'" when flashinfer is imported. Uninstalling one of the two
takes the other's files along.

## What to do
Uninstall both and install the one that is needed again; or take a release of the other that no longer brings these files.

## Sources
- the RECORDs of the cuda-python 12.6.2.post1, 12.8.0 and cuda-bindings 13.5.0 wheels, installed by a plain vllm 0.32.0
- https://packaging.python.org/en/latest/specifications/recording-installed-packages/
- https://github.com/pypa/pip/issues/4625
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import said
from envdoctor.requirements import in_stack, requirements
from envdoctor.rules.ed204_damaged_distribution import reinstall
from envdoctor.views import distributions, metadata_path, normalized, parsed, requirements_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.linkage import Overwritten
    from envdoctor.matrix import Matrix
    from envdoctor.requirements import Edge

CODE = "ED208"
CAUSE = "overwritten-files"
JOINT = Joint.PYTHON
QUESTION = "Does every module file come from the package that is recorded for it?"
EXPLAINED_BY = ()

SOURCE = Source("https://packaging.python.org/en/latest/specifications/recording-installed-packages/", "2026-11-25")
OF_ED206 = {"nvidia-ml-py", "nvidia-ml-py3", "pynvml"}
FREED = {("cuda-python", "cuda-bindings"): "12.8.0"}
"""(a package that brought the other's files, the other): its first release that only requires the other. Read in its wheels."""


class Loss(NamedTuple):
    """The package whose files are not its own any more, and who needs it as it was."""

    name: str
    edges: tuple[Edge, ...]
    broken: tuple[Edge, ...]
    """Requirements that the version of the winner would not meet."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """One finding for each set of packages that share files."""
    for one in need(facts.overwritten):
        if not set(one.owners) <= OF_ED206:
            yield finding(facts, one, loss(facts, one))


def loss(facts: Facts, one: Overwritten) -> Loss:
    """The loser that is needed most."""
    winner = distributions(facts).get(one.winner or "")
    version = parsed(winner.version) if winner is not None else None
    losses = []
    for name in one.owners:
        if name != one.winner:
            edges = tuple(edge for edge in requirements(facts).edges if edge.name == name)
            broken = tuple(edge for edge in edges if version is not None and not admits(edge.specifier, version))
            losses.append(Loss(name, edges, broken))
    return max(losses, key=lambda lost: (len(lost.broken), in_stack(lost.name), len(lost.edges)))


def finding(facts: Facts, one: Overwritten, lost: Loss) -> Finding:
    """What was written over, and what needs it."""
    present = distributions(facts)
    loser = said(present[lost.name]) if lost.name in present else lost.name
    files = f"{one.count} module file{'' if one.count == 1 else 's'}"
    if one.winner is not None:
        winner = said(present[one.winner]) if one.winner in present else one.winner
        title, state = f"{winner} wrote over {files} of {loser}", f"those of {one.winner} ({told(one)})"
        why = f"What imports them gets the code of {winner}: AttributeError, ImportError or undefined symbols follow."
    elif len(one.owners) > 1:
        others = " and ".join(name for name in one.owners if name != lost.name)
        title, state = f"{loser} and {others} wrote over each other: {files}", "a mixture"
        why = "What imports them gets a mixture of both: AttributeError, ImportError or undefined symbols follow."
    else:
        title, state = f"{files} of {loser} went with another package that listed them too", "gone"
        why = "What imports them fails with ModuleNotFoundError."
    via = facts.overwritten.via if isinstance(facts.overwritten, Known) else ""
    owners = [present[name] for name in one.owners if name in present]
    return Finding(
        code=CODE,
        title=title,
        severity=severity(one, lost),
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=(lost.name, *(name for name in one.owners if name != lost.name)),
        why=f"{why} Uninstalling one of them takes files of the other along.",
        evidence=(
            Evidence("files that they list with different hashes", f"{one.count}, first {one.path}", via),
            Evidence("contents on disk", state, owners[0].location if owners else via),
            *(Evidence(f"installed {normalized(owner.name)}", owner.version, metadata_path(owner)) for owner in owners),
            *(
                Evidence(f"{said(edge.requirer)} requires {lost.name}", edge.specifier, requirements_path(edge.requirer))
                for edge in lost.broken[:3]
            ),
        ),
        sources=(SOURCE,),
        changes=tuple(changes(facts, one, lost)),
    )


def told(one: Overwritten) -> str:
    """How the winner was told."""
    return f"{one.sampled} hashed" if one.sampled else "told by the size, it is too large to hash"


def severity(one: Overwritten, lost: Loss) -> Severity:
    """An error where the stack needs the package at its own version, or as itself."""
    itself = in_stack(lost.name) and not lost.edges
    mixed = in_stack(lost.name) and one.winner is None
    return Severity.ERROR if lost.broken or itself or mixed else Severity.WARNING


def changes(facts: Facts, one: Overwritten, lost: Loss) -> Iterator[Change]:
    """Releases of the others that leave the files alone; and to keep one of them, where nothing installed requires the rest."""
    present = distributions(facts)
    names = [lost.name, *(name for name in one.owners if name != lost.name)]
    version = parsed(present[lost.name].version) if lost.name in present else None
    if version is None or any(name not in present for name in names) or not names[1:]:
        return
    for name in names[1:]:
        freed = FREED.get((name, lost.name))
        if freed is not None and version >= Version(freed):
            floor = max(Version(freed), Version(f"{version.major}.0.0"))
            spec = f">={floor},<={version.public}"
            says = f"Uninstall both, then install {name}{spec}, which only requires {lost.name}, and {lost.name} again."
            yield Change(kind=Kind.UNINSTALL, says=says, remove=(name, lost.name), install={name: spec, lost.name: spec})
    required = [edge.name for edge in requirements(facts).edges]
    free = [name for name in names if not any(other in required for other in names if other != name)]
    for name in free or [max(names, key=required.count)]:
        others = [other for other in names if other != name]
        says = f"Uninstall {', '.join(others)} and {name}, then install {said(present[name])} again."
        again = reinstall(name, present[name].version, says)
        yield Change(kind=again.kind, says=again.says, remove=(*others, name), install=again.install)
