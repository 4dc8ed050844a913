"""The dynamic loader's search order and its cache."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from envdoctor.probe import loader
from envdoctor.probe.machine import Machine, Missing, Trouble
from tests.probe.recorded import MACHINES, recorded, written

if TYPE_CHECKING:
    from pathlib import Path

H100 = "h100-driver-550.54.15"
WSL = "wsl2-driver-576.40"


def cache_of(name: str) -> bytes:
    return (MACHINES / name / "root/etc/ld.so.cache").read_bytes()


def test_the_cache_written_by_ldconfig_is_read() -> None:
    entries = loader.cache_entries(recorded(H100))
    assert entries == {
        "libcuda.so.1": ["/usr/lib/x86_64-linux-gnu/libcuda.so.1"],
        "libnvidia-ml.so.1": ["/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"],
    }


def test_the_older_form_with_two_tables_is_read_from_its_second_one() -> None:
    assert cache_of(WSL).startswith(b"ld.so-1.7.0")
    assert loader.cache_entries(recorded(WSL))["libcuda.so.1"] == ["/usr/lib/wsl/lib/libcuda.so.1"]


@pytest.mark.skipif(not shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin"), reason="this system has no ldconfig")
def test_this_machines_cache_is_read_as_ldconfig_prints_it() -> None:
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin")
    assert ldconfig is not None
    printed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    wanted: dict[str, list[str]] = {}
    for soname, kind, path in re.findall(r"^\t(\S+) \(([^)]*)\) => (.+)$", printed, re.MULTILINE):
        if "64" in kind:
            wanted.setdefault(soname, []).append(path)
    assert wanted
    assert loader.cache_entries(Machine()) == wanted


def test_ld_library_path_comes_before_the_cache_and_each_real_file_comes_once() -> None:
    machine = recorded("cuda-compat-560.35.03-ahead-of-driver-550.54.15")
    assert loader.find(machine, "libcuda.so.1") == [
        ("/usr/local/cuda-12.6/compat/libcuda.so.1", "LD_LIBRARY_PATH"),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "ld.so.cache"),
    ]
    assert loader.library_path(machine)[:2] == ["/usr/local/cuda-12.6/compat", "/usr/local/nvidia/lib64"]


def test_empty_and_relative_entries_mean_the_current_folder_and_are_left_out() -> None:
    machine = Machine(environ={"LD_LIBRARY_PATH": ":/a/lib/::lib:./x;/b"})
    assert loader.library_path(machine) == ["/a/lib", "/b"]


def test_a_32_bit_library_is_passed_over_as_the_loader_does(tmp_path: Path) -> None:
    for folder, elf_class in (("usr/lib", b"\x01"), ("usr/lib64", b"\x02")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "libcuda.so.1").write_bytes(b"\x7fELF" + elf_class)
    assert loader.find(Machine(str(tmp_path), {}, {}), "libcuda.so.1") == [("/usr/lib64/libcuda.so.1", "default")]


def test_32_bit_entries_of_the_cache_are_left_out(tmp_path: Path) -> None:
    data = bytearray(cache_of(H100))
    data[loader.HEADER_BYTES + 1] = 0  # the architecture byte of the first entry: i386
    entries = loader.cache_entries(written(tmp_path, {"etc/ld.so.cache": bytes(data)}))
    assert len(entries) == 1


def test_a_dead_link_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libcuda.so.1").symlink_to("libcuda.so.550.54.15")
    assert loader.find(Machine(str(tmp_path), {}, {}), "libcuda.so.1") == []


def test_a_machine_without_cache_still_has_its_default_folders(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libcuda.so.1").write_bytes(b"")
    machine = Machine(str(tmp_path), {}, {})
    with pytest.raises(Missing):
        loader.cache_entries(machine)
    assert loader.find(machine, "libcuda.so.1") == [("/usr/lib/libcuda.so.1", "default")]


@pytest.mark.parametrize(
    "data", [b"", b"ld.so-1.7.0", b"glibc-ld.so.cache1.1", b"glibc-ld.so.cache1.1" + b"\xff" * 60, b"\x00" * 100]
)
def test_what_is_no_cache_is_trouble(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Trouble, match=r"/etc/ld\.so\.cache"):
        loader.cache_entries(written(tmp_path, {"etc/ld.so.cache": data}))


@pytest.mark.parametrize("name", [H100, WSL])
def test_a_damaged_cache_never_raises_anything_but_trouble(name: str) -> None:
    whole = cache_of(name)
    dice = random.Random(550)  # noqa: S311 - not for secrets; the same damage each time
    troubles = 0
    for _ in range(2000):
        data = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(8) if data else 0):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            loader.parse_cache(bytes(data))
        except Trouble:
            troubles += 1
    assert 0 < troubles < 2000
