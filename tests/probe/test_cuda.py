"""Section ``cuda``: toolkits on disk and copies of the CUDA libraries in the loader's order."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.probe import cuda
from tests.probe.recorded import known, section, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SITE = "/opt/venv/lib/python3.11/site-packages"
NVCC_12_4 = {"stdout": "Cuda compilation tools, release 12.4, V12.4.131\nBuild cuda_12.4.r12.4/compiler.34097967_0\n"}


def ask(sites: Sequence[str] = (SITE,), base: str = "/usr") -> dict[str, Any]:
    python = {"site_dirs": known(list(sites), "pyvenv.cfg"), "base_prefix": base}
    return {"sections": {"python": {"interpreter": known(python, "python")}}}


def toolkits(machine: Any) -> Any:
    return section(cuda, machine, ask())["toolkits"]["value"]


def libraries(machine: Any, asked: Mapping[str, Any] | None = None) -> list[tuple[str, str | None, str]]:
    """(path, version, origin) of each copy."""
    found = section(cuda, machine, asked or ask())["libraries"]["value"]
    return [(one["path"], one["version"], one["origin"]) for one in found]


def wheel(name: str, folder: str, *files: str, site: str = SITE) -> dict[str, str]:
    """Files of an NVIDIA wheel: ``name`` is that of its dist-info folder."""
    return {f"{site}/{name}.dist-info/METADATA": "", **{f"{site}/nvidia/{folder}/lib/{file}": "" for file in files}}


def link(machine_folder: Path, path: str, target: str) -> None:
    place = machine_folder / "root" / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def cache_of(entries: Mapping[str, str]) -> bytes:
    """A loader cache in glibc's new format of 64-bit x86 libraries: SONAME -> path."""
    strings = b""
    start = 48 + 24 * len(entries)
    table = b""
    for soname, path in entries.items():
        key = start + len(strings)
        strings += soname.encode() + b"\0"
        value = start + len(strings)
        strings += path.encode() + b"\0"
        table += struct.pack("<iIIIQ", 0x0303, key, value, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(entries), len(strings))
    return header.ljust(48, b"\0") + table + strings


def test_a_machine_without_cuda_has_no_toolkit_and_no_library(tmp_path: Path) -> None:
    out = section(cuda, written(tmp_path, {"/usr/bin/sh": ""}, {"PATH": "/usr/bin"}), ask())
    assert out == {
        "toolkits": known([], "PATH, CUDA_HOME, CUDA_PATH and /usr/local"),
        "libraries": known([], "the loader's search path"),
    }


def test_one_folder_found_in_every_way_is_listed_once_with_all_of_them(tmp_path: Path) -> None:
    files = {
        "/usr/local/cuda-12.4/bin/nvcc": "",
        "/usr/local/cuda-12.4/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.4.1"}}',
    }
    env = {"CUDA_HOME": "/usr/local/cuda", "CUDA_PATH": "/usr/local/cuda-12.4", "PATH": "/usr/bin:/usr/local/cuda/bin"}
    machine = written(tmp_path, files, env)
    link(tmp_path, "/usr/local/cuda", "/etc/alternatives/cuda")
    link(tmp_path, "/etc/alternatives/cuda", "/usr/local/cuda-12.4")
    assert toolkits(machine) == [
        {
            "path": "/usr/local/cuda-12.4",
            "version": "12.4.1",
            "found_by": "CUDA_HOME, CUDA_PATH, nvcc on PATH, /usr/local/cuda, /usr/local/cuda-12.4",
        }
    ]


@pytest.mark.parametrize(
    ("file", "content", "version"),
    [
        ("version.json", '{"cuda": {"version": "11.8.20220929"}}', "11.8.20220929"),
        ("version.txt", "CUDA Version 10.2.89\n", "10.2.89"),
        ("include/cuda.h", "#ifndef X\n#define CUDA_VERSION 12040\n", "12.4"),
        ("targets/x86_64-linux/include/cuda.h", "#define  CUDA_VERSION  13000", "13.0"),
        ("lib64/libcudart.so.12.4.127", "", "12.4.127"),
    ],
)
def test_the_version_is_read_from_the_files_of_a_toolkit(tmp_path: Path, file: str, content: str, version: str) -> None:
    machine = written(tmp_path, {f"/usr/local/cuda-x/{file}": content, "/usr/local/cuda-x/bin/nvcc": ""})
    assert [one["version"] for one in toolkits(machine)] == [version]


