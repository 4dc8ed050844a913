"""Section ``driver`` on recorded machines and with a fake driver on this one."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.facts import Driver
from envdoctor.probe import driver
from envdoctor.probe.machine import Machine, Trouble
from tests.probe.machines import filled, real_pynvml, survivors, values
from tests.probe.recorded import recorded, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.probe.machines import Live

DEB = "/usr/lib/x86_64-linux-gnu"


def in_force(leaves: dict[str, Any]) -> list[tuple[str, str | None, str, str]]:
    return [(one["path"], one["version"], one["kind"], one["origin"]) for one in leaves["libcuda"]["value"]]


def test_the_leaves_are_the_fields_of_the_facts() -> None:
    assert Driver.__struct_fields__ == driver.LEAVES


def test_h100_with_driver_550_agrees_on_every_rung() -> None:
    leaves = filled(driver, recorded("h100-driver-550.54.15"))
    assert values(leaves) == {
        "kernel_module": "550.54.15",
        "sys_module": "550.54.15",
        "nvml": "550.54.15",
        "smi": {"driver_version": "550.54.15", "cuda_version": "12.4"},
        "libcuda": [{"path": f"{DEB}/libcuda.so.550.54.15", "version": "550.54.15", "kind": "driver", "origin": "ld.so.cache"}],
        "cuda_api": "12.4",
        "open_kernel_module": False,
    }
    assert leaves["kernel_module"]["via"] == "/proc/driver/nvidia/version"


def test_without_a_driver_every_leaf_is_known_to_be_empty() -> None:
    leaves = filled(driver, recorded("no-gpu-no-driver"))
    assert values(leaves) == {
        "kernel_module": None, "sys_module": None, "nvml": None, "smi": None, "libcuda": [], "cuda_api": None,
        "open_kernel_module": None,
    }  # fmt: skip
    assert leaves["smi"]["via"] == "nvidia-smi is not on PATH"


def test_an_upgrade_without_restart_shows_both_versions_and_nvidia_smis_own_words() -> None:
    leaves = values(filled(driver, recorded("kernel-module-550.54.15-user-libraries-550.90.07")))
    assert leaves["kernel_module"] == "550.54.15"
    assert leaves["libcuda"][0]["version"] == "550.90.07"
    assert leaves["nvml"] == "[NVML: Driver/library version mismatch]"
    assert leaves["smi"] == (
        "[/usr/bin/nvidia-smi failed with exit status 18: "
        "Failed to initialize NVML: Driver/library version mismatch; NVML library version: 550.90]"
    )


def test_a_cuda_compat_libcuda_on_ld_library_path_is_the_one_in_force() -> None:
    leaves = filled(driver, recorded("cuda-compat-560.35.03-ahead-of-driver-550.54.15"))
    assert in_force(leaves) == [
        ("/usr/local/cuda-12.6/compat/libcuda.so.560.35.03", "560.35.03", "compat", "LD_LIBRARY_PATH"),
        (f"{DEB}/libcuda.so.550.54.15", "550.54.15", "driver", "ld.so.cache"),
    ]
    assert leaves["cuda_api"]["value"] == "12.6"
    assert leaves["cuda_api"]["via"] == "cuDriverGetVersion of /usr/local/cuda-12.6/compat/libcuda.so.560.35.03"


def test_a_libcuda_keeps_the_folder_that_ld_library_path_names(tmp_path: Path) -> None:
    machine = written(
        tmp_path, {"usr/local/cuda-12.6/compat/libcuda.so.560.35.03": ""}, {"LD_LIBRARY_PATH": "/usr/local/cuda/compat:/srv/x"}
    )
    root = tmp_path / "root"
    (root / "usr/local/cuda").symlink_to("cuda-12.6")
    (root / "usr/local/cuda-12.6/compat/libcuda.so.1").symlink_to("libcuda.so.560.35.03")
    (root / "srv/x").mkdir(parents=True)
    (root / "srv/libcuda.so.550.54.15").touch()
    (root / "srv/x/libcuda.so.1").symlink_to("../libcuda.so.550.54.15")
    assert in_force(filled(driver, machine)) == [
        ("/usr/local/cuda/compat/libcuda.so.560.35.03", "560.35.03", "compat", "LD_LIBRARY_PATH"),
        ("/srv/x/libcuda.so.1", "550.54.15", "driver", "LD_LIBRARY_PATH"),
    ]


def test_driver_packages_without_a_loaded_module_are_no_driver() -> None:
    leaves = filled(driver, recorded("two-a100-no-driver-bound"))
    found = values(leaves)
    assert [found[name] for name in ("kernel_module", "sys_module", "nvml", "smi")] == [None] * 4
    assert leaves["nvml"]["via"] == "NVML: Driver Not Loaded"
    assert "couldn't communicate with the NVIDIA driver" in leaves["smi"]["via"]
    assert found["libcuda"][0]["version"] == "535.309.01"


def test_the_open_kernel_module_is_told_by_its_own_words() -> None:
    leaves = values(filled(driver, recorded("hgx-h100-driver-550.107.02-fabric-manager-550.90.07")))
    assert leaves["kernel_module"] == "550.107.02"
    assert leaves["open_kernel_module"] is True


def test_wsl_takes_the_driver_of_windows_from_nvidia_smi_that_is_not_on_path() -> None:
    leaves = filled(driver, recorded("wsl2-driver-576.40"))
    found = values(leaves)
    assert found["kernel_module"] is None
    assert found["smi"] == {"driver_version": "576.40", "cuda_version": "12.9"}
    assert leaves["smi"]["via"] == "/usr/lib/wsl/lib/nvidia-smi"
    assert in_force(leaves) == [("/usr/lib/wsl/lib/libcuda.so.1", None, "wsl", "ld.so.cache")]


def test_wsl_libraries_the_loader_does_not_know_are_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/wsl/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/wsl/lib/libcuda.so.1").write_bytes(b"")
    assert in_force(filled(driver, Machine(str(tmp_path), {}, {}))) == [("/usr/lib/wsl/lib/libcuda.so.1", None, "wsl", "wsl")]


# headers as published: nvgpu#15, vllm-project/vllm issues, PrismML-Eng/Bonsai-demo#122 and sglang#27487, microsoft/WSL#11589
@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ("| NVIDIA-SMI 331.62     Driver Version: 331.62         |", ("331.62", None)),
        ("| NVIDIA-SMI 450.57       Driver Version: 450.57       CUDA Version: 11.0     |", ("450.57", "11.0")),
        ("| NVIDIA-SMI 550.144.03             Driver Version: 550.144.03     CUDA Version: 12.4     |", ("550.144.03", "12.4")),
        ("| NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3     |", ("610.43.02", "13.3")),
        ("| NVIDIA-SMI 535.161.08             Driver Version: 535.161.08   CUDA Version: N/A      |", ("535.161.08", None)),
        ("| NVIDIA-SMI 545.46                 Driver Version: 546.80       CUDA Version: ERR!     |", ("546.80", None)),
    ],
)
def test_nvidia_smis_header_is_read_in_every_form(header: str, versions: tuple[str, str | None]) -> None:
    assert driver.smi_header(header) == {"driver_version": versions[0], "cuda_version": versions[1]}


def test_a_page_without_a_header_is_unknown_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvidia-smi").touch()
    machine = Machine(str(tmp_path), {"PATH": "/bin"}, {"/bin/nvidia-smi": {"stdout": "No devices were found\n"}})
    assert values(filled(driver, machine))["smi"] == "[/bin/nvidia-smi printed no driver version: No devices were found]"


# texts as published: nixGL#139 and #186, siderolabs and others
@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.173.02  Tue Jun 23 08:38:17 UTC 2026\n", "580.173.02"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  565.57.01  Release Build  (dvs-builder@U16-A24-9-2)\n",
            "565.57.01",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  35.3.1  Release Build\n", "35.3.1"),
        ("NVRM version: something else\n", "[/proc/driver/nvidia/version names no version: NVRM version: something else]"),
    ],
)
def test_the_modules_version_is_read_in_every_wording(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(text)
    assert values(filled(driver, Machine(str(tmp_path), {}, {})))["kernel_module"] == version


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/usr/local/cuda/compat/libcuda.so.580.65.06", "compat"),
        ("/usr/local/cuda-12.4/targets/x86_64-linux/lib/stubs/libcuda.so.1", "stub"),
        ("/usr/lib/wsl/drivers/nv_dispi.inf_amd64/libcuda.so.1.1", "wsl"),
        ("/usr/local/nvidia/lib64/libcuda.so.580.159.03", "driver"),
    ],
)
def test_a_libcuda_is_named_by_its_folder(path: str, kind: str) -> None:
    assert driver.libcuda_kind(path, path) == kind


def test_the_real_pynvml_and_a_real_libcuda_call_answer_in_their_own_process(live: Live, fake_driver: Path) -> None:
    leaves = filled(driver, live(FAKE_CUDA_VERSION="12040"), real_pynvml())
    assert leaves["nvml"] == {"is": "known", "value": "550.54.15", "via": f"NVML ({fake_driver}/libnvidia-ml.so.1)"}
    assert leaves["cuda_api"]["value"] == "12.4"
    assert in_force(leaves)[0] == (f"{fake_driver}/libcuda.so.550.54.15", "550.54.15", "driver", "LD_LIBRARY_PATH")


def test_a_stub_libcuda_gives_no_cuda_version(live: Live) -> None:
    assert "returned error 34" in filled(driver, live())["cuda_api"]["why"]


def test_nvml_that_says_no_driver_is_an_answer_and_a_mismatch_is_not(live: Live) -> None:
    ask = real_pynvml()
    none, mismatch = (filled(driver, live(FAKE_NVML_INIT=code), ask)["nvml"] for code in ("9", "18"))
    assert none == {"is": "known", "value": None, "via": "NVML: Driver Not Loaded"}
    assert mismatch == {"is": "unknown", "why": "NVML: Driver/library version mismatch"}


def test_without_pynvml_nvml_is_not_asked_and_the_reason_says_so(live: Live) -> None:
    assert "pynvml (the nvidia-ml-py package) did not come with the probe" in filled(driver, live(), {})["nvml"]["why"]


def test_a_wedged_nvidia_smi_and_libcuda_cost_one_deadline_and_leave_no_process(live: Live, wedged_smi: Path) -> None:
    before = time.monotonic()
    leaves = filled(driver, live(FAKE_CUDA_VERSION="hang"), real_pynvml())
    assert 5 <= time.monotonic() - before < 10, "both at the same time"
    assert leaves["smi"]["why"] == f"{wedged_smi.parent}/nvidia-smi: no answer in 5 s"
    assert leaves["cuda_api"]["why"] == "libcuda: no answer in 5 s"
    assert leaves["nvml"]["value"] == "550.54.15"
    assert survivors(wedged_smi) == []


def test_a_machine_without_driver_starts_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Trouble("a process was started")

    (tmp_path / "lib").mkdir()
    machine = Machine(str(tmp_path), {"PATH": "/bin"}, {})
    monkeypatch.setattr(machine, "run", refuse)
    assert all(leaf["is"] == "known" for leaf in filled(driver, machine).values())


def test_a_python_that_does_not_know_its_path_says_so(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = live()
    monkeypatch.setattr(sys, "executable", "")
    assert "sys.executable is empty" in filled(driver, machine, real_pynvml())["nvml"]["why"]
