"""Diagnoses -> remedies: commands for this target, each proven on supposed facts before it is offered. Pure but for the clock."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.check import check
from envdoctor.claims import admits, bounds, exact_pin, specifier
from envdoctor.errors import UserError
from envdoctor.facts import Known, NotObserved
from envdoctor.findings import Kind, Outcome, Remedy, Safety, Severity
from envdoctor.suppose import REMOVED, VARIABLE, known_pins, supposing
from envdoctor.views import distributions, in_image, in_lock, in_root, inside, on_windows, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.facts import Facts
    from envdoctor.findings import Change, Diagnosis, Finding, Verdict
    from envdoctor.matrix import Matrix

SAFETY = {Kind.INSTALL: Safety.ASK, Kind.UNINSTALL: Safety.ASK, Kind.SET_ENV: Safety.SAFE}
MAX_CLOSURE = 12
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_LOCK = re.compile(r"^(?:a record of )?lock:(?:.*/)?([a-z0-9][a-z0-9-]*)(?:\.toml)?\Z", re.DOTALL)
MAX_TRIES = 8
"""Known releases that are tried for one change, the newest first."""
PROOF_S = 3.0
"""Seconds for proving all changes of one check, so that a target with hundreds of faults (or a hostile record) is still
answered in time; what is not proven by then is offered as not proven."""


def prescribe(diagnoses: Iterable[Diagnosis], facts: Facts, matrix: Matrix, before: tuple[Verdict, ...]) -> tuple[Diagnosis, ...]:
    """Give every diagnosis the remedies that hold, in the order in which the rule proposed them."""
    proof = _Proof(facts, matrix, before)
    return tuple(_treated(one, proof) for one in diagnoses)


def _treated(one: Diagnosis, proof: _Proof) -> Diagnosis:
    remedies, rejected = [], []
    for change in one.root.changes:
        if not safe(change):
            rejected.append(f"{change.says} (a name in it is no distribution's name)")
            continue
        found, objection = proof.of(change, one.root)
        if found is None:
            rejected.append(f"{change.says} {objection}")
        else:
            remedies.append(found)
    return msgspec.structs.replace(one, remedies=tuple(remedies), rejected=tuple(rejected))


def safe(change: Change) -> bool:
    """Whether the names and ranges can stand in a command: a hostile one must not become an option or an address."""
    return all(_NAME.fullmatch(name) and _valid(spec) for name, spec in change.install.items()) and all(
        _NAME.fullmatch(name) for name in change.remove
    )


def _valid(spec: str) -> bool:
    try:
        specifier(spec)
    except ValueError:
        return False
    return True


class _Proof:
    """Proves changes on one target: the same rules on the facts as they would be after the change."""

    def __init__(self, facts: Facts, matrix: Matrix, before: tuple[Verdict, ...]) -> None:
        self.facts = facts
        self.matrix = matrix
        self.before = before
        self.until = time.monotonic() + PROOF_S

    def of(self, change: Change, finding: Finding) -> tuple[Remedy | None, str]:
        """The remedy, or None and what would be wrong after the change."""
        objection = ""
        for install in choices(change.install, self.matrix):
            tried = msgspec.structs.replace(change, install=install)
            supposed = supposition(tried, self.facts, self.matrix)
            if not supposed or time.monotonic() > self.until:
                return self._remedy(change, supposed={}, proven=False), ""
            wrong = self._wrong_after(supposed, finding)
            if not wrong:
                return self._remedy(tried, supposed=supposed, proven=True), ""
            objection = objection or wrong
        return None, objection

    def _remedy(self, change: Change, *, supposed: dict[str, str], proven: bool) -> Remedy:
        python = self.facts.python
        managed = isinstance(python, Known) and python.value.externally_managed and (change.install or change.remove)
        note = " The system manages this Python (PEP 668): do it in a virtual environment of your own." if managed else ""
        if in_root(self.facts) and change.kind in SAFETY and not managed:
            note = " Inside the root: as a line of its Dockerfile, or without RUN in a shell in it."
        if in_image(self.facts) and change.kind in SAFETY and not managed:
            note = " As a line of its Dockerfile; then build the image again."
        if in_lock(self.facts) and (change.remove or (change.install and not locked_target(self.facts))):
            note = " In a lock: change what it was made from, and make it anew."
        if on_windows(self.facts) and change.install:
            # the closure is Linux's, whose torch brings CUDA in wheels of its own; the index's torch for Windows has none
            backend = "auto" if "torch" in change.install else None
            change, supposed = msgspec.structs.replace(change, torch_backend=change.torch_backend or backend), {}
            note = " Not proven for Windows, whose wheels are not in the data."
            proven = False
        return Remedy(
            kind=change.kind,
            safety=Safety.MANUAL if managed else SAFETY.get(change.kind, Safety.MANUAL),
            says=change.says + note,
            commands=() if managed else commands(_with_closure(change, supposed, self.facts), self.facts),
            proven=proven,
        )

    def _wrong_after(self, supposed: dict[str, str], finding: Finding) -> str:
        """What speaks against it, in words; empty if the finding is gone for certain and no error is new."""
        try:
            after = check(supposing(self.facts, supposed, self.matrix), self.matrix, select=[one.code for one in self.before])
        except UserError as refused:
            return f"({refused.what})"
        known = {(one.code, one.subjects[:1]) for one in _errors(self.before)}
        for verdict in after:
            same = [one for one in verdict.findings if one.code == finding.code and one.subjects[:1] == finding.subjects[:1]]
            if same:
                return f"({finding.code} would remain: {same[0].title})"
            doubts = [one for one in verdict.doubts if not one.subjects or set(one.subjects) & set(finding.subjects[:1])]
            if verdict.code == finding.code and doubts and not self._doubted(verdict.code):
                return f"(it could not be told: {doubts[0].why})"
        new = [one for one in _errors(after) if (one.code, one.subjects[:1]) not in known]
        return f"({new[0].code} would be new: {new[0].title})" if new else ""

    def _doubted(self, code: str) -> bool:
        return any(one.code == code and one.doubts for one in self.before)


def choices(install: dict[str, str], matrix: Matrix) -> Iterator[dict[str, str]]:
    """The installs to try for a proposed one, in order.

    An open range becomes the exact releases that are known to lie in it, the newest first: what is proven must be what the
    command installs.
    """
    name, spec = next(iter(install.items()), ("", ""))
    exact = any(clause.operator in {"==", "==="} and not clause.version.endswith(".*") for clause in specifier(spec))
    known = [] if exact or not name else [release for release in releases(name, matrix) if admits(spec, release)]
    if not known:
        yield install
    for release in known[: -MAX_TRIES - 1 : -1]:
        yield {**install, name: f"=={release}"}


def releases(name: str, matrix: Matrix) -> list[Version]:
    """The releases of a package that the data knows to exist, oldest first."""
    if name == "torch":
        return [Version(row.torch) for row in matrix.torch_releases()]
    return bounds([*matrix.claims(name, "pins"), *matrix.claims(name, "torch-family")], name)


def supposition(change: Change, facts: Facts, matrix: Matrix) -> dict[str, str]:
    """What to suppose to prove the change, closed under the pins the data knows; empty if it cannot be supposed."""
    supposed = dict(change.suppose)
    for name in change.remove:
        supposed[name] = REMOVED
    for variable, value in change.env.items():
        supposed[VARIABLE + variable] = REMOVED if value is None else value
    todo = list(change.install.items())
    while todo and len(supposed) < MAX_CLOSURE:
        name, spec = todo.pop(0)
        version = representative(spec)
        if version is None:
            return {}
        supposed[name] = version
        for package, wanted in known_pins(name, version, matrix).items():
            if package not in supposed and not _satisfied(facts, package, wanted):
                todo.append((package, wanted))
    return supposed


def _satisfied(facts: Facts, package: str, wanted: str) -> bool:
    """The package is there in a fitting version, or not there (an installer would bring a fitting one)."""
    try:
        one = distributions(facts).get(package)
    except NotObserved:
        return True
    version = parsed(one.version) if one is not None else None
    return version is None or admits(wanted, version)


def representative(spec: str) -> str | None:
    """A version inside the range: the exact or inclusive bound where there is one, else just below an exclusive bound."""
    clauses = sorted(specifier(spec), key=lambda one: ("==", "===", "<=", "~=", ">=", "<", ">", "!=").index(one.operator))
    for clause in clauses:
        bound = clause.version.removesuffix(".*")
        version = parsed(bound)
        if version is None:
            continue
        candidates = [bound]
        if clause.operator == "<":
            candidates = [_just_below(list(version.release))]
        elif clause.operator == ">":
            candidates = [f"{bound}.0.1"]
        for candidate in candidates:
            made = parsed(candidate)
            if made is not None and admits(spec, made):
                return candidate
    return None


def _just_below(release: list[int]) -> str:
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    release[-1] -= 1
    return ".".join(str(part) for part in [*release, 9999]) if release[-1] >= 0 else "0.0.0"


def _errors(verdicts: tuple[Verdict, ...]) -> list[Finding]:
    failed = [verdict for verdict in verdicts if verdict.outcome in {Outcome.FAIL, Outcome.IGNORED}]
    return [one for verdict in failed for one in verdict.findings if one.severity is Severity.ERROR]


TORCH_BRINGS = ("triton", "nvidia-")
"""What torch pins to exact releases itself: naming torch leaves an installer no choice about them."""


def _with_closure(change: Change, supposed: dict[str, str], facts: Facts) -> Change:
    """The install with the packages that must move along named too, so that the installer has nothing to choose."""
    if in_lock(facts):
        return change  # whoever locks again lets the resolver choose the rest, and has it judged
    install = dict(change.install)
    try:
        present = distributions(facts)
    except NotObserved:
        present = {}
    for name, version in supposed.items():
        if name.startswith(TORCH_BRINGS):
            continue
        if name not in install and name in present and name not in change.suppose and version != REMOVED:
            install[name] = f"=={version}"
    return msgspec.structs.replace(change, install=install)


def commands(change: Change, facts: Facts) -> tuple[tuple[str, ...], ...]:
    """The change as argv lists for this target; environment changes as the shell's export and unset.

    For a root folder or an image they are lines of a Dockerfile: its paths exist on our own machine too, and "RUN" does
    nothing there. A lock is not changed but made anew.
    """
    if in_lock(facts):
        return _locking_again(change, facts)
    made: list[tuple[str, ...]] = list(change.argv)
    root = inside(facts)
    run = ("RUN",) if root else ()
    again = _same_version_other_build(change, facts)
    # only uv knows PyTorch's own indexes by name
    uses_pip = _has_pip(facts) and change.torch_backend is None
    if change.remove or (again and uses_pip):
        made.append((*run, *_installer(facts, "uninstall", pip=uses_pip), *change.remove, *(again if uses_pip else ())))
    if change.install:
        words = [f"{name}{spec}" for name, spec in change.install.items()]
        reinstall = () if uses_pip else tuple(f"--reinstall-package={name}" for name in again)
        backend = () if change.torch_backend is None else (f"--torch-backend={change.torch_backend}",)
        made.append((*run, *_installer(facts, "install", pip=uses_pip), *backend, *reinstall, *words))
    for variable, value in change.env.items():
        if root:
            made.append(("ENV", f"{variable}={value or ''}"))
            continue
        made.append(("unset", variable) if value is None else ("export", f"{variable}={value}"))
    return tuple(made)


def locked_target(facts: Facts) -> str | None:
    """The target's name, if the facts are of a lock that `envdoctor lock` made (or a record of it); None for a plain list."""
    found = _LOCK.match(facts.target.spec) or _LOCK.match(facts.target.chosen)
    return None if found is None else found[1]


