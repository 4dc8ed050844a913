"""An image as BuildKit and others write it: an OCI layout in one tar. Read as hostile input, streamed, never extracted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from envdoctor.errors import UserError
from envdoctor.images.tape import CHUNK, BadTar, places
from envdoctor.images.unpacked import Unpacked, Unreadable
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_JSON = 4 * 1024 * 1024
"""Of one index, manifest or config: what registries accept."""
MAX_ENTRIES = 10_000
MAX_DEPTH = 4
"""Of indexes in indexes."""
MAX_LAYERS = 1000
"""No engine starts an image of more than 500."""
AT_ONCE = 4
HINT = "Make it again: docker buildx build -o type=oci,dest=IMAGE.tar ..."
ATTESTATION = "vnd.docker.reference.type"
MAX_INSTRUCTION = 4096
"""Characters of one instruction that are looked at for people."""
_SHELL = re.compile(r"^(?:RUN )?(?:\|\d+ (?:.*? )??)?/bin/(?:ba)?sh -c (?!#\(nop\))")
_BEFOREHAND = re.compile(r"if \[ [^;]*\]; then [^;]*; fi|export .*|set -.*")
T = TypeVar("T")

Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Size = Annotated[int, msgspec.Meta(ge=0)]


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer, lowest first."""

    digest: str
    """Of its compressed bytes: what a registry names."""
    diff_id: str
    """Of its unpacked tar: the same whichever engine has compressed it."""
    size_bytes: int
    """Compressed, as it is pulled."""
    unpacked_bytes: int | None
    """Of its tar; None where nobody asked for it to be unpacked."""
    created_by: str
    """The instruction that made it, as its history tells; empty where it tells nothing."""

    @property
    def instruction(self) -> str:
        """The instruction for people: see :func:`instruction`."""
        return instruction(self.created_by)


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The one image of an archive."""

    digest: str
    """Of the manifest for its platform; an index around it, with names or attestations, does not change it."""
    config_digest: str
    layers: tuple[Layer, ...]
    config: dict[str, Any]
    """The image config as it stands there."""
    annotations: dict[str, str]
    """Of the manifest."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Of all layers."""
        return tuple(one.diff_id for one in self.layers)

    @property
    def size_bytes(self) -> int:
        """All layers, as they are pulled."""
        return sum(one.size_bytes for one in self.layers)

    @property
    def unpacked_bytes(self) -> int | None:
        """All layers unpacked; None where that was not asked for."""
        sizes = [one.unpacked_bytes for one in self.layers if one.unpacked_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.layers) else None


class _Platform(msgspec.Struct, frozen=True):
    architecture: str = "unknown"
    os: str = "unknown"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: Digest
    size: Size
    media_type: str = ""
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct, frozen=True, rename="camel"):
    manifests: tuple[_Descriptor, ...]
    schema_version: int = 2


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    config: _Descriptor
    layers: tuple[_Descriptor, ...]
    schema_version: int = 2
    annotations: dict[str, str] | None = None


class _RootFs(msgspec.Struct, frozen=True):
    diff_ids: tuple[Digest, ...] = ()


class _History(msgspec.Struct, frozen=True):
    created_by: str = ""
    empty_layer: bool = False


class _Config(msgspec.Struct, frozen=True):
    rootfs: _RootFs
    history: tuple[_History, ...] | None = None


def instruction(created_by: str) -> str:
    """An instruction as history has it, without what is the same in many: the shell, build arguments, certificates, exports.

    Build arguments are left out for another reason too: they are what somebody has passed, and nobody's business.
    """
    said = _SHELL.sub("RUN ", " ".join(created_by[:MAX_INSTRUCTION].split())).removesuffix(" # buildkit")
    if not said.startswith("RUN "):
        return said
    commands = said.removeprefix("RUN ").split(" && ")
    while len(commands) > 1 and _BEFOREHAND.fullmatch(commands[0]):
        del commands[0]
    return "RUN " + " && ".join(commands)


