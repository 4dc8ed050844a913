"""Facts for tests: one healthy H100 node with vLLM 0.6.6.post1, and small edits of it.

The values are those of a real resolution of January 2025; the requirement lines are copied from the wheels' METADATA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor import facts as f
from envdoctor.architectures import in_wheel
from envdoctor.check import judge
from envdoctor.facts import Facts, Known, Unknown
from envdoctor.linkage import DeviceCode
from envdoctor.matrix import Matrix
from envdoctor.rules import load
from envdoctor.views import normalized

if TYPE_CHECKING:
    from envdoctor.findings import Doubt, Finding, Outcome

SITE = "~/venv/lib/python3.11/site-packages"
MATRIX = Matrix()


def dist(name: str, version: str, *requires: str, python: str | None = None, **more: Any) -> f.Distribution:
    """A distribution in the venv's site-packages, installed by uv."""
    values: dict[str, Any] = {
        "name": name,
        "version": version,
        "location": SITE,
        "metadata_dir": f"{name.replace('-', '_')}-{version}.dist-info",
        "installer": "uv",
        "requires_python": python,
        "requires": requires,
        "wheel_tags": ("py3-none-any",),
        "direct_url": None,
        "problem": None,
    }
    return f.Distribution(**(values | more))


DISTRIBUTIONS = (
    dist("torch", "2.5.1", 'nvidia-cuda-runtime-cu12==12.4.127; platform_system == "Linux"',
         'nvidia-nccl-cu12==2.21.5; platform_system == "Linux"',
         'nvidia-nvjitlink-cu12==12.4.127; platform_system == "Linux"',
         'triton==3.1.0; platform_system == "Linux" and python_version < "3.13"',
         python=">=3.8.0", wheel_tags=("cp311-cp311-manylinux1_x86_64",)),
    dist("torchvision", "0.20.1", "numpy", "torch==2.5.1", python=">=3.8", wheel_tags=("cp311-cp311-manylinux1_x86_64",)),
    dist("torchaudio", "2.5.1", "torch==2.5.1", wheel_tags=("cp311-cp311-manylinux1_x86_64",)),
    dist("triton", "3.1.0", "filelock", wheel_tags=("cp311-cp311-manylinux_2_17_x86_64",)),
    dist("filelock", "3.16.1"),
    dist("xformers", "0.0.28.post3", "numpy", "torch==2.5.1", wheel_tags=("cp311-cp311-manylinux_2_28_x86_64",)),
    dist("vllm", "0.6.6.post1", "numpy<2.0.0", "transformers>=4.45.2", "torch==2.5.1", "torchvision==0.20.1",
         'xformers==0.0.28.post3; platform_system == "Linux" and platform_machine == "x86_64"', "nvidia-ml-py",
         'ray>=2.9; extra == "audio"', python=">=3.9", wheel_tags=("cp38-abi3-manylinux1_x86_64",)),
    dist("transformers", "4.47.1", "numpy>=1.17", python=">=3.9.0"),
    dist("numpy", "1.26.4", python=">=3.9", wheel_tags=("cp311-cp311-manylinux_2_17_x86_64",)),
    dist("nvidia-ml-py", "12.560.30"),
    dist("nvidia-cuda-runtime-cu12", "12.4.127", wheel_tags=("py3-none-manylinux2014_x86_64",)),
    dist("nvidia-nccl-cu12", "2.21.5", wheel_tags=("py3-none-manylinux2014_x86_64",)),
    dist("nvidia-nvjitlink-cu12", "12.4.127", wheel_tags=("py3-none-manylinux2014_x86_64",)),
)  # fmt: skip


