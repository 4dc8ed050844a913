"""A small index of the GPU stack: real names and versions, requirements as their wheels have them, nothing inside."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harvest.server import Index

RELEASES: dict[str, dict[str, tuple[str, ...]]] = {
    "trl": {
        "1.16.0": ("accelerate>=1.10.1", "transformers>=4.56.2"),
        "1.13.0": ("accelerate>=1.4.0", "transformers>=4.56.2"),
        "0.16.1": ("accelerate>=0.34.0", "transformers>=4.46.0"),
    },
    "vllm": {
        "0.33.0": ("torch==2.14.0", "transformers>=5.16.1,<5.21.0"),
        "0.31.0": ("torch==2.13.0", "transformers>=5.10.4,<5.18.0"),
        "0.30.0": ("torch==2.13.0", "transformers>=5.10.4"),
        "0.19.1": ("torch==2.10.0", "transformers!=5.0.*,>=4.56.0", "numpy<2.3"),
        "0.7.0": ("torch==2.5.1", "transformers>=4.48.2", "numpy<2.0.0"),
    },
    "torch": {
        "2.14.0": ("nvidia-cublas==13.1.1.3", "triton==3.8.0"),
        "2.13.0": ("nvidia-cublas==13.1.1.3", "triton==3.7.1"),
        "2.10.0": ("nvidia-cublas-cu12==12.8.4.1", "triton==3.6.0"),
        "2.5.1": ("nvidia-cublas-cu12==12.4.5.8", "triton==3.1.0"),
    },
    "transformers": {
        "5.24.0": ("huggingface-hub>=1.5.0,<3.0", "tokenizers>=0.23"),
        "5.20.0": ("huggingface-hub>=1.5.0,<3.0", "tokenizers>=0.23"),
        "5.17.0": ("huggingface-hub>=1.5.0,<2.0", "tokenizers>=0.23"),
        "4.57.6": ("huggingface-hub>=0.34.0,<1.0", "tokenizers>=0.22.0,<=0.23.0"),
        "4.51.3": ("huggingface-hub>=0.30.0,<1.0", "tokenizers>=0.21,<0.22"),
    },
    "huggingface-hub": {"2.4.0": (), "1.33.0": (), "0.36.2": ()},
    "tokenizers": {"0.23.3": (), "0.22.2": (), "0.21.4": ()},
    "accelerate": {"1.15.0": ("numpy>=1.17",)},
    "numpy": {"2.3.5": (), "2.2.6": (), "1.26.4": ()},
    "triton": {"3.8.0": (), "3.7.1": (), "3.6.0": (), "3.1.0": ()},
    "nvidia-cublas": {"13.1.1.3": ()},
    "nvidia-cublas-cu12": {"12.8.4.1": (), "12.4.5.8": ()},
}


def requires(name: str, version: str) -> tuple[str, ...]:
    """The requirement lines of a release."""
    return RELEASES[name][version]


def metadata(name: str, version: str, lines: tuple[str, ...]) -> bytes:
    """Its METADATA."""
    said = "".join(f"Requires-Dist: {line}\n" for line in lines)
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{said}".encode()


def wheel(name: str, version: str, lines: tuple[str, ...]) -> bytes:
    """A wheel with nothing but its metadata."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(f"{info}/METADATA", metadata(name, version, lines))
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: a-test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


def stock(index: Index) -> None:
    """Put every release on an index; each file's size stands on its page."""
    for name, releases in RELEASES.items():
        for version, lines in releases.items():
            content = wheel(name, version, lines)
            file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            index.add(name, file, content, metadata=metadata(name, version, lines), attributes={"size": len(content)})
