"""One root cause for a run that did not end: by the rules, else by known error texts, else by how it ended, else unknown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.check import check
from envdoctor.diagnose import diagnose as folded
from envdoctor.examine import explained_by
from envdoctor.findings import Evidence, Severity
from envdoctor.prescribe import prescribe
from envdoctor.proving.broken import of_broken
from envdoctor.proving.hanging import nccl_lines, silent_ranks
from envdoctor.proving.proof import Cause
from envdoctor.signatures import CAUSE, recognise
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Verdict
    from envdoctor.matrix import Matrix
    from envdoctor.proving.proof import Failure
    from envdoctor.signatures import Recognised

__all__ = ["diagnose", "of_broken"]

IMPORTING = {"ImportError", "ModuleNotFoundError", "OSError", "AttributeError"}
"""Kinds of errors with which a package fails that does not belong to the others."""
DEADLY = ("SIGSEGV", "SIGILL", "SIGABRT")
MAX_RULE_EVIDENCE = 4
FRAMES = 6
"""Of the trace, from its end, that say which packages it was in."""
_MILD = re.compile(r"\b(?:DEBUG|INFO|WARNING|[A-Za-z]{1,40}Warning)\b")
_PACKAGE = re.compile(r"(?:site|dist)-packages/([\w.-]{1,80})")
REPORT = (("envdoctor", "check", "--deep"), ("envdoctor", "facts", "--format", "issue"))


def diagnose(failure: Failure, facts: Facts, matrix: Matrix) -> Cause:
    """The root cause of a run that did not come to its end.

    Args:
        failure: how it ended, with what it printed.
        facts: the target, as probed (with what a deep check found, where there was one).
        matrix: the compatibility data.
    """
    verdicts = check(facts, matrix)
    found = folded(verdicts, explained_by)
    known = recognised(failure)
    rule = _explaining(found, known, failure)
    if rule is not None:
        return _of_rule(rule, known, failure, facts, matrix, verdicts)
    best = known[0] if known else None
    if best is not None and (best.signature.depth > 0 or not failure.late):
        return _of_signature(best, failure)
    if failure.late:
        return _late(failure)
    return _by_kind(failure) or _unknown(failure, found)


def recognised(failure: Failure) -> tuple[Recognised, ...]:
    """Known texts in a failure, the likeliest root cause first.

    Causes go before symptoms and wrappers. Among equals the error that ended the run goes before what was printed (which holds
    warnings that did no harm), errors before warnings, and earlier before later: a child's exception before its parent's.
    """
    ended = recognise(f"{failure.how}\n{failure.message}")
    printed = recognise("\n".join((failure.said, *failure.trace)))
    ranked = [(0, False, one) for one in ended]
    ranked += [(1, _MILD.search(one.line) is not None, one) for one in printed]
    ranked.sort(key=lambda entry: (-entry[2].signature.depth, entry[0], entry[1]))  # stable: the order of recognise stays
    seen: dict[str, Recognised] = {}
    for _, _, one in ranked:
        seen.setdefault(one.signature.id, one)
    return tuple(seen.values())


def _explaining(found: Sequence[Diagnosis], known: Sequence[Recognised], failure: Failure) -> Diagnosis | None:
    """The finding of the rules that explains this failure; one about something else explains nothing."""
    for one in known:
        for code in one.signature.rules:
            for diagnosis in found:
                if diagnosis.root.severity is not Severity.INFO and code in _codes(diagnosis):
                    return diagnosis
        if one.signature.depth == CAUSE:
            return None  # it is named: a weaker text's rules must not overrule it
    if failure.kind not in IMPORTING and not any(name in failure.how for name in DEADLY) and "import" not in failure.phase:
        return None
    touched = _touched(failure)
    for diagnosis in found:
        if diagnosis.root.severity is Severity.ERROR and _subjects(diagnosis) & touched:
            return diagnosis
    return None


def _codes(diagnosis: Diagnosis) -> set[str]:
    return {diagnosis.root.code, *(one.code for one in diagnosis.symptoms)}


def _subjects(diagnosis: Diagnosis) -> set[str]:
    return {name for one in (diagnosis.root, *diagnosis.symptoms) for name in one.subjects if not name.startswith("__")}


def _touched(failure: Failure) -> set[str]:
    """Packages that the end of the failure names: in its message, and the folders of the last frames."""
    text = "\n".join((failure.message, *failure.trace[-FRAMES:]))
    folders = {normalized(name) for name in _PACKAGE.findall(text)}
    quoted = {normalized(word.split(".")[0]) for word in re.findall(r"'([\w.-]{2,120})'", failure.message)}
    return folders | quoted


def _of_rule(
    diagnosis: Diagnosis,
    known: Sequence[Recognised],
    failure: Failure,
    facts: Facts,
    matrix: Matrix,
    verdicts: tuple[Verdict, ...],
) -> Cause:
    root = diagnosis.root
    (proven,) = prescribe((diagnosis,), facts, matrix, verdicts) or (diagnosis,)
    remedy = proven.remedies[0] if proven.remedies else None
    line = known[0].line if known else failure.how
    return Cause(
        title=root.title,
        why=root.why,
        evidence=(*root.evidence[:MAX_RULE_EVIDENCE], _printed(line, failure)),
        says=f"No single command mends this; envdoctor explain {root.code} says what can be done."
        if remedy is None
        else remedy.says,
        commands=(remedy.commands if remedy is not None else ()) or (("envdoctor", "explain", root.code),),
        code=root.code,
        signature=known[0].signature.id if known else None,
        sources=root.sources,
    )


def _printed(line: str, failure: Failure) -> Evidence:
    return Evidence("it said", line, f"the run's own output, while it did: {failure.phase}")


def _of_signature(one: Recognised, failure: Failure) -> Cause:
    return Cause(
        title=one.title,
        why=one.why,
        evidence=(_printed(one.line, failure),),
        says=one.says,
        commands=one.commands,
        signature=one.signature.id,
        sources=one.signature.sources,
    )


def _late(failure: Failure) -> Cause:
    """It hung: in what, for how long, what NCCL said last, which rank fell silent."""
    evidence = [
        Evidence("what it did", failure.phase, "the last phase that the run told"),
        Evidence("how it ended", failure.how, f"its clock: {failure.seconds:.0f} s"),
    ]
    evidence += [Evidence("NCCL said", line, "the run's own output") for line in nccl_lines(failure.said)]
    silent = silent_ranks(failure.said)
    if silent is not None:
        evidence.append(Evidence("ranks", silent, "NCCL's own lines in the run's output"))
    last = _last_line(failure)
    if last:
        evidence.append(Evidence("last line", last, "the run's own output"))
    about_nccl = silent is not None or "NCCL" in failure.said
    why = (
        "Its processes wait for each other in NCCL: one of them died, is stuck or cannot be reached."
        if about_nccl
        else "It was still doing that when its time was over, and was ended with everything it had started."
    )
    loud = (("export", "NCCL_DEBUG=INFO"),) if about_nccl else (("export", "VLLM_LOGGING_LEVEL=DEBUG"),)
    return Cause(
        title=f"The run hung while it did: {failure.phase}" if silent is None else f"The run hung: {silent}",
        why=why,
        evidence=tuple(evidence),
        says="Let each GPU be tried on its own first, then run it again with more said.",
        commands=(("envdoctor", "check", "--deep"), *loud),
    )


def _by_kind(failure: Failure) -> Cause | None:
    """What the kind of the exception alone tells."""
    evidence = (_printed(failure.how, failure),)
    if failure.kind in {"OutOfMemoryError", "MemoryError"}:
        on_gpu = failure.kind == "OutOfMemoryError"
        return Cause(
            title=f"{'The GPU' if on_gpu else 'The machine'} has no memory left while it did: {failure.phase}",
            why="An allocation was refused.",
            evidence=evidence,
            says="End what else holds memory there, or lower what is held at once: batch, length of answers, the engine's share.",
            commands=(
                ("nvidia-smi", "--query-compute-apps=pid,process_name,used_memory", "--format=csv") if on_gpu else ("free", "-h"),
            ),
        )
    if failure.phase.startswith("import ") and failure.kind is not None:
        return Cause(
            title=f"{failure.phase.removeprefix('import ')} cannot be imported: {failure.how[:200]}",
            why="It was imported in a process of its own and raised; nothing that uses it runs.",
            evidence=(*evidence, *(Evidence("where", frame, "the exception's trace") for frame in failure.trace[-2:])),
            says="See what else of the stack imports; where it ends in a file of the package, install that release once more.",
            commands=(("envdoctor", "check", "--deep"),),
        )
    stopped = next((name for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU") if name in failure.how), None)
    if stopped is not None:
        return Cause(
            title=f"The run was ended from outside ({stopped})",
            why="A program or a person sent the signal: a scheduler when a job's time is over, a closed shell, or Ctrl-C.",
            evidence=evidence,
            says="Run it again where it may come to its end.",
            commands=(("envdoctor", "smoke"),),
        )
    return None


def _unknown(failure: Failure, found: Iterable[Diagnosis]) -> Cause:
    """Say that we do not know, with all that may help to find out."""
    evidence = [_printed(failure.how, failure)]
    last = _last_line(failure)
    if last and last not in failure.how:
        evidence.append(Evidence("last line", last, "the run's own output"))
    evidence += [Evidence("where", frame, "the exception's trace") for frame in failure.trace[-3:]]
    errors = [one.root for one in found if one.root.severity is Severity.ERROR]
    evidence += [Evidence("the rules also found", f"{one.code} {one.title}", "envdoctor check") for one in errors[:2]]
    return Cause(
        title=f"It failed while it did: {failure.phase}; no rule and no known error text explains it",
        why="What it said last stands below. That envdoctor cannot name the cause is a gap of ours.",
        evidence=tuple(evidence),
        says="Try each GPU and package on its own; if that finds nothing, report this page with what the second command prints.",
        commands=REPORT,
    )


def _last_line(failure: Failure) -> str:
    return next((line.strip()[:600] for line in reversed(failure.said.splitlines()) if line.strip()), "")
