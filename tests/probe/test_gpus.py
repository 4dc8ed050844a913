"""Section ``gpus`` on recorded machines and with a fake driver on this one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.facts import Gpu, Gpus
from envdoctor.probe import driver, gpus, vendor
from tests.probe.machines import PYNVML, WAITS_S, filled, real_pynvml, survivors, values
from tests.probe.recorded import MACHINES, recorded, written

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.probe.machine import Machine
    from tests.probe.machines import Live

HGX = "hgx-h100-driver-550.107.02-fabric-manager-550.90.07"
H100 = "h100-driver-550.54.15"
REAL = real_pynvml()
DRIVER_MACHINES = sorted(path.parent.name for path in MACHINES.glob("*/ORIGIN"))


def nvidia_device(address: str, device: str, device_class: str) -> dict[str, str]:
    folder = f"sys/bus/pci/devices/{address}"
    return {f"{folder}/vendor": "0x10de\n", f"{folder}/device": device + "\n", f"{folder}/class": device_class + "\n"}


def test_the_leaves_are_the_fields_of_the_facts() -> None:
    assert Gpus.__struct_fields__ == gpus.LEAVES
    assert {"index", *gpus.GPU_LEAVES} == set(Gpu.__struct_fields__)


@pytest.mark.parametrize("name", DRIVER_MACHINES)
def test_every_recorded_machine_gives_facts_of_the_declared_types(name: str) -> None:
    document = json.dumps(filled(gpus, recorded(name)))
    assert isinstance(msgspec.json.decode(document, type=Gpus), Gpus)


def test_one_h100_is_seen_on_the_bus_and_by_nvml() -> None:
    leaves = values(filled(gpus, recorded(H100)))
    assert leaves["pci"] == [{"address": "0000:04:00.0", "device_id": "0x2330", "device_class": "gpu", "bound_driver": "nvidia"}]
    (one,) = leaves["devices"]
    index = one.pop("index")
    assert index == 0
    assert values(one) == {
        "name": "NVIDIA H100 80GB HBM3", "compute_capability": "9.0", "memory_total_mib": 81559, "memory_free_mib": 81004,
        "mig_enabled": False, "ecc_enabled": True, "ecc_uncorrected": 0, "pci_address": "0000:04:00.0", "pci_device_id": "0x2330",
        "nvlink_links_active": 18, "fabric_state": "not-supported",
    }  # fmt: skip
    assert leaves["nvswitches"] == 0
    assert leaves["fabric_manager"] is None


def test_a_machine_without_gpu_has_none_of_anything() -> None:
    leaves = filled(gpus, recorded("no-gpu-no-driver"))
    assert values(leaves) == {"pci": [], "devices": [], "nvswitches": 0, "fabric_manager": None}
    assert leaves["devices"]["via"].startswith("there is no NVML library: no libnvidia-ml.so.1 in ")


def test_devices_without_a_bound_driver_are_seen_on_the_bus_only() -> None:
    leaves = filled(gpus, recorded("two-a100-no-driver-bound"))
    assert [(one["device_id"], one["bound_driver"]) for one in leaves["pci"]["value"]] == [("0x20b0", None), ("0x20b0", None)]
    assert leaves["devices"] == {"is": "known", "value": [], "via": "NVML: Driver Not Loaded"}


def test_an_nvswitch_machine_shows_its_switches_and_a_fabric_manager_of_another_version() -> None:
    leaves = filled(gpus, recorded(HGX))
    assert leaves["nvswitches"]["value"] == 4
    assert leaves["fabric_manager"] == {
        "is": "known",
        "value": {"version": "550.90.07", "running": True},
        "via": "/proc/2301/comm and /usr/bin/nv-fabricmanager",
    }


def test_a_gpu_that_gives_no_answer_does_not_hide_the_seven_others() -> None:
    found = filled(gpus, recorded(HGX))["devices"]["value"]
    assert [one["index"] for one in found] == list(range(8))
    answers = [one["name"]["is"] for one in found]
    assert answers == ["known"] * 5 + ["unknown"] + ["known"] * 2
    assert {one["fabric_state"]["value"] for one in found if one["index"] != 5} == {"in-progress"}
    assert {one["why"] for name, one in found[5].items() if name != "index"} == {"GPU 5: NVML: no answer in 5 s"}


def test_where_the_pci_bus_is_hidden_devices_are_unknown_not_none() -> None:
    leaves = filled(gpus, recorded("wsl2-driver-576.40"))
    assert leaves["pci"]["is"] == leaves["nvswitches"]["is"] == "unknown"
    assert "there is no /sys/bus/pci/devices here" in leaves["pci"]["why"]
    assert leaves["devices"]["value"][0]["compute_capability"]["value"] == "8.9"
    assert leaves["fabric_manager"]["is"] == "unknown"


def test_nvswitch_nodes_count_where_the_bus_is_hidden(tmp_path: Path) -> None:
    machine = written(tmp_path, {"dev/nvidia-nvswitch0": "", "dev/nvidia-nvswitch1": "", "dev/nvidia-nvswitchctl": ""})
    assert filled(gpus, machine)["nvswitches"] == {"is": "known", "value": 2, "via": "/dev/nvidia-nvswitch*"}


def test_the_audio_function_of_a_gpu_is_not_a_gpu(tmp_path: Path) -> None:
    machine = written(
        tmp_path,
        {**nvidia_device("0000:01:00.0", "0x2684", "0x030000"), **nvidia_device("0000:01:00.1", "0x22ba", "0x040300"),
         **nvidia_device("0000:01:00.2", "0x1ad8", "0x0c0330")},
    )  # fmt: skip
    assert [one["device_class"] for one in filled(gpus, machine)["pci"]["value"]] == ["gpu", "audio", "other"]


def test_when_nvml_and_nvidia_smi_both_fail_the_reason_is_nvmls() -> None:
    leaves = values(filled(gpus, recorded("kernel-module-550.54.15-user-libraries-550.90.07")))
    assert leaves["devices"] == "[NVML: Driver/library version mismatch]"


def smi_machine(folder: Path, row: str) -> Machine:
    query = ",".join(field for _name, field in gpus.SMI_FIELDS)
    command = f"/usr/bin/nvidia-smi --query-gpu={query} --format=csv,noheader,nounits"
    return written(
        folder, {"usr/bin/nvidia-smi": "", "usr/lib/libnvidia-ml.so.1": ""}, {"PATH": "/usr/bin"}, {command: {"stdout": row}}
    )


def test_without_pynvml_nvidia_smis_table_stands_in(tmp_path: Path) -> None:
    row = "0, NVIDIA H100 80GB HBM3, 9.0, 81559, 81004, Disabled, Enabled, 0, 00000000:AB:00.0, 0x233010DE\n"
    leaf = filled(gpus, smi_machine(tmp_path, row), {})["devices"]
    assert "pynvml (the nvidia-ml-py package) did not come" in leaf["via"]
    (one,) = leaf["value"]
    assert one.pop("index") == 0
    unseen = "[NVML could not be asked, and nvidia-smi's table does not show it]"
    assert values(one) == {
        "name": "NVIDIA H100 80GB HBM3", "compute_capability": "9.0", "memory_total_mib": 81559, "memory_free_mib": 81004,
        "mig_enabled": False, "ecc_enabled": True, "ecc_uncorrected": 0, "pci_address": "0000:ab:00.0", "pci_device_id": "0x2330",
        "nvlink_links_active": unseen, "fabric_state": unseen,
    }  # fmt: skip


def test_cells_that_do_not_apply_are_none_and_errors_are_unknown(tmp_path: Path) -> None:
    row = "0, Tesla P4, 6.1, 7611, [Unknown Error], [N/A], [N/A], [N/A], 00000000:86:00.0, 0x1BB310DE\n"
    (one,) = filled(gpus, smi_machine(tmp_path, row), {})["devices"]["value"]
    assert one["mig_enabled"]["value"] is one["ecc_uncorrected"]["value"] is None
    assert one["memory_free_mib"]["why"] == "/usr/bin/nvidia-smi: memory.free is [Unknown Error]"


def test_a_container_that_sees_no_fabric_manager_cannot_tell() -> None:
    leaf = filled(gpus, recorded("cuda-compat-560.35.03-ahead-of-driver-550.54.15"))["fabric_manager"]
    assert leaf["why"].startswith("a container cannot see the host's fabric manager")


def test_an_installed_fabric_manager_that_does_not_run_is_told_with_dpkgs_version(tmp_path: Path) -> None:
    status = (
        "Package: nvidia-driver-550\nStatus: install ok installed\nVersion: 550.163.01-0ubuntu1\n\n"
        "Package: nvidia-fabricmanager-550\nStatus: install ok installed\nPriority: optional\nSection: multiverse/libs\n"
        "Version: 550.144.03-0ubuntu1\n\n"
    )
    machine = written(
        tmp_path, {"proc/2/comm": "kthreadd\n", "usr/bin/nv-fabricmanager": "", "var/lib/dpkg/status": status}, {"PATH": "/bin"}
    )
    leaf = filled(gpus, machine)["fabric_manager"]
    assert leaf["value"] == {"version": "550.144.03", "running": False}


def test_the_real_pynvml_reports_each_gpu_and_the_sick_ones_only_cost_their_own_leaves(live: Live) -> None:
    before = time.monotonic()
    healthy, old, wedged, lost = filled(gpus, live(), REAL)["devices"]["value"]
    assert 5 <= time.monotonic() - before < 10, "the deadline once, and not for each question"
    assert values({name: leaf for name, leaf in healthy.items() if name != "index"}) == {
        "name": "NVIDIA H100 80GB HBM3", "compute_capability": "9.0", "memory_total_mib": 81559, "memory_free_mib": 81004,
        "mig_enabled": True, "ecc_enabled": True, "ecc_uncorrected": 7, "pci_address": "0000:ab:00.0", "pci_device_id": "0x2330",
        "nvlink_links_active": 17, "fabric_state": "in-progress",
    }  # fmt: skip
    assert [old[name]["value"] for name in ("compute_capability", "mig_enabled", "ecc_enabled", "ecc_uncorrected", "fabric_state")] == [
        "6.1", None, None, None, None,
    ]  # fmt: skip
    assert old["nvlink_links_active"]["value"] == 0
    assert wedged["name"]["why"] == "GPU 2: NVML: no answer in 5 s"
    assert lost["name"]["why"] == "GPU 3: NVML: GPU is lost"


def test_a_wedged_nvidia_smi_behind_a_broken_nvml_leaves_no_process(live: Live, wedged_smi: Path) -> None:
    before = time.monotonic()
    leaf = filled(gpus, live(FAKE_NVML_INIT="18"), {**REAL, "deadline_s": 3})["devices"]
    assert time.monotonic() - before < WAITS_S
    assert leaf["why"].startswith("NVML: Driver/library version mismatch; ")
    assert "no answer in" in leaf["why"]
    assert survivors(wedged_smi) == []


def test_a_worker_that_dies_is_told_with_its_status_and_last_words(live: Live, tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text("import os\nos.abort()\n")
    why = filled(gpus, live(), {"pynvml": str(tmp_path / "pynvml.py")})["devices"]["why"]
    assert why.startswith("the process that asked list ended with status -6: ")


def test_a_gpu_whose_probe_fails_in_our_own_code_is_still_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_machine: object, _ask: object, words: list[str], *_: object) -> dict[str, Any]:
        if words == ["list"]:
            return {"driver": "550.54.15", "count": 1}
        raise KeyError("value")

    monkeypatch.setattr(vendor, "question", broken)
    (one,) = filled(gpus, recorded(H100))["devices"]["value"]
    assert one["name"]["why"] == "GPU 0: the probe failed here: KeyError: 'value'"


def test_lines_a_gpu_sharing_shim_prints_before_the_answer_are_passed_over(tmp_path: Path) -> None:
    answer = '[HAMI-core Msg]: Initializing.....\n{"value": {"driver": "535.86.10", "count": 0}}\n'
    machine = written(tmp_path, {}, {}, {"python3 -I -S -B - list": {"stdout": answer}})
    assert vendor.question(machine, PYNVML, ["list"])["driver"] == "535.86.10"


def test_a_machine_without_driver_costs_under_10_ms_in_both_sections(tmp_path: Path) -> None:
    cache = (MACHINES / "no-gpu-no-driver/root/etc/ld.so.cache").read_bytes()
    machine = written(tmp_path, {"sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", "etc/ld.so.cache": cache})
    times = []
    for _ in range(5):
        before = time.process_time()  # not the clock: other programs may keep the processors busy
        filled(driver, machine)
        filled(gpus, machine)
        times.append(time.process_time() - before)
    assert min(times) < 0.010
