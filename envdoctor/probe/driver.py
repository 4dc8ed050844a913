"""Section ``driver``: the NVIDIA driver by every rung of the ladder, and the libcuda that programs would load."""

import re

from . import vendor
from .machine import Missing, Trouble, fill, known, unknown, value_of

LEAVES = ("kernel_module", "sys_module", "nvml", "smi", "libcuda", "cuda_api", "open_kernel_module")

PROC = "/proc/driver/nvidia/version"
SYS = "/sys/module/nvidia/version"
LIBCUDA = "libcuda.so.1"
SMI_NO_DRIVER = 9  # nvidia-smi's manual, RETURN VALUE: "NVIDIA driver is not loaded"


def probe(out, machine, ask):
    """Fill the section. ``ask`` is the request (see __main__)."""
    fill(out, "kernel_module", lambda: kernel_module(machine))
    fill(out, "open_kernel_module", lambda: open_kernel_module(machine))
    fill(out, "sys_module", lambda: sys_module(machine))
    fill(out, "libcuda", lambda: libcuda(machine))
    # each of these can take its whole deadline on a sick machine
    vendor.together(
        [
            lambda: fill(out, "cuda_api", lambda: cuda_api(machine, ask, out["libcuda"])),
            lambda: fill(out, "nvml", lambda: nvml(machine, ask)),
            lambda: fill(out, "smi", lambda: smi(machine)),
        ]
    )


def kernel_module(machine):
    """Version of the loaded module, as it says itself; both the closed and the open module's wording."""
    try:
        text = machine.text(PROC)
    except Missing:
        return known(None, PROC)
    found = re.search(r"^NVRM version:.*Kernel Module\s+(?:for \S+\s+)?(\d[\d.]*)", text, re.M)
    return known(found.group(1), PROC) if found else unknown("%s names no version: %s" % (PROC, first_line(text)))


def open_kernel_module(machine):
    """Whether the loaded module is the open one."""
    try:
        return known("Open Kernel Module" in machine.text(PROC), PROC)
    except Missing:
        return known(None, PROC)


def sys_module(machine):
    """Version of the loaded module, as the kernel lists it."""
    try:
        return known(machine.text(SYS).strip(), SYS)
    except Missing:
        return known(None, SYS)


def nvml(machine, ask):
    """The driver version NVML reports."""
    found = vendor.libraries(machine, vendor.NVML)
    if not found:
        return known(None, vendor.no_library(vendor.NVML))
    try:
        return known(vendor.question(machine, ask, ["list"])["driver"], "NVML (%s)" % found[0][0])
    except vendor.NoDriver as error:
        return known(None, str(error))


def smi(machine):
    """The header of nvidia-smi's page. Its failures are kept in its own words: they name the cause."""
    program = vendor.nvidia_smi(machine)
    if program is None:
        return known(None, "nvidia-smi is not on PATH")
    status, out, err = machine.run([program])
    said = first_line(out + "\n" + err, 2)
    if status == SMI_NO_DRIVER:
        return known(None, "%s: %s" % (program, said))
    if status != 0:
        return unknown("%s failed with exit status %d: %s" % (program, status, said))
    header = smi_header(out)
    return known(header, program) if header else unknown("%s printed no driver version: %s" % (program, said))


def smi_header(text):
    """The versions in the header, or None. Since driver 610 it says KMD and CUDA UMD Version; CUDA may be N/A or ERR!."""
    driver = re.search(r"\b(?:Driver|KMD) Version:\s*(\d[\d.]*)", text)
    cuda = re.search(r"\bCUDA (?:UMD )?Version:\s*(\d[\d.]*)", text)
    return driver and {"driver_version": driver.group(1), "cuda_version": cuda.group(1) if cuda else None}


def libcuda(machine):
    """Every libcuda.so.1 in the loader's order: the folder is the one it was found by, the version is the real file's."""
    found = []
    for path, origin in vendor.libraries(machine, LIBCUDA):
        real = machine.realpath(path)
        version = re.search(r"\.so\.(\d{3,}\.[\d.]+)$", real)
        beside = path.rpartition("/")[0] + "/" + real.rpartition("/")[2]
        found.append(
            {
                "path": beside if machine.exists(beside) else path,
                "version": version.group(1) if version else None,
                "kind": libcuda_kind(path, real),
                "origin": origin,
            }
        )
    return known(found, "the loader's search path" if found else vendor.no_library(LIBCUDA))


def libcuda_kind(path, real):
    """Whose libcuda it is, by the folders of its name and of the real file."""
    folders = path + real
    if "/compat/" in folders or "/cuda-compat" in folders:
        return "compat"
    if "/stubs/" in folders:
        return "stub"
    return "wsl" if "/wsl/" in folders else "driver"


def cuda_api(machine, ask, libraries):
    """The CUDA version that the libcuda in force supports."""
    if libraries["is"] == "unknown":
        raise Trouble(libraries["why"])
    found = value_of(libraries)
    if not found:
        return known(None, libraries["via"])
    path = found[0]["path"]
    return known(vendor.question(machine, ask, ["cuda", path]), "cuDriverGetVersion of " + path)


def first_line(text, lines=1):
    """The first lines that are not empty, as one."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(found[:lines]) or "it printed nothing"
