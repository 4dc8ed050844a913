"""Which cause a known error text is evidence of, where the lines around it decide. Pure.

Each judge takes the values of a signature's pattern, what stands around the line, and what the whole text is about; it gives the
slug of the cause, None where nothing says it, or HARMLESS where the line is no error at all. Where tables of releases decide it gives
a Standing, which has the cause and the releases between which that changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor import mangled
from envdoctor.causes import HARMLESS, OF_OWNER, OF_SIDE, of_shadowed
from envdoctor.quoting import MOST_LIKELY
from envdoctor.sources.pasted import arguments, hardware, releases, resolving, traces
from envdoctor.sources.pasted.packages import MAX_PATH, OF_MODULE
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envdoctor.sources.pasted.sides import Standing
    from envdoctor.sources.pasted.surroundings import About, Around

    Judge = Callable[[Mapping[str, str], Around, About], Standing | str | None]

OTHER_EXTENSION = "kernel-ext-torch-abi"
_OWN_FILE = re.compile(r"(?!_C\b|_C_|lib(?:torch|c10)|\.)\w{2,100}\.")
"""A file that says whose it is, if of no package that we know: not "_C.so", as most call theirs, and not torch's own."""
_OWN_FOLDER = re.compile(
    r"/(?!lib\d{0,2}/|torch/|bin/|(?:site|dist)-packages/|lib-dynload/|build/|python[\d.]{0,6}/)[A-Za-z]\w{2,60}/$"
)
"""A folder that says it of a "_C.so" that lies in it."""
_WORD = re.compile(r"^[A-Za-z0-9_]{4,400}$")
_OLD_PYNVML = "/pynvml/nvml.py"
"""The file of the old package pynvml; that of nvidia-ml-py is pynvml.py."""
_LOADS = re.compile(r"undefined symbol:?\s{0,4}['`\"]?$")


def of_package(package: str | None) -> str | None:
    """The cause where a package's compiled part does not fit the installed torch."""
    if package is None:
        return None
    return OF_OWNER.get(package, OTHER_EXTENSION)


