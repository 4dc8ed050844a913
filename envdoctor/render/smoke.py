"""The page of ``envdoctor smoke``: the verdict first, then every invariant, the reward's curve, times and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envdoctor.proving.proof import Proof
    from envdoctor.render import Page


def render(proof: Proof, page: Page, *, ascii_only: bool = False) -> str:
    """The whole page, ending in a newline. ``ascii_only``: curves of ASCII, for an encoding without block characters."""
    raise NotImplementedError
