"""What is known about a target: frozen, typed, and every leaf says how it is known.

A leaf is ``Known(value, via)`` or ``Unknown(why)``. ``Known(None)`` means "we looked and there is none"; an
``Unknown`` never passes silently because a rule reads leaves through :func:`need`. The probe prints a JSON document of
exactly this shape (``schema_version`` 1); :func:`decode` reads it and treats it as hostile input.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from envdoctor.builds import Builds, Extension, NumpyAbi, TorchBuild, VllmBuild
from envdoctor.leaf import Known, Leaf, NotObserved, Part, Unknown, need
from envdoctor.linkage import NOT_TAKEN, DeviceCode, Linking, Names, Overwritten, RecordCheck
from envdoctor.loaded import Live
from envdoctor.pasted import Pasted  # noqa: TC001 - msgspec reads it

__all__ = [
    "Builds",
    "Extension",
    "Known",
    "Leaf",
    "NotObserved",
    "NumpyAbi",
    "Part",
    "TorchBuild",
    "Unknown",
    "VllmBuild",
    "need",
]

SCHEMA_VERSION = 1
MAX_DOCUMENT_BYTES = 32 * 1024 * 1024


class Libc(Part, frozen=True):
    """The C library that is really loaded; ``name`` is "glibc" or "musl"."""

    name: str
    version: str


class CacheDir(Part, frozen=True):
    """A folder where models or compiled kernels are cached; sizes in bytes, of the file system under it."""

    purpose: str
    path: str
    free_bytes: int
    writable: bool


class Host(Part, frozen=True):
    """The operating system, as the target sees it."""

    os_name: Leaf[str]
    os_id: Leaf[str]
    os_version: Leaf[str]
    kernel: Leaf[str]
    arch: Leaf[str]
    libc: Leaf[Libc]
    wsl: Leaf[int | None]
    """Generation of the Windows Subsystem for Linux (1 or 2); None elsewhere."""
    cpu_model: Leaf[str]
    cpu_count: Leaf[int]
    memory_bytes: Leaf[int]
    caches: Leaf[tuple[CacheDir, ...]]


class LibCuda(Part, frozen=True):
    """One libcuda.so.1 the loader could take. ``kind``: driver, compat (cuda-compat package), stub or wsl."""

    path: str
    version: str | None
    kind: str
    origin: str
    """Which part of the loader's search found it: LD_LIBRARY_PATH, ld.so.cache, default or wsl."""


class Smi(Part, frozen=True):
    """The header of nvidia-smi."""

    driver_version: str
    cuda_version: str | None


class Driver(Part, frozen=True):
    """The NVIDIA driver by every rung of the ladder; versions as the vendor writes them ("550.54.15")."""

    kernel_module: Leaf[str | None]
    """/proc/driver/nvidia/version: the module that is loaded now."""
    sys_module: Leaf[str | None]
    """/sys/module/nvidia/version."""
    nvml: Leaf[str | None]
    smi: Leaf[Smi | None]
    libcuda: Leaf[tuple[LibCuda, ...]]
    """Every libcuda.so.1 in the order the loader would try them: the first one is used."""
    cuda_api: Leaf[str | None]
    """The CUDA version that the libcuda in force supports (cuDriverGetVersion), "12.4"."""
    open_kernel_module: Leaf[bool | None]


class PciDevice(Part, frozen=True):
    """An NVIDIA device on the PCI bus, seen by the kernel even with no driver. Ids are lower-case hex, "0x2330"."""

    address: str
    device_id: str
    device_class: str  # gpu, nvswitch, audio or other
    bound_driver: str | None


class Gpu(Part, frozen=True):
    """One GPU as NVML shows it; probed in a process of its own, so that a sick one cannot hide the others."""

    index: int
    name: Leaf[str]
    compute_capability: Leaf[str]
    """"9.0"."""
    memory_total_mib: Leaf[int]
    memory_free_mib: Leaf[int]
    mig_enabled: Leaf[bool | None]
    """None where the GPU has no MIG."""
    ecc_enabled: Leaf[bool | None]
    ecc_uncorrected: Leaf[int | None]
    """Uncorrected ECC errors since the driver was loaded (volatile)."""
    pci_address: Leaf[str]
    pci_device_id: Leaf[str]
    nvlink_links_active: Leaf[int]
    fabric_state: Leaf[str | None]
    """NVML GPU fabric state: completed, in-progress, not-started, not-supported; None where NVML cannot tell."""


