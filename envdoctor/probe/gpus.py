"""Section ``gpus``: NVIDIA devices on the PCI bus, the GPUs as NVML shows them, NVSwitches, the fabric manager."""

import re
import time

from . import vendor
from .machine import DEADLINE_S, Missing, Trouble, fill, known, unknown, value_of

LEAVES = ("pci", "devices", "nvswitches", "fabric_manager")

PCI = "/sys/bus/pci/devices"
NVIDIA = "0x10de"
BUDGET_S = 8.0  # of the whole probe, when the request names none
MARGIN_S = 0.5

SMI_FIELDS = (
    ("index", "index"), ("name", "name"), ("compute_capability", "compute_cap"), ("memory_total_mib", "memory.total"),
    ("memory_free_mib", "memory.free"), ("mig_enabled", "mig.mode.current"), ("ecc_enabled", "ecc.mode.current"),
    ("ecc_uncorrected", "ecc.errors.uncorrected.volatile.total"), ("pci_address", "pci.bus_id"), ("pci_device_id", "pci.device_id"),
)  # fmt: skip
GPU_LEAVES = (*[name for name, _field in SMI_FIELDS[1:]], "nvlink_links_active", "fabric_state")
MAY_LACK = ("mig_enabled", "ecc_enabled", "ecc_uncorrected")

FABRIC_MANAGER = "nv-fabricmanager"
COMM = FABRIC_MANAGER[:15]  # the kernel cuts a process's name there
DPKG = "/var/lib/dpkg/status"
MAX_DPKG_BYTES = 32 * 1024 * 1024


def probe(out, machine, ask):
    """Fill the section. ``ask`` is the request (see __main__)."""
    until = time.monotonic() + float(ask.get("deadline_s", BUDGET_S)) - MARGIN_S
    fill(out, "pci", lambda: pci(machine))
    fill(out, "nvswitches", lambda: nvswitches(machine, out["pci"]))
    vendor.together(
        [
            lambda: fill(out, "devices", lambda: devices(machine, ask, until)),
            lambda: fill(out, "fabric_manager", lambda: fabric_manager(machine, out["pci"])),
        ]
    )


def pci(machine):
    """What the kernel sees on the bus, driver or not."""
    try:
        addresses = machine.listdir(PCI)
    except Missing:
        return unknown("there is no %s here (WSL and some sandboxes hide the PCI bus)" % PCI)
    found = []
    for address in addresses:
        folder = "%s/%s" % (PCI, address)
        try:
            if machine.text(folder + "/vendor").strip() != NVIDIA:
                continue
            number = machine.text(folder + "/class").strip()
            device_id = machine.text(folder + "/device").strip()
        except Missing:
            continue  # unplugged while we looked
        bound = machine.realpath(folder + "/driver").rpartition("/")[2] if machine.exists(folder + "/driver") else None
        found.append({"address": address, "device_id": device_id, "device_class": device_class(number), "bound_driver": bound})
    return known(found, PCI)


def device_class(number):
    """The PCI class code ("0x030200") in a word."""
    for start, word in (("0x03", "gpu"), ("0x0680", "nvswitch"), ("0x0403", "audio")):
        if number.startswith(start):
            return word
    return "other"


def nvswitches(machine, bus):
    """How many NVSwitches are on the PCI bus, or have a node where the bus cannot be seen."""
    on_bus = value_of(bus)
    if on_bus is not None:
        return known(sum(one["device_class"] == "nvswitch" for one in on_bus), PCI)
    nodes = [name for name in machine.listdir("/dev") if re.match(r"nvidia-nvswitch\d+$", name)]
    return known(len(nodes), "/dev/nvidia-nvswitch*") if nodes else unknown(bus["why"])


def devices(machine, ask, until):
    """The GPUs: NVML lists them, then each is asked in a process of its own, all at once."""
    if not vendor.libraries(machine, vendor.NVML):
        return known([], "there is no NVML library: " + vendor.no_library(vendor.NVML))
    try:
        count = vendor.question(machine, ask, ["list"])["count"]
    except vendor.NoDriver as error:
        return known([], str(error))
    except (Missing, Trouble) as error:
        return by_smi(machine, str(error), until)
    found = [None] * count

    def look(index):
        found[index] = gpu(machine, ask, index, seconds_left(until))

    vendor.together([lambda index=index: look(index) for index in range(count)])
    return known(found, "NVML")


def seconds_left(until):
    """Seconds one more question may take so that the section ends in time; never so few that a healthy GPU cannot answer."""
    return round(max(1.0, min(DEADLINE_S, until - time.monotonic())), 1)


