"""Two archives of an image compared, down to the file to blame."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.errors import UserError
from envdoctor.images.archive import HINT, described, instruction, opened
from envdoctor.images.layer_diff import Said, compared
from envdoctor.images.tape import BadTar, contents
from envdoctor.images.unpacked import Ahead, Unreadable
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.images.archive import Archive, Layer, Opened
    from envdoctor.images.tape import Entry

MAX_CREATED_BY = 60
MAX_DIFFERENCES = 100
"""After which no further layer is unpacked."""
MAX_FIELDS = 20
MAX_DEPTH = 12
MAX_VALUE = 80
TELLING = {"created", "architecture", "os", "variant", "User", "WorkingDir", "mediaType", "schemaVersion", "empty_layer"}
"""Fields whose values are shown; any other may hold what is nobody's business."""


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not the same in both. ``str`` of it is a line for people."""

    layer: int | None
    """Counted from 1, the lowest; None: in the config or the manifest."""
    created_by: str
    """The instruction that made the layer."""
    path: str | None
    """In the image, or a field of the config; None: of the layer as a whole."""
    what: str

    def __str__(self) -> str:
        where = [] if self.layer is None else [f"layer {self.layer}{_by(self.created_by)}"]
        return harmless(": ".join([*where, *([] if self.path is None else [self.path]), self.what]))


def _by(created_by: str) -> str:
    said = instruction(created_by)
    if not said:
        return ""
    return f" ({said[: MAX_CREATED_BY - 3]}...)" if len(said) > MAX_CREATED_BY else f" ({said})"


def differences(first: str, second: str) -> tuple[Difference, ...]:
    """What differs between the images of two OCI archives; nothing if their manifests are the same bytes.

    The bytes of both are verified, so "nothing" means that every byte of the image is the same. Names and attestations stand in
    an index around the manifest and do not count.

    Args:
        first: a tar.
        second: another.

    Raises:
        UserError: one of them cannot be read, is damaged, or has a layer that has to be unpacked and cannot be.
    """
    with opened(first) as one, opened(second) as other:
        pair = described(one, verify=True, unpack=False), described(other, verify=True, unpack=False)
        if pair[0].digest == pair[1].digest:
            return ()
        found = [*_layers((one, other), pair), *_fields((one, other), pair)]
        return tuple(found) or (Difference(None, "", None, "the manifests differ in form alone; every field is the same"),)


def _layers(tars: tuple[Opened, Opened], pair: tuple[Archive, Archive]) -> Iterator[Difference]:
    count = 0
    for number, (a, b) in enumerate(zip_longest(pair[0].layers, pair[1].layers), 1):
        if a is None or b is None:
            yield Difference(number, (a or b).created_by, None, f"only in the {'first' if b is None else 'second'}")
            continue
        if a.digest == b.digest:
            continue
        if count >= MAX_DIFFERENCES:
            yield Difference(number, a.created_by, None, f"not unpacked after {plural(count, 'difference')} below")
            continue
        for said in _layer(tars, a, b):
            count += 1
            yield Difference(number, a.created_by, said.path, said.what)


def _layer(tars: tuple[Opened, Opened], a: Layer, b: Layer) -> tuple[Said, ...]:
    if a.diff_id == b.diff_id:
        for tar, layer in zip(tars, (a, b), strict=True):
            tar.measure(layer.digest, layer.diff_id)  # the config's word alone would not do
        sizes = f"{a.size_bytes} -> {b.size_bytes} bytes"
        return (Said(None, f"unpacked it is the same (diff_id), only its compression differs ({sizes})"),)
    found = compared(_entries(tars[0], a), _entries(tars[1], b))
    return found or (Said(None, "every entry is the same; the tar around them differs (form of headers, padding)"),)


def _entries(tar: Opened, layer: Layer) -> Iterator[Entry]:
    try:
        with tar.unpacked(layer.digest) as packed, Ahead(packed) as stream:
            yield from contents(stream)
    except (BadTar, Unreadable) as error:
        what = f"{tar.path}: the layer {layer.digest} cannot be read: {harmless(str(error))}"
        raise UserError(what, getattr(error, "hint", "") or HINT) from error


def _fields(tars: tuple[Opened, Opened], pair: tuple[Archive, Archive]) -> Iterator[Difference]:
    """Fields of the config and of the manifest, but for those that follow from what was told already."""
    told = {
        f"rootfs.diff_ids[{index}]"
        for index, (a, b) in enumerate(zip_longest(pair[0].layers, pair[1].layers))
        if a is None or b is None or a.digest != b.digest
    }
    common = min(len(one.layers) for one in pair)
    manifests = [_manifest(tar, one, common) for tar, one in zip(tars, pair, strict=True)]
    for name, documents in (("config", [_config(one.config) for one in pair]), ("manifest", manifests)):
        before, after = (_flat(one) for one in documents)
        changed = [key for key in sorted(before.keys() | after.keys()) if before.get(key, _NONE) != after.get(key, _NONE)]
        changed = [key for key in changed if key not in told]
        for key in changed[:MAX_FIELDS]:
            yield Difference(None, "", f"{name} {key}", _change(key, before.get(key, _NONE), after.get(key, _NONE)))
        if len(changed) > MAX_FIELDS:
            yield Difference(None, "", name, f"{len(changed) - MAX_FIELDS} more fields differ")


_NONE = object()


def _change(key: str, before: object, after: object) -> str:
    for value, which in ((before, "second"), (after, "first")):
        if value is _NONE:
            return f"only in the {which}"
    if key.rpartition(".")[2] in TELLING:
        return f"{str(before)[:MAX_VALUE]} -> {str(after)[:MAX_VALUE]}"
    return "another value"


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """The config, with its environment by the names of variables: what is in them stays in them."""
    inner = config.get("config")
    variables = inner.get("Env") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(variables, list):
        return config
    named = {str(one).partition("=")[0]: str(one).partition("=")[2] for one in variables}
    return {**config, "config": {**inner, "Env": named}}


def _manifest(tar: Opened, archive: Archive, common: int) -> dict[str, Any]:
    """The manifest without what layers and config have told: of the layers, the first so many."""
    whole = tar.raw(archive.digest)
    whole["config"] = {key: value for key, value in whole["config"].items() if key not in {"digest", "size", "data"}}
    layers = whole["layers"][:common]
    whole["layers"] = [{key: value for key, value in one.items() if key not in {"digest", "size"}} for one in layers]
    return whole


def _flat(document: object) -> dict[str, object]:
    """Every value under the way to it: "history[2].created"."""
    found: dict[str, object] = {}

    def walk(value: object, way: str, depth: int) -> None:
        if depth < MAX_DEPTH and isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{way}.{key}" if way else str(key), depth + 1)
        elif depth < MAX_DEPTH and isinstance(value, list) and value:
            for index, inner in enumerate(value):
                walk(inner, f"{way}[{index}]", depth + 1)
        else:
            found[way] = value if isinstance(value, str | int | float | bool | None) else msgspec.json.encode(value)

    walk(document, "", 0)
    return found
