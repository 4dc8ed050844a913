"""The repaired environment as a new one beside the old, which is not touched."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envdoctor.applying.installed import installed, pins_of
from envdoctor.applying.installer import QUIET, build_words, requirement_lines, run_uv
from envdoctor.applying.interrupts import Interrupted, breakable
from envdoctor.applying.journal import Step
from envdoctor.applying.outcome import Applied, Outcome
from envdoctor.applying.staging import check_space, steps_of
from envdoctor.applying.tree import remove
from envdoctor.errors import UserError
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envdoctor.applying.installed import Installed
    from envdoctor.plans import Repair
    from envdoctor.resolver import Index, Pinned

MARK = ".envdoctor-building"
"""In a new environment until it is complete."""
ANSWER_S = 20.0


def build_beside(
    python: str,
    folder: str,
    freeze: Mapping[str, str],
    repair: Repair,
    recheck: Callable[[], tuple[str, ...]],
    tell: Callable[[str], None],
    index: Index,
) -> Applied:
    """Build it in ``folder``: the same Python, the versions of ``freeze`` (by normalized name) with the repair's moves.

    What did not come from an index (editable installs, repositories, files) cannot be copied: ``Applied.notes`` name it with the
    command that installs it. On any failure the folder is removed again.

    Raises:
        UserError: the folder is not empty, or something cannot be fetched.
    """
    _refuse(folder)
    begun = time.monotonic()
    existed = os.path.isdir(folder)
    with breakable(tell) as breaking:
        try:
            breaking.release()
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, MARK), "x", encoding="utf-8"):
                pass
            notes = _build(python, folder, freeze, repair, tell, index)
            errors = recheck()
            if not errors:
                os.unlink(os.path.join(folder, MARK))
        except BaseException as error:
            breaking.calm()
            _clear(folder, existed)
            if isinstance(error, Interrupted):
                return Applied(outcome=Outcome.UNTOUCHED, why=f"it was broken off ({error.name})")
            if isinstance(error, OSError):
                raise UserError(f"{folder} cannot be made: {error.strerror}", "Name another folder for --into.") from error
            raise
        breaking.calm()
        if errors:
            _clear(folder, existed)
            return Applied(outcome=Outcome.UNTOUCHED, why="the new environment has errors, and was removed", errors=errors)
    seconds = {"all": round(time.monotonic() - begun, 3)}
    return Applied(outcome=Outcome.REPAIRED, notes=notes, seconds=seconds)


def _refuse(folder: str) -> None:
    if not os.path.lexists(folder):
        return
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise UserError(f"{folder} is there, and is no folder: {error.strerror}", "Name a new folder for --into.") from error
    if MARK in names:
        what = f"{folder} is the half of an environment: an envdoctor fix --into was killed while it built it"
        raise UserError(what, f"Remove it and try again: rm -r {shlex.quote(folder)}")
    if names:
        raise UserError(f"{folder} is there already, and is not empty", "Name a new folder for --into; nothing is overwritten.")


def _clear(folder: str, existed: bool) -> None:
    if not os.path.lexists(folder):
        return
    for name in os.listdir(folder):
        if name != MARK:
            remove(os.fsencode(os.path.join(folder, name)))
    # the mark last: a killed removal is still recognized
    if os.path.lexists(os.path.join(folder, MARK)):
        os.unlink(os.path.join(folder, MARK))
    if not existed:
        os.rmdir(folder)


def _build(
    python: str, folder: str, freeze: Mapping[str, str], repair: Repair, tell: Callable[[str], None], index: Index
) -> tuple[str, ...]:
    old = {one.name: one for one in installed(os.path.dirname(os.path.dirname(os.path.abspath(python))))}
    moved = steps_of(repair)
    new = os.path.join(os.path.abspath(folder), "bin", "python")
    # what moves comes from the index in any case, wherever it came from before
    local = {name: old[name] for name in freeze if name in old and old[name].origin is not None}
    stays = {name: version for name, version in freeze.items() if name not in local}
    for step in moved:
        stays.pop(step.name, None)
        local.pop(step.name, None)
    tell(f"Asking the index for {plural(len(stays), 'package')} that stay as they are.")
    pins, missing = pins_of(stays, version_of(python), index)
    steps = (*moved, *(_step(pins[name]) for name in sorted(pins)))
    if missing and not pins:
        what = f"the index has none of the {plural(len(missing), 'package')} that are to stay as they are"
        raise UserError(what, "Is it reachable, and the right one? Name another with --index.")
    sizes = (max((file.size_bytes or 0 for file in pin.files if file.is_wheel), default=0) for pin in pins.values())
    check_space(folder, repair.download_bytes + sum(sizes))
    tell(f"Building a new environment of {plural(sum(one.after is not None for one in steps), 'package')} in {folder}.")
    run_uv(("venv", "--python", python, "--allow-existing", "--no-project", *QUIET, folder), None)
    with tempfile.TemporaryDirectory(prefix="envdoctor-beside-") as temporary:
        file = os.path.join(temporary, "wanted.txt")
        with open(file, "w", encoding="utf-8") as handle:
            handle.write(requirement_lines(steps))
        whole = all(one.sha256 for one in steps if one.after is not None)
        words = ("pip", "install", "--python", new, "--no-deps", *QUIET, *(("--require-hashes",) if whole else ()))
        run_uv((*words, "--requirements", file, *build_words(steps), *index.options()), None)
    notes = [_how(one, new) for _, one in sorted(local.items())]
    notes += [f"{name} {stays[name]} is on no index that was asked, and is not in the new environment" for name in missing]
    return tuple(notes)


def _step(pin: Pinned) -> Step:
    wheels = tuple(one for one in pin.files if one.is_wheel)
    hashes = tuple(one.sha256 for one in wheels or pin.files if one.sha256 is not None)
    return Step(name=pin.name, before=None, after=pin.version, sha256=hashes, build=bool(pin.files) and not wheels)


def _how(one: Installed, python: str) -> str:
    """What cannot be copied, and the command that installs it; without what an address may hold of secrets."""
    origin = one.origin or {}
    address = origin.get("url")
    split = urlsplit(address) if isinstance(address, str) else urlsplit("")
    command = ["uv", "pip", "install", "--python", python, "--no-deps"]
    vcs, directory = origin.get("vcs_info"), origin.get("dir_info")
    if isinstance(vcs, dict):
        host = split.netloc.rpartition("@")[2]
        command.append(f"{one.name} @ {vcs.get('vcs', 'git')}+{split.scheme}://{host}{split.path}@{vcs.get('commit_id', '')}")
    elif isinstance(directory, dict) and split.scheme == "file":
        command += [*(["--editable"] if directory.get("editable") else []), split.path]
    else:
        return f"{one.name} {one.version} was installed from a single file: install that file into the new environment as well"
    return f"{one.name} {one.version} did not come from an index; install it with: {harmless(shlex.join(command))}"


def version_of(python: str) -> str:
    """The version of an interpreter, "3.12.4". Raises UserError: it does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user named
            (python, "-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"),
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{python} does not start, so no environment can be made with it", f"Try: {python} --version") from error
    return done.stdout.strip()
