"""Forms of reports that people paste, written anew, and what each says."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """What a text says, plainly; None: nothing."""

    torch: str | None = None
    cuda: str | None = None
    driver: str | None = None
    api: str | None = None
    gpus: tuple[str | None, ...] = ()
    """Compute capabilities."""
    python: str | None = None
    libc: str | None = None
    wsl: bool = False
    nvcc: str | None = None
    packages: dict[str, str] = {}  # noqa: RUF012 - never changed
    archs: tuple[str, ...] | None = None


SMI_OLD = """\
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 470.82.01    Driver Version: 470.82.01    CUDA Version: 11.4     |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
|===============================+======================+======================|
|   0  Tesla V100-SXM2...  On   | 00000000:1A:00.0 Off |                    0 |
| N/A   34C    P0    42W / 300W |      0MiB / 32510MiB |      0%      Default |
|   1  Tesla V100-SXM2...  On   | 00000000:1C:00.0 Off |                    0 |
"""
SMI_610 = """\
| NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3     |
|   0  NVIDIA B200                    On  |   00000000:63:00.0 Off |                    0 |
"""
SMI_WSL = """\
| NVIDIA-SMI 560.35.02              Driver Version: 560.94         CUDA Version: 12.6     |
|   0  NVIDIA GeForce RTX 4070 ...    On  |   00000000:01:00.0  On |                  N/A |
"""
SMI_Q = """\
==============NVSMI LOG==============

Timestamp                                 : Thu Mar  6 10:11:12 2025
Driver Version                            : 550.54.15
CUDA Version                              : 12.4

Attached GPUs                             : 2
GPU 00000000:01:00.0
    Product Name                          : NVIDIA A100-SXM4-80GB
    Product Brand                         : NVIDIA
GPU 00000000:41:00.0
    Product Name                          : NVIDIA A100-SXM4-80GB
"""
DS_REPORT = """\
--------------------------------------------------
DeepSpeed C++/CUDA extension op report
--------------------------------------------------
op name ................ installed .. compatible
async_io ............... [NO] ....... [NO]
fused_adam ............. [NO] ....... [OKAY]
 [WARNING]  sparse_attn requires a torch version >= 1.5 and < 2.0 but detected 2.4
 [WARNING]  using untested triton version (3.0.0), only 1.0.0 is known to be compatible
--------------------------------------------------
DeepSpeed general environment info:
torch install path ............... ['/opt/venv/lib/python3.10/site-packages/torch']
torch version .................... 2.4.0+cu121
deepspeed install path ........... ['/opt/venv/lib/python3.10/site-packages/deepspeed']
deepspeed info ................... 0.15.1, unknown, unknown
torch cuda version ............... 12.1
torch hip version ................ None
nvcc version ..................... 12.4
deepspeed wheel compiled w. ...... torch 0.0, cuda 0.0
shared memory (/dev/shm) size .... 125.70 GB
"""
SGLANG = """\
Python: 3.10.12 (main, Nov  6 2024, 20:22:13) [GCC 11.4.0]
CUDA available: True
GPU 0,1,2,3: NVIDIA H100 80GB HBM3
GPU 0,1,2,3 Compute Capability: 9.0
CUDA_HOME: /usr/local/cuda
NVCC: Cuda compilation tools, release 12.4, V12.4.131
CUDA Driver Version: 550.90.07
PyTorch: 2.5.1+cu124
sglang: 0.4.1.post4
flashinfer: 0.1.6+cu124torch2.4
triton: 3.1.0
transformers: 4.47.1
vllm: Module Not Found
ulimit soft: 1048576
"""
FLASHINFER = """\
==== FlashInfer ====
flashinfer                   : 0.6.18
flashinfer-cubin             : 0.6.17  ⚠ MISMATCH vs flashinfer-python==0.6.18
flashinfer-jit-cache         : not installed

==== Python / Platform ====
Python            : 3.11.5 (main, Aug 26 2023, 07:22:50) [Clang 16.0.3 ]
Platform          : Linux-5.15.0-306-generic-x86_64-with-glibc2.39
libc              : glibc 2.39
OS                : Ubuntu 24.04.3 LTS
Container         : no / not detected

==== GPU / Driver ====
Driver version       : 580.95.05
CUDA_VISIBLE_DEVICES : <unset>
GPU 0 (CUDA order)   : NVIDIA B200 | SM100 | 148 SMs | 178.4 GiB