class Opened:
    """An archive that is open: where each of its blobs lies. For those who need the bytes of layers."""

    def __init__(self, path: str, handle: int, files: dict[str, tuple[int, int]]) -> None:
        self.path = path
        self.handle = handle
        self.files = files
        """Name -> offset and size."""
        self.stopped = False
        """Set where nobody waits for an answer any more: threads that read this archive come to their end."""

    def blob(self, digest: str) -> tuple[int, int]:
        """Where a blob lies. Raises UserError: it is not there."""
        found = self.files.get(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        if found is None:
            raise UserError(f"{self.path} lacks {digest}, which it names", HINT)
        return found

    def unpacked(self, digest: str) -> Unpacked:
        """The tar of a layer, as a stream. Raises UserError: it is not there, or in a form that cannot be read."""
        offset, size = self.blob(digest)
        try:
            return Unpacked(self.handle, offset, size)
        except Unreadable as error:
            raise UserError(f"{self.path}: the layer {digest} cannot be unpacked: {error}", error.hint or HINT) from error

    def document(self, one: _Descriptor, shape: type[T]) -> tuple[bytes, T]:
        """A JSON blob, verified. Raises UserError."""
        body = self._bytes(self.blob(one.digest), one.digest)
        if len(body) != one.size or f"sha256:{hashlib.sha256(body).hexdigest()}" != one.digest:
            raise UserError(f"{self.path} is damaged: {one.digest} has other bytes than its name says", HINT)
        return body, self.decoded(body, shape, one.digest)

    def raw(self, digest: str) -> dict[str, Any]:
        """A JSON blob as it stands there. Raises UserError."""
        return self.decoded(self._bytes(self.blob(digest), digest), dict[str, Any], digest)

    def index(self) -> _Index:
        """Its index.json. Raises UserError: there is none."""
        if "index.json" not in self.files:
            hint = "An archive of `docker save` from Docker 25 on, or of `docker buildx build -o type=oci`, has one."
            raise UserError(f"{self.path} is no OCI archive: it has no index.json", hint)
        return self.decoded(self._bytes(self.files["index.json"], "index.json"), _Index, "index.json")

    def decoded(self, body: bytes, shape: type[T], name: str) -> T:
        """JSON in a strict shape. Raises UserError."""
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise UserError(f"{self.path}: {name} cannot be understood: {harmless(str(error))}", HINT) from error

    def verify(self, digest: str) -> None:
        """Hash a blob. Raises UserError: its bytes are others than its name says."""
        offset, left = self.blob(digest)
        found = hashlib.sha256()
        while left and not self.stopped:
            piece = os.pread(self.handle, min(left, CHUNK), offset)
            if not piece:
                raise UserError(f"{self.path} is cut off", HINT)
            found.update(piece)
            offset, left = offset + len(piece), left - len(piece)
        if f"sha256:{found.hexdigest()}" != digest:
            raise UserError(f"{self.path} is damaged: {digest} has other bytes than its name says", HINT)

    def measure(self, digest: str, diff_id: str) -> int:
        """The size of a layer's tar. Raises UserError: it is not what the config calls it."""
        with self.unpacked(digest) as stream:
            found = hashlib.sha256()
            size = 0
            try:
                while not self.stopped and (piece := stream.read(CHUNK)):
                    found.update(piece)
                    size += len(piece)
            except Unreadable as error:
                raise UserError(f"{self.path}: the layer {digest} cannot be unpacked: {error}", error.hint or HINT) from error
        if f"sha256:{found.hexdigest()}" != diff_id:
            raise UserError(f"{self.path} is damaged: unpacked, the layer {digest} is not {diff_id}, as its config says", HINT)
        return size

    def _bytes(self, place: tuple[int, int], name: str) -> bytes:
        offset, size = place
        if size > MAX_JSON:
            raise UserError(f"{self.path}: {name} has {size} bytes; no such document is that large", HINT)
        return os.pread(self.handle, size, offset)


class _File:
    """A file as the stream that the tar reader takes; what is skipped is not read."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.offset = 0
        self.size = os.fstat(handle).st_size

    def read(self, size: int, /) -> bytes:
        piece = os.pread(self.handle, size, self.offset)
        self.offset += len(piece)
        return piece

    def skip(self, size: int, /) -> int:
        step = min(size, self.size - self.offset)
        self.offset += step
        return step


@contextlib.contextmanager
def opened(path: str) -> Iterator[Opened]:
    """Open an archive and look where its blobs lie.

    Raises:
        UserError: it cannot be read, or is no tar.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "Give the tar of an image.") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UserError(f"{path} is no regular file", "Give the tar of an image.")
        yield Opened(path, handle, _files(path, handle))
    finally:
        os.close(handle)


def _files(path: str, handle: int) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    if os.pread(handle, 2, 0) == b"\x1f\x8b":
        raise UserError(f"{path} is compressed as a whole", f"Unpack it first: gunzip {path}")
    try:
        for number, (entry, offset) in enumerate(places(_File(handle))):
            if number == MAX_ENTRIES:
                raise UserError(f"{path} has more than {MAX_ENTRIES} files; no image has so many", HINT)
            if entry.kind != "0":
                continue
            name = entry.path.removeprefix("./")
            if name in found:
                raise UserError(f"{path} has {harmless(name)} twice", HINT)
            found[name] = (offset, entry.size)
    except BadTar as error:
        raise UserError(f"{path} is no tar, or is cut off: {error}", HINT) from error
    return found