def test_nvcc_is_run_only_where_no_file_says_the_version(tmp_path: Path) -> None:
    commands = {"/usr/local/cuda-12.4/bin/nvcc --version": NVCC_12_4}
    machine = written(
        tmp_path, {"/usr/local/cuda-12.4/bin/nvcc": "", "/usr/local/cuda-12.4/version.json": "{ broken"}, commands=commands
    )
    assert [one["version"] for one in toolkits(machine)] == ["12.4.131"]


def test_a_wedged_nvcc_leaves_the_toolkit_listed_without_a_version(tmp_path: Path) -> None:
    commands = {"/usr/local/cuda-12.4/bin/nvcc --version": {"hangs": True}}
    machine = written(tmp_path, {"/usr/local/cuda-12.4/bin/nvcc": ""}, commands=commands)
    assert [(one["path"], one["version"]) for one in toolkits(machine)] == [("/usr/local/cuda-12.4", None)]


def test_a_cuda_home_that_does_not_exist_is_listed_because_a_build_would_use_it(tmp_path: Path) -> None:
    machine = written(tmp_path, {}, {"CUDA_HOME": "/opt/cuda-11.8"})
    assert toolkits(machine) == [{"path": "/opt/cuda-11.8", "version": None, "found_by": "CUDA_HOME"}]


def test_a_folder_of_the_compat_package_alone_is_no_toolkit(tmp_path: Path) -> None:
    assert toolkits(written(tmp_path, {"/usr/local/cuda-12.4/compat/libcuda.so.550.54.15": ""})) == []


def test_a_shell_script_that_hands_on_to_nvcc_leads_to_the_toolkit_behind_it(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "/usr/local/bin/nvcc": '#!/bin/sh\nexec /usr/local/cuda-13.0/bin/nvcc "$@"\n',
        "/usr/local/cuda-13.0/bin/nvcc": b"\x7fELF",
        "/usr/local/cuda-13.0/include/cuda.h": "#define CUDA_VERSION 13000\n",
    }
    machine = written(tmp_path, files, {"PATH": "/usr/local/bin"})
    assert toolkits(machine) == [
        {"path": "/usr/local/cuda-13.0", "version": "13.0", "found_by": "nvcc on PATH, /usr/local/cuda-13.0"}
    ]