def device_code() -> tuple[DeviceCode, ...]:
    """Fat binaries of the wheels of torch 2.5.1, torchvision 0.20.1 and xformers 0.0.28.post3 as read; of vllm by the data."""
    every = "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"
    return (
        DeviceCode(package="torch", path="torch/lib/libtorch_cuda.so", containers={every: 339, f"{every} sm_90a": 1}),
        DeviceCode(
            package="torch", path="torch/lib/libtorch_cuda_linalg.so", containers={"sm_50 sm_60 sm_70 sm_80 sm_86 sm_90": 107}
        ),
        DeviceCode(package="torchvision", path="torchvision/_C.so", containers={f"{every} compute_50": 6}),
        *in_wheel(next(row for row in MATRIX.vllm_releases() if row.vllm == "0.6.6.post1")),
        DeviceCode(
            package="xformers", path="xformers/_C.so", containers={"sm_60 sm_70 sm_75 sm_80 sm_90a compute_60 compute_80": 18}
        ),
    )


def gpu(index: int = 0, name: str = "NVIDIA H100 80GB HBM3", sm: str = "9.0", pci: str = "0x2330") -> f.Gpu:
    """A GPU as NVML shows it."""
    via = f"NVML, GPU {index}"
    return f.Gpu(
        index=index,
        name=Known(name, via),
        compute_capability=Known(sm, via),
        memory_total_mib=Known(81559, via),
        memory_free_mib=Known(81000, via),
        mig_enabled=Known(value=False, via=via),
        ecc_enabled=Known(value=True, via=via),
        ecc_uncorrected=Known(0, via),
        pci_address=Known(f"0000:{index + 4:02x}:00.0", via),
        pci_device_id=Known(pci, via),
        nvlink_links_active=Known(18, via),
        fabric_state=Known("completed", via),
    )


