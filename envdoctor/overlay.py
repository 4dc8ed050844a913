"""Which data lies over the shipped one: a folder that the user names, else what ``matrix refresh`` has written for this user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.matrix import MANIFEST, Matrix, Overlay

if TYPE_CHECKING:
    from collections.abc import Mapping

HINT = "Make one with: envdoctor matrix refresh --into DIR"


def home(environ: Mapping[str, str]) -> str:
    """The user's folder of refreshed data (XDG base directories), there or not."""
    base = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(base, "envdoctor", "data")


def opened(data: str | None, environ: Mapping[str, str]) -> Matrix:
    """The data in force.

    Args:
        data: --data, or None.
        environ: the process's environment variables.

    Raises:
        UserError: the folder that the user names holds no data.
    """
    if data is None:
        own = home(environ)
        return Matrix(overlay=Overlay(own, chosen=False)) if os.path.exists(os.path.join(own, MANIFEST)) else Matrix()
    if not os.path.isdir(data):
        raise UserError(f"--data {data}: there is no such folder", HINT)
    if not any(os.path.isdir(os.path.join(data, name)) for name in ("claims", "tables")):
        raise UserError(f"--data {data}: it holds neither claims nor tables", HINT)
    return Matrix(overlay=Overlay(data, chosen=True))
