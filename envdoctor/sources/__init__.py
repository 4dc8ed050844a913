"""Where Facts come from: a target on the command line becomes a source that gives Facts.

Targets: a path to an interpreter or an environment's folder (``venv:PATH`` or just PATH), ``root:DIR`` (an unpacked image
or a chroot; ``root:DIR::/opt/venv`` names the Python in it), ``image:REF`` (a container image that the engine has; a Python
in it is named as in a root folder), ``saved:PATH`` (a probe document, or the folder that ``check --record`` wrote),
``lock:NAME`` (a locked environment that need not exist: a target's name, or a file), and ``report:FILE`` (a text that
somebody pasted; ``report:-`` is standard input).
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from envdoctor.errors import UserError
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("venv", "root", "image", "saved", "lock", "report")
HINT = (
    "Give a folder with bin/python, a Python interpreter, root:DIR, image:REF, saved:FILE, lock:NAME or report:FILE; "
    "without a target the active environment is checked."
)


class TargetSpec(NamedTuple):
    """A parsed target: what to read and why it was taken. ``chosen`` is a phrase for the first line of the page."""

    scheme: Literal["venv", "root", "image", "saved", "lock", "report"]
    path: str
    """Absolute; of a lock, its name or path as it was written; of an image, its reference; of a pasted report perhaps "-"."""
    chosen: str
    inside: str = ""
    """Of a root folder or an image: the Python in it that was named."""


def parse_target(text: str | None, environ: Mapping[str, str]) -> TargetSpec:
    """Turn the command-line word, or its absence, into a target.

    Raises:
        UserError: an unknown scheme, or a path that does not exist.
    """
    if text is None:
        return active(environ)
    scheme, rest = _kind(text)
    if scheme == "lock" and rest:
        return TargetSpec("lock", rest, "named on the command line")
    if scheme == "report" and rest:
        # read where triage reads, and refused in its words; it is quoted in public: the folders above are nobody's business
        return TargetSpec("report", os.path.expanduser(rest), "named on the command line")
    inside = ""
    if scheme == "image":
        from envdoctor.sources import image  # noqa: PLC0415

        reference, inside = image.place(rest)
        return TargetSpec("image", reference, "named on the command line", inside)
    if scheme == "root":
        from envdoctor.sources import root  # noqa: PLC0415

        rest, inside = root.place(rest)
    path = os.path.expanduser(rest)
    if scheme == "venv" and "/" not in rest and not os.path.lexists(path):
        # python3.12 as one types it
        path = shutil.which(rest, path=environ.get("PATH", os.defpath)) or path
    if not rest or not os.path.lexists(path):
        raise UserError(f"the target {rest or text!r} does not exist", HINT)
    kinds: dict[str, Literal["venv", "root", "saved"]] = {"saved": "saved", "root": "root"}
    return TargetSpec(kinds.get(scheme, "venv"), _absolute(path), "named on the command line", inside)


def _kind(text: str) -> tuple[str, str]:
    """The kind of target and what of it is named. Raises UserError: there is no such kind."""
    if text == "-":
        raise UserError('"-" names no target', "What a program printed is read from standard input by: report:-")
    scheme, colon, rest = text.partition(":")
    if not colon or "/" in scheme or scheme.startswith("."):
        return "venv", text
    if scheme in SCHEMES:
        return scheme, rest
    if os.path.exists(text):
        return "venv", text
    raise UserError(f'"{scheme}:" is not a kind of target', f"{nearest(scheme, SCHEMES)} {HINT}")


def _absolute(path: str) -> str:
    """The path from the root. Raises UserError: the working folder is gone."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        raise UserError("the working folder has been deleted", "Change into another one: cd ~") from None


def active(environ: Mapping[str, str]) -> TargetSpec:
    """The active environment: VIRTUAL_ENV, else CONDA_PREFIX, else python3 on PATH, else our own interpreter."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = environ.get(variable)
        if folder:
            if not os.path.isdir(folder):
                raise UserError(
                    f"{variable} is set to {folder}, which is not a folder",
                    f"Run `unset {variable}`, or name the target: envdoctor check PATH.",
                )
            if not any(os.path.lexists(os.path.join(folder, name)) for name in ("bin/python3", "bin/python")):
                raise UserError(
                    f"{variable} is set to {folder}, which is no Python environment (no bin/python3 in it)",
                    f"Run `unset {variable}`, or name the target: envdoctor check PATH.",
                )
            return TargetSpec("venv", folder, f"{variable} is set")
    found = shutil.which("python3", path=environ.get("PATH", os.defpath))
    if found:
        return TargetSpec("venv", found, "python3 on PATH, since neither VIRTUAL_ENV nor CONDA_PREFIX is set")
    return TargetSpec("venv", sys.executable, "envdoctor's own interpreter, since there is no other python3 on PATH")
