"""Ask the driver's own libraries one question, print the answer as one line of JSON, and end.

Run as a script in a process that the probe kills at its deadline, because a sick GPU can block these calls for ever.
Questions: ``list``; ``gpu INDEX``; ``cuda PATH-OF-LIBCUDA``. ENVDOCTOR_PYNVML names the pynvml.py that travels with the
probe; where there is no such file, its text is the global TRAVELLED, put before this program. NVML makes no CUDA context and
neither does cuDriverGetVersion; cuInit is never called. No UUID or serial is read.
"""

import ctypes
import importlib.util
import json
import os
import sys

FABRIC_STATES = ("not-supported", "not-started", "in-progress", "completed")
MIB = 1024 * 1024


def main():
    """Entry point: the question stands in argv."""
    question, *rest = sys.argv[1:]
    if question == "cuda":
        answer = cuda_version(rest[0])
    else:
        nvml = load(os.environ["ENVDOCTOR_PYNVML"])
        try:
            nvml.nvmlInit()
            answer = {"value": everything(nvml) if question == "list" else gpu(nvml, int(rest[0]))}
        except nvml.NVMLError as error:
            answer = {"error": words(nvml, error), "no_driver": error.value == nvml.NVML_ERROR_DRIVER_NOT_LOADED}
    sys.stdout.write(json.dumps(answer) + "\n")


def load(path):
    """The pynvml module at ``path``, and no other of that name."""
    text = globals().get("TRAVELLED")
    if text is not None:
        spec = importlib.util.spec_from_loader("pynvml", None)
    else:
        spec = importlib.util.spec_from_file_location("pynvml", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["pynvml"] = module  # it looks itself up there while it is loaded
    if text is not None:
        exec(compile(text, path, "exec"), module.__dict__)
    else:
        spec.loader.exec_module(module)
    return module


def cuda_version(path):
    """The CUDA version this libcuda supports, "12.4"; needs no GPU."""
    version = ctypes.c_int()
    status = ctypes.CDLL(path).cuDriverGetVersion(ctypes.byref(version))
    if status != 0:
        return {"error": "cuDriverGetVersion of %s returned error %d" % (path, status)}
    return {"value": "%d.%d" % (version.value // 1000, version.value % 1000 // 10)}


def everything(nvml):
    """The driver version and the number of GPUs."""
    return {"driver": text(nvml.nvmlSystemGetDriverVersion()), "count": nvml.nvmlDeviceGetCount()}


def gpu(nvml, index):
    """{field: leaf} of one GPU, in the form of the probe's document."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    questions = {
        "name": lambda: text(nvml.nvmlDeviceGetName(handle)),
        "compute_capability": lambda: "%d.%d" % tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)),
        "memory_total_mib": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total // MIB,
        "memory_free_mib": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).free // MIB,
        "mig_enabled": lambda: nvml.nvmlDeviceGetMigMode(handle)[0] == 1,
        "ecc_enabled": lambda: nvml.nvmlDeviceGetEccMode(handle)[0] == 1,
        "ecc_uncorrected": lambda: nvml.nvmlDeviceGetTotalEccErrors(
            handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
        ),
        "pci_address": lambda: sysfs_address(text(nvml.nvmlDeviceGetPciInfo(handle).busId)),
        "pci_device_id": lambda: "0x%04x" % (nvml.nvmlDeviceGetPciInfo(handle).pciDeviceId >> 16),
        "nvlink_links_active": lambda: active_links(nvml, handle),
        "fabric_state": lambda: fabric_state(nvml, handle),
    }
    return {name: leaf(nvml, name, question) for name, question in questions.items()}


def leaf(nvml, name, question):
    """The answer; a GPU without MIG, ECC or a fabric says "not supported", which is an answer too."""
    lacks = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    try:
        return {"is": "known", "value": question(), "via": "NVML"}
    except nvml.NVMLError as error:
        if error.value in lacks and name in ("mig_enabled", "ecc_enabled", "ecc_uncorrected", "fabric_state"):
            return {"is": "known", "value": None, "via": "NVML: " + words(nvml, error)}
        return {"is": "unknown", "why": "NVML: " + words(nvml, error)}
    except Exception as error:  # an answer outside NVML's documentation costs this leaf only
        return {"is": "unknown", "why": "NVML gave a strange answer: %s: %s" % (type(error).__name__, error)}


def words(nvml, error):
    """The library's own words, which are the ones people search for ("Driver/library version mismatch")."""
    try:
        return text(nvml.nvmlErrorString(error.value))
    except nvml.NVMLError:
        return str(error)


def active_links(nvml, handle):
    """How many NVLinks are up; 0 for a GPU that has none."""
    active = 0
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        try:
            active += nvml.nvmlDeviceGetNvLinkState(handle, link) == nvml.NVML_FEATURE_ENABLED
        except nvml.NVMLError as error:
            # the end of the links is told by either error
            if error.value in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_INVALID_ARGUMENT):
                break
            raise
    return active


class FabricInfo(ctypes.Structure):
    """nvmlGpuFabricInfo_v2_t of nvml.h; several pynvml releases (12.550 to 12.560) have its second field too long."""

    _fields_ = [
        ("version", ctypes.c_uint),
        ("clusterUuid", ctypes.c_ubyte * 16),
        ("status", ctypes.c_uint),
        ("cliqueId", ctypes.c_uint),
        ("state", ctypes.c_ubyte),
        ("healthMask", ctypes.c_uint),
    ]


def fabric_state(nvml, handle):
    """Whether the GPU has joined the NVLink fabric. Only the versioned call is made: the older one's layout was changed."""
    info = FabricInfo(version=2 << 24 | ctypes.sizeof(FabricInfo))
    nvml.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(info))
    return FABRIC_STATES[info.state]


def sysfs_address(bus_id):
    """NVML's "00000000:04:00.0" as /sys/bus/pci writes it, "0000:04:00.0"."""
    domain, _, rest = bus_id.lower().partition(":")
    return "%04x:%s" % (int(domain, 16), rest)


def text(value):
    """Some pynvml releases give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