class FabricManager(Part, frozen=True):
    """nvidia-fabricmanager; needed on machines with NVSwitch. ``version`` is None if it could not be read."""

    version: str | None
    running: bool


class Gpus(Part, frozen=True):
    """The GPUs and what joins them."""

    pci: Leaf[tuple[PciDevice, ...]]
    devices: Leaf[tuple[Gpu, ...]]
    """What NVML lists. Known(()) when there is no driver."""
    nvswitches: Leaf[int]
    fabric_manager: Leaf[FabricManager | None]


class Toolkit(Part, frozen=True):
    """A CUDA toolkit on disk. ``found_by``: nvcc on PATH, CUDA_HOME, CUDA_PATH, /usr/local/cuda..."""

    path: str
    version: str | None
    found_by: str


class Library(Part, frozen=True):
    """One copy of a CUDA library. The tuple that holds them is in the loader's order, per ``stem``."""

    stem: str
    """libcudart, libcublas, libcudnn, libnccl or libnvJitLink."""
    soname: str
    path: str
    version: str | None
    """From the real file's name ("12.4.127"), or None."""
    origin: str
    """LD_PRELOAD, LD_LIBRARY_PATH, wheel, conda, ld.so.cache or default."""


class Cuda(Part, frozen=True):
    """CUDA on disk, apart from the driver."""

    toolkits: Leaf[tuple[Toolkit, ...]]
    libraries: Leaf[tuple[Library, ...]]


class Interpreter(Part, frozen=True):
    """The target's Python. Folder names are as the target sees them, the home folder written ``~``."""

    executable: str
    version: str
    implementation: str
    abi: str
    """SOABI, "cpython-311-x86_64-linux-gnu"."""
    free_threaded: bool
    bits: int
    kind: str  # venv, conda, or system (anything else, pyenv and builds from source too)
    prefix: str
    base_prefix: str
    externally_managed: bool
    include_system_site: bool
    """A venv made with --system-site-packages."""
    site_dirs: Leaf[tuple[str, ...]]
    """Folders that hold distributions, in the order of sys.path."""
    user_site: Leaf[str | None]
    """The per-user site-packages if it is on sys.path of this interpreter and exists, else None."""
    pythonpath: tuple[str, ...]
    """Folders named by PYTHONPATH, in order."""
    sys_path: Leaf[tuple[str, ...]]

    @classmethod
    def named(cls, version: str, kind: str, paths: Leaf[tuple[str, ...]], user_site: Leaf[str | None]) -> Interpreter:
        """A Python that was only named: of where it lies and what it sees no more is known than what is given."""
        return cls(
            executable="python3",
            version=version,
            implementation="CPython",
            abi="",
            free_threaded=False,
            bits=64,
            kind=kind,
            prefix="",
            base_prefix="",
            externally_managed=False,
            include_system_site=False,
            site_dirs=paths,
            user_site=user_site,
            pythonpath=(),
            sys_path=paths,
        )


class DirectUrl(Part, frozen=True):
    """direct_url.json without credentials: where an install that did not come from an index came from."""

    kind: str
    """file, archive or vcs."""
    editable: bool
    commit: str | None


class Distribution(Part, frozen=True):
    """One installed distribution (PEP 376/427 metadata, read as text; importlib.metadata is not trusted)."""

    name: str
    """As written in METADATA; compare with :func:`normalized`."""
    version: str
    location: str
    """The site folder that holds it."""
    metadata_dir: str
    """Name of the .dist-info or .egg-info entry."""
    installer: str | None
    requires_python: str | None
    requires: tuple[str, ...]
    wheel_tags: tuple[str, ...]
    direct_url: DirectUrl | None
    requires_from: str | None = None
    """Where ``requires`` was read, if not where the version stands: of a release that is only named the data knows it."""
    problem: str | None = None
    """What is wrong with its metadata ("METADATA is missing"), or None."""


class Leftover(Part, frozen=True):
    """A trace of an interrupted install or removal, such as ``~orch``."""

    location: str
    entry: str


class Packages(Part, frozen=True):
    """Every distribution on sys.path, first on the path first."""

    distributions: Leaf[tuple[Distribution, ...]]
    leftovers: Leaf[tuple[Leftover, ...]]


