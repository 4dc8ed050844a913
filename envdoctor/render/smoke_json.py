"""The versioned JSON of a proof, written field by field; envdoctor/data/schema/smoke-1.json is its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envdoctor.proving.proof import Proof

SCHEMA_VERSION = 1


def render(proof: Proof) -> str:
    """The proof as indented JSON with a final newline."""
    raise NotImplementedError
