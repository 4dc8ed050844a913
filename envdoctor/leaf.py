"""The leaves that facts are made of: a value with its origin, or the reason why there is none."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import msgspec

T_co = TypeVar("T_co", covariant=True)  # frozen, so a Known[str] is a Known[str | None]


class Known(msgspec.Struct, Generic[T_co], frozen=True, tag_field="is", tag="known"):
    """A value that was observed, and where (a path, a command, or ``supposed``)."""

    value: T_co
    via: str


class Unknown(msgspec.Struct, frozen=True, tag_field="is", tag="unknown"):
    """Not observed, and the reason in words a user can act on."""

    why: str


Leaf: TypeAlias = Known[T_co] | Unknown


class NotObserved(Exception):  # noqa: N818 - it reads as a statement, and is not an error of the program
    """A rule needed a leaf that is Unknown; carries the reason."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def need(leaf: Known[T_co] | Unknown) -> T_co:
    """Return the leaf's value.

    Raises:
        NotObserved: the leaf is Unknown; the message is its reason.
    """
    if isinstance(leaf, Known):
        return leaf.value
    raise NotObserved(leaf.why)


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all fact records: immutable, keyword-only, strict when decoded."""