==== PyTorch ====
torch                             : 2.9.0+cu130
torch.version.cuda                : 13.0
torch CXX11 ABI                   : True
torch compiled archs              : sm_75 sm_80 sm_86 sm_90 sm_100 sm_120
"""
XFORMERS = """\
xFormers 0.0.28.post1
memory_efficient_attention.ckF:                    unavailable
memory_efficient_attention.cutlassF-pt:            available
pytorch.version:                                   2.4.1+cu121
pytorch.cuda:                                      available
gpu.compute_capability:                            8.6
gpu.name:                                          NVIDIA GeForce RTX 3060
build.cuda_version:                                1201
build.python_version:                              3.11.9
build.torch_version:                               2.4.0+cu118
build.env.TORCH_CUDA_ARCH_LIST:                    6.0+PTX 7.0 7.5 8.0+PTX 9.0
"""
BITSANDBYTES = """\
================== bitsandbytes v0.46.0 ==================
Platform: Linux-6.8.0-60-generic-x86_64-with-glibc2.35
  libc: glibc-2.35
Python: 3.11.11
PyTorch: 2.7.0+cu126
  CUDA: 12.6
  HIP: N/A
  XPU: N/A
Related packages:
  accelerate: 1.6.0
  diffusers: not found
  peft: 0.15.2
  transformers: 4.52.3
==========================================================
"""
UNSLOTH = """\
==((====))==  Unsloth 2025.3.19: Fast Qwen2 patching. Transformers: 4.50.3. vLLM: 0.8.2.
   \\\\   /|    NVIDIA GeForce RTX 4090. Num GPUs = 2. Max memory: 23.643 GB. Platform: Linux.
O^O/ \\_/ \\    Torch: 2.6.0+cu124. CUDA: 8.9. CUDA Toolkit: 12.4. Triton: 3.2.0
\\        /    Bfloat16 = TRUE. FA [Xformers = 0.0.29.post3. FA2 = False]
"""
VERL = """\
----------Python Info----------
Version      : 3.10.12
Compiler     : GCC 11.4.0
------------Pip Info-----------
Version      : 24.3.1
vllm         : 0.8.2
sglang       : not found.
ray          : 2.44.1
torch        : 2.6.0
----------verl Info-----------
Version      : 0.3.0.post1
Commit Hash  : 0123456789
----------Platform Info----------
Platform     : Linux-5.15.0-130-generic-x86_64-with-glibc2.35
system       : Linux
----------Environment----------
CUDA Runtime : 12.4
CUDA Compiler : Cuda compilation tools, release 12.6, V12.6.20
----------System Info----------
GPU Count\t: 2
GPU 1\tType    : NVIDIA H100 80GB HBM3
GPU 2\tType    : NVIDIA H100 80GB HBM3
"""
LLAMAFACTORY = """\
- `llamafactory` version: 0.9.1
- Platform: Linux-5.15.0-94-generic-x86_64-with-glibc2.35
- Python version: 3.10.12
- PyTorch version: 2.4.0+cu121 (GPU)
- Transformers version: 4.45.2
- TRL version: 0.9.6
- GPU type: NVIDIA A100-SXM4-80GB
- GPU number: 8
- vLLM version: 0.6.3.post1
- Bitsandbytes version: not installed
"""
TRANSFORMERS_5 = """\
- `transformers` version: 5.2.0
- Platform: Linux-6.1.0-x86_64-with-glibc2.36
- Python version: 3.12.4
- Huggingface_hub version: 1.3.1
- DeepSpeed version: not installed
- PyTorch version (accelerator?): 2.9.1+cu128 (CUDA)
- Using GPU in script?: <fill in>
- GPU type: NVIDIA L40S
"""
OLD_FORM = """\
 - PyTorch Version (e.g., 1.0): 1.7.1
 - OS (e.g., Linux): Ubuntu 18.04
 - How you installed PyTorch (`conda`, `pip`, source): pip
 - Python version: 3.7.9
 - CUDA/cuDNN version: 11.0/8.0
 - GPU models and configuration: GeForce RTX 3090
"""
OLD_COLLECT = """\
Collecting environment information...
PyTorch version: 1.4.0
Is debug build: No
CUDA used to build PyTorch: 10.1

OS: CentOS Linux 7 (Core)
GCC version: (GCC) 4.8.5
CMake version: Could not collect

