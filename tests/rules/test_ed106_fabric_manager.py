"""ED106: the fabric of NVSwitch machines."""

import msgspec
import pytest

from envdoctor import facts as f
from envdoctor.facts import Facts, Known, Leaf, Unknown, need
from envdoctor.findings import Outcome
from tests.factory import blind, edit, gpu, healthy, judged, without_driver

RULE = "ed106_fabric_manager"
FOUR = Known(4, "/sys/bus/pci/devices")
HIDDEN = Unknown("a container cannot see the host's fabric manager")


def node(manager: Leaf[f.FabricManager | None], state: str | None, switches: Leaf[int] = FOUR) -> Facts:
    cards = tuple(msgspec.structs.replace(gpu(index), fabric_state=Known(state, "NVML")) for index in range(8))
    return edit(healthy(), gpus__devices=Known(cards, "NVML"), gpus__nvswitches=switches, gpus__fabric_manager=manager)


def manager(version: str | None, *, running: bool = True) -> Known[f.FabricManager | None]:
    return Known(f.FabricManager(version=version, running=running), "nv-fabricmanager --version")


def test_a_running_manager_of_the_drivers_version_is_healthy() -> None:
    assert judged(RULE, node(manager("550.54.15"), None))[0] is Outcome.PASS
    assert judged(RULE, node(manager("550.54.15-1"), None))[0] is Outcome.PASS


def test_a_machine_without_nvswitch_needs_none() -> None:
    assert judged(RULE, node(Known(None, "/proc"), "not-supported", Known(0, "/sys/bus/pci/devices")))[0] is Outcome.PASS


def test_several_gpus_that_wait_for_a_fabric_say_that_there_is_one_where_switches_are_no_pci_devices() -> None:
    switches = Known(0, "/sys/bus/pci/devices")
    eight = node(Known(None, "/proc"), "in-progress", switches)
    first = need(eight.gpus.devices)[:1]
    # one GPU of a fabric, handed to a virtual machine, is not told by its state alone
    assert judged(RULE, edit(eight, gpus__devices=Known(first, "NVML")))[0] is Outcome.PASS
    assert judged(RULE, eight)[0] is Outcome.FAIL


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (Known(None, "/proc and /usr/bin"), "the GPUs of this machine are joined by NVSwitches, but there is no fabric manager"),
        (manager("550.90.07"), "fabric manager 550.90.07 does not belong to driver 550.54.15"),
        (manager("550.54.15", running=False), "the fabric manager is installed but does not run"),
    ],
)
def test_missing_of_another_version_or_stopped_is_an_error(found: Leaf[f.FabricManager | None], title: str) -> None:
    outcome, (finding,), _ = judged(RULE, node(found, "in-progress"))
    assert outcome is Outcome.FAIL
    assert finding.title == title
    assert "Error 802" in finding.why
    assert finding.changes[0].argv[0] == ("sudo", "apt-get", "install", "nvidia-fabricmanager-550=550.54.15*")


def test_a_completed_fabric_is_healthy_whatever_is_read_of_the_manager() -> None:
    assert judged(RULE, node(Known(None, "/proc"), "completed"))[0] is Outcome.PASS


def test_in_a_container_the_state_of_the_gpus_decides() -> None:
    outcome, (finding,), _ = judged(RULE, node(HIDDEN, "in-progress"))
    assert outcome is Outcome.FAIL
    assert finding.title == "the NVSwitch fabric of 8 GPUs is not set up (in-progress)"
    assert judged(RULE, node(HIDDEN, "completed"))[0] is Outcome.PASS


def test_where_switches_cannot_be_counted_the_state_decides_too() -> None:
    assert judged(RULE, node(HIDDEN, "not-started", Unknown("there is no /sys/bus/pci")))[0] is Outcome.FAIL
    assert judged(RULE, node(HIDDEN, "not-supported", Unknown("there is no /sys/bus/pci")))[0] is Outcome.PASS


def test_without_driver_ed101_speaks() -> None:
    assert judged(RULE, edit(without_driver(healthy()), gpus__nvswitches=Known(4, "/sys")))[0] is Outcome.PASS


def test_an_unseen_manager_and_no_state_cannot_be_told() -> None:
    outcome, _, (doubt,) = judged(RULE, node(HIDDEN, None))
    assert outcome is Outcome.UNKNOWN
    assert doubt.why == HIDDEN.why
    _, _, (doubt,) = judged(RULE, node(manager(None), None))
    assert doubt.why == "the version of the running fabric manager could not be read"
    assert judged(RULE, blind(node(HIDDEN, "completed"), "gpus__devices"))[0] is Outcome.UNKNOWN
