"""A package of the stack was imported in a fresh process, and raised, died or hung.

## What it checks
With `check --deep`: each installed package of the stack is imported by the target's own Python, with the parts of it that a
training run takes, and each compiled module by itself. Packages that fail with the same error are one finding.

## Why it breaks
A library or a name that is not there, an exception in a package's own start, an instruction that this processor does not have.
Where metadata or the bytes explain it, that finding is the cause and this one its proof; else the error here is all there is.

## What to do
Mend what the error names. A traceback that ends in a package's own file, where nothing else was found, is that package's or
its installation's: install it again, or the release beside it.

## Sources
- https://docs.python.org/3/reference/import.html
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from envdoctor import ran
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.requirements import in_stack
from envdoctor.views import installed, normalized
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.loaded import ImportTried
    from envdoctor.matrix import Matrix

CODE = "ED706"
CAUSE = "import-fails"
JOINT = Joint.PYTHON
QUESTION = "Can every installed package of the stack be imported?"
EXPLAINED_BY = (
    "ED309", "ED310", "ED404", "ED204", "ED208", "ED203", "ED302", "ED308", "ED301", "ED303", "ED304", "ED305", "ED307", "ED206",
    "ED201", "ED202", "ED401", "ED402", "ED403", "ED205", "ED501", "ED101",
)  # fmt: skip

SOURCE = Source("https://docs.python.org/3/reference/import.html", "2026-11-25")
MISSING = re.compile(r"No module named '([\w.-]{1,120})'")
NAMED = re.compile(r"from (?:partially initialized module )?'([\w.-]{1,120})'")
FOLDER = re.compile(r"(?:site|dist)-packages/([\w.-]{1,80})")
KIND = re.compile(r"^[\w.]{1,80}: ")
FOLDERS = re.compile(r"(?<![^\s('\"])(?:~|\.)?/(?:[^\s/]{1,255}/){1,40}(?=[^\s/])")
FRAMES = 2
HEADLINE = 130
LEAST = 12
"""Characters of an error's words that are enough to know it again in another package's error."""
HOW = {"raised": "cannot be imported", "died": "kills the process that imports it", "late": "does not come back from its import"}


class Failed(NamedTuple):
    """One error, and the imports that ended with it; the first is nearest to its cause."""

    error: str
    tried: list[ImportTried]


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """One finding an error; then the compiled modules of packages that could be imported without them."""
    tried = need(facts.live.imports)
    for failed in by_error(tried):
        yield of_error(facts, failed)
    for one in tried:
        if one.state == "imported" and one.unloaded:
            yield of_modules(facts, one)


def by_error(tried: tuple[ImportTried, ...]) -> list[Failed]:
    """Failed imports by their error: one that repeats another's words has that error (packages wrap what they met)."""
    found: list[Failed] = []
    bad = [one for one in tried if one.state != "imported"]
    for one in sorted(bad, key=lambda each: len(each.error or each.state)):
        error = one.error or one.state
        same = next((each for each in found if repeats(error, each.error) and one.state == each.tried[0].state == "raised"), None)
        if same is None:
            found.append(Failed(error, [one]))
        else:
            same.tried.append(one)
    for each in found:
        each.tried.sort(key=tried.index)  # what others build on was imported first
    return sorted(found, key=lambda each: tried.index(each.tried[0]))


def repeats(error: str, other: str) -> bool:
    """Whether an error holds the words of another one."""
    words = KIND.sub("", other)
    return error == other or (len(words) >= LEAST and words in error)


def touched(facts: Facts, failed: Failed) -> tuple[str, ...]:
    """Packages that the error and the last frames name: what explains them may explain this."""
    modules = [*MISSING.findall(failed.error), *NAMED.findall(failed.error)]
    modules += [name for one in failed.tried[:1] for frame in one.trace[-FRAMES:] for name in FOLDER.findall(frame)]
    owners = facts.builds.module_owners.value if isinstance(facts.builds.module_owners, Known) else {}
    roots = [module.split(".")[0].removesuffix(".py") for module in modules]
    return tuple(dict.fromkeys(normalized(owner) for root in roots for owner in (root, owners.get(root, root))))


def of_error(facts: Facts, failed: Failed) -> Finding:
    """The finding of one error."""
    first = failed.tried[0]
    names = tuple(dict.fromkeys(one.package for one in failed.tried))
    known = ran.meaning(failed.error, "\n".join(first.trace))
    others = f" and {plural(len(names) - 1, 'package')} more" if len(names) > 1 else ""
    dying = first.state == "died"
    return Finding(
        code=CODE,
        title=f"{first.module}{others} {HOW.get(first.state, first.state)}: {headline(failed.error)}",
        severity=Severity.ERROR if any(in_stack(name) for name in names) else Severity.WARNING,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=(*names, *(name for name in touched(facts, failed) if name not in names)),
        why=known.why
        if known is not None
        else f"Nothing that imports {first.module} runs{', and no traceback is printed' if dying else ''}.",
        evidence=(
            *(Evidence(f"import {one.module}", one.error or one.state, via(facts, one)) for one in failed.tried),
            *(Evidence("raised at", frame, f"the traceback of import {first.module}") for frame in first.trace[-FRAMES:]),
        ),
        sources=known.signature.sources if known is not None else (SOURCE,),
        changes=tuple(changes(facts, first, ran.advised(known) if known is not None else None)),
    )


def headline(error: str) -> str:
    """An error without the folders of its files, cut at a word."""
    return textwrap.shorten(FOLDERS.sub("", error), HEADLINE, placeholder=" ...")


def via(facts: Facts, one: ImportTried) -> str:
    """Where it was seen."""
    leaf = facts.live.imports.via if isinstance(facts.live.imports, Known) else ""
    return f"{leaf}, after {one.seconds:.1f} s"


def of_modules(facts: Facts, one: ImportTried) -> Finding:
    """A package that hides that compiled modules of it were refused."""
    count = len(one.unloaded)
    known = ran.meaning(*one.unloaded)
    return Finding(
        code=CODE,
        title=f"{one.module} imports without {plural(count, 'compiled module')} of its own: {headline(one.unloaded[0])}",
        severity=Severity.WARNING,
        layer=Layer.LOADED,
        cause="module-refused",
        subjects=(one.package,),
        why=known.why if known is not None else "The package goes on without a word, and fails when it needs what is in there.",
        evidence=tuple(Evidence("import of", line, via(facts, one)) for line in one.unloaded),
        sources=known.signature.sources if known is not None else (SOURCE,),
        changes=tuple(changes(facts, one, ran.advised(known) if known is not None else None)),
    )


def changes(facts: Facts, one: ImportTried, known: Change | None) -> Iterator[Change]:
    """What the words advise; else the same release once more, and how to see all of it."""
    if known is not None:
        yield known
    present = installed(facts, one.package)
    python = facts.python.value.executable if isinstance(facts.python, Known) else "python3"
    module = one.unloaded[0].partition(": ")[0] if one.unloaded and one.state == "imported" else one.module
    python = python if python.startswith(("/", "~/")) else "python3"
    again = (
        (python, "-m", "pip", "install", "--force-reinstall", "--no-deps", f"{one.package}=={present.version}") if present else ()
    )
    yield Change(
        kind=Kind.SYSTEM,
        says="See the whole error; where it ends in a file of the package, install that release once more.",
        argv=((python, "-X", "faulthandler", "-c", f"import {module}"), *((again,) if again else ())),
    )
