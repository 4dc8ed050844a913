"""What is said when envdoctor itself fails: one line, where, and what to send."""

from __future__ import annotations

import os
import traceback

from envdoctor import __version__
from envdoctor.wording import harmless


def describe(bug: BaseException) -> str:
    """The message; ENVDOCTOR_DEBUG=1 adds the traceback."""
    frames = traceback.extract_tb(bug.__traceback__)
    ours = [frame for frame in frames if "envdoctor" in frame.filename] or frames
    where = f"{ours[-1].filename.rpartition('envdoctor/')[2]}:{ours[-1].lineno}" if ours else "nowhere"
    what = f"{type(bug).__name__}: {harmless(str(bug))[:500]} (at {where})"
    text = (
        f"envdoctor {__version__} failed: {what}. This is a bug of envdoctor.\n"
        "Please report it with the output of: ENVDOCTOR_DEBUG=1 envdoctor ..."
    )
    if os.environ.get("ENVDOCTOR_DEBUG"):
        text += "\n" + "".join(traceback.format_exception(bug))
    return text
