"""Where the loader looks on another root: its cache, its configuration, its CPU; nothing of this machine plays a part."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.probe import ldso, loader
from envdoctor.probe.ldso import NoLoader, System
from envdoctor.probe.linkmap import Process
from envdoctor.probe.machine import Machine, Missing
from tests.probe.recorded import written
from tests.probe.samples import TORCH_NEEDS_CUDA_12
from tests.probe.shared_objects import AARCH64, X86_64, Asks, Gives, shared_object

if TYPE_CHECKING:
    from collections.abc import Mapping

V2 = "fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
V3 = V2 + " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
GLIBC = "/lib64/ld-linux-x86-64.so.2"
LIBC = shared_object("libc.so.6", machine=X86_64)
NO_FOLDERS: tuple[Any, ...] = ((), (), False)


def program(interpreter: str | None = GLIBC, machine: int = X86_64, **more: Any) -> bytes:
    """A program for that loader: a shared object whose thread-local segment is renamed PT_INTERP and holds the path."""
    path = (interpreter or "").encode() + b"\0"
    data = bytearray(shared_object(needs=("libc.so.6",), tls=len(path), machine=machine, **more))
    place = 64 + 56 * 3
    (offset,) = struct.unpack_from("<Q", data, place + 8)
    data[offset : offset + len(path)] = path
    struct.pack_into("<I", data, place, 3 if interpreter else 0)
    return bytes(data)


def root(folder: Path, files: Mapping[str, str | bytes], environ: Mapping[str, str] | None = None) -> Any:
    return written(folder, {"usr/bin/python3": program(), "usr/lib64/libc.so.6": LIBC, **files}, environ)


def system(machine: Any) -> System:
    return System(machine, "/usr/bin/python3")


def cache(entries: list[tuple[str, str, int | None]], folders: tuple[str, ...] = ()) -> bytes:
    """An ld.so.cache of (SONAME, path, index into ``folders`` or None), as ldconfig of glibc 2.33 and later writes it."""
    strings_at = 48 + 24 * len(entries)
    strings = b"".join(f"{soname}\0{path}\0".encode() for soname, path, _folder in entries)
    names_at = strings_at + len(strings)
    strings += b"".join(name.encode() + b"\0" for name in folders)
    extension = -(-(strings_at + len(strings)) // 4) * 4
    table, at = b"", strings_at
    for soname, path, folder in entries:
        hwcap = 0 if folder is None else 1 << 62 | folder
        table += struct.pack("<iIIIQ", 0x0303, at, at + len(soname) + 1, 0, hwcap)
        at += len(soname) + len(path) + 2
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3xI", len(entries), len(strings), 2, extension) + bytes(12)
    whole = (header + table + strings).ljust(extension, b"\0")
    offsets = [names_at + sum(len(name) + 1 for name in folders[:number]) for number in range(len(folders))]
    return (
        whole
        + struct.pack("<IIIIII", 0xEAA42174, 1, 1, 0, extension + 24, 4 * len(folders))
        + struct.pack(f"<{len(folders)}I", *offsets)
    )


@pytest.mark.parametrize(
    ("flags", "levels"),
    [
        ("fpu sse2", ()),
        (V2, ("x86-64-v2",)),
        (V3, ("x86-64-v3", "x86-64-v2")),
        (V3.replace("cx16 ", ""), ()),
        (V3 + " avx512f avx512bw avx512cd avx512dq avx512vl", ("x86-64-v4", "x86-64-v3", "x86-64-v2")),
    ],
)
def test_the_level_of_the_cpu_is_read_from_the_kernels_flags(tmp_path: Path, flags: str, levels: tuple[str, ...]) -> None:
    machine = root(tmp_path, {"proc/cpuinfo": f"processor\t: 0\nmodel name\t: x\nflags\t\t: {flags}\nbugs\t\t:\n"})
    assert system(machine).levels == levels


def test_a_folder_for_better_cpus_is_taken_by_those_that_are(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "usr/lib64/libx.so": LIBC,
        "usr/lib64/glibc-hwcaps/x86-64-v3/libx.so": LIBC,
        "usr/lib64/glibc-hwcaps/x86-64-v2/libx.so": LIBC,
        "usr/lib64/glibc-hwcaps/x86-64-v4/libx.so": LIBC,
    }
    found = {}
    for name, flags in (("old", "sse2"), ("v2", V2), ("v3", V3)):
        (tmp_path / name).mkdir()
        found[name] = system(root(tmp_path / name, files | {"proc/cpuinfo": f"flags : {flags}\n"})).search("libx.so", NO_FOLDERS)
    assert found == {
        "old": ("/usr/lib64/libx.so", "default"),
        "v2": ("/usr/lib64/glibc-hwcaps/x86-64-v2/libx.so", "default"),
        "v3": ("/usr/lib64/glibc-hwcaps/x86-64-v3/libx.so", "default"),
    }


def test_an_entry_of_the_cache_for_better_cpus_is_taken_by_those_that_are(tmp_path: Path) -> None:
    data = cache(
        [("libx.so", "/o/v3/libx.so", 0), ("libx.so", "/o/v2/libx.so", 1), ("libx.so", "/o/libx.so", None)],
        ("x86-64-v3", "x86-64-v2"),
    )
    files: dict[str, str | bytes] = {"etc/ld.so.cache": data, "o/v3/libx.so": LIBC, "o/v2/libx.so": LIBC, "o/libx.so": LIBC}
    found = []
    for number, flags in enumerate(("sse2", V2, V3)):
        (tmp_path / str(number)).mkdir()
        found.append(
            system(root(tmp_path / str(number), files | {"proc/cpuinfo": f"flags : {flags}\n"})).search("libx.so", NO_FOLDERS)
        )
    assert found == [("/o/libx.so", "ld.so.cache"), ("/o/v2/libx.so", "ld.so.cache"), ("/o/v3/libx.so", "ld.so.cache")]
    machine = root(tmp_path, {"etc/ld.so.cache": data})
    assert loader.cache_list(machine)[0] == ("libx.so", "/o/v3/libx.so", "x86-64-v3")
    assert loader.cache_entries(machine) == {"libx.so": ["/o/v3/libx.so", "/o/v2/libx.so", "/o/libx.so"]}


def test_a_cache_entry_that_is_gone_or_for_another_machine_gives_way_to_the_default_folders(tmp_path: Path) -> None:
    data = cache([("libgone.so", "/o/libgone.so", None), ("libarm.so", "/o/libarm.so", None)])
    arm = shared_object("libarm.so", machine=AARCH64)
    machine = root(
        tmp_path, {"etc/ld.so.cache": data, "o/libarm.so": arm, "usr/lib64/libgone.so": LIBC, "usr/lib64/libarm.so": LIBC}
    )
    assert system(machine).search("libgone.so", NO_FOLDERS) == ("/usr/lib64/libgone.so", "default")
    assert system(machine).search("libarm.so", NO_FOLDERS) == ("/usr/lib64/libarm.so", "default")


def test_without_default_folders_a_cache_entry_elsewhere_still_counts(tmp_path: Path) -> None:
    data = cache([("liba.so", "/opt/liba.so", None), ("libb.so", "/usr/lib64/libb.so", None)])
    machine = root(tmp_path, {"etc/ld.so.cache": data, "opt/liba.so": LIBC, "usr/lib64/libb.so": LIBC})
    asking: tuple[Any, ...] = ((), (), True)
    assert system(machine).search("liba.so", asking) == ("/opt/liba.so", "ld.so.cache")
    assert system(machine).search("libb.so", asking) is None


def test_a_root_without_a_cache_is_searched_as_its_configuration_says(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "etc/ld.so.conf": "# local\n/opt/first/lib/\ninclude ld.so.conf.d/*.conf\nhwcap 0 nosegneg\n",
        "etc/ld.so.conf.d/cuda.conf": "/opt/cuda/lib64 # toolkit\n",
        "etc/ld.so.conf.d/loop.conf": "include /etc/ld.so.conf\n",
        "etc/ld.so.conf.d/README": "/opt/not/this\n",
        "opt/cuda/lib64/libcublas.so.12": LIBC,
        "opt/not/this/libz.so": LIBC,
    }
    machine = root(tmp_path, files)
    assert ldso.conf_folders(machine) == ["/opt/first/lib", "/opt/cuda/lib64"]
    assert system(machine).search("libcublas.so.12", NO_FOLDERS) == ("/opt/cuda/lib64/libcublas.so.12", "default")
    assert system(machine).search("libz.so", NO_FOLDERS) is None


def test_links_of_another_root_never_lead_out_of_it(tmp_path: Path) -> None:
    machine = root(tmp_path, {"opt/real/libx.so.1.2": shared_object("libx.so.1", machine=X86_64, gives=(Gives("f"),))})
    inside = tmp_path / "root"
    (inside / "usr/lib64/libx.so.1").symlink_to("/opt/real/libx.so.1.2")
    outside = tmp_path / "outside.so"
    outside.write_bytes(LIBC)
    (inside / "usr/lib64/liby.so.1").symlink_to(outside)
    (inside / "app.so").write_bytes(shared_object(needs=("libx.so.1",), asks=(Asks("f"),), machine=X86_64))
    assert Process(system(machine)).open("/app.so") == []
    assert system(machine).search("liby.so.1", NO_FOLDERS) is None


def test_debians_folders_by_architecture_replace_lib64(tmp_path: Path) -> None:
    machine = root(tmp_path, {"usr/lib/x86_64-linux-gnu/libx.so": LIBC, "usr/lib64/liby.so": LIBC, "usr/lib/libz.so": LIBC})
    found = {name: system(machine).search(name, NO_FOLDERS) for name in ("libx.so", "liby.so", "libz.so")}
    assert found == {
        "libx.so": ("/usr/lib/x86_64-linux-gnu/libx.so", "default"),
        "liby.so": None,
        "libz.so": ("/usr/lib/libz.so", "default"),
    }


def test_a_store_of_packages_has_its_own_glibc_and_no_cache(tmp_path: Path) -> None:
    store = "/nix/store/abc-glibc-2.39/lib"
    files: dict[str, str | bytes] = {
        "usr/bin/python3": program(store + "/ld-linux-x86-64.so.2"),
        store.lstrip("/") + "/libm.so.6": LIBC,
        "etc/ld.so.cache": cache([("libm.so.6", "/usr/lib64/libm.so.6", None)]),
        "usr/lib64/libm.so.6": LIBC,
        "usr/lib64/libother.so": LIBC,
    }
    found = system(root(tmp_path, files))
    assert found.search("libm.so.6", NO_FOLDERS) == (store + "/libm.so.6", "default")
    assert found.search("libother.so", NO_FOLDERS) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (program("/lib/ld-musl-x86_64.so.1"), "ld-musl"),
        (program(None), "static program"),
        (program()[:18] + struct.pack("<H", 243) + program()[20:], "whose rules are not simulated"),
        (b"#!/bin/sh\nexec python3\n" * 8, "no 64-bit ELF program"),
        (b"\x7fELF\x01" + program()[5:], "wrong ELF class"),
    ],
)
def test_a_program_that_glibc_does_not_start_is_said(tmp_path: Path, data: bytes, words: str) -> None:
    machine = written(tmp_path, {"usr/bin/python3": data})
    with pytest.raises(NoLoader, match=words):
        system(machine)


def test_a_program_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        System(Machine(str(tmp_path), {}, {}), "/usr/bin/python3")


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("$ORIGIN/../lib:/abs/", ("/pkg/lib", "/abs")),
        ("${ORIGIN}:$PLATFORM:relative:", ("/pkg/bin",)),
        ("/x/$PLATFORM/$LIB", ("/x/x86_64/lib64",)),
        ("/x/$ORIGINAL:/a:/a", ("/x/$ORIGINAL", "/a")),
        ("", ()),
    ],
)
def test_tokens_of_a_run_path_are_replaced_and_relative_folders_left_out(
    tmp_path: Path, text: str, folders: tuple[str, ...]
) -> None:
    machine = root(tmp_path, {"pkg/bin/x.so": shared_object(runpath=text, machine=X86_64), "pkg/lib/.keep": ""})
    one = system(machine)
    _before, after, _none = one.folders_of(one.file("/pkg/bin/x.so"), "/pkg/bin/x.so", ())
    assert tuple(folder for folder, _how in after) == folders
    assert {how for _folder, how in after} <= {"run path of /pkg/bin/x.so"}


def test_two_dots_behind_a_link_are_left_to_the_kernel(tmp_path: Path) -> None:
    machine = root(
        tmp_path, {"real/deep/lib/x.so": shared_object(runpath="$ORIGIN/../more", machine=X86_64), "real/deep/more/y.so": LIBC}
    )
    (tmp_path / "root/pkg").mkdir()
    (tmp_path / "root/pkg/lib").symlink_to("/real/deep/lib")
    one = system(machine)
    asking = one.folders_of(one.file("/pkg/lib/x.so"), "/pkg/lib/x.so", ())
    assert one.search("y.so", asking) == ("/pkg/lib/../more/y.so", "run path of /pkg/lib/x.so")


def test_preloads_come_from_the_environment_and_from_the_machine(tmp_path: Path) -> None:
    machine = root(
        tmp_path, {"etc/ld.so.preload": "/opt/b.so # all\n\n/opt/c.so:/opt/d.so\n"}, {"LD_PRELOAD": "/opt/a.so libx.so"}
    )
    assert system(machine).preloaded() == ["/opt/a.so", "libx.so", "/opt/b.so", "/opt/c.so", "/opt/d.so"]


def test_a_file_is_read_once_whatever_its_names(tmp_path: Path) -> None:
    machine = root(tmp_path, {"usr/lib64/libx.so.1.2": LIBC})
    (tmp_path / "root/usr/lib64/libx.so.1").symlink_to("libx.so.1.2")
    one = system(machine)
    assert one.file("/usr/lib64/libx.so.1") is one.file("/usr/lib64/libx.so.1.2")


def test_the_recorded_torch_library_finds_what_its_run_path_names(tmp_path: Path) -> None:
    site = "venv/lib/python3.11/site-packages"
    machine = root(tmp_path, {f"{site}/torch/lib/libtorch_global_deps.so": TORCH_NEEDS_CUDA_12.read_bytes()})
    one, path = system(machine), f"/{site}/torch/lib/libtorch_global_deps.so"
    before, after, _none = one.folders_of(one.file(path), path, ())
    folders = [folder for folder, _how in (*before, *after)]
    assert f"/{site}/nvidia/cuda_runtime/lib" in folders
    wants = [each.wants for each in Process(one).open(path)]
    assert "libcudart.so.12" in wants
    assert "libc.so.6" not in wants


def test_this_machines_interpreter_is_known() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("not a Linux machine")
    try:
        found = System(Machine(), sys.executable)
    except NoLoader as error:
        pytest.skip(str(error))
    assert found.program == str(Path(sys.executable).resolve())