class Container(Part, frozen=True):
    """What a container (or cgroup, or login limit) leaves to the process; sizes in bytes."""

    runtime: Leaf[str | None]
    """docker, podman, kubernetes, lxc, ...; None on a plain machine."""
    memory_limit_bytes: Leaf[int | None]
    cpu_limit: Leaf[float | None]
    shm_bytes: Leaf[int | None]
    memlock_bytes: Leaf[int | None]
    """Soft RLIMIT_MEMLOCK; None is unlimited."""
    nofile: Leaf[int | None]
    device_nodes: Leaf[tuple[str, ...]]
    """/dev/nvidia*, /dev/nvidia-uvm, /dev/dxg ..."""
    nvidia_mounts: Leaf[bool]
    """NVIDIA driver files are mounted into this container (the toolkit's hook has run)."""


BASE_IS_GONE = "its base Python is gone"
"""How ``Target.broken`` ends where the interpreter's link leads nowhere; anything else may pass (permissions, memory)."""


class Target(Part, frozen=True):
    """What was probed. Filled in by the source, not by the probe."""

    spec: str
    """As one would write it on the command line, the home folder as ``~``."""
    chosen: str
    """Why this one: "VIRTUAL_ENV is set"."""
    broken: str | None = None
    """Why the target's own interpreter does not start (the probe then ran under another one), or None."""


class Image(Part, frozen=True):
    """A container image, as its configuration says it is (OCI image specification, config)."""

    reference: str
    """As it was named: "envdoctor/h100:1"."""
    digest: str
    """"sha256:...": of its manifest where the engine keeps manifests, else of its configuration."""
    os: str
    architecture: str
    """As images name it: "amd64", "arm64"."""
    user: str
    """Who runs in it; "" is root."""
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    labels: dict[str, str]
    """Those of the OCI annotations (org.opencontainers.image.*) and of envdoctor."""
    layers: tuple[str, ...]
    """diff_ids: digests of the unpacked layers, the base first."""


class Facts(Part, frozen=True):
    """Everything known of one target at one moment."""

    schema_version: int
    probe_version: str
    taken_at: str
    """UTC, ISO 8601, whole seconds."""
    probe_seconds: float
    target: Target
    host: Host
    driver: Driver
    gpus: Gpus
    cuda: Cuda
    python: Leaf[Interpreter]
    packages: Packages
    builds: Builds
    environ: Leaf[dict[str, str]]
    """The allow-listed environment variables that are set."""
    container: Container
    linking: Linking = Linking()
    device_code: Leaf[tuple[DeviceCode, ...]] = NOT_TAKEN
    """GPU code of the libraries of the stack; empty where none has any."""
    overwritten: Leaf[tuple[Overwritten, ...]] = NOT_TAKEN
    names: Names = Names()
    records: Leaf[tuple[RecordCheck, ...]] = NOT_TAKEN
    """Only on request: every installed file compared with its hash."""
    image: Leaf[Image | None] = NOT_TAKEN
    """The image that was judged; None where the target is none."""
    live: Live = Live()
    """Only with --deep: what was run and imported."""
    pasted: Leaf[Pasted | None] = NOT_TAKEN
    """Only of a pasted report: what it said of errors."""
    extras: dict[str, Leaf[str]] = {}  # noqa: RUF012 - msgspec copies it
    """Only on request: output of compilers, lscpu and nvidia-smi topo for a pasted issue block."""

    @property
    def report(self) -> Pasted | None:
        """What a pasted report said; None where the target is none."""
        return self.pasted.value if isinstance(self.pasted, Known) else None


class BadDocument(ValueError):  # noqa: N818
    """A saved probe document that cannot be used; the message says where and why."""


@lru_cache(maxsize=1)
def decoder() -> msgspec.json.Decoder[Facts]:
    """The decoder of probe documents; building it takes milliseconds, so it is built once and may be built early."""
    return msgspec.json.Decoder(Facts)


def decode(document: bytes) -> Facts:
    """Read a probe document.

    Raises:
        BadDocument: too large, not JSON, another schema version, or a field of the wrong type.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise BadDocument(f"it is larger than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB")
    try:
        facts = decoder().decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadDocument(str(error)) from error
    if facts.schema_version != SCHEMA_VERSION:
        raise BadDocument(f"its schema_version is {facts.schema_version}, this program reads {SCHEMA_VERSION}")
    return facts


def encode(facts: Facts) -> bytes:
    """The document of these facts, indented, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"
