"""Two archives compared, down to the file to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.images.archive import described, opened
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from envdoctor.images.archive import Layer

MAX_CREATED_BY = 60


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not the same in both."""

    layer: int | None
    """Counted from 1, the lowest; None: in the config or the manifest."""
    created_by: str
    """The instruction that made the layer."""
    path: str | None
    """In the image, or of a field of the config; None: of the layer as a whole."""
    what: str

    def __str__(self) -> str:
        where = [] if self.layer is None else [f"layer {self.layer}{_by(self.created_by)}"]
        return harmless(": ".join([*where, *([] if self.path is None else [self.path]), self.what]))


def _by(created_by: str) -> str:
    said = " ".join(created_by.replace("/bin/sh -c ", "").removesuffix("# buildkit").split())
    if not said:
        return ""
    return f" ({said[: MAX_CREATED_BY - 3]}...)" if len(said) > MAX_CREATED_BY else f" ({said})"


def differences(first: str, second: str) -> tuple[Difference, ...]:
    """What differs between two archives; nothing if their manifests are the same bytes.

    Raises:
        UserError: one of them cannot be read.
    """
    with opened(first) as one, opened(second) as other:
        pair = [described(tar, verify=True, unpack=False) for tar in (one, other)]
        if pair[0].digest == pair[1].digest:
            return ()
        return tuple(_layers(pair[0].layers, pair[1].layers)) or (Difference(None, "", None, "the manifests differ"),)


def _layers(first: tuple[Layer, ...], second: tuple[Layer, ...]) -> list[Difference]:
    return [
        Difference(number, a.created_by, None, "only the compression differs" if a.diff_id == b.diff_id else "content")
        for number, (a, b) in enumerate(zip(first, second, strict=False), 1)
        if a.digest != b.digest
    ]