def _locking_again(change: Change, facts: Facts) -> tuple[tuple[str, ...], ...]:
    """The change as an option of `envdoctor lock`. A removal is none, and a plain list has no profile to lock by."""
    target = locked_target(facts)
    if not change.install or change.remove or target is None:
        return ()
    words: list[str] = []
    for name, spec in change.install.items():
        exact = exact_pin(spec)
        words += ["--vllm", str(exact)] if name == "vllm" and exact is not None else ["--with", f"{name}{spec}"]
    backend = () if change.torch_backend is None else ("--torch-backend", change.torch_backend)
    return (("envdoctor", "lock", target, *words, *backend),)


def _has_pip(facts: Facts) -> bool:
    try:
        return "pip" in distributions(facts)
    except NotObserved:
        return True


def _installer(facts: Facts, verb: str, *, pip: bool) -> tuple[str, ...]:
    """The installer that manages this environment: its own pip where it has one, else uv."""
    executable = facts.python.value.executable if isinstance(facts.python, Known) else "python3"
    if not executable.startswith(("/", "~/", "$USER")):
        executable = "python3"  # a record may say anything; what is no path could be read as an option
    if pip:
        return (executable, "-m", "pip", verb, *(("-y",) if verb == "uninstall" else ()))
    return ("uv", "pip", verb, "--python", executable)


def _same_version_other_build(change: Change, facts: Facts) -> tuple[str, ...]:
    """Packages whose present build already satisfies the specifier (2.13.0+cpu for ==2.13.0): installers would keep it."""
    try:
        present = distributions(facts)
    except NotObserved:
        return ()
    same = []
    for name, spec in change.install.items():
        version = parsed(present[name].version) if name in present else None
        if version is not None and admits(spec, version) and name not in change.remove:
            same.append(name)
    return tuple(same)
