"""What was predicted of an import beside what came of it when it was made: wrong predictions are our own bugs. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import Known, need
from envdoctor.views import distributions, normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.linkage import LinkedModule, LinkProblem
    from envdoctor.loaded import ImportTried

LOADER = re.compile(
    r"undefined symbol|cannot open shared object file|version `[^']+' not found|not defined in file|static TLS"
    r"|invalid ELF header|file too short|wrong ELF class"
)
"""The dynamic loader's words (glibc elf/dl-load.c, dl-lookup.c, dl-version.c): what the linker's simulation predicts."""
REFUSED = re.compile(r"(?:^|[\s:'\"(])(\S+\.so[\w.]*): ")
"""The file that dlerror() names first."""
NAME = re.compile(r"cannot import name '([^']+)' from (?:partially initialized module )?'([^']+)'")
"""What Python says of a name that a module does not have."""
ALL_FOUND = "every library and symbol it asks for is found"


class Compared(NamedTuple):
    """The import of a package, or one compiled module of it that was tried by itself."""

    package: str
    """Normalized name of the distribution."""
    what: str
    """What was tried: "vllm" (the import of the package) or "vllm._C" (one compiled module)."""
    predicted: bool | None
    """Whether it was predicted to load; None where nothing was predicted."""
    why: str
    """What the prediction rests on: the loader's message that was predicted, or why nothing was predicted."""
    loaded: bool
    outcome: str
    """ "imported in 5.3 s", "ImportError: ...", "killed by SIGILL"."""
    agree: bool | None
    """None where the outcome is none that could have been predicted; ``why`` then says so."""


def compared(facts: Facts) -> tuple[Compared, ...]:
    """Every import that was made, and every compiled module that was tried, with its prediction. Raises NotObserved."""
    return tuple(one for tried in need(facts.live.imports) for one in _of(facts, tried))


def tried_modules(facts: Facts, package: str) -> tuple[LinkedModule, ...]:
    """The compiled modules of a package that can be imported by name and of which the linker says something.

    Not those of which any one variant is enough, and not those that are opened by path: a package opens the one of them that
    is for this processor, and another one may end the process.
    """
    judged = facts.linking.modules
    if not isinstance(judged, Known):
        return ()
    mine = (one for one in judged.value if one.package == package and one.module is not None)
    return tuple(one for one in mine if not one.optional and one.undecided is None)


def refuted(facts: Facts) -> frozenset[str]:
    """What was predicted not to load and was loaded when it was tried: "torch", "vllm._C". None where nothing was imported."""
    if not isinstance(facts.live.imports, Known):
        return frozenset()
    return frozenset(one.what for one in compared(facts) if one.predicted is False and one.loaded)


def name_of(module: LinkedModule) -> str:
    """How a compiled module is called where it is tried: its import name."""
    return module.module or module.path


def _of(facts: Facts, tried: ImportTried) -> Iterator[Compared]:
    yield _import(facts, tried)
    if tried.state != "imported" or "." in tried.module:
        return  # compiled modules are tried once, after the package itself, and only where that can be imported
    refused = dict(one.partition(": ")[::2] for one in tried.unloaded)
    for module in tried_modules(facts, tried.package):
        what = name_of(module)
        loaded = what not in refused
        predicted = not module.problems
        why = ALL_FOUND if predicted else module.problems[0].message
        # an error of Python's in a module that the loader took (a missing package, another CPU) is none of the linker's
        agree = None if predicted and not loaded and not LOADER.search(refused[what]) else predicted == loaded
        yield Compared(tried.package, what, predicted, why, loaded, "loaded" if loaded else refused[what], agree)


def _import(facts: Facts, tried: ImportTried) -> Compared:
    """The import of the package itself."""
    loaded = tried.state == "imported"
    outcome = f"imported in {tried.seconds:.1f} s" if loaded else tried.error or tried.state
    predicted, why = _predicted(facts, tried)
    agree: bool | None
    if loaded:
        agree = None if predicted is None else predicted
    else:
        agree, said = _failure(facts, tried, outcome)
        why = said or why
    return Compared(tried.package, tried.module, predicted, why, loaded, outcome, agree)


