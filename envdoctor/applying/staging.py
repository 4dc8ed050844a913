"""Everything that can go wrong without touching the environment goes wrong here: space, download, hashes, unpacking, building.

The wheels are installed by uv, for the environment's interpreter, into a folder laid out like its prefix (``--prefix``): scripts
have their right first line, RECORDs their right paths. The change itself is then a move of files: no network, no index, no cache.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from envdoctor.applying.installed import installed, pins_of, site_folders
from envdoctor.applying.installer import build_words, install_words, requirement_lines, run_uv
from envdoctor.applying.journal import Step
from envdoctor.applying.tree import remove
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.applying.journal import Place
    from envdoctor.plans import Repair
    from envdoctor.resolver import Index

UNPACKED = 3
"""Wheels of the GPU stack unpack to about 1.5 to 2.5 times their size; pure Python to 4 times, but those are small."""
FREEZE_S = 20.0
"""How long the index is asked for the hashes of what is installed; without a network each question takes a while to fail."""
MARGIN_BYTES = 64 * 1024 * 1024
GB = 1e9


def steps_of(repair: Repair) -> tuple[Step, ...]:
    """The moves of a repair with the hashes of what may come.

    Raises:
        UserError: it has no moves, or one for whose files it has no pin.
    """
    pins = {one.name: one for one in repair.pins}
    steps = []
    for move in repair.moves:
        pin = pins.get(move.name)
        if move.after is not None and (pin is None or pin.version != move.after):
            raise UserError(
                f"the plan moves {move.name} to {move.after} and names no file of it", "Please report it: the plan is wrong."
            )
        files = pin.files if pin is not None and move.after is not None else ()
        wheels = tuple(one for one in files if one.is_wheel)
        hashes = tuple(one.sha256 for one in wheels or files if one.sha256 is not None)
        steps.append(Step(name=move.name, before=move.before, after=move.after, sha256=hashes, build=bool(files) and not wheels))
    if not steps:
        raise UserError("the plan changes no package", "There is nothing to apply; what it lists is for someone else to do.")
    return tuple(steps)


def check_space(folder: str, download_bytes: int) -> None:
    """See to it that the disk under a folder that exists has room for what comes.

    Raises:
        UserError: it has not; says how much is missing.
    """
    needed = UNPACKED * download_bytes + MARGIN_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"the disk under {folder} has {free / GB:.1f} GB free, and the repair needs {needed / GB:.1f} GB"
            f" for {download_bytes / GB:.1f} GB of downloads",
            f"Free {(needed - free) / GB:.1f} GB there (uv cache prune, pip cache purge), and try again.",
        )


def stage(place: Place, python: str, steps: tuple[Step, ...], index: Index, lock: int, tell: Callable[[str], None]) -> None:
    """Install what comes into the stage.

    Raises:
        UserError: it cannot be downloaded, has another hash, or cannot be unpacked or built.
        OSError: the stage cannot be made.
    """
    if os.path.lexists(place.stage):
        remove(place.stage)
    os.mkdir(place.stage, 0o700)
    hashes = all(one.sha256 for one in steps if one.after is not None)
    if not hashes:
        names = ", ".join(one.name for one in steps if one.after is not None and not one.sha256)
        tell(f"The index gives no hashes of {names}: these files cannot be verified.")
    text = requirement_lines(steps)
    if not text:
        return
    file = os.path.join(place.run, b"coming.txt")
    with open(file, "w", encoding="utf-8") as handle:
        handle.write(text)
    words = install_words(python, os.fsdecode(place.stage), os.fsdecode(file), hashes=hashes)
    try:
        # what a build starts inherits the lock, and may live longer than uv
        held = None if any(one.build for one in steps) else lock
        run_uv((*words, *build_words(steps), *index.options()), held)
    except UserError as error:
        raise UserError(f"what the repair needs could not be fetched: {error.what}", error.hint) from error


def write_freeze(place: Place, index: Index) -> None:
    """Write the exact freeze of what is installed now, with the hashes that the index has, for people; nothing reads it back."""
    root = os.fsdecode(place.root)
    there = installed(root)
    versions = {one.name: one.version for one in there if one.origin is None}
    try:
        pins, _ = pins_of(versions, python_of(root), index, FREEZE_S)
    except UserError:  # the snapshot is what undoes; this is for people
        pins = {}
    lines = ["# what was installed before the repair; install it with: uv pip sync freeze.txt"]
    for one in there:
        pin = pins.get(one.name)
        hashes = () if pin is None else tuple(f"--hash=sha256:{file.sha256}" for file in pin.files if file.sha256)
        if one.origin is not None:
            lines.append(f"# {one.name}=={one.version} did not come from an index: {kind_of(one.origin)}")
        elif not hashes:
            lines.append(f"# {one.name}=={one.version} is not on the index that was asked, or that gave no answer in time")
        else:
            lines.append(" ".join((f"{one.name}=={one.version}", *hashes)))
    with open(place.freeze, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def kind_of(origin: dict[str, object]) -> str:
    """In a word or two how it was installed; an address is not given, it may hold a password."""
    if "vcs_info" in origin:
        return "from a repository"
    if "dir_info" in origin:
        info = origin["dir_info"]
        return "editable, from a folder" if isinstance(info, dict) and info.get("editable") else "from a folder"
    return "from a file"


def python_of(root: str) -> str:
    """The version of Python that the prefix holds packages for, "3.12". Raises UserError: none."""
    for folder in site_folders(root):
        with contextlib.suppress(IndexError):
            return os.path.basename(os.path.dirname(folder)).removeprefix("python").rstrip("t")
    raise UserError(f"{root} holds no site-packages", "Name the folder of an environment.")