def gpu(machine, ask, index, seconds):
    """One GPU; every leaf Unknown if it does not answer in time."""
    try:
        leaves = vendor.question(machine, ask, ["gpu", str(index)], seconds)
    except (vendor.NoDriver, Missing, Trouble) as error:
        leaves = dict.fromkeys(GPU_LEAVES, unknown("GPU %d: %s" % (index, error)))
    except Exception as error:  # in a thread of its own, where nothing else would turn it into an answer
        leaves = dict.fromkeys(
            GPU_LEAVES, unknown("GPU %d: the probe failed here: %s: %s" % (index, type(error).__name__, error))
        )
    return dict(leaves, index=index)


def by_smi(machine, why, until):
    """The GPUs by nvidia-smi, where NVML could not be asked; ``why`` says why, and is the reason if nvidia-smi fails too."""
    program = vendor.nvidia_smi(machine)
    if program is None:
        return unknown(why)
    fields = ",".join(field for _name, field in SMI_FIELDS)
    try:
        status, out, _err = machine.run([program, "--query-gpu=" + fields, "--format=csv,noheader,nounits"], seconds_left(until))
    except (Missing, Trouble) as error:
        return unknown("%s; %s" % (why, error))
    rows = [[cell.strip() for cell in line.split(",")] for line in out.splitlines() if line.strip()]
    if status != 0 or any(len(row) != len(SMI_FIELDS) for row in rows):
        return unknown(why)
    return known([smi_row(row, program) for row in rows], "%s (%s)" % (program, why))


def smi_row(row, program):
    """One line of nvidia-smi's table as a GPU."""
    found = {"index": int(row[0])}
    for (name, field), value in zip(SMI_FIELDS[1:], row[1:]):  # noqa: B905 - Python 3.8 has no strict; the caller counted
        if value in ("[N/A]", "N/A", "[Not Supported]"):
            found[name] = known(None, program) if name in MAY_LACK else unknown("%s: %s is %s" % (program, field, value))
        elif value.startswith("["):
            found[name] = unknown("%s: %s is %s" % (program, field, value))
        else:
            found[name] = known(smi_value(name, value), program)
    for name in ("nvlink_links_active", "fabric_state"):
        found[name] = unknown("NVML could not be asked, and nvidia-smi's table does not show it")
    return found


def smi_value(name, value):
    """A cell of nvidia-smi's table in the form NVML's answer has."""
    if name in ("memory_total_mib", "memory_free_mib", "ecc_uncorrected"):
        return int(value)
    if name in ("mig_enabled", "ecc_enabled"):
        return value == "Enabled"
    if name == "pci_address":
        return value.lower()[-12:]
    if name == "pci_device_id":
        return value[:6].lower()
    return value


def fabric_manager(machine, bus):
    """nvidia-fabricmanager: is it running, and which version is installed.

    The program of a running process is not started to ask its version: anyone may give a process that name.
    """
    program = vendor.which(machine, FABRIC_MANAGER, "/usr/bin")
    if program is None and value_of(bus) == []:
        return known(None, "no NVIDIA device in %s, and no %s on PATH" % (PCI, FABRIC_MANAGER))
    process = fabric_process(machine)
    if process is None and not sees_all_processes(machine):
        return unknown("a container cannot see the host's fabric manager (/proc shows only the container's own processes)")
    if program is None and process is None:
        return known(None, "no process and no program on PATH is named " + FABRIC_MANAGER)
    version = fabric_version(machine, program)
    return known({"version": version, "running": process is not None}, " and ".join(filter(None, (process, program))))


def fabric_process(machine):
    """The /proc file that shows it running, or None."""
    for entry in machine.listdir("/proc"):
        if not entry.isdigit():
            continue
        path = "/proc/%s/comm" % entry
        try:
            if machine.text(path).strip() == COMM:
                return path
        except (Missing, Trouble):
            continue  # it has ended, or is not ours to see
    return None


def sees_all_processes(machine):
    """Whether /proc is the machine's own: process 2 is the kernel's thread daemon everywhere but in a PID namespace."""
    try:
        return machine.text("/proc/2/comm").strip() == "kthreadd"
    except (Missing, Trouble):
        return False


def fabric_version(machine, program):
    """What the program says, else what dpkg has installed, else None."""
    if program is not None:
        try:
            _status, out, err = machine.run([program, "--version"])
        except (Missing, Trouble):
            out = err = ""
        found = re.search(r"version is\s*:?\s*(\d[\d.]*)", out + err)
        if found:
            return found.group(1)
    try:
        status = machine.text(DPKG, MAX_DPKG_BYTES)
    except (Missing, Trouble):
        return None
    found = re.search(
        r"^Package: nvidia-fabricmanager(?:-\d+)?\nStatus: install ok installed\n(?:.+\n)*?Version: (?:\d+:)?([\d.]+)",
        status,
        re.M,
    )
    return found.group(1) if found else None
