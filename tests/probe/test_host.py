"""Section ``host``: the operating system as the target sees it."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.probe import host
from envdoctor.probe.machine import Machine
from tests.probe.recorded import known, section, written

if TYPE_CHECKING:
    from pathlib import Path

UBUNTU = 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\n# a comment\nID=ubuntu\n'
# as the two generations of WSL write it
WSL_1 = "Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0 (GCC) ) #1237-Microsoft\n"
WSL_2 = "Linux version 5.15.167.4-microsoft-standard-WSL2 (root@f9c826d3017f) (gcc (GCC) 11.2.0) #1 SMP\n"
PLAIN = "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP\n"


def leaf(folder: Path, files: dict[str, str | bytes], name: str, environ: dict[str, str] | None = None) -> Any:
    return section(host, written(folder, files, environ))[name]


def test_the_live_machine_agrees_with_what_python_says_of_it() -> None:
    out = section(host, Machine())
    assert out["kernel"]["value"] == platform.release()
    assert out["arch"]["value"] == platform.machine()
    assert out["cpu_count"]["value"] == len(os.sched_getaffinity(0))
    assert out["memory_bytes"]["value"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this machine has another C library")
def test_glibc_is_the_one_that_is_loaded() -> None:
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    libc = section(host, Machine())["libc"]
    assert libc == known({"name": name, "version": version}, "gnu_get_libc_version() in the target's interpreter")


def test_os_release_is_read_with_its_quotes_and_comments(tmp_path: Path) -> None:
    out = section(host, written(tmp_path, {"/etc/os-release": UBUNTU}))
    assert out["os_name"] == known("Ubuntu 22.04.5 LTS", "/etc/os-release")
    assert out["os_id"] == known("ubuntu", "/etc/os-release")
    assert out["os_version"] == known("22.04", "/etc/os-release")


def test_a_rolling_release_has_no_version_and_that_costs_one_leaf(tmp_path: Path) -> None:
    out = section(host, written(tmp_path, {"/usr/lib/os-release": 'PRETTY_NAME="Arch Linux"\nID=arch\nBROKEN="\n'}))
    assert out["os_name"] == known("Arch Linux", "/usr/lib/os-release")
    assert out["os_version"] == {"is": "unknown", "why": "/usr/lib/os-release has no VERSION_ID"}


def test_without_os_release_the_system_is_not_known(tmp_path: Path) -> None:
    expected = {"is": "unknown", "why": "neither /etc/os-release nor /usr/lib/os-release can be read"}
    assert leaf(tmp_path, {}, "os_name") == expected


@pytest.mark.parametrize(
    ("files", "generation"),
    [({"/proc/version": WSL_1}, 1), ({"/proc/version": WSL_2}, 2), ({"/proc/version": PLAIN}, None),
     ({"/proc/version": "Linux version 6.6.1-microsoft-custom\n", "/dev/dxg": ""}, 2)],
)  # fmt: skip
def test_wsl_is_told_from_the_kernels_own_words(tmp_path: Path, files: dict[str, str | bytes], generation: int | None) -> None:
    assert leaf(tmp_path, files, "wsl") == known(generation, "/proc/version")


def test_processors_and_memory_of_a_recorded_machine(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Platinum 8480+\n\nprocessor\t: 1\n",
        "/proc/meminfo": "MemTotal:       24682416 kB\nMemFree: 1 kB\n",
    }
    out = section(host, written(tmp_path, files))
    assert out["cpu_model"] == known("Intel(R) Xeon(R) Platinum 8480+", "/proc/cpuinfo")
    assert out["cpu_count"] == known(2, "/proc/cpuinfo")
    assert out["memory_bytes"] == known(24682416 * 1024, "/proc/meminfo")


def test_an_arm_machine_without_model_name_says_so(tmp_path: Path) -> None:
    assert leaf(tmp_path, {"/proc/cpuinfo": "processor\t: 0\n"}, "cpu_model")["why"] == "/proc/cpuinfo has no model name"


def test_caches_are_where_the_variables_say_and_measured_at_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"/data/keep": "", "/recorded/space.json": '{"/data": [2000, 1000], "/": [90, 50]}'}
    env = {"HOME": "/home/alice", "HF_HOME": "/data/models/hf", "XDG_CACHE_HOME": "/xdg"}
    caches = leaf(tmp_path, files, "caches", env)["value"]
    found = {one["purpose"]: (one["path"], one["free_bytes"]) for one in caches}
    assert found["models (HF_HOME)"] == ("/data/models/hf", 1000)
    assert found["torch (TORCH_HOME)"] == ("/xdg/torch", 50)
    assert found["triton kernels (TRITON_CACHE_DIR)"] == ("/home/alice/.triton", 50)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_is_not_ours_to_write_is_marked() -> None:
    machine = Machine(environ={"HF_HOME": "/proc/1/models", "HOME": "/"})
    (models,) = [one for one in section(host, machine)["caches"]["value"] if one["purpose"].startswith("models")]
    assert models["writable"] is False


def test_a_machine_of_random_bytes_costs_leaves_and_nothing_else(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 20
    files: dict[str, str | bytes] = dict.fromkeys(("/etc/os-release", "/proc/version", "/proc/cpuinfo", "/proc/meminfo"), noise)
    out = section(host, written(tmp_path, files))
    assert out["memory_bytes"]["is"] == "unknown"
    assert out["os_name"]["is"] == "unknown"
