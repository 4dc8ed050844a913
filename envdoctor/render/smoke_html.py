"""The proof as one self-contained HTML file: no scripts, nothing from elsewhere, everything escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envdoctor.proving.proof import Proof


def render(proof: Proof) -> str:
    """The whole HTML document."""
    raise NotImplementedError
