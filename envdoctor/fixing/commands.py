"""A repair as commands for the target's interpreter: uv's form, then pip's, with exact versions. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved
from envdoctor.findings import Change, Kind
from envdoctor.fixing.goals import HEADS
from envdoctor.prescribe import commands as again
from envdoctor.views import distributions, in_lock, inside

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.plans import Move


def commands(facts: Facts, moves: tuple[Move, ...], backend: str | None = None) -> tuple[tuple[str, ...], ...]:
    """First what goes, then what comes: two distributions may own the same file. A lock is made anew instead.

    Dependencies are not resolved again (--no-deps): the versions are those of one whole resolution.
    """
    if in_lock(facts):
        heads = {one.name: f"=={one.after}" for one in moves if one.after is not None and one.name in HEADS}
        return again(Change(kind=Kind.INSTALL, says="", install=heads, torch_backend=backend), facts)
    return (*_form(facts, moves, backend, uv=True), *_form(facts, moves, backend, uv=False))


def _form(facts: Facts, moves: tuple[Move, ...], backend: str | None, *, uv: bool) -> tuple[tuple[str, ...], ...]:
    run = ("RUN",) if inside(facts) else ()
    gone = tuple(one.name for one in moves if one.after is None)
    words = tuple(f"{one.name}=={one.after}" for one in moves if one.after is not None)
    again = tuple(one.name for one in moves if one.after is not None and one.before == one.after)
    made = []
    if gone:
        made.append((*run, *_installer(facts, "uninstall", uv=uv), *(() if uv else ("-y",)), *gone))
    if words and uv:
        tag = () if backend is None else (f"--torch-backend={backend}",)
        made.append(
            (*run, *_installer(facts, "install", uv=uv), "--no-deps", *tag, *(f"--reinstall-package={n}" for n in again), *words)
        )
    elif words and backend is None:  # only uv knows PyTorch's own indexes by name
        force = ("--force-reinstall",) if again else ()
        made.append((*run, *_installer(facts, "install", uv=uv), "--no-deps", *force, *words))
    return tuple(made)


def is_uv(argv: tuple[str, ...]) -> bool:
    """Whether a command of a repair is in uv's form."""
    return (argv[1:] if argv[:1] == ("RUN",) else argv)[:1] == ("uv",)


def is_pip(argv: tuple[str, ...]) -> bool:
    """Whether a command of a repair is in pip's form."""
    words = argv[1:] if argv[:1] == ("RUN",) else argv
    return words[:1] == ("pip",) or words[1:3] == ("-m", "pip")


def is_neither(argv: tuple[str, ...]) -> bool:
    """Whether it is in neither: a lock is made anew by envdoctor lock."""
    return not is_uv(argv) and not is_pip(argv)


def _installer(facts: Facts, verb: str, *, uv: bool) -> tuple[str, ...]:
    executable = facts.python.value.executable if isinstance(facts.python, Known) else "python3"
    if not executable.startswith(("/", "~/", "$USER")):
        executable = "python3"  # a record may say anything; what is no path could be read as an option
    if uv:
        return ("uv", "pip", verb, "--python", executable)
    try:
        own = "pip" in distributions(facts)
    except NotObserved:
        own = True
    return (executable, "-m", "pip", verb) if own else ("pip", "--python", executable, verb)
