"""ELF files and installed packages for tests of the probe."""

from __future__ import annotations

import struct
from pathlib import Path

DATA = Path(__file__).parent / "data"
TORCH_NEEDS_CUDA_12 = DATA / "torch-2.5.1-libtorch_global_deps.so"
BUILT_FOR_NUMPY_1 = DATA / "pandas-2.0.3-reduction.so"
BUILT_FOR_NUMPY_2 = DATA / "numpy-2.2.6-lapack_lite.so"

HEADER, PROGRAM, SECTION, DYNAMIC = 64, 56, 64, 16
BASE = 0x400000


def elf_file(needed: tuple[str, ...] = (), rodata: bytes = b"") -> bytes:
    """A shared library that needs these SONAMEs and holds this read-only data, loaded at an address of its own."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    section_names = b"\0.rodata\0.shstrtab\0"
    strings_at = HEADER + 2 * PROGRAM
    rodata_at = strings_at + len(strings)
    names_at = rodata_at + len(rodata)
    dynamic_at = names_at + len(section_names)
    offsets = [strings.index(b"\0" + name.encode() + b"\0") + 1 for name in needed]
    entries = [(1, offset) for offset in offsets] + [(5, BASE + strings_at), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    sections_at = dynamic_at + len(dynamic)
    sections = (
        bytes(SECTION)
        + struct.pack("<IIQQQQIIQQ", section_names.index(b".rodata"), 1, 2, 0, rodata_at, len(rodata), 0, 0, 1, 0)
        + struct.pack("<IIQQQQIIQQ", section_names.index(b".shstrtab"), 3, 0, 0, names_at, len(section_names), 0, 0, 1, 0)
    )
    total = sections_at + len(sections)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, HEADER, sections_at, 0, HEADER, PROGRAM, 2, SECTION, 3, 2)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, BASE, BASE, total, total, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, BASE + dynamic_at, BASE + dynamic_at, len(dynamic), len(dynamic), 8)
    return header + load + segment + strings + rodata + section_names + dynamic + sections


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
