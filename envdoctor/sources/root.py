"""``root:DIR``: an unpacked image or a chroot, judged from outside by our own interpreter in a child process.

Nothing of it is run or imported.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.sources import interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

SEPARATOR = "::"
REFUSED = b'{"refused":'


def place(rest: str) -> tuple[str, str]:
    """The folder and the Python in it that ``DIR`` or ``DIR::/path/in/it`` name; a folder that is really called so wins."""
    if os.path.isdir(os.path.expanduser(rest)):
        return rest, ""
    folder, _, inside = rest.partition(SEPARATOR)
    return folder, inside


def start(path: str, inside: str, wanted: Mapping[str, str] = interpreter.NOTHING_MORE) -> interpreter.Running:
    """Start the probe for a root folder; ``wanted`` are further words of its request.

    Raises:
        UserError: it is no folder, or our own interpreter cannot be started.
    """
    if not os.path.isdir(path):
        raise UserError(
            f"{path} is not a folder",
            "Unpack the image first: docker export CONTAINER | tar -x -C DIR, then envdoctor check root:DIR",
        )
    asked = {"root": path, **({"inside": inside} if inside else {}), **wanted}
    try:
        return interpreter.launch(sys.executable, asked, None)
    except (OSError, ValueError) as error:
        raise UserError(f"the probe cannot be started: {error}", "Is envdoctor's own environment whole?") from error


def finish(running: interpreter.Running, path: str) -> bytes:
    """Wait for the document.

    Raises:
        UserError: no answer in time, or this folder cannot be judged.
    """
    out, err, late = interpreter.collect(running)
    if late or not out.endswith(b"}\n"):
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise UserError(
            f"the probe gave no answer in {running.patience_s:g} s"
            if late
            else f"the probe of {path} ended without an answer: {said[-1] if said else 'it printed nothing'}",
            f"The file system may hang: try `ls {path}`.",
        )
    if out.startswith(REFUSED):
        what, hint = json.loads(out)["refused"]
        raise UserError(what, hint)
    return out