def test_libraries_of_wheels_take_their_version_from_the_dist_info_beside_them(tmp_path: Path) -> None:
    files = {
        **wheel("nvidia_cuda_runtime_cu12-12.4.127", "cuda_runtime", "libcudart.so.12"),
        **wheel("nvidia_cudnn_cu12-9.1.0.70", "cudnn", "libcudnn.so.9", "libcudnn_ops.so.9"),
        **wheel("nvidia_nccl_cu12-2.21.5", "nccl", "libnccl.so.2"),
        **wheel("nvidia_nvjitlink_cu12-12.4.127", "nvjitlink", "libnvJitLink.so.12"),
    }
    assert libraries(written(tmp_path, files)) == [
        (f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12", "12.4.127", "wheel"),
        (f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9", "9.1.0.70", "wheel"),
        (f"{SITE}/nvidia/nccl/lib/libnccl.so.2", "2.21.5", "wheel"),
        (f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12", "12.4.127", "wheel"),
    ]


def test_wheels_of_cuda_11_and_13_beside_each_other_keep_their_own_versions(tmp_path: Path) -> None:
    files = {
        **wheel("nvidia_cuda_runtime_cu11-11.8.89", "cuda_runtime", "libcudart.so.11.0"),
        **wheel("nvidia_cuda_runtime-13.0.96", "cu13", "libcudart.so.13"),
        **wheel("nvidia_cublas-13.1.1.3", "cu13", "libcublas.so.13", "libcublasLt.so.13"),
    }
    found = section(cuda, written(tmp_path, files), ask())["libraries"]["value"]
    assert {one["soname"]: one["version"] for one in found} == {
        "libcudart.so.11.0": "11.8.89",
        "libcudart.so.13": "13.0.96",
        "libcublas.so.13": "13.1.1.3",
    }


def test_two_wheels_that_write_the_same_file_leave_its_version_open(tmp_path: Path) -> None:
    files = {
        **wheel("nvidia_cudnn_cu12-9.10.2.21", "cudnn", "libcudnn.so.9"),
        **wheel("nvidia_cudnn_cu13-9.20.0.48", "cudnn", "libcudnn.so.9"),
    }
    assert libraries(written(tmp_path, files)) == [(f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9", None, "wheel")]


def test_copies_come_in_the_order_the_loader_tries_them_each_real_file_once(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        **wheel("nvidia_nvjitlink_cu12-12.4.127", "nvjitlink", "libnvJitLink.so.12"),
        "/preload/libnvJitLink.so.12.6.85": "",
        "/opt/old/libnvJitLink.so.12.1.105": "",
        "/conda/conda-meta/history": "",
        "/conda/lib/libnvJitLink.so.12": "",
        "/usr/local/cuda-12.2/lib64/libnvJitLink.so.12": "",
        "/usr/lib64/libnvJitLink.so.12": "",
        "/etc/ld.so.cache": cache_of(
            {"libnvJitLink.so.12": "/usr/local/cuda-12.2/lib64/libnvJitLink.so.12", "libz.so.1": "/usr/lib64/libz.so.1"}
        ),
    }
    env = {"LD_LIBRARY_PATH": "/opt/old:/none:/opt/again", "LD_PRELOAD": "/preload/libnvJitLink.so.12.6.85 /lib/libjemalloc.so.2"}
    machine = written(tmp_path, files, env)
    link(tmp_path, "/opt/old/libnvJitLink.so.12", "libnvJitLink.so.12.1.105")
    link(tmp_path, "/opt/again", "/opt/old")
    assert libraries(machine, ask(base="/conda")) == [
        ("/preload/libnvJitLink.so.12.6.85", "12.6.85", "LD_PRELOAD"),
        ("/opt/old/libnvJitLink.so.12", "12.1.105", "LD_LIBRARY_PATH"),
        (f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12", "12.4.127", "wheel"),
        ("/conda/lib/libnvJitLink.so.12", None, "conda"),
        ("/usr/local/cuda-12.2/lib64/libnvJitLink.so.12", None, "ld.so.cache"),
        ("/usr/lib64/libnvJitLink.so.12", None, "default"),
    ]


def test_the_soname_of_a_preloaded_file_is_worked_out_from_its_full_name(tmp_path: Path) -> None:
    machine = written(tmp_path, {"/x/libnccl.so.2.21.5": ""}, {"LD_PRELOAD": "/x/libnccl.so.2.21.5"})
    (found,) = section(cuda, machine, ask())["libraries"]["value"]
    assert (found["stem"], found["soname"], found["version"]) == ("libnccl", "libnccl.so.2", "2.21.5")


def test_a_wheels_own_folder_on_ld_library_path_still_has_the_wheels_version(tmp_path: Path) -> None:
    files = wheel("nvidia_nccl_cu12-2.21.5", "nccl", "libnccl.so.2")
    folder = f"{SITE}/nvidia/nccl/lib"
    machine = written(tmp_path, files, {"LD_LIBRARY_PATH": folder})
    assert libraries(machine) == [(folder + "/libnccl.so.2", "2.21.5", "LD_LIBRARY_PATH")]


def test_links_to_nothing_and_32_bit_libraries_are_passed_over(tmp_path: Path) -> None:
    machine = written(tmp_path, {"/usr/lib/libcudart.so.12": b"\x7fELF\x01\x01"}, {"LD_LIBRARY_PATH": "/a"})
    link(tmp_path, "/a/libcudart.so.12", "/gone/libcudart.so.12.4.127")
    link(tmp_path, "/a/libnccl.so.2", "libnccl.so.2")
    assert libraries(machine) == []


def test_without_the_site_folders_the_libraries_cannot_be_told() -> None:
    for interpreter in (
        {"is": "unknown", "why": "no answer in 8 s"},
        known({"site_dirs": {"is": "unknown", "why": "no answer in 8 s"}, "base_prefix": "/usr"}, "python"),
    ):
        leaf = cuda.libraries(None, interpreter)
        assert leaf == {"is": "unknown", "why": "the folders of the wheels are not known: no answer in 8 s"}
