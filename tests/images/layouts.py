"""Archives for tests, byte by byte as a test wants them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
AMD64 = {"architecture": "amd64", "os": "linux"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def entry(name: str, body: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(body), 1764028800
    for field, value in fields.items():
        setattr(info, field, value)
    return info, body


def tar(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as file:
        for info, body in entries:
            file.addfile(info, io.BytesIO(body))
    return out.getvalue()


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Layout:
    """What goes into an archive; every part can be replaced before it is written."""

    def __init__(
        self, *layers: bytes, pack: Any = lambda body: gzip.compress(body, mtime=0), history: Any = None, **config: Any
    ) -> None:
        self.blobs: dict[str, bytes] = {}
        packed = [pack(one) for one in layers]
        diff_ids = [digest(one) for one in layers]
        self.config = {**AMD64, "rootfs": {"type": "layers", "diff_ids": diff_ids}, "config": {}, **config}
        if history is not None:
            self.config["history"] = history
        self.manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "config": self.blob(json.dumps(self.config).encode()),
            "layers": [self.blob(one) for one in packed],
        }
        self.index: dict[str, Any] = {"schemaVersion": 2, "manifests": [self.described(self.manifest, MANIFEST)]}

    def blob(self, body: bytes, media_type: str = "") -> dict[str, Any]:
        """Add bytes; gives what others name them by."""
        self.blobs[digest(body)] = body
        return {"mediaType": media_type, "digest": digest(body), "size": len(body)}

    def described(self, document: dict[str, Any], media_type: str, **more: Any) -> dict[str, Any]:
        """Add a document."""
        return {**self.blob(json.dumps(document).encode(), media_type), **more}

    def remade(self) -> Layout:
        """With the manifest as it is now."""
        self.index = {"schemaVersion": 2, "manifests": [self.described(self.manifest, MANIFEST)]}
        return self

    def write(self, path: Path, *more: tuple[tarfile.TarInfo, bytes]) -> str:
        """Write the archive, with files that do not belong to it."""
        files = [entry(f"blobs/sha256/{name[7:]}", body) for name, body in self.blobs.items()]
        path.write_bytes(tar(*files, entry("index.json", json.dumps(self.index).encode()), *more))
        return str(path)
