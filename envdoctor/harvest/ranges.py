"""Which vLLM releases a trainer's own code accepts, read from its source as a syntax tree; nothing of it is run.

Each of the three trainers checks in its own way, so each has a reader. A reader gives a predicate over versions; the range as
a specifier is made of the releases that exist, because "0.6.3, or 0.7.0 and newer" is no single specifier.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import InvalidVersion, Version

from envdoctor.harvest.derive import specifier_of
from envdoctor.harvest.plan import ENGINE
from envdoctor.harvest.remote import Unreadable
from envdoctor.rows import CodeRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envdoctor.harvest.archive import Wheel
    from envdoctor.harvest.jobs import Job

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
TRL = "trl/import_utils.py"
VERL = "verl/third_party/vllm/__init__.py"
OPENRLHF = "openrlhf/trainer/ray/vllm_engine.py"


class Check(NamedTuple):
    """A check in a trainer's code: where it stands, and which releases pass it."""

    member: str
    line: int
    accepts: Callable[[Version], bool]
    stops: bool
    """Whether a release that does not pass is refused with an error; TRL only warns."""


def trl(wheel: Wheel) -> Check | None:
    """The condition under which ``trl.import_utils`` warns about the installed vLLM (from 0.24 on); None before that."""
    if TRL not in wheel.members:
        return None
    for node in ast.walk(_tree(wheel, TRL)):
        if not (isinstance(node, ast.If) and _warns(node) and "vllm" in ast.unparse(node.test).lower()):
            continue
        compare = next((one for one in ast.walk(node.test) if isinstance(one, ast.Compare) and _bounds(one)), None)
        if compare is not None:
            return Check(TRL, node.lineno, _negated_if(compare, node.test), stops=False)
    return None


def _warns(node: ast.If) -> bool:
    return any(isinstance(one, ast.Call) and ast.unparse(one.func).endswith("warn") for one in ast.walk(node))


def _negated_if(compare: ast.Compare, test: ast.expr) -> Callable[[Version], bool]:
    """The code warns ``if not (low <= v <= high)`` or ``if v != only``: what it accepts is the range, or what is not refused."""
    holds = _predicate(compare)
    negated = any(
        isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.Not) and compare in set(ast.walk(one)) for one in ast.walk(test)
    )
    return holds if negated else lambda version: not holds(version)


def openrlhf(wheel: Wheel) -> Check | None:
    """The assertions on ``vllm.__version__`` that stand under no condition in its engine."""
    member = next((name for name in wheel.members if name == OPENRLHF or name.endswith(f"/purelib/{OPENRLHF}")), None)
    if member is None:
        return None
    found = [node for node in _unconditional(_tree(wheel, member)) if "vllm.__version__" in ast.unparse(node.test)]
    checks = [(node, _predicate(node.test)) for node in found if isinstance(node.test, ast.Compare) and _bounds(node.test)]
    if not checks:
        return None
    return Check(OPENRLHF, checks[0][0].lineno, lambda version: all(check(version) for _, check in checks), stops=True)


def _unconditional(node: ast.AST) -> Iterator[ast.Assert]:
    """Assertions in functions and classes, but under no ``if``, loop or ``try``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Assert):
            yield child
        elif isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _unconditional(child)


def verl(wheel: Wheel) -> Check | None:
    """The chain of ``if package_version == ...`` that chooses an adapter and raises when none fits."""
    if VERL not in wheel.members:
        return None
    for node in _tree(wheel, VERL).body:
        if isinstance(node, ast.If) and "package_version" in ast.unparse(node.test):
            return Check(VERL, node.lineno, _any_of(list(_accepting(node))), stops=True)
    return None


def _any_of(tests: list[Callable[[Version], bool]]) -> Callable[[Version], bool]:
    return lambda version: any(test(version) for test in tests)


def _accepting(node: ast.If) -> Iterator[Callable[[Version], bool]]:
    """The tests of the branches that go on to import vLLM."""
    while True:
        imports = any(isinstance(one, (ast.Import, ast.ImportFrom)) for one in node.body)
        for one in _either(node.test):
            if imports and isinstance(one, ast.Compare) and _bounds(one):
                yield _predicate(one)
        if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
            return
        node = node.orelse[0]


def _either(test: ast.expr) -> list[ast.expr]:
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]


def _bounds(compare: ast.Compare) -> list[Version]:
    """The literal versions in a comparison."""
    found = []
    for node in (compare.left, *compare.comparators):
        version = _literal(node)
        if version is not None:
            found.append(version[0])
    return found


def _literal(node: ast.expr) -> tuple[Version, bool] | None:
    """A version written out: ``"0.8.1"`` (compared as text) or ``Version("0.8.1")``; None for anything else."""
    text = node
    if isinstance(node, ast.Call) and len(node.args) == 1:
        text = node.args[0]
    if not (isinstance(text, ast.Constant) and isinstance(text.value, str)):
        return None
    try:
        return Version(text.value), text is node
    except InvalidVersion:
        return None


def _predicate(compare: ast.expr) -> Callable[[Version], bool]:
    """The comparison as a function of the installed version; what is not a literal in it is that version."""
    assert isinstance(compare, ast.Compare)  # noqa: S101 - the callers have looked
    operands = [compare.left, *compare.comparators]
    comparisons = [COMPARISONS.get(type(one)) for one in compare.ops]
    by_base = "base_version" in ast.unparse(compare)  # a post release counts as its release

    def holds(version: Version) -> bool:
        installed = Version(version.base_version) if by_base else version
        for compared, left, right in zip(comparisons, operands, operands[1:], strict=False):
            if compared is None:
                continue  # "in", "is": says nothing about an order
            literals = [_literal(left), _literal(right)]
            versions = [installed if one is None else one[0] for one in literals]
            # "0.10.0" >= "0.8.1" is false between texts: such code refuses vLLM 0.10 and newer
            as_text = any(one is not None and one[1] for one in literals)
            if not (compared(*map(str, versions)) if as_text else compared(*versions)):
                return False
        return True

    return holds


def _tree(wheel: Wheel, member: str) -> ast.Module:
    try:
        return ast.parse(wheel.read(member))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the parser says the last of what is too deep for it
        raise Unreadable(f"{member} is not Python: {type(error).__name__}") from error


READERS: dict[str, Callable[[Wheel], Check | None]] = {"trl": trl, "verl": verl, "openrlhf": openrlhf}


def accepted(wheel: Wheel, job: Job, engines: list[Version], today: str) -> CodeRange | None:
    """What the code of a trainer's release accepts, as a row; None where it checks nothing. Raises Unreadable."""
    try:
        found = READERS[job.reading.package](wheel)
    except RecursionError as error:
        raise Unreadable("its code is nested too deeply to be read") from error
    if found is not None and not engines:
        raise Unreadable(f"no release of {ENGINE} is known by which to say what it accepts")
    accepts = None if found is None else specifier_of(found.accepts, engines)
    if found is None or accepts is None:
        return None
    where = f"{found.member}, line {found.line}"
    return CodeRange(
        trainer=job.reading.package,
        version=job.row.version,
        engine=ENGINE,
        accepts=accepts,
        stops=found.stops,
        where=where,
        source=f"{where}, of the wheel {job.file.name}, sha256 {job.file.sha256}",
        read=today,
    )