def symbol(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A library needs a symbol that nothing defines."""
    del about
    found = mangled.read(whole_symbol(values.get("symbol", ""), around))
    owner = around.package()
    if found.name.startswith("nvml") and any(_OLD_PYNVML in line for line in (*around.before(), *around.after())):
        return "pynvml-conflict"  # it asks for what later drivers alone have; NVIDIA's own module of that name does not
    if found.side in OF_SIDE:
        return OF_SIDE[found.side]
    if owner == "bitsandbytes" and not found.name.startswith("_Z"):
        return "bitsandbytes-cuda"
    if found.side == mangled.TORCH:
        return of_package(owner) or (OTHER_EXTENSION if _says_whose(values.get("file", ""), around) else MOST_LIKELY)
    if found.side == mangled.OWN:
        return "source-build-bug"
    return of_shadowed(values.get("file", ""))


COMPILED_FILES = frozenset(module for module in OF_MODULE if module.endswith(("_cuda", "_C")))
"""Modules that are files, whose names nobody says of the whole package."""


def _says_whose(file: str, around: Around) -> bool:
    """Whether the file that fails has a name of its own, and all of it: with its folder before it; or its folder has."""
    before, slash, _ = around.line.partition(f"/{file}")
    return bool(file and slash) and bool(_OWN_FILE.match(file) or _OWN_FOLDER.search(f"{before[-MAX_PATH:]}/"))


def whole_symbol(name: str, around: Around) -> str:
    """A symbol with the rest of it that a terminal put on the next line."""
    line = around.line.rstrip("`'\") ")
    if not name or not line.endswith(name) or len(around.line) < WRAPPED:
        return name
    following = next(iter(around.after(1)), "").strip("`' ")
    return name + following if _WORD.match(following) and not following.isalpha() else name


WRAPPED = 72
"""A line may have been broken by a terminal from so many characters on."""


def symbol_not_said(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A line ends with "undefined symbol": the name is lost, or stands below."""
    del values, about
    following = next((line.strip("`'│ ") for line in around.after(2) if line.strip()), "")
    if _LOADS.search(around.line) and (
        following.startswith("_Z") or "::" in following or mangled.read(following).side != mangled.OTHER
    ):
        found = mangled.read(following)
        if found.side in OF_SIDE:
            return OF_SIDE[found.side]
        if found.side == mangled.OWN:
            return "source-build-bug"
        return of_package(around.package()) or MOST_LIKELY
    return of_package(around.package())


_NCCL_FUNCTION = re.compile(r"\bnccl[A-Z]\w{3,40}\b")


def symbol_said(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Somebody says that a module has an undefined symbol: the module says whose it is, if the symbol does not."""
    del values, about
    if _NCCL_FUNCTION.search(around.line[:MAX_PATH]):
        return HARMLESS  # another signature has what to do about it
    modules = (OF_MODULE.get(word) for word in re.findall(r"\w{3,60}", around.line[:MAX_PATH]) if word in COMPILED_FILES)
    return of_package(next(modules, None)) or HARMLESS


def library(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A library of CUDA is not there, in the version that something was built for."""
    del around, about
    name = values.get("library", "")
    if name.startswith("libcudnn"):
        return "cudnn-shadow"
    if name.startswith("libnccl"):
        return "nccl-version-mismatch"
    if name.startswith(("libcupti", "libnvToolsExt", "libcusparseLt", "libcufile", "libnvshmem")):
        return None  # numbered by themselves: the wheel is missing, whatever the CUDA
    return "cuda-major-mismatch"


def libcuda(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """The driver's own library is not found."""
    del values, around
    if about.wsl:
        return "wsl-libcuda"
    return "no-gpu-host" if about.no_driver or about.no_cuda or about.other_graphics else "libcuda-not-found"


def no_driver_of_docker(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Docker cannot hand out GPUs: for want of the toolkit, unless there is no GPU to hand out."""
    del values, around
    return "no-gpu-host" if about.other_graphics else "container-toolkit-missing"


def driver_function(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A function is not in libcuda: under WSL, where it is one that every libcuda has, no libcuda was found."""
    del around
    return "wsl-libcuda" if about.wsl and values.get("symbol", "") in OLDEST else "driver-too-old-for-cuda"


OLDEST = frozenset(("cuInit", "cuDriverGetVersion", "cuDeviceGet", "cuDeviceGetCount", "cuDeviceGetName", "cuDeviceGetAttribute"))
"""Functions of the driver's first release (CUDA Driver API reference)."""


def libtorch(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A library of torch's is not in this torch."""
    del about
    if values.get("library", "") in {"libtorch_cuda.so", "libc10_cuda.so"}:
        return "torch-cpu-build"
    if values.get("library", "").startswith("libtorch_cuda_c"):
        return "cuda-major-mismatch"  # torch 1.8 to 1.12 was cut in two for CUDA 11 alone
    return of_package(around.package()) or OTHER_EXTENSION


def no_device_type(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """No platform is found by vLLM: the text must say why."""
    del values, around
    if about.windows:
        return "unsupported-os"
    # vLLM asks NVML, torch asks CUDA: where torch sees the GPU, it is NVML's module that is at fault
    if about.old_pynvml or about.torch_sees_gpu:
        return "pynvml-conflict"
    if about.no_driver or about.other_graphics:
        return "no-gpu-host"
    # of what is left an old pynvml is the likeliest by far, where no newer one is listed
    return None if about.new_pynvml or about.no_cuda else "pynvml-conflict"


def windows_only(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """What is missing on Windows because there is none for it."""
    del values, around
    return "unsupported-os" if about.windows or about.says_windows else None


def as_on_linux(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A package calls what there is on Linux alone, which is no error but on Windows."""
    del values, around
    return "unsupported-os" if about.windows else HARMLESS


def installed_on_windows(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A package that is for Linux alone is installed on Windows, and that fails."""
    del values
    near = around.near(FAILS_NEAR)
    fails = any(_FAILS.search(line[:MAX_PATH]) for line in near)
    return "unsupported-os" if fails and (about.windows or about.says_windows) and not about.a_linux else HARMLESS


FAILS_NEAR = 3
_FAILS = re.compile(r"(?i)fail|error|cannot|can't|unable|not support|unsupported|报错|失败|不支持|出错")


def cuda_home_on_windows(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A build finds the toolkit of Windows and no GPU; of a package for Linux alone no more is needed to know."""
    del values, around
    return "unsupported-os" if about.windows and about.linux_only else HARMLESS


def cpu_build(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A torch without CUDA is listed or asked for; that is a fault where CUDA is wanted, and conda does not put another in its place."""
    del values, around
    return "torch-cpu-build" if about.wants_cuda and not about.cuda_torch_of_conda else HARMLESS


def solved_by_conda(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """No CUDA in a torch that conda chose: it takes the build for CPUs where nothing for the toolkit fits."""
    del values, around
    return "torch-cpu-build" if about.by_conda and not about.no_driver else HARMLESS


def windows_default(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """No CUDA on Windows, and nothing says that torch came from anywhere but the package index, which has no other build for it."""
    del values, around
    plain = about.says_windows and not (about.cuda_build or about.by_conda or about.no_driver or about.other_graphics)
    return "torch-cpu-build" if plain else HARMLESS


def devices(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Tensors of two devices meet: inside vLLM under TRL, a vLLM that cannot be put on a GPU of its own from within."""
    del values
    frames = (*around.frames, *around.frames_below)
    inside = any("/vllm/" in path for path in frames)
    return "trl-vllm-unsupported" if inside and (about.trainer == "trl" or any("/trl/" in path for path in frames)) else HARMLESS


def xformers_build(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A line of xFormers says for which torch it was built, and which there is; a Python's patch release does not matter."""
    del about
    built, has = values.get("built", ""), values.get("has", "")
    if "xformers" not in "".join((around.line, *around.before(3))).lower():
        return HARMLESS
    if has.endswith("+cpu") and not built.endswith("+cpu"):
        return "torch-cpu-build"
    return HARMLESS if built == has else "xformers-torch-mismatch"


def companion(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A package of a family was compiled for another CUDA than torch."""
    del around, about
    return (
        "torchvision-torch-mismatch"
        if normalized(values.get("package", "")) in {"torchvision", "torchaudio"}
        else OTHER_EXTENSION
    )


def dll(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Windows does not load a compiled module: for a procedure that is not there it was compiled for another torch."""
    del about
    if values.get("what") not in {"procedure", "程序"}:
        return None
    return of_package(OF_MODULE.get(values.get("module", ""))) or of_package(around.package())


def no_nccl(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """There is no NCCL in torch: on Windows no build has one."""
    del values, around
    return "unsupported-os" if about.windows else "torch-cpu-build"


JUDGES: Mapping[str, Judge] = {
    "symbol": symbol,
    "symbol_not_said": symbol_not_said,
    "symbol_said": symbol_said,
    "library": library,
    "libcuda": libcuda,
    "libtorch": libtorch,
    "driver_function": driver_function,
    "replaced": resolving.replaced,
    "no_device_type": no_device_type,
    "no_driver_of_docker": no_driver_of_docker,
    "no_gpus": hardware.no_gpus,
    "no_device": hardware.no_device,
    "windows_only": windows_only,
    "as_on_linux": as_on_linux,
    "installed_on_windows": installed_on_windows,
    "said_too_old": hardware.said_too_old,
    "no_release": resolving.no_release,
    "cuda_home_on_windows": cuda_home_on_windows,
    "cpu_build": cpu_build,
    "devices": devices,
    "many_gpus_on_wsl": hardware.many_gpus_on_wsl,
    "kernel_image": hardware.kernel_image,
    "name": releases.name,
    "engine_part": releases.engine_part,
    "module": releases.module,
    "masked": releases.masked,
    "position_ids": releases.position_ids,
    "fabric": hardware.fabric,
    "other_graphics": hardware.other_graphics,
    "no_gpus_for_nccl": hardware.no_gpus_for_nccl,
    "requirement": releases.requirement,
    "no_solution": resolving.no_solution,
    "platform_tag": resolving.platform_tag,
    "python_tag": resolving.python_tag,
    "argument": arguments.argument,
    "attribute": arguments.attribute,
    "argument_said": arguments.argument_said,
    "missing": arguments.missing,
    "positional": arguments.positional,
    "architecture": releases.architecture,
    "model_type": releases.model_type,
    "solved_by_conda": solved_by_conda,
    "windows_default": windows_default,
    "xformers_build": xformers_build,
    "companion": companion,
    "dll": dll,
    "platform": resolving.platform,
    "module_attribute": releases.module_attribute,
    "least": releases.least,
    "tokenizer_config": releases.tokenizer_config,
    "no_nccl": no_nccl,
    "isolated_build": resolving.isolated_build,
    "in_range": hardware.in_range,
    "name_in_bytes": hardware.name_in_bytes,
    "traced": traces.traced,
}
