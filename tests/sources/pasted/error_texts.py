"""What programs print when they fail, cause by cause: each cause in different words."""

from __future__ import annotations

SITE = "/opt/venv/lib/python3.12/site-packages"
DIST = "/usr/local/lib/python3.10/dist-packages"


def frames(*paths: str) -> str:
    return "Traceback (most recent call last):\n" + "".join(
        f'  File "{path}", line 7, in <module>\n    import this\n' for path in paths
    )


TRACE = f"""      4709:	find library=libnvJitLink.so.12 [0]; searching
      4709:	 search path=/opt/openmpi/lib:/opt/nvidia/hpc_sdk/cuda/12.4/lib64		(LD_LIBRARY_PATH)
      4709:	  trying file=/opt/openmpi/lib/libnvJitLink.so.12
      4709:	  trying file=/opt/nvidia/hpc_sdk/cuda/12.4/lib64/libnvJitLink.so.12
      4709:
      4709:	calling init: {SITE}/nvidia/cusparse/lib/libcusparse.so.12
"""
"""What LD_DEBUG=libs prints."""


CASES: dict[str, tuple[str, ...]] = {
    "driver-library-mismatch": (
        "Failed to initialize NVML: Driver/library version mismatch",
        "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown",
    ),
    "flash-attn-abi": (
        "ImportError: flash_attn_2_cuda undefined symbol on torch 2.6.0/cu124",
        "the flash_attn_2_cuda shared object fails with an undefined symbol error related to c10::Error",
        f"ImportError: {DIST}/flash_attn_2_cuda.cpython-310-x86_64-linux-gnu.so: undefined symbol: _ZNK3c1010TensorImpl16is_contiguous_customENS_12MemoryFormatE",
        (f"{frames(SITE + '/flash_attn/flash_attn_interface.py')}ImportError: {SITE}/flash_attn_3/_C.abi3.so: undefined symbol: "
         "aoti_torch_create_device_guard"),
        "ImportError: /root/env/lib/python3.9/site-packages/rotary_emb.cpython-39-x86_64-linux-gnu.so: undefined symbol: _ZN2at4_ops5zeros4callEN3c108ArrayRefIlEE",
        "ImportError: DLL load failed while importing flash_attn_2_cuda: The specified procedure could not be found.",
        f"Failed to import transformers.models.llama.modeling_llama because of the following error (look up to see its traceback):\n{SITE}/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol",
    ),
    "arch-not-in-torch-build": (
        "NVIDIA RTX PRO 6000 Blackwell with CUDA capability sm_120 is not compatible with the current PyTorch installation.",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "UserWarning: Found GPU0 NVIDIA GB10 which is of compute capability (CC) 12.1.",
        "    PyTorch no longer supports this GPU because it is too old.",
        "RuntimeError: nvrtc: error: invalid value for --gpu-architecture (-arch)",
        "ValueError: Unknown CUDA arch (10.3) or GPU not supported",
    ),
    "cuda-compat-conflict": (
        "torch sees no GPU after the update: inconsistent CUDA version and 804 error",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda driver combination",
        "[[System has unsupported display driver / cuda driver combination (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH) cuInit()=803]]",
        "CUDA failure 804: forward compatibility was attempted on non supported HW",
        "cudaErrorCompatNotSupportedOnDevice",
    ),
    "driver-too-old-for-cuda": (
        "When I run my program, the message is that my Nvidia version is too old.",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11070).",
        "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version",
        "cudaGetDeviceCount returned 35",
        "[TRT] CUDA initialization failure with error: 35",
        f"ImportError: {SITE}/deep_ep_cpp.cpython-312-x86_64-linux-gnu.so: undefined symbol: cuMulticastBindMem",
    ),
    "fabric-manager": (
        "node23:12098:12141 [2] transport/nvls.cc:244 NCCL WARN Cuda failure 1 'invalid argument'",
        "This is usually caused by a system or configuration error in the Fabric Manager or NVSwitches.",
        "On H100 instances CUDA initialization fails with 802 system error.",
        "RuntimeError: cuda runtime error (802) : system not yet initialized",
        "nv-fabricmanager[99]: fabric manager NVIDIA GPU driver interface version 535.104.05 don't match with driver version 535.129.03.",
        "NCCL WARN Cuda failure 802",
        "Unit nvidia-fabricmanager.service could not be found.",
    ),
    "ld-library-path-shadow": (
        TRACE,
        "python: relocation error: /usr/local/cuda-11.1/lib64/libcublas.so: symbol runGemmShortApi, version libcublasLt.so.11 not defined in file libcublasLt.so.11 with link time reference",
        "RuntimeError: Unable to load cuSPARSE. Is it installed?",
        "jaxlib/cuda/versions_helpers.cc:81: operation cusparseGetProperty(MAJOR_VERSION, &major) failed: The cuSPARSE library was not found.",
        "ImportError: /usr/local/cuda/lib64/libcusparse.so.12: undefined symbol: __nvJitLinkCreate_12_8, version libnvJitLink.so.12",
        f"OSError: {SITE}/nvidia/cublas/lib/libcublas.so.12: undefined symbol: cublasLtGetEnvironmentMode, version libcublasLt.so.12",
        f"ImportError: {SITE}/torch/lib/libtorch_cuda.so: symbol cublasSetWorkspace_v2, version libcublas.so.11 not defined in file libcublas.so.11 with link time reference",
    ),
    "cuda-major-mismatch": (
        "libcudart.so.13 required when torch-backend=cu129 on vllm v0.22.0",
        "        libcudart.so.11.0 => not found",
        "OSError: libtorch_cuda_cu.so: cannot open shared object file: No such file or directory",
        "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory",
        "OSError: libcublas.so.12: cannot open shared object file: No such file or directory",
        "[E:onnxruntime:Default] Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.11: cannot open shared object file: No such file or directory",
        "ImportError: libnvrtc.so.13: cannot open shared object file: No such file or directory",
    ),
    "cuda-home-mismatch": (
        "deepspeed.ops.op_builder.builder.CUDAMismatchException: >- DeepSpeed Op Builder: Installed CUDA version 12.3 does not match the version torch was compiled with 11.8, unable to compile",
        "      The detected CUDA version (11.8) mismatches the version that was used to compile PyTorch (12.1). Please make sure to use the same CUDA versions.",
        "RuntimeError: Cuda extensions are being compiled with a version of Cuda that does not match the version used to compile Pytorch binaries.",
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
        "nvcc fatal   : Unsupported gpu architecture 'compute_90a'",
    ),
    "torch-cpu-build": (
        "requirements里torch install时默认是cpu版本，cuda.is_available()只会返回False",
        "my GPU is not detected, the detector runs on the CPU\nYOLOv5  v6.2-109-g23701ea Python-3.8.13 torch-1.12.1+cpu CPU",
        "even though I have a gpu\n    pytorch-1.11.0             |cpu_py37h14e09b7_1        49.7 MB  conda-forge",
        "PS C:\\proj> pip install demo\n      Successfully uninstalled torch-2.11.0+cu128\nSuccessfully installed torch-2.12.0",
        "Cuda is not available.\nCUDA used to build PyTorch: Could not collect",
        "conda install pytorch==1.12.1 cudatoolkit=10.2 -c pytorch\n    pytorch-1.12.1             |      py3.8_cpu_0       133.8 MB  pytorch",
        "- **Torch:** 2.9.1+cpu\n- **CUDA Available:** False\n- **nvidia-smi Path:** C:\\WINDOWS\\system32\\nvidia-smi.EXE",
        'it does not detect my GPU; the page shows "2.0.0+cpu Autocast half" and nothing under "GPU"',
        "本地win10机器, 已有cuda12.2\ntorch.cuda.is_available() 却是 False",
        "Not using CUDA\ntorch version check says 2.0.0+cpu",
        "conda install -c pytorch pytorch=1.9.0 torchvision cudatoolkit=11.3\ntorch.cuda.is_available=**False**",
        "conda create -n v vak -c conda-forge\n>>> torch.cuda.is_available()\nFalse",
        "dependencies:\n  - cudatoolkit=11.3\ncpuonly                   2.0                           0    pytorch",
        "pytorch                   1.4.0               py3.7_cpu_0  [cpuonly]  pytorch\n. cuda.is_available()==False",
        "CUDA is false after the installation\npip install torch --index-url https://example.org/whl/cpu",
        "AssertionError: Torch not compiled with CUDA enabled",
        "AttributeError: module 'torch._C' has no attribute '_cuda_getDeviceCount'",
        "NotImplementedError: Could not run 'aten::empty.memory_format' with arguments from the 'CUDA' backend.",
        "OSError: libtorch_cuda.so: cannot open shared object file: No such file or directory",
        "xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.3.0+cu121 with CUDA 1201 (you have 2.3.0+cpu)",
    ),
    "glibc-too-old": (
        "Qwen3-VL fails with GLIBC_2.32 not found in FlashAttention",
        "hint: The wheel is compatible with Linux (`manylinux_2_39_x86_64`), but you're on Linux (`manylinux_2_36_x86_64`)",
        "ImportError: /lib64/libc.so.6: version 'GLIBC_2.14' not found (required by /opt/lib/python3.6/site-packages/torch/lib/libshm.so)",
        "OS: CentOS Linux 7 (Core)\nERROR: Could not find a version that satisfies the requirement bitsandbytes>=0.43.3 (from versions: 0.31.8, 0.42.0)\nERROR: No matching distribution found for bitsandbytes>=0.43.3",
        f"ImportError: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by {SITE}/vllm/_C.abi3.so)",
        "ImportError: /usr/lib/x86_64-linux-gnu/libstdc++.so.6: version `CXXABI_1.3.13' not found (required by /opt/lib/libx.so)",
        "hint: You're on Linux (`manylinux_2_28_x86_64`), but `vllm` (v0.14.0) only has wheels for the following platforms: `manylinux_2_31_aarch64`, `manylinux_2_31_x86_64`",
    ),
    "ptxas-too-old": (
        "subprocess.CalledProcessError: Command '['/opt/venv/lib/python3.10/site-packages/triton/backends/nvidia/bin/ptxas', '-lineinfo', '-v', '--gpu-name=sm_120', '/tmp/tmpdy7.ptx', '-o', '/tmp/tmpdy7.ptx.o']' returned non-zero exit status 255.",
        "ptxas fatal   : Value 'sm_103a' is not defined for option 'gpu-name'",
        "triton.runtime.errors.PTXASError: PTXAS error: Internal Triton PTX codegen error",
        "ptxas /tmp/tmpx2.ptx, line 5; fatal   : Unsupported .version 9.0; current version is '8.8'",
        "'sm_121' is not a recognized processor for this target (ignoring processor)",
    ),
    "nccl-version-mismatch": (
        "The two functions ncclCommRegister and ncclCommDeregister lead to the undefined symbol problem.",
        "Last error:\nInvalid config blocking attribute value -2147483648",
        "NCCL WARN NCCL cannot be captured in a graph if either it wasn't built with CUDA runtime >= 11.3 or if the installed CUDA driver < R465.",
        f"ImportError: {SITE}/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommWindowRegister",
        "OSError: undefined symbol ncclMemFree",
        "Failed to load NCCL library from /usr/lib/x86_64-linux-gnu/libnccl.so.2 .It is expected if you are not running on NVIDIA/AMD GPUs.",
        "NCCL WARN Mismatched NCCL version detected : rank 0 version 21805 rank 3 version 22304",
    ),
    "container-driver-requirement": (
        "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4, please update your driver to a newer version",
        "stderr: nvidia-container-cli: requirement error: unsatisfied condition: driver < 471",
    ),
    "container-toolkit-missing": (
        'could not select device driver "" with capabilities: [[gpu]].\nGraphics: Mesa Intel UHD Graphics 620 and GeForce RTX 3050',
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu compute]].',
        "docker: Error response from daemon: unknown or invalid runtime name: nvidia",
        "failed to discover GPU vendor from CDI: no known GPU vendor found",
        "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=0",
        'exec: "nvidia-container-cli": executable file not found in $PATH',
    ),
    "cudnn-shadow": (
        "RuntimeError: cuDNN version incompatibility: PyTorch was compiled against (8, 3, 2) but linked against (8, 0, 3)",
        "RuntimeError: cuDNN version mismatch: PyTorch was compiled against 7102 but linked against 7600",
        "RuntimeError: cuDNN version incompatibility: PyTorch was compiled  against (9, 5, 1) but found runtime version (9, 1, 0).",
        "Loaded runtime CuDNN library: 9.1.0 but source was compiled with: 9.3.0.",
        "RuntimeError: cuDNN error: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH",
        "Could not load library libcudnn_cnn_train.so.8. Error: /usr/lib/libcudnn_cnn_train.so.8: undefined symbol: _ZN5cudnn3cnn34layerNormFwd_execute_internal_implEv",
    ),
    "ptx-newer-than-driver": (
        "torch.AcceleratorError: CUDA error: the provided PTX was compiled with an unsupported toolchain.",
        "numba.cuda.cudadrv.driver.LinkerError: [222] Call to cuLinkAddData results in CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        "ptxas application ptx input, line 9; fatal   : Unsupported .version 8.5; current version is '8.2'",
    ),
    "kernel-ext-torch-abi": (
        "ImportError: /src/maskrcnn_benchmark/_C.cpython-36m-x86_64-linux-gnu.so: undefined symbol: _ZN2at19UndefinedTensorImpl10_singletonE",
        "ImportError: /src/knn_cuda/csrc/_ext/knn/knn.so: undefined symbol: _ZN3c105ErrorC1ENS_14SourceLocationERKSs",
        f"ImportError: {SITE}/sgl_kernel/sm90/common_ops.abi3.so: undefined symbol: _ZN3c108ListType3getERKNSt7__cxx1112basic_stringIcEE",
        f"ImportError: {SITE}/transformer_engine/transformer_engine_torch.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZNK5torch8autograd4Node4nameEv",
        f"OSError: {SITE}/torch_scatter/_version_cuda.so: undefined symbol: _ZN5torch3jit17parseSchemaOrNameERKSs",
        "RuntimeError: Detected that PyTorch and torch_sparse were compiled with different CUDA versions. PyTorch has CUDA version 12.4 and torch_sparse has CUDA version 11.8.",
        "[sgl_kernel] CRITICAL: Could not load any common_ops library!",
    ),
    "wsl-libcuda": (
        'wsl, miniconda3\nRuntimeError: Function "cuDeviceGetCount" not found',
        'on WSL2\n$ python -c "import torch; print(torch.cuda.is_available())"\nTrue\nnumba.cuda.cudadrv.driver.CudaAPIError: [100] Call to cuInit results in CUDA_ERROR_NO_DEVICE',
        "libcuda.so is not found but libcuda.so.1 is\nlibcuda.so.1 (libc6,x86-64) => /usr/lib/wsl/lib/libcuda.so.1",
        "Linux-5.15.167.4-microsoft-standard-WSL2-x86_64\nOSError: libcuda.so: cannot open shared object file: No such file or directory",
        "OS: Ubuntu on WSL2\nCould not load library libcudnn_cnn_infer.so.8. Error: libcuda.so: cannot open shared object file: No such file or directory",
    ),
    "torchvision-torch-mismatch": (
        "RuntimeError: operator torchvision::nms does not exist",
        "RuntimeError: Couldn't load custom C++ ops. This can happen if your PyTorch and torchvision versions are incompatible",
        "RuntimeError: Detected that PyTorch and torchvision were compiled with different CUDA major versions. PyTorch has CUDA Version=12.1 and torchvision has CUDA Version=11.8.",
        f"UserWarning: Failed to load image Python extension: '{SITE}/torchvision/image.so: undefined symbol: _ZN3c1017RegisterOperatorsD1Ev'",
    ),
    "source-build-bug": (
        "ImportError: /src/vllm/vllm/_C.abi3.so: undefined symbol: _Z22cutlass_scaled_mm_sm75RN2at6TensorERKS0_S3_",
        f"ImportError: {SITE}/my_ops/_C.so: undefined symbol: _ZN6my_ops7forwardEN2at6TensorE",
    ),
    "mixed-cuda-majors": ("  CuPy may not function correctly because multiple CuPy packages are installed",),
    "no-gpu-host": (
        'ThinkPad L470\nGraphics:  Device-1: Intel Skylake GT2 [HD Graphics 520] driver: i915\n  File "base_options.py", line 130, in parse\n    torch.cuda.set_device(opt.gpu_ids[0])',
        "RuntimeError: ProcessGroupNCCL is only supported with GPUs, no GPUs found!",
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].\nGraphics: Mesa Intel UHD Graphics 620',
        "00:02.0 VGA compatible controller: Intel Corporation TigerLake GT2\nImportError: libcuda.so.1: cannot open shared object file",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown",
        "RuntimeError: No CUDA GPUs are available\nRuntimeError: CUDA error: no CUDA-capable device is detected",
    ),
    "bitsandbytes-cuda": (
        "CUDA SETUP: Something unexpected happened. Please compile from source:\nCUDA_VERSION=123_nomatmul",
        "        CUDA Setup failed despite GPU being available. Please run the following command to get more information:",
        f"RuntimeError: Configured CUDA binary not found at {SITE}/bitsandbytes/libbitsandbytes_cuda130.so",
        "CUDA SETUP: Required library version not found: libbitsandbytes_cuda115.so. Maybe you need to compile it from source?",
        f"AttributeError: {SITE}/bitsandbytes/libbitsandbytes_cpu.so: undefined symbol: cget_col_row_stats",
    ),
    "gpu-arch-unsupported-by-kernel": (
        "RuntimeError: FlashAttention only supports Ampere GPUs or newer.",
        "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 80. Current capability: 70.",
        "ptxas /tmp/a.ptx, line 40; error   : Feature '.bf16' requires .target sm_80 or higher",
        "Error no kernel image is available for execution on the device at line 380 in file /src/bitsandbytes/csrc/ops.cu",
        "torch._inductor.exc.GPUTooOldForTriton: Found Tesla P100 which is too old to be supported by the triton GPU compiler, Triton only supports devices of CUDA Capability >= 7.0",
    ),
    "xformers-torch-mismatch": (
        "WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.7.0+cu126 with CUDA 1206 (you have 2.6.0+cu124)\n    Python  3.12.9 (you have 3.12.3)",
        "NotImplementedError: No such operator xformers::efficient_attention_forward_cutlass - did you forget to build xformers with `python setup.py develop`?",
        f"OSError: {SITE}/xformers/_C.so: undefined symbol: _ZNK2at10TensorBase14const_data_ptrIfEEPKT_v",
    ),
    "wsl-multi-gpu-limit": (
        "OS: Ubuntu 22.04 (WSL2)\nUserWarning: CUDA initialization: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 2: out of memory",
        "Linux-6.6.87.2-microsoft-standard-WSL2\nRuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions? Error 2: out of memory",
    ),
    "libcuda-not-found": (
        "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver is properly installed and present in your system.",
        "RuntimeError: Failed to dlopen libcuda.so",
        'Unable to find cuda lib under the names ["cuda", "nvcuda"]. Please open GitHub issue.',
        'Unable to dynamically load the "cuda" shared library - searched for library names: ["libcuda.so", "libcuda64.so"].',
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
        "AssertionError: libcuda.so cannot found!",
        "/usr/bin/ld: cannot find -lcuda: No such file or directory",
        "numba.cuda.cudadrv.error.CudaSupportError: CUDA driver library cannot be found.",
    ),
    "mig-uuid-visible-devices": (
        "ValueError: invalid literal for int() with base 10: 'MIG-11111111-2222-3333-4444-555555555555'",
        "ValueError: invalid literal for int() with base 10: 'GPU-11111111-2222-3333-4444-555555555555'",
        "ValueError: invalid literal for int() with base 10: 'MIG-GPU-11111111-2222-3333-4444-555555555555/7/0'",
    ),
}  # fmt: skip
ONE_TEXT = {"mixed-cuda-majors"}
"""Causes that programs seldom print: versions tell them."""
