"""``envdoctor fix --apply`` and its relatives: what is refused, what is asked, and what is said afterwards."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from envdoctor.errors import UserError
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.applying.outcome import Applied
    from envdoctor.cli.fixing import Doing, Words
    from envdoctor.facts import Facts
    from envdoctor.findings import Finding
    from envdoctor.fixing.shown import Shown
    from envdoctor.session import Pending

MACHINE = ("driver", "gpu")
"""What may be supposed when a plan is applied: the machine that the environment is for."""


def checked(target: str | None, words: Words, doing: Doing) -> None:
    """Refuse what makes no sense together. Raises UserError."""
    told = [name for name, on in (("--resume", doing.resume), ("--undo", doing.undo), ("--forget", doing.forget)) if on]
    told += ["--apply"] if doing.apply else []
    told += ["--into"] if doing.into is not None else []
    if len(told) > 1:
        raise UserError(f"{told[0]} and {told[1]} together: only one thing is done at a time", "Give one of them.")
    if (doing.yes or doing.system) and not doing.changes:
        raise UserError(
            f"{'--yes' if doing.yes else '--system'} goes with --apply or --into", "Add --apply to make the plan real."
        )
    if told and target is not None and target.startswith(("saved:", "root:", "image:", "lock:", "report:")):
        what = f"{told[0]} needs an environment on this machine, and {target.partition(':')[0]}: is none"
        raise UserError(what, "Without it the plan is shown, to be carried out where the environment is.")
    wrong = [word for word in words.suppose if word.partition("=")[0].strip().lower() not in MACHINE]
    if told and wrong:
        what = f"{told[0]} with --suppose {wrong[0]}: what is supposed is not what would be changed"
        raise UserError(what, "Only driver and gpu may be supposed then, for an environment that is meant for another machine.")


def place(target: str | None) -> tuple[str, str]:
    """The interpreter of a target and the prefix of its environment. Raises UserError."""
    from envdoctor.sources import parse_target  # noqa: PLC0415
    from envdoctor.sources.interpreter import environment_folder, find_interpreter  # noqa: PLC0415

    spec = parse_target(target, os.environ)
    folder = environment_folder(spec.path)
    python = find_interpreter(spec.path)
    return os.path.abspath(python), folder or os.path.dirname(os.path.dirname(os.path.abspath(python)))


def agreed(question: str, doing: Doing) -> bool:
    """Ask, unless --yes. Raises UserError: there is nobody to ask."""
    if doing.yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError("nothing was changed: there is no terminal to ask at", "Add --yes where nobody can answer.")
    return click.confirm(question, default=False, err=True)


def tell(text: str) -> None:
    """A line about the progress; the page itself is on standard output."""
    if sys.stderr is not None:
        sys.stderr.write(f"{harmless(text)}\n")
        sys.stderr.flush()


def make(target: str | None, pending: Pending, facts: Facts, shown: Shown, words: Words, doing: Doing) -> int:
    """Make the best plan real; gives the exit status. Raises UserError."""
    from envdoctor.applying import repairs  # noqa: PLC0415
    from envdoctor.cli.fixing import index_of  # noqa: PLC0415
    from envdoctor.facts import need  # noqa: PLC0415

    python, prefix = place(pending.spec.path)
    repair, index = shown.answer.plans[0].repair, index_of(words)
    if shown.answer.plans[0].backend is not None:
        import msgspec  # noqa: PLC0415

        index = msgspec.structs.replace(index, torch_backend=shown.answer.plans[0].backend)
    leaves = tuple(left(one.root) for one in repair.leaves)
    if doing.into is not None:
        if not agreed(f"Build the repaired environment in {doing.into}?", doing):
            return _not_made()
        from envdoctor.views import distributions  # noqa: PLC0415

        freeze = {name: one.version for name, one in distributions(facts).items()}
        folder = os.path.abspath(os.path.expanduser(doing.into))
        done = repairs.build_beside(python, folder, freeze, repair, rechecking(folder, words, leaves), tell, index)
        return said(done)
    broken = repairs.pending(prefix)
    if broken is not None:
        raise UserError(broken.says, "envdoctor fix --resume finishes it, envdoctor fix --undo puts everything back.")
    refused = repairs.refusal(facts, doing.system)
    if refused is not None:
        raise refused
    need(facts.packages.distributions)
    if not agreed(f"Change {prefix} so?", doing):
        return _not_made()
    return said(repairs.apply(python, prefix, repair, rechecking(target, words, leaves), tell, index, leaves))


def finish(target: str | None, words: Words, doing: Doing) -> int:
    """--resume, --undo or --forget. Raises UserError."""
    from envdoctor.applying import repairs  # noqa: PLC0415
    from envdoctor.cli.fixing import index_of  # noqa: PLC0415

    _, prefix = place(target)
    if doing.forget:
        size = repairs.forget(prefix)
        sys.stdout.write(f"The snapshot is gone; it held {size / 1e6:.1f} MB.\n")
        return 0
    if doing.undo:
        done = repairs.undo(prefix, tell)
        said(done)
        return 0 if done.why is None else 1
    broken = repairs.pending(prefix)
    leaves = () if broken is None else broken.leaves
    return said(repairs.resume(prefix, rechecking(target, words, leaves), tell, index_of(words)))


def left(finding: Finding) -> str:
    """What names a finding before and after a repair."""
    return " ".join((finding.code, *finding.subjects[:1]))


def rechecking(target: str | None, words: Words, leaves: tuple[str, ...]) -> Callable[[], tuple[str, ...]]:
    """What judges the environment again: the errors in it, but for those that the plan left from the start (``leaves``)."""

    def recheck() -> tuple[str, ...]:
        from envdoctor import session  # noqa: PLC0415
        from envdoctor.findings import Severity  # noqa: PLC0415

        with session.start(target) as pending:
            made = session.plan(session.Options(suppose=words.suppose, data=words.data))
            facts = session.facts_of(pending)
        _, report, _ = session.judge(facts, made, time.monotonic(), remedies=False)
        errors = [one.root for one in report.diagnoses if one.root.severity is Severity.ERROR]
        return tuple(f"{one.code} {one.title}" for one in errors if left(one) not in leaves)

    return recheck


def said(done: Applied) -> int:
    """Say what came of it; gives the exit status: 0 repaired, 1 everything is as it was."""
    from envdoctor.applying.outcome import Outcome  # noqa: PLC0415

    words = {
        Outcome.REPAIRED: "Repaired; envdoctor fix --undo puts it back as it was.",
        Outcome.RESTORED: "Everything is as it was before.",
        Outcome.UNTOUCHED: "Nothing was changed.",
    }
    lines = [words[done.outcome] + (f" Why: {done.why}." if done.why else "")]
    lines += [f"  found afterwards: {one}" for one in done.errors]
    lines += [f"  not put back exactly: {one}" for one in done.lost]
    lines += [f"  note: {one}" for one in done.notes]
    sys.stdout.write("".join(f"{harmless(line)}\n" for line in lines))
    return 0 if done.outcome is Outcome.REPAIRED else 1


def _not_made() -> int:
    sys.stdout.write("Nothing was changed.\n")
    return 1
