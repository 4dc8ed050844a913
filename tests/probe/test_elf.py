"""The ELF reader: real libraries, and damaged ones."""

from __future__ import annotations

import os
import random
import struct
import time
from typing import TYPE_CHECKING

import pytest

from envdoctor.probe import elf
from tests.probe.machines import WAITS_S
from tests.probe.samples import BUILT_FOR_NUMPY_1, BUILT_FOR_NUMPY_2, TORCH_NEEDS_CUDA_12, elf_file, put

if TYPE_CHECKING:
    from pathlib import Path


def test_needed_libraries_of_a_real_torch_library_are_listed_in_file_order() -> None:
    # as `readelf -d` prints them
    assert elf.needed(TORCH_NEEDS_CUDA_12) == [
        "libpthread.so.0", "libm.so.6", "libdl.so.2", "libcudart.so.12", "libgomp-a34b3233.so.1", "libc.so.6",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "message"),
    [(BUILT_FOR_NUMPY_1, b"_ARRAY_API is not PyCapsule"), (BUILT_FOR_NUMPY_2, b"numpy._core._multiarray_umath")],
)
def test_rodata_of_a_real_module_holds_its_messages(path: Path, message: bytes) -> None:
    found = elf.section(path, b".rodata")
    assert found is not None
    start, size = found
    assert message in path.read_bytes()[start : start + size]


def test_a_section_name_must_match_as_a_whole() -> None:
    assert elf.section(BUILT_FOR_NUMPY_1, b".rodat") is None
    assert elf.section(BUILT_FOR_NUMPY_1, b".bss") is None, "it has no bytes in the file"


def test_addresses_are_translated_through_the_loaded_segments(tmp_path: Path) -> None:
    path = put(tmp_path / "x.so", elf_file(("libcudart.so.12", "libtorch.so"), b"text\0"))
    assert elf.needed(path) == ["libcudart.so.12", "libtorch.so"]


def test_version_needs_are_the_symbol_versions_asked_of_each_library(tmp_path: Path) -> None:
    asked = {"libc.so.6": ("GLIBC_2.2.5", "GLIBC_2.34"), "libstdc++.so.6": ("CXXABI_1.3",)}
    with elf.Elf(put(tmp_path / "x.so", elf_file(("libc.so.6",), versions=asked))) as library:
        assert library.version_needs() == [
            ("libc.so.6", "GLIBC_2.2.5"), ("libc.so.6", "GLIBC_2.34"), ("libstdc++.so.6", "CXXABI_1.3"),
        ]  # fmt: skip
        assert library.needed() == ["libc.so.6"]


def test_version_needs_of_real_libraries_are_those_of_readelf() -> None:
    # as `readelf -V` prints them
    with elf.Elf(TORCH_NEEDS_CUDA_12) as library:
        assert library.version_needs() == [("libc.so.6", "GLIBC_2.2.5")]
    with elf.Elf(BUILT_FOR_NUMPY_1) as library:
        assert library.version_needs() == [("libc.so.6", "GLIBC_2.2.5")]
    with elf.Elf(BUILT_FOR_NUMPY_2) as library:
        assert library.version_needs() == []


def test_a_library_that_asks_for_no_versions_has_none(tmp_path: Path) -> None:
    with elf.Elf(put(tmp_path / "x.so", elf_file(("libc.so.6",)))) as library:
        assert library.version_needs() == []


def test_damaged_version_needs_are_refused_or_bounded_and_never_slow(tmp_path: Path) -> None:
    whole = elf_file(versions={"libc.so.6": ("GLIBC_2.2.5", "GLIBC_2.34"), "libm.so.6": ("GLIBC_2.29",)})
    dice = random.Random(20261125)  # noqa: S311 - reproducible damage, not a secret
    started, refused = time.process_time(), 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(176, len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        try:
            with elf.Elf(put(tmp_path / "x.so", bytes(data))) as library:
                assert len(library.version_needs()) <= elf.MAX_VERSION_NEEDS
        except elf.NotElf:
            refused += 1
    assert refused > 50, "the damage reached what is parsed"
    assert time.process_time() - started < 5


def test_version_needs_that_point_at_themselves_end(tmp_path: Path) -> None:
    data = bytearray(elf_file(versions={"libc.so.6": ("GLIBC_2.34",)}))
    place = data.index(struct.pack("<HH", 1, 1), 176)
    struct.pack_into("<H", data, place + 2, 0xFFFF)
    struct.pack_into("<I", data, place + 16 + 12, 1 << 31)
    with elf.Elf(put(tmp_path / "x.so", bytes(data))) as library, pytest.raises(elf.NotElf):
        library.version_needs()
    dynamic = data.index(struct.pack("<q", 0x6FFFFFFF))
    struct.pack_into("<Q", data, dynamic + 8, 1 << 40)
    struct.pack_into("<I", data, place + 12, 0)
    struct.pack_into("<I", data, place + 16 + 12, 0)
    with elf.Elf(put(tmp_path / "x.so", bytes(data))) as library:
        assert library.version_needs() == [("libc.so.6", "GLIBC_2.34")]


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"#!/bin/sh\n" * 20, b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x02" + bytes(100)]
)
def test_what_is_not_a_64_bit_little_endian_elf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path / "x.so", content)
    with pytest.raises(elf.NotElf):
        elf.needed(path)


def test_a_truncated_library_is_refused_and_not_read_past_its_end(tmp_path: Path) -> None:
    whole = TORCH_NEEDS_CUDA_12.read_bytes()
    refused = 0
    for size in range(64, len(whole), 97):
        path = put(tmp_path / "x.so", whole[:size])
        try:
            elf.needed(path)
            elf.section(path, b".rodata")
        except elf.NotElf:
            refused += 1
    assert refused > 200, "the section headers stand last, so every cut loses some"


@pytest.mark.parametrize("sample", [TORCH_NEEDS_CUDA_12, BUILT_FOR_NUMPY_1, elf_file(("libcudart.so.12",), b"text\0")])
def test_random_damage_never_gives_another_error_and_is_never_slow(tmp_path: Path, sample: Path | bytes) -> None:
    whole = sample if isinstance(sample, bytes) else sample.read_bytes()
    dice = random.Random(20261122)  # noqa: S311 - reproducible damage, not a secret
    slowest, refused = 0.0, 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 24)):
            # most of what is parsed stands in the first 1000 bytes and the last 3000
            place = dice.choice((dice.randrange(min(1000, len(data))), len(data) - 1 - dice.randrange(min(3000, len(data)))))
            data[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        path = put(tmp_path / "x.so", bytes(data))
        started = time.process_time()
        try:
            assert isinstance(elf.needed(path), list)
            elf.section(path, b".rodata")
        except elf.NotElf:
            refused += 1
        slowest = max(slowest, time.process_time() - started)
    assert refused > 20, "the damage reached what is parsed"
    assert slowest < 1.0


def test_a_fifo_and_a_folder_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.so")
    started = time.monotonic()
    with pytest.raises(OSError, match="is not a regular file"):
        elf.needed(tmp_path / "fifo.so")
    with pytest.raises((OSError, elf.NotElf)):
        elf.needed(tmp_path)
    assert time.monotonic() - started < WAITS_S


def test_files_are_closed_even_when_they_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "x.so", b"#" * 200)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(elf.NotElf):
            elf.needed(path)
        elf.needed(TORCH_NEEDS_CUDA_12)
    assert len(os.listdir("/proc/self/fd")) == before
