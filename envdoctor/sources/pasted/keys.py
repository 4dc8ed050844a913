"""Keys of fields, in lower case with single blanks -> what stands behind them. Pure data.

Read from the tools' own sources and from forms of issue trackers: torch's and vLLM's collect_env, trl env, transformers env,
accelerate env, llamafactory-cli env, LeRobot's info, sglang's check_env, flashinfer's collect_env, xformers.info, ds_report,
verl's diagnose and bitsandbytes' diagnostics.
"""

from __future__ import annotations

from envdoctor.sources.pasted.found import Kind

_KEYS: dict[Kind, str] = {
    Kind.TORCH: (
        "pytorch version|torch version|torch|pytorch|torch.__version__|torch install version|pytorch.version|version of pytorch"
        "|torch.version.__version__|pytorch/torch version"
    ),
    Kind.TORCH_CUDA: (
        "cuda used to build pytorch|torch cuda version|torch.version.cuda|pytorch cuda version|torch cuda|pytorch cuda"
        "|cuda version of pytorch|pytorch built with cuda|torch built with cuda|cuda version used by pytorch|torch.cuda.version"
    ),
    Kind.TORCH_HIP: "rocm used to build pytorch|torch hip version|torch.version.hip",
    Kind.CXX11_ABI: (
        "torch cxx11 abi|torch._c._glibcxx_use_cxx11_abi|cxx11 abi|_glibcxx_use_cxx11_abi|torch.compiled_with_cxx11_abi()|cxx11abi"
    ),
    Kind.ARCHS: (
        "torch compiled archs|torch.cuda.get_arch_list()|arch list|arch_list|torch_cuda_arch_list|torch arch list|cuda arch list"
        "|get_arch_list()|torch.cuda.get_arch_list|supported archs"
    ),
    Kind.DRIVER: (
        "nvidia driver version|cuda driver version|driver version|nvidia driver|gpu driver version|gpu driver|driver|driver.version"
        "|kmd version|nvidia-driver|nvidia gpu driver|cuda driver|host driver|nvidia drivers|nvidia driver versions|显卡驱动"
        "|驱动|驱动版本|显卡驱动版本|nvidia驱动|nvidia 驱动|nvidia驱动版本|nvidia 驱动版本|gpu驱动|gpu 驱动|gpu驱动版本|gpu 驱动版本"
    ),
    Kind.NVCC: (
        "cuda runtime version|nvcc version|nvcc|cuda toolkit|cuda toolkit version|cuda compiler|nvcc -v|nvcc --version"
        "|cuda compiler version"
    ),
    Kind.CUDA_AVAILABLE: (
        "is cuda available|cuda available|torch.cuda.is_available()|torch.cuda.is_available|pytorch.cuda|cuda is available"
    ),
    Kind.OS: (
        "os|operating system|os version|os platform|system|linux distribution|distro|os platform and distribution|host os"
        "|操作系统|系统|系统版本|操作系统版本"
    ),
    Kind.PLATFORM: "platform|python platform",
    Kind.LIBC: "libc version|glibc|glibc version|libc",
    Kind.PYTHON: "python version|python",
    Kind.GPU: (
        "gpu models and configuration|gpu|gpus|gpu model|gpu type|gpu name|gpu models|graphics card|hardware|cuda device|accelerator"
        "|gpu.name|gpu device|device name|gpu info|pytorch accelerator|gpu(s)|video card|torch.cuda.get_device_name()"
        "|torch.cuda.get_device_name(0)|gpu models & configuration|nvidia gpu|gpu used|product name|gpu hardware|显卡|显卡型号"
        "|gpu型号|gpu 型号"
    ),
    Kind.CAPABILITY: (
        "gpu.compute_capability|compute capability|cuda compute capability|gpu compute capability|compute_cap"
        "|torch.cuda.get_device_capability()|torch.cuda.get_device_capability(0)"
    ),
    Kind.IMAGE: "docker image|image|container image|base image|镜像",
}
EXACT: dict[str, Kind] = {key: kind for kind, keys in _KEYS.items() for key in keys.split("|")}
SAID_CUDA = frozenset({"cuda", "cuda version", "cuda版本", "cuda 版本", "cuda/cudnn version", "cuda and cudnn version"})
"""Of which CUDA they speak only their surroundings tell."""
CUDA_OF_TORCH = frozenset(
    {"lerobot version", "using gpu in script", "is pytorch built with cuda support", "is pytorch built with cuda support?"}
)
"""Fields of reports whose "Cuda version" is what torch was built with: LeRobot's."""
_EMPTY = (
    "|n/a|na|none|no cuda|could not collect|not available|unknown|-|not installed|no|null|not found|module not found|<fill in>"
    "|<unset>|not set|unset|no response|无|未知|not applicable|nan"
)
NOTHING = frozenset(_EMPTY.split("|"))
"""What stands in a field that was not filled in or could not be asked."""
