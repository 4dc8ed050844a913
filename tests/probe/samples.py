"""ELF files and installed packages for tests of the probe."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data"
TORCH_NEEDS_CUDA_12 = DATA / "torch-2.5.1-libtorch_global_deps.so"
BUILT_FOR_NUMPY_1 = DATA / "pandas-2.0.3-reduction.so"
BUILT_FOR_NUMPY_2 = DATA / "numpy-2.2.6-lapack_lite.so"

HEADER, PROGRAM, SECTION, DYNAMIC = 64, 56, 64, 16
BASE = 0x400000


def elf_file(
    needed: tuple[str, ...] = (),
    rodata: bytes = b"",
    *,
    sections: Mapping[str, bytes] | None = None,
    versions: Mapping[str, tuple[str, ...]] | None = None,
) -> bytes:
    """A shared library that needs these SONAMEs and holds these sections, loaded at an address of its own.

    ``versions`` are the symbol versions that it asks for, by library: {"libc.so.6": ("GLIBC_2.34",)}.
    """
    asked = versions or {}
    names = (*needed, *asked, *(one for of in asked.values() for one in of))
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    contents = {".rodata": rodata, **(sections or {})}
    section_names = b"\0" + b"".join(name.encode() + b"\0" for name in (*contents, ".shstrtab"))
    strings_at = HEADER + 2 * PROGRAM
    versions_at = strings_at + len(strings)
    verneed = _verneed(asked, strings)
    body, places, at = b"", [], versions_at + len(verneed)
    for content in (*contents.values(), section_names):
        places.append((at, len(content)))
        body += content
        at += len(content)
    dynamic_at = at
    entries = [(1, strings.index(b"\0" + name.encode() + b"\0") + 1) for name in needed] + [(5, BASE + strings_at)]
    entries += [(0x6FFFFFFE, BASE + versions_at), (0x6FFFFFFF, len(asked))] if asked else []
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in [*entries, (0, 0)])
    sections_at = dynamic_at + len(dynamic)
    headers = bytes(SECTION)
    for name, (place, size) in zip((*contents, ".shstrtab"), places, strict=True):
        name_at = section_names.index(b"\0" + name.encode() + b"\0") + 1
        headers += struct.pack("<IIQQQQIIQQ", name_at, 1, 2, 0, place, size, 0, 0, 1, 0)
    total, count = sections_at + len(headers), len(contents) + 2
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, HEADER, sections_at, 0, HEADER, PROGRAM, 2, SECTION, count, count - 1)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, BASE, BASE, total, total, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, BASE + dynamic_at, BASE + dynamic_at, len(dynamic), len(dynamic), 8)
    return header + load + segment + strings + verneed + body + dynamic + headers


def _verneed(asked: Mapping[str, tuple[str, ...]], strings: bytes) -> bytes:
    """The table behind DT_VERNEED: each library, followed by the versions of its symbols."""
    table = b""
    for place, (library, of) in enumerate(asked.items(), 1):
        following = 16 + 16 * len(of) if place < len(asked) else 0
        table += struct.pack("<HHIII", 1, len(of), strings.index(library.encode() + b"\0"), 16, following)
        for number, version in enumerate(of, 1):
            table += struct.pack("<IHHII", 0, 0, 0, strings.index(version.encode() + b"\0"), 16 if number < len(of) else 0)
    return table


def entry(name: str, code: bytes = b"code") -> bytes:
    """An entry of a fat binary, for one architecture as nvcc names it."""
    kind, _, number = name.partition("_")
    flags = {"a": 0x100000, "f": 0x200000}.get(number[-1], 0)
    architecture = int(number.rstrip("af"))
    packed = struct.pack(
        "<HHIQIIHHIIIQ", 1 if kind == "compute" else 2, 0x101, 64, len(code), 0, 0, 0, 0, architecture, 0, 0, flags
    )
    return packed.ljust(64, b"\0") + code


def container(*entries: bytes) -> bytes:
    """A fat binary of these entries."""
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def put(path: Path, content: bytes | str = b"") -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def install(site: Path, name: str, version: str, *requires: str, tag: str = "py3-none-any", record: str = "") -> Path:
    """The dist-info folder of an installed wheel."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"] + [f"Requires-Dist: {one}\n" for one in requires]
    put(folder / "METADATA", "".join(lines) + "\nthe description\n")
    put(folder / "WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
    put(folder / "INSTALLER", "pip\n")
    put(folder / "RECORD", record)
    return folder