def healthy() -> Facts:
    """The healthy node: no rule may find anything in it."""
    driver = "550.54.15"
    return Facts(
        schema_version=1,
        probe_version="1",
        taken_at="2026-11-22T12:00:00Z",
        probe_seconds=0.1,
        target=f.Target(spec="~/venv", chosen="VIRTUAL_ENV is set"),
        host=f.Host(
            os_name=Known("Ubuntu 22.04.5 LTS", "/etc/os-release"),
            os_id=Known("ubuntu", "/etc/os-release"),
            os_version=Known("22.04", "/etc/os-release"),
            kernel=Known("5.15.0-107-generic", "uname"),
            arch=Known("x86_64", "uname"),
            libc=Known(f.Libc(name="glibc", version="2.35"), "gnu_get_libc_version() in the target's interpreter"),
            wsl=Known(None, "/proc/version"),
            cpu_model=Known("Intel(R) Xeon(R) Platinum 8480+", "/proc/cpuinfo"),
            cpu_count=Known(208, "sched_getaffinity"),
            memory_bytes=Known(2 << 40, "/proc/meminfo"),
            caches=Known((), "statvfs"),
        ),
        driver=f.Driver(
            kernel_module=Known(driver, "/proc/driver/nvidia/version"),
            sys_module=Known(driver, "/sys/module/nvidia/version"),
            nvml=Known(driver, "NVML"),
            smi=Known(f.Smi(driver_version=driver, cuda_version="12.4"), "nvidia-smi"),
            libcuda=Known(
                (f.LibCuda(path=f"/usr/lib/x86_64-linux-gnu/libcuda.so.{driver}", version=driver, kind="driver", origin="ld.so.cache"),),
                "the loader's search path",
            ),
            cuda_api=Known("12.4", "cuDriverGetVersion"),
            open_kernel_module=Known(value=True, via="/proc/driver/nvidia/version"),
        ),
        gpus=f.Gpus(
            pci=Known(
                (f.PciDevice(address="0000:04:00.0", device_id="0x2330", device_class="gpu", bound_driver="nvidia"),),
                "/sys/bus/pci/devices",
            ),
            devices=Known((gpu(),), "NVML"),
            nvswitches=Known(0, "/sys/bus/pci/devices"),
            fabric_manager=Known(None, "/proc and /usr/bin"),
        ),
        cuda=f.Cuda(
            toolkits=Known((), "PATH, CUDA_HOME and /usr/local"),
            libraries=Known(
                (f.Library(stem="libnvJitLink", soname="libnvJitLink.so.12", path=f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12",
                           version="12.4.127", origin="wheel"),),
                "the loader's search path",
            ),
        ),
        python=Known(
            f.Interpreter(
                executable="~/venv/bin/python", version="3.11.10", implementation="cpython", abi="cpython-311-x86_64-linux-gnu",
                free_threaded=False, bits=64, kind="venv", prefix="~/venv", base_prefix="/usr", externally_managed=False,
                include_system_site=False, site_dirs=Known((SITE,), "pyvenv.cfg"), user_site=Known(None, "site"),
                pythonpath=(), sys_path=Known((SITE,), "pyvenv.cfg"),
            ),
            "~/venv/bin/python",
        ),
        packages=f.Packages(distributions=Known(DISTRIBUTIONS, SITE), leftovers=Known((), SITE)),
        builds=f.Builds(
            torch=Known(torch_build(), f"{SITE}/torch/version.py"),
            vllm=Known(f.VllmBuild(version="0.6.6.post1", cuda_major=Known(12, "DT_NEEDED of vllm/_C.abi3.so")), f"{SITE}/vllm/_version.py"),
            extensions=Known(
                (
                    f.Extension(package="torch", path="torch/lib/libc10_cuda.so", needed=("libcudart.so.12", "libc10.so")),
                    f.Extension(package="vllm", path="vllm/_C.abi3.so", needed=("libcudart.so.12", "libtorch_cuda.so")),
                    f.Extension(package="torchvision", path="torchvision/_C.so", needed=("libcudart.so.12", "libtorch_cuda.so")),
                ),
                SITE,
            ),
            numpy1_modules=Known((), SITE),
            module_owners=Known({}, SITE),
            built_as=Known({"torchvision": "0.20.1+cu124", "torchaudio": "2.5.1+cu124"}, "version.py of torchvision and torchaudio"),
        ),
        environ=Known({}, "the environment of the target"),
        container=f.Container(
            runtime=Known(None, "/.dockerenv, /run/.containerenv, /proc/1"),
            memory_limit_bytes=Known(None, "/sys/fs/cgroup/memory.max"),
            cpu_limit=Known(None, "/sys/fs/cgroup/cpu.max"),
            shm_bytes=Known(1 << 40, "statvfs /dev/shm"),
            memlock_bytes=Known(None, "RLIMIT_MEMLOCK"),
            nofile=Known(1048576, "RLIMIT_NOFILE"),
            device_nodes=Known(("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"), "/dev"),
            nvidia_mounts=Known(value=False, via="/proc/self/mountinfo"),
        ),
        device_code=Known(device_code(), f"fat binaries of the libraries under {SITE}"),
        overwritten=Known((), "RECORD of 13 distributions"),
    )  # fmt: skip


def torch_build(
    version: str = "2.5.1+cu124",
    cuda: str | None = "12.4",
    archs: tuple[str, ...] = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
) -> f.TorchBuild:
    """Build facts of a torch wheel."""
    return f.TorchBuild(
        version=version, cuda=cuda, hip=None, git=None, debug=False,
        cxx11_abi=Known(value=False, via="torch/lib/libc10.so"), gpu_archs=Known(archs, "torch/lib/libtorch_python.so"),
    )  # fmt: skip


def edit(facts: Facts, **leaves: Any) -> Facts:
    """Facts with leaves replaced: ``edit(facts, driver__nvml=Known("535.1", "NVML"), environ=...)``."""
    for dotted, value in leaves.items():
        facts = _put(facts, dotted.split("__"), value)
    return facts


def _put(node: Any, path: list[str], value: Any) -> Any:
    if isinstance(node, Known):
        return Known(_put(node.value, path, value), node.via)
    inner = value if len(path) == 1 else _put(getattr(node, path[0]), path[1:], value)
    return msgspec.structs.replace(node, **{path[0]: inner})


