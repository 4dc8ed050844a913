"""How large an image is beside what others publish for the same purpose. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from envdoctor.matrix import Matrix


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One image of others beside ours. Of the two sizes only those are there that are known of both."""

    image: str
    said: str | None
    """The day their size was read off, where it is known."""
    theirs_compressed: int | None
    theirs_unpacked: int | None
    compressed_ratio: float | None
    """Theirs by ours, to pull: 2.0 says that theirs is twice as large."""
    unpacked_ratio: float | None
    """The same on disk."""
    source: str

    def __str__(self) -> str:
        parts = []
        if self.theirs_compressed is not None and self.compressed_ratio is not None:
            parts.append(f"{self.theirs_compressed / 1e9:.1f} GB to pull, {self.compressed_ratio:.1f} times ours")
        if self.theirs_unpacked is not None and self.unpacked_ratio is not None:
            parts.append(f"{self.theirs_unpacked / 1e9:.1f} GB on disk, {self.unpacked_ratio:.1f} times ours")
        day = f" ({self.said})" if self.said is not None else ""
        return f"{self.image}{day}: {'; '.join(parts)}"


def comparison(archive_bytes: int | None, unpacked_bytes: int | None, matrix: Matrix) -> tuple[Compared, ...]:
    """The images of others, the smallest first, as far as their sizes can be held against ours.

    Args:
        archive_bytes: what is pulled: the compressed layers together.
        unpacked_bytes: what lies on disk: the layers unpacked; None where that was not measured.
        matrix: the compatibility data.
    """
    found = []
    for row in matrix.image_sizes():
        one = Compared(
            image=row.image,
            said=row.said,
            theirs_compressed=row.compressed_bytes,
            theirs_unpacked=row.unpacked_bytes,
            compressed_ratio=_ratio(row.compressed_bytes, archive_bytes),
            unpacked_ratio=_ratio(row.unpacked_bytes, unpacked_bytes),
            source=row.source,
        )
        if one.compressed_ratio is not None or one.unpacked_ratio is not None:
            found.append(one)
    return tuple(sorted(found, key=lambda one: (one.compressed_ratio or one.unpacked_ratio or 0.0, one.image)))


def _ratio(theirs: int | None, ours: int | None) -> float | None:
    return theirs / ours if theirs and ours else None
