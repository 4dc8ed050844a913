"""The leaves that facts are made of: a value with its origin, or the reason why there is none; and documents of a stranger's."""

from __future__ import annotations

from typing import Generic, Protocol, TypeAlias, TypeVar

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


class Versioned(Protocol):
    """What says of which version it is."""

    @property
    def schema_version(self) -> int:
        """The number."""


V = TypeVar("V", bound=Versioned)


def decoded(document: bytes, shape: type[V], *, max_bytes: int, schema_version: int) -> V:
    """A versioned JSON document.

    Args:
        document: its bytes; they may come from anywhere.
        shape: the record that it must be.
        max_bytes: more are not looked at.
        schema_version: the one that this program reads.

    Raises:
        ValueError: too large, not of this shape, or of another version; says where.
    """
    if len(document) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes >> 20} MiB")
    try:
        found = msgspec.json.decode(document, type=shape)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    if found.schema_version != schema_version:
        raise ValueError(f"its schema_version is {found.schema_version}, this program reads {schema_version}")
    return found
