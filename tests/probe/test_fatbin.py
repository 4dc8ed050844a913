"""Fat binaries: which architectures a library has code for, and what damage costs."""

from __future__ import annotations

import random
import struct
import time
from typing import TYPE_CHECKING

from envdoctor.probe import elf, fatbin
from tests.probe.samples import TORCH_NEEDS_CUDA_12, container, elf_file, entry, put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


def counted(path: Path, sections: Mapping[str, bytes]) -> dict[str, int]:
    with elf.Elf(put(path / "x.so", elf_file(sections=sections))) as library:
        found: dict[str, int] = fatbin.architectures(library)
    return found


def test_entries_are_counted_by_kind_and_architecture(tmp_path: Path) -> None:
    first = container(entry("sm_80"), entry("sm_90a"), entry("compute_90", b"ptx text"))
    second = container(entry("sm_80", b"x" * 100))
    assert counted(tmp_path, {".nv_fatbin": first + second}) == {"sm_80": 2, "sm_90a": 1, "compute_90": 1}


def test_code_for_a_family_of_architectures_is_told_from_code_for_one(tmp_path: Path) -> None:
    both = container(entry("sm_100f"), entry("sm_100"), entry("sm_100a"), entry("sm_120f"))
    assert counted(tmp_path, {".nv_fatbin": both}) == {"sm_100f": 1, "sm_100": 1, "sm_100a": 1, "sm_120f": 1}


def test_containers_are_padded_and_stand_in_several_sections(tmp_path: Path) -> None:
    sections = {
        ".nv_fatbin": container(entry("sm_75")) + bytes(24) + container(entry("sm_75")),
        "__nv_relfatbin": container(entry("sm_100")),
        ".nv_relfatbin": container(entry("sm_120")),
        ".other": container(entry("sm_60")),
    }
    assert counted(tmp_path, sections) == {"sm_75": 2, "sm_100": 1, "sm_120": 1}


def test_entries_of_other_kinds_are_not_code(tmp_path: Path) -> None:
    odd = bytearray(entry("sm_80"))
    struct.pack_into("<H", odd, 0, 16)
    assert counted(tmp_path, {".nv_fatbin": container(bytes(odd), entry("sm_90"))}) == {"sm_90": 1}


def test_a_library_without_gpu_code_has_none(tmp_path: Path) -> None:
    assert counted(tmp_path, {".nv_fatbin": b""}) == {}
    assert counted(tmp_path, {}) == {}
    with elf.Elf(TORCH_NEEDS_CUDA_12) as library:
        assert fatbin.architectures(library) == {}


def test_the_bytes_of_the_magic_by_chance_are_passed_over(tmp_path: Path) -> None:
    good = container(entry("sm_80"))
    for chance in (fatbin.MAGIC, fatbin.MAGIC + b"\xff" * 12, fatbin.MAGIC + bytes(12)):
        assert counted(tmp_path, {".nv_fatbin": chance + good}) == {"sm_80": 1}
    assert counted(tmp_path, {".nv_fatbin": good + fatbin.MAGIC}) == {"sm_80": 1}


def test_a_container_that_ends_behind_its_section_is_not_walked(tmp_path: Path) -> None:
    cut = container(entry("sm_80"), entry("sm_90"))[:-10]
    assert counted(tmp_path, {".nv_fatbin": cut, ".rodata": container(entry("sm_70"))}) == {}


def test_an_entry_with_an_odd_header_ends_its_container_and_the_next_is_read(tmp_path: Path) -> None:
    for size in (0, 47, 5000):
        odd = bytearray(entry("sm_80"))
        struct.pack_into("<I", odd, 4, size)
        assert counted(tmp_path, {".nv_fatbin": container(bytes(odd), entry("sm_86")) + container(entry("sm_90"))}) == {
            "sm_90": 1
        }


def test_an_entry_that_claims_more_than_its_container_is_counted_and_ends_it(tmp_path: Path) -> None:
    odd = bytearray(entry("sm_80"))
    struct.pack_into("<Q", odd, 8, 1 << 62)
    assert counted(tmp_path, {".nv_fatbin": container(bytes(odd), entry("sm_86"))}) == {"sm_80": 1}


def test_entries_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fatbin, "MAX_ENTRIES", 5)
    assert counted(tmp_path, {".nv_fatbin": container(*[entry("sm_80")] * 4) * 3}) == {"sm_80": 5}


def sets(path: Path, sections: Mapping[str, bytes]) -> dict[str, int]:
    with elf.Elf(put(path / "x.so", elf_file(sections=sections))) as library:
        found: dict[str, int] = fatbin.containers(library)
    return found


def test_containers_are_counted_by_the_set_of_their_images_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    one = container(entry("compute_90"), entry("sm_120"), entry("sm_80"), entry("sm_90a"))
    twice = container(entry("sm_80"), entry("sm_80"))
    assert sets(tmp_path, {".nv_fatbin": one + twice + one, "__nv_relfatbin": twice}) == {
        "sm_80 sm_90a sm_120 compute_90": 2,
        "sm_80": 2,
    }


def test_a_container_without_an_image_or_with_more_than_there_are_counts_for_nothing(tmp_path: Path) -> None:
    many = container(*[entry(f"sm_{number}") for number in range(10, 10 + fatbin.MAX_IMAGES + 1)])
    assert sets(tmp_path, {".nv_fatbin": container() + many + container(entry("sm_80"))}) == {"sm_80": 1}


def test_different_sets_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fatbin, "MAX_SETS", 2)
    parts = [container(entry(name)) for name in ("sm_70", "sm_80", "sm_90", "sm_70")]
    assert sets(tmp_path, {".nv_fatbin": b"".join(parts)}) == {"sm_70": 2, "sm_80": 1}


def test_containers_without_entries_and_magics_by_chance_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fatbin, "MAX_CONTAINERS", 1000)
    for filler in (container(), fatbin.MAGIC):
        assert sets(tmp_path, {".nv_fatbin": filler * 1001 + container(entry("sm_80"))}) == {}
        assert sets(tmp_path, {".nv_fatbin": filler * 999 + container(entry("sm_80"))}) == {"sm_80": 1}


def test_the_next_container_is_looked_for_only_as_far_as_padding_goes(tmp_path: Path) -> None:
    for gap, found in ((fatbin.MAX_GAP // 2, {"sm_80": 2}), (fatbin.MAX_GAP + 16, {"sm_80": 1})):
        assert sets(tmp_path, {".nv_fatbin": container(entry("sm_80")) + bytes(gap) + container(entry("sm_80"))}) == found


def test_random_damage_is_counted_or_refused_and_never_slow(tmp_path: Path) -> None:
    whole = elf_file(sections={".nv_fatbin": container(entry("sm_80"), entry("sm_90a"), entry("compute_90")) * 5})
    dice = random.Random(20261125)  # noqa: S311 - reproducible damage, not a secret
    started = time.process_time()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 24)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        try:
            with elf.Elf(put(tmp_path / "x.so", bytes(data))) as library:
                assert isinstance(fatbin.architectures(library), dict)
        except elf.NotElf:
            pass
    assert time.process_time() - started < 5