Python version: 3.6
Is CUDA available: Yes
CUDA runtime version: Could not collect
GPU models and configuration: 
GPU 0: Tesla P100-PCIE-16GB
GPU 1: Tesla P100-PCIE-16GB

Nvidia driver version: 418.67
cuDNN version: Could not collect

Versions of relevant libraries:
[pip] numpy==1.18.1
[pip] torch==1.4.0
[conda] Could not collect
"""
CONDA = """\
# packages in environment at /opt/conda/envs/x:
#
# Name                    Version                   Build  Channel
numpy                     1.26.4          py310hb13e2d6_0    conda-forge
pytorch                   2.1.2           py3.10_cuda11.8_cudnn8.7.0_0    pytorch
pytorch-cuda              11.8                 h7e8668a_5    pytorch
vllm                      0.2.7                    pypi_0    pypi
transformers              4.36.2                    <pip>
"""
UV_INSTALL = """\
Resolved 145 packages in 1.20s
Uninstalled 2 packages in 300ms
Installed 3 packages in 800ms
 - torch==2.6.0
 + torch==2.7.0
 - flash-attn==2.7.3
 + vllm==0.9.0
 ~ trl==0.18.1
"""
UV_TREE = """\
trainer v0.1.0
├── trl v0.18.1
│   ├── accelerate v1.7.0
│   │   └── torch v2.7.0 (*)
│   └── transformers v4.52.4
└── vllm v0.9.0
    └── xformers v0.0.30
"""
PIPDEPTREE = """\
vllm==0.9.0
├── torch [required: ==2.7.0, installed: 2.6.0]
└── xformers [required: ==0.0.30, installed: 0.0.29.post2]
"""
PIP_INSTALL = """\
Collecting vllm==0.8.5
  Using cached vllm-0.8.5-cp38-abi3-manylinux1_x86_64.whl (326.4 MB)
Requirement already satisfied: numpy in /opt/venv/lib/python3.11/site-packages (from vllm==0.8.5) (1.26.4)
Collecting torch==2.6.0 (from vllm==0.8.5)
Installing collected packages: torch, vllm
  Attempting uninstall: torch
    Found existing installation: torch 2.5.1
    Uninstalling torch-2.5.1:
      Successfully uninstalled torch-2.5.1
Successfully installed torch-2.6.0 vllm-0.8.5
"""
RESOLVERS = """\
ERROR: Cannot install trl==0.9.6 and vllm==0.9.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested torch==2.6.0
    vllm 0.9.0 depends on torch==2.7.0

  × No solution found when resolving dependencies:
  ╰─▶ Because vllm==0.9.0 depends on torch==2.7.0 and you require torch==2.6.0,
      we can conclude that your requirements are unsatisfiable.