def blind(facts: Facts, *dotted: str, why: str = "no answer in 5 s") -> Facts:
    """Facts whose named leaves are Unknown: ``blind(facts, "driver__nvml")``."""
    return edit(facts, **{name: Unknown(why) for name in dotted})


def with_driver(facts: Facts, version: str, cuda: str) -> Facts:
    """The same machine with another driver everywhere."""
    return edit(
        facts,
        driver__kernel_module=Known(version, "/proc/driver/nvidia/version"),
        driver__sys_module=Known(version, "/sys/module/nvidia/version"),
        driver__nvml=Known(version, "NVML"),
        driver__smi=Known(f.Smi(driver_version=version, cuda_version=cuda), "nvidia-smi"),
        driver__libcuda=Known(
            (
                f.LibCuda(
                    path=f"/usr/lib/x86_64-linux-gnu/libcuda.so.{version}", version=version, kind="driver", origin="ld.so.cache"
                ),
            ),
            "the loader's search path",
        ),
        driver__cuda_api=Known(cuda, "cuDriverGetVersion"),
    )


def without_driver(facts: Facts) -> Facts:
    """The same machine, every rung of the driver ladder saying there is none."""
    return edit(
        facts,
        driver__kernel_module=Known(None, "/proc/driver/nvidia/version"),
        driver__sys_module=Known(None, "/sys/module/nvidia/version"),
        driver__nvml=Known(None, "the loader's search path"),
        driver__smi=Known(None, "PATH"),
        driver__libcuda=Known((), "the loader's search path"),
        driver__cuda_api=Known(None, "the loader's search path"),
        driver__open_kernel_module=Known(None, "/proc/driver/nvidia/version"),
        gpus__devices=Known((), "there is no driver"),
    )


def put(facts: Facts, *more: f.Distribution) -> Facts:
    """Facts with these distributions added, or in the place of the one of the same name."""
    leaf = facts.packages.distributions
    assert isinstance(leaf, Known)
    names = {normalized(one.name) for one in more}
    kept = tuple(one for one in leaf.value if normalized(one.name) not in names)
    return edit(facts, packages__distributions=Known(kept + more, leaf.via))


def drop(facts: Facts, *names: str) -> Facts:
    """Facts without these distributions."""
    leaf = facts.packages.distributions
    assert isinstance(leaf, Known)
    kept = tuple(one for one in leaf.value if normalized(one.name) not in names)
    return without_code(edit(facts, packages__distributions=Known(kept, leaf.via)), *names)


def without_code(facts: Facts, *names: str) -> Facts:
    """Facts without the kernels of these distributions."""
    leaf = facts.device_code
    assert isinstance(leaf, Known)
    return edit(facts, device_code=Known(tuple(one for one in leaf.value if one.package not in names), leaf.via))


def with_torch(facts: Facts, version: str, cuda: str | None, archs: tuple[str, ...] = ("sm_80", "sm_90")) -> Facts:
    """Another torch wheel: its distribution (no requirements) and its build facts, its kernels not counted."""
    facts = put(
        without_code(facts, "torch"),
        dist("torch", version.split("+", maxsplit=1)[0] if cuda else version, wheel_tags=("cp311-cp311-manylinux_2_28_x86_64",)),
    )
    return edit(facts, builds__torch=Known(torch_build(version, cuda, archs if cuda else ()), f"{SITE}/torch/version.py"))


def judged(rule: str, facts: Facts) -> tuple[Outcome, tuple[Finding, ...], tuple[Doubt, ...]]:
    """Run one rule by its module name; a crash fails the test."""
    verdict = judge(load(rule), facts, MATRIX)
    assert verdict.crash is None, verdict.crash
    return verdict.outcome, verdict.findings, verdict.doubts