def read(path: str, *, verify: bool = True, unpack: bool = False) -> Archive:
    """Read the image of an OCI archive.

    Args:
        path: the tar.
        verify: hash the layers too; indexes, manifests and configs always are.
        unpack: unpack the layers as a stream, for their sizes, and hold them against the config.

    Raises:
        UserError: it cannot be read, is damaged, or holds several images.
    """
    with opened(path) as tar:
        return described(tar, verify=verify, unpack=unpack)


def described(tar: Opened, *, verify: bool, unpack: bool) -> Archive:
    """The same of an archive that is open. Raises UserError."""
    chosen = _platform_manifest(tar)
    _, manifest = tar.document(chosen, _Manifest)
    body, config = tar.document(manifest.config, _Config)
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) > MAX_LAYERS:
        raise UserError(f"{tar.path} has more than {MAX_LAYERS} layers; no image has so many", HINT)
    if len(diff_ids) != len(manifest.layers):
        said = f"{plural(len(manifest.layers), 'layer')}, but its config speaks of {len(diff_ids)}"
        raise UserError(f"{tar.path} contradicts itself: its manifest has {said}", HINT)
    for one in manifest.layers:
        if tar.blob(one.digest)[1] != one.size:
            raise UserError(f"{tar.path} is damaged: {one.digest} has another size than its manifest says", HINT)
    sizes = _worked_through(tar, manifest, diff_ids, verify=verify, unpack=unpack)
    return Archive(
        digest=chosen.digest,
        config_digest=manifest.config.digest,
        layers=tuple(
            Layer(digest=one.digest, diff_id=diff_id, size_bytes=one.size, unpacked_bytes=sizes.get(one.digest), created_by=made)
            for one, diff_id, made in zip(manifest.layers, diff_ids, _made(config), strict=True)
        ),
        config=tar.decoded(body, dict[str, Any], "its config"),
        annotations=manifest.annotations or {},
    )


def _worked_through(tar: Opened, manifest: _Manifest, diff_ids: tuple[str, ...], *, verify: bool, unpack: bool) -> dict[str, int]:
    """Hash and unpack the layers, as asked for, several at once; gives the unpacked sizes by digest. Raises UserError."""
    digests = [one.digest for one in manifest.layers]
    pairs = dict.fromkeys(zip(digests, diff_ids, strict=True))  # one that is there twice is unpacked once
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        try:
            if verify:
                list(pool.map(tar.verify, dict.fromkeys(digests)))
            if unpack:
                sizes = pool.map(lambda pair: tar.measure(*pair), pairs)
                return {digest: size for (digest, _), size in zip(pairs, sizes, strict=True)}
        except BaseException:
            tar.stopped = True
            raise
    return {}


def _made(config: _Config) -> tuple[str, ...]:
    """The instruction behind each layer; history also has steps without one. Where the two do not fit, nothing is claimed."""
    made = [one.created_by for one in config.history or () if not one.empty_layer]
    count = len(config.rootfs.diff_ids)
    return tuple(made) if len(made) == count else ("",) * count


def _platform_manifest(tar: Opened) -> _Descriptor:
    """The one image in it. Raises UserError: there is none, or several."""
    found = list(_manifests(tar, tar.index(), 0, set()))
    if not found:
        raise UserError(f"{tar.path} holds no image", HINT)
    if len(found) > 1:
        kinds = harmless(", ".join(sorted(str(one.platform or "no platform") for one in found)[:8]))
        hint = "Build it for one: docker buildx build --platform linux/amd64 ..."
        raise UserError(f"{tar.path} holds {len(found)} images ({kinds})", hint)
    return found[0]


def _manifests(tar: Opened, index: _Index, depth: int, seen: set[str]) -> Iterator[_Descriptor]:
    """The manifests of images, however deep; attestations are none. Each document is looked at once."""
    if depth > MAX_DEPTH:
        raise UserError(f"{tar.path} nests its indexes more than {MAX_DEPTH} deep", HINT)
    for one in index.manifests:
        if ATTESTATION in (one.annotations or {}) or one.digest in seen:
            continue
        seen.add(one.digest)
        if one.media_type.endswith((".index.v1+json", ".manifest.list.v2+json")):
            yield from _manifests(tar, tar.document(one, _Index)[1], depth + 1, seen)
        else:
            yield one