def _predicted(facts: Facts, tried: ImportTried) -> tuple[bool | None, str]:
    """Whether the import was predicted to work, and on what that rests."""
    torch, modules, missing, package = facts.linking.torch, facts.linking.modules, facts.names.missing, tried.package
    if not isinstance(torch, Known) or not isinstance(modules, Known):
        return None, "the linker could not judge this environment"
    if torch.value is not None and torch.value.problems and package == "torch":
        return False, torch.value.problems[0].message
    broken = [one for one in tried_modules(facts, package) if one.problems]
    if broken:
        return None, f"{name_of(broken[0])} does not load ({broken[0].problems[0].message}); a package may hide that"
    if torch.value is not None and torch.value.problems:
        return None, f"torch does not load ({torch.value.problems[0].message}); a package may take it later"
    lacking = [one for one in (missing.value if isinstance(missing, Known) else ()) if one.importer == package]
    at_once = [one for one in lacking if one.place == "module"]
    for one in at_once:
        says = f"{one.file}, line {one.line}, takes {one.module}.{one.name}, which is not there"
        return (False, says) if one.file == f"{tried.module.replace('.', '/')}.py" else (None, f"{says}; it may be read later")
    return _basis(facts, package)


def _basis(facts: Facts, package: str) -> tuple[bool | None, str]:
    """What speaks for an import against which nothing speaks; None where nothing of the package was looked at."""
    pairs = facts.names.pairs
    names = sum(one.names for one in pairs.value if one.importer == package) if isinstance(pairs, Known) else 0
    if tried_modules(facts, package):
        return True, ALL_FOUND
    if names:
        return True, f"all {names} names that it takes from other packages are there"
    return None, "it has no compiled modules that were judged, and takes no names that were read"


def _failure(facts: Facts, tried: ImportTried, error: str) -> tuple[bool | None, str]:
    """Whether an import's failure had been predicted; None, with the reason, where it is of another kind."""
    name = NAME.search(error)
    if name is not None:
        return _name(facts, tried.package, *name.groups())
    if not LOADER.search(error):
        broken = [one for one in tried_modules(facts, tried.package) if one.problems]
        if broken:  # packages hide what the loader said: "operator torchvision::nms does not exist"
            return True, broken[0].problems[0].message
        return None, "no error of the dynamic loader or of a missing name, so nothing had been predicted of it"
    if not isinstance(facts.linking.modules, Known) or not isinstance(facts.linking.torch, Known):
        return None, "the linker could not judge this environment"
    for problem in _problems(facts):
        if problem.wants and problem.wants in error:
            return True, problem.message
    refused = REFUSED.search(error)
    path = refused.group(1) if refused is not None else ""
    judged = [one for one in facts.linking.modules.value if path.endswith(one.path)] if path else []
    if judged or tried_modules(facts, tried.package) or tried.package == "torch":
        return False, ALL_FOUND
    return None, "the linker had not judged the file that was refused"


def _problems(facts: Facts) -> Iterator[LinkProblem]:
    torch = need(facts.linking.torch)
    yield from torch.problems if torch is not None else ()
    for one in need(facts.linking.modules):
        yield from one.problems


def _name(facts: Facts, package: str, name: str, module: str) -> tuple[bool | None, str]:
    """A name that is not there: among those that reading the sources had found missing?"""
    missing, pairs = facts.names.missing, facts.names.pairs
    if not isinstance(missing, Known) or not isinstance(pairs, Known):
        return None, "the names that packages take from each other were not read"
    for one in missing.value:
        if one.name == name and module.startswith(one.module.partition(".")[0]):
            return True, f"{one.file}, line {one.line}: takes {one.module}.{one.name}, which is not there"
    root = module.partition(".")[0].replace("_", "-")
    present = distributions(facts)
    read = any(one.importer == package and normalized(one.exporter) in {root, f"{root}-cpu"} for one in pairs.value)
    if read and package in present:
        return False, f"every name that {package} takes from {root} was found"
    return None, f"the names that {package} takes from {root} were not read"