ERROR: Could not find a version that satisfies the requirement torch==2.6.1 (from versions: 2.5.0, 2.6.0)
ERROR: No matching distribution found for torch==2.6.1
"""
CSV = """\
$ nvidia-smi --query-gpu=index,name,driver_version,compute_cap --format=csv
index, name, driver_version, compute_cap
0, NVIDIA GeForce RTX 5080, 575.57.08, 12.0
1, NVIDIA GeForce RTX 5080, 575.57.08, 12.0
"""
PYTHON_C = """\
$ python -c "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available()); print(torch.cuda.get_arch_list())"
2.5.1+cu121 12.1 True
['sm_50', 'sm_60', 'sm_70', 'sm_75', 'sm_80', 'sm_86', 'sm_90']
"""
PROMPT = """\
Python 3.11.9 (main, Apr 19 2024, 16:48:06) [GCC 11.2.0] on linux
>>> import torch
>>> torch.__version__
'2.3.1+cu118'
>>> torch.version.cuda
'11.8'
>>> torch._C._GLIBCXX_USE_CXX11_ABI
False
"""
CHINESE = """\
## 环境
- 操作系统：Ubuntu 20.04
- 显卡：4090 * 2
- 驱动版本：535.129.03
- Python 版本：3.10.13
- vllm版本：0.5.4
- PyTorch 版本：2.4.0+cu121
运行时报错，请问如何解决？
"""
TABLE = """\
| Component | Version |
|-----------|---------|
| PyTorch | 2.8.0+cu128 |
| vLLM | 0.11.0 |
| GPU | NVIDIA RTX PRO 6000 Blackwell |
| NVIDIA Driver | 575.57.08 |
"""
FORMATS: dict[str, tuple[str, Said]] = {
    "nvidia-smi of 79 columns, names cut": (SMI_OLD, Said(driver="470.82.01", api="11.4", gpus=("7.0", "7.0"))),
    "nvidia-smi since 610": (SMI_610, Said(driver="610.43.02", api="13.3", gpus=("10.0",))),
    "nvidia-smi in WSL": (SMI_WSL, Said(driver="560.94", api="12.6", gpus=("8.9",), wsl=True)),
    "nvidia-smi cut after its head": (SMI_OLD.split("|---", maxsplit=1)[0], Said(driver="470.82.01", api="11.4")),
    "nvidia-smi cut in its head": (SMI_OLD[: SMI_OLD.index("CUDA Version: 11") + 8], Said(driver="470.82.01")),
    "nvidia-smi -L": (
        "GPU 0: NVIDIA H200 (UUID: GPU-00000000-0000-0000-0000-000000000000)\n  MIG 1g.18gb     Device  0: (UUID: MIG-0)\n",
        Said(gpus=("9.0",)),
    ),
    "nvidia-smi -q": (SMI_Q, Said(driver="550.54.15", api="12.4", gpus=("8.0", "8.0"))),
    "nvidia-smi --query-gpu": (CSV, Said(driver="575.57.08", gpus=("12.0", "12.0"))),
    "/proc": (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n",
        Said(driver="535.183.01"),
    ),
    "dpkg": ("ii  nvidia-driver-535          535.183.01-0ubuntu0.22.04.1   amd64   NVIDIA driver metapackage\n", Said(driver="535.183.01")),
    "ds_report": (
        DS_REPORT,
        Said(torch="2.4.0+cu121", cuda="12.1", python="3.10", nvcc="12.4", packages={"deepspeed": "0.15.1", "triton": "3.0.0"},
             archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "sglang": (
        SGLANG,
        Said(
            torch="2.5.1+cu124", cuda="12.4", driver="550.90.07", gpus=("9.0",) * 4, python="3.10.12", nvcc="12.4",
            packages={"sglang": "0.4.1.post4", "flashinfer-python": "0.1.6+cu124torch2.4", "triton": "3.1.0", "transformers": "4.47.1"},
            archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
        ),
    ),
    "flashinfer": (
        FLASHINFER,
        Said(
            torch="2.9.0+cu130", cuda="13.0", driver="580.95.05", gpus=("10.0",), python="3.11.5", libc="2.39",
            packages={"flashinfer-python": "0.6.18", "flashinfer-cubin": "0.6.17"},
            archs=("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        ),
    ),
    "xformers": (
        XFORMERS,
        Said(torch="2.4.1+cu121", cuda="12.1", gpus=("8.6",), packages={"xformers": "0.0.28.post1"},
             archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "bitsandbytes": (
        BITSANDBYTES,
        Said(
            torch="2.7.0+cu126", cuda="12.6", python="3.11.11", libc="2.35",
            packages={"bitsandbytes": "0.46.0", "accelerate": "1.6.0", "peft": "0.15.2", "transformers": "4.52.3"},
            archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
        ),
    ),
    "unsloth": (
        UNSLOTH,
        Said(
            torch="2.6.0+cu124", cuda="12.4", gpus=("8.9", "8.9"),
            packages={"unsloth": "2025.3.19", "transformers": "4.50.3", "vllm": "0.8.2", "triton": "3.2.0"},
            archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
        ),
    ),
    "verl": (
        VERL,
        Said(
            torch="2.6.0", cuda="12.4", gpus=("9.0", "9.0"), python="3.10.12", libc="2.35", nvcc="12.6",
            packages={"vllm": "0.8.2", "ray": "2.44.1", "verl": "0.3.0.post1"},
            archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
        ),
    ),
    "llamafactory": (
        LLAMAFACTORY,
        Said(
            torch="2.4.0+cu121", cuda="12.1", gpus=("8.0",), python="3.10.12", libc="2.35",
            packages={"llamafactory": "0.9.1", "transformers": "4.45.2", "trl": "0.9.6", "vllm": "0.6.3.post1"},
            archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
        ),
    ),
    "transformers 5": (
        TRANSFORMERS_5,
        Said(
            torch="2.9.1+cu128", cuda="12.8", gpus=("8.9",), python="3.12.4", libc="2.36",
            packages={"transformers": "5.2.0", "huggingface-hub": "1.3.1"},
            archs=("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        ),
    ),
    "an old form": (OLD_FORM, Said(torch="1.7.1", python="3.7.9", gpus=("8.6",))),
    "an old collect_env": (
        OLD_COLLECT,
        Said(torch="1.4.0", cuda="10.1", driver="418.67", gpus=("6.0", "6.0"), python="3.6", packages={"numpy": "1.18.1"}),
    ),
    "conda list": (
        CONDA,
        Said(torch="2.1.2", cuda="11.8", packages={"numpy": "1.26.4", "pytorch-cuda": "11.8", "vllm": "0.2.7", "transformers": "4.36.2"}),
    ),
    "uv pip install": (
        UV_INSTALL,
        Said(torch="2.7.0", cuda="12.6", packages={"vllm": "0.9.0", "trl": "0.18.1"},
             archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "uv tree": (
        UV_TREE,
        Said(
            torch="2.7.0", cuda="12.6",
            packages={"trainer": "0.1.0", "trl": "0.18.1", "accelerate": "1.7.0", "transformers": "4.52.4", "vllm": "0.9.0", "xformers": "0.0.30"},
            archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
        ),
    ),
    "pipdeptree": (
        PIPDEPTREE,
        Said(torch="2.6.0", cuda="12.4", packages={"vllm": "0.9.0", "xformers": "0.0.29.post2"},
             archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "pip install": (
        PIP_INSTALL,
        Said(torch="2.6.0", cuda="12.4", python="3.11", packages={"vllm": "0.8.5", "numpy": "1.26.4"},
             archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "resolvers": (RESOLVERS, Said()),
    "pip list as JSON": (
        '[{"name": "torch", "version": "2.6.0"}, {"name": "vllm", "version": "0.8.5"}]\n',
        Said(torch="2.6.0", cuda="12.4", packages={"vllm": "0.8.5"}, archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "pip freeze with wheels": (
        "torch @ https://example.org/whl/cu124/torch-2.6.0%2Bcu124-cp311-cp311-linux_x86_64.whl\n-e git+https://example.org/x@0123#egg=x\ntrl @ file:///tmp/trl\n",
        Said(torch="2.6.0+cu124", cuda="12.4", archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "python -c": (
        PYTHON_C,
        Said(torch="2.5.1+cu121", cuda="12.1", archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "Python's prompt": (PROMPT, Said(torch="2.3.1+cu118", cuda="11.8", python="3.11.9")),
    "Chinese": (
        CHINESE,
        Said(torch="2.4.0+cu121", cuda="12.1", driver="535.129.03", gpus=("8.9",), python="3.10.13", packages={"vllm": "0.5.4"},
             archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")),
    ),
    "a Markdown table": (
        TABLE,
        Said(torch="2.8.0+cu128", cuda="12.8", driver="575.57.08", gpus=("12.0",), packages={"vllm": "0.11.0"},
             archs=("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")),
    ),
    "ldd --version": ("ldd (Ubuntu GLIBC 2.31-0ubuntu9.16) 2.31\n", Said(libc="2.31")),
    "vLLM's log": (
        "(APIServer pid=7) INFO 10-04 21:59:38 [api_server.py:1839] vLLM API server version 0.11.0\n", Said(packages={"vllm": "0.11.0"}),
    ),
    "a path of a traceback": (
        '  File "/opt/v/lib/python3.12/site-packages/vllm-0.7.0.dist-info/METADATA", line 1\n', Said(python="3.12", packages={"vllm": "0.7.0"}),
    ),
    "a driver that is too old": (
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver\n", Said(api="12.2"),
    ),
    "deviceQuery": ("  CUDA Driver Version / Runtime Version          12.4 / 12.1\n", Said(api="12.4")),
    "an image's tag": ("docker run --gpus all vllm/vllm-openai:v0.9.0 --model x\n", Said(packages={"vllm": "0.9.0"})),
    "HTML": ("<!DOCTYPE html>\n<html><head><title>404: Not Found</title></head><body><h1>Not Found</h1></body></html>\n", Said()),
    "a placeholder": ("```text\nThe output of `python collect_env.py`\n```\nPyTorch version: {torch_version}\nOS: <!-- e.g. Ubuntu -->\n", Said()),
}  # fmt: skip
