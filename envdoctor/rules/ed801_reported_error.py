"""The report shows an error whose cause is known by its words.

## What it checks
Of a pasted report alone (`envdoctor check report:FILE`): the errors and warnings in it that are known texts of this stack, with
the lines around them, which say which package failed and on what machine.

## Why it breaks
It did: the text is what a program printed when it failed.

## What to do
What the page says for that text. Where a rule on the versions in the report finds the same cause, the two are one diagnosis.

## Sources
- envdoctor/data/signatures: each known text stands there with its own source
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor import mangled
from envdoctor.causes import FAMILIES
from envdoctor.facts import Known, NotObserved, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer
from envdoctor.glossary import causes
from envdoctor.quoting import UNNAMED, told
from envdoctor.signatures import Recognised
from envdoctor.views import distributions, normalized, parsed, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.version import Version

    from envdoctor.facts import Facts
    from envdoctor.findings import Doubt
    from envdoctor.matrix import Matrix
    from envdoctor.quoting import Told

CODE = "ED801"
CAUSE = "reported-error"
JOINT = Joint.TRAINER
QUESTION = "Is the error in the report a known one?"
EXPLAINED_BY = ()
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:  # noqa: ARG001 - the shape of every rule
    """One finding a cause, for the likeliest text of it; texts that name no cause say nothing."""
    need(facts.pasted)
    for one in told(facts):
        fits = _fits(one)
        if fits is None or not fits.holds(facts):
            yield _finding(one, facts, fits)


def _finding(one: Told, facts: Facts, fits: _Fits | None) -> Finding:
    quote = one.quote
    text = Recognised(one.signature, quote.values, quote.text, quote.line)
    title, why, says = text.title, text.why, text.says
    if one.signature.judge in UNNAMED and one.cause not in FAMILIES[0]:
        # the texts of these signatures speak of a module of another torch, which this symbol does not show
        known = causes()[one.cause]
        title = f"The symbol {quote.values.get('function') or quote.values.get('symbol') or 'that is asked for'} is missing"
        why, says = known.means, known.mends
    elif quote.values.get("side") == mangled.TORCH and quote.values.get("function"):
        title, why, says = _of_torch(one, facts, title, says)
    return Finding(
        code=CODE,
        title=title,
        severity=one.severity,
        layer=Layer.LOADED,
        cause=one.cause,
        subjects=subjects(quote.values) or ((fits.package,) if fits is not None else ("__report",)),
        why=f"{why} {fits.why}" if fits is not None else why,
        evidence=(Evidence("in the report", quote.text, f"line {quote.line}"),),
        sources=one.signature.sources,
        changes=(fits.change(facts) if fits is not None else Change(kind=Kind.SYSTEM, says=says, argv=text.commands),),
    )


class _Fits(NamedTuple):
    """A release that fits a program and the one next to it that does not, where tables of releases say so."""

    package: str
    release: Version
    not_this: Version

    @property
    def why(self) -> str:
        return f"The program fits {self.package} {self.release}, and not {self.not_this}."

    def change(self, facts: Facts) -> Change:
        says, spec = f"Install {self.package} {self.release}.", f"=={self.release}"
        try:
            distributions(facts)
        except NotObserved:  # the text names no package at all: there is nothing to try it on
            return Change(kind=Kind.SYSTEM, says=says, argv=(("pip", "install", f"{self.package}{spec}"),))
        return Change(kind=Kind.INSTALL, says=says, install={self.package: spec})

    def holds(self, facts: Facts) -> bool:
        """Whether that release is installed, or one still further from the other: then the text is of the past."""
        try:
            found = version_of(facts, self.package)
        except NotObserved:
            return False
        older = self.release < self.not_this
        return found is not None and (found <= self.release if older else found >= self.release)


def _fits(one: Told) -> _Fits | None:
    values = one.quote.values
    package, fits, not_this = values.get("of", ""), parsed(values.get("fits", "")), parsed(values.get("fits_not", ""))
    # what was read of a text elsewhere may say anything: of another package than the cause's no release is offered
    if fits is None or not_this is None or one.cause not in {f"{package}-too-{side}" for side in ("old", "new")}:
        return None
    return _Fits(package, fits, not_this)


ABI = {"old": "the ABI before C++11", "new": "the ABI since C++11 (std::__cxx11)"}
"""Which std::string a symbol's parameters have -> in words
(https://gcc.gnu.org/onlinedocs/libstdc++/manual/using_dual_abi.html)."""


def _of_torch(one: Told, facts: Facts, title: str, says: str) -> tuple[str, str, str]:
    """Title, reason and remedy where the symbol that is missing is torch's: by its own name, and by its std::string."""
    values = one.quote.values
    package, file, strings = values.get("package"), values.get("file"), values.get("strings", "")
    if package is not None:
        title = f"{package} was compiled for another torch"
    wants = f"{file or 'A compiled module'} needs torch's {values['function']} ({values.get('symbol', '')})"
    if strings not in ABI:
        return title, f"{wants}, which the installed torch does not have.", says
    wants = f"{wants}, with a std::string of {ABI[strings]}"
    build = facts.builds.torch.value if isinstance(facts.builds.torch, Known) else None
    if build is None or not isinstance(build.cxx11_abi, Known):
        return title, f"{wants}; the installed torch has another ABI, or no such function.", says
    own = "new" if build.cxx11_abi.value else "old"
    if own == strings:
        return title, f"{wants}. torch {build.version} has the same ABI, so the module is of another release of torch.", says
    built = f"torch {build.version} was built with {ABI[own]}"
    tag = f"cxx11abi{str(build.cxx11_abi.value).upper()}"
    mends = f"Install {package or 'the package'}'s build for this torch and this ABI (in names of wheels: {tag})."
    return title, f"{wants}; {built}.", mends


OF_VALUES = {
    "driver": "__driver",
    "number": "__driver",
    "capability": "__gpu",
    "gpu": "__gpu",
    "architecture": "__gpu",
    "glibc": "__glibc",
}
"""Group of a pattern -> the part of the machine that it is about."""


def subjects(values: Mapping[str, str]) -> tuple[str, ...]:
    """What a text is about: the packages that it names, and parts of the machine."""
    packages = [normalized(values[group]) for group in ("package", "wanted") if NAME.fullmatch(values.get(group, ""))]
    return tuple(dict.fromkeys((*packages, *(part for group, part in OF_VALUES.items() if values.get(group)))))
