"""A real line of each known error text, as its program prints it, and what the advice must hold of it.

The lines are the programs' own format strings (vLLM 0.32, TRL 1.16, transformers 5.19, torch 2.13, triton 3.9 as installed) or what
the threads named in data/signatures.toml show; paths are shortened. The second part are words that the page must say.
"""

from __future__ import annotations

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {wanted}. GPU 0 has a total capacity of {total} of which {free} is free. "
OOM_END = (
    "If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  "
    "See documentation for Memory Management  (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)"
)
SITE = "/opt/venv/lib/python3.12/site-packages"

TEXTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "vllm-engine-core-failed": ("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': 1}", ()),
    "vllm-engine-core-crashed": ("(EngineCore_DP0 pid=815) ERROR 11-26 06:40:31 [core.py:708] EngineCore failed to start.", ()),
    "vllm-worker-failed": ("(EngineCore_DP0 pid=669) ERROR 11-17 00:53:02 [multiproc_executor.py:230] Worker proc VllmWorker-0 died unexpectedly, shutting down executor.", ()),
    "vllm-free-memory-below-utilization": (
        ("ValueError: Free memory on device cuda:1 (19.77/22.05 GiB) on startup is less than desired GPU memory utilization (0.9, 19.84 GiB). "
        "Decrease GPU memory utilization or reduce GPU memory used by other processes."),
        ("19.84 GiB", "hold 2.28 GiB", "at most 0.89"),
    ),
    "vllm-no-memory-for-the-cache": (
        ("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine "
        "(this flag also controls CPU memory reservation on the CPU backend, despite its name)."),
        ("gpu_memory_utilization",),
    ),
    "vllm-cache-smaller-than-a-request": (
        ("ValueError: The model's max seq len (29000) is larger than the maximum number of tokens that can be stored in KV cache (23648). "
        "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."),
        ("29000", "at most 23648"),
    ),
    "vllm-cache-memory-below-a-request": (
        ("ValueError: To serve at least one request with the model's max seq len (32768), (4.0 GiB KV cache is needed, which is larger than "
        "the available KV cache memory (1.5 GiB). Based on the available memory, the estimated maximum model length is 12288."),
        ("4.0 GiB", "at most about 12288"),
    ),
    "vllm-memory-freed-while-profiling": (
        ("AssertionError: Error in memory profiling. Initial free memory 20.1 GiB, current free memory 24.6 GiB. This happens when other "
        "processes sharing the same container release GPU memory while vLLM is profiling during initialization."),
        ("from 20.1 to 24.6 GiB",),
    ),
    "vllm-no-device-type": ("RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging to help debug the issue.", ("pynvml",)),
    "vllm-head-size": ("RuntimeError: Unsupported CPU attention configuration: head_dim=16", ("multiple of 32",)),
    "vllm-no-attention-backend": ("ValueError: No valid attention backend found for cuda with AttentionSelectorConfig(head_size=72, dtype=torch.float16). Reasons: {FLASH_ATTN: [head_size not supported]}.", ()),
    "vllm-bfloat16-on-an-old-gpu": (
        ("ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5. "
        "You can use float16 instead by explicitly setting the `dtype` flag in CLI, for example: --dtype=half."),
        ("Tesla T4 has no bfloat16", "has 7.5."),
    ),
    "flashinfer-needs-nvcc": ("RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist", ("VLLM_USE_FLASHINFER_SAMPLER=0",)),
    "flashinfer-versions-differ": (
        "RuntimeError: flashinfer-cubin version (0.6.0) does not match flashinfer version (0.5.3). Please install the same version of both packages.",
        ("flashinfer-cubin 0.6.0", "version 0.5.3"),
    ),
    "vllm-forked-after-cuda": ("RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the 'spawn' start method", ("VLLM_WORKER_MULTIPROC_METHOD=spawn",)),
    "vllm-mig-uuid": ("ValueError: invalid literal for int() with base 10: 'MIG-00000000-0000-0000-0000-000000000000'", ("MIG-00000000",)),
    "cuda-out-of-memory-others": (
        OOM.format(wanted="1.95 GiB", total="14.57 GiB", free="1.58 GiB")
        + "Process 2493055 has 12.02 GiB memory in use. Including non-PyTorch memory, this process has 966.00 MiB memory in use. Of the allocated "
        "memory 734.07 MiB is allocated by PyTorch, and 33.93 MiB is reserved by PyTorch but unallocated. " + OOM_END,
        ("12.0 GiB of it are held by other processes", "378.9 MiB too few", "966.0 MiB"),
    ),
    "cuda-out-of-memory-fragmented": (
        OOM.format(wanted="2.00 GiB", total="31.47 GiB", free="1.73 GiB")
        + "Including non-PyTorch memory, this process has 29.73 GiB memory in use. Of the allocated memory 20.08 GiB is allocated by PyTorch, "
        "and 9.35 GiB is reserved by PyTorch but unallocated. " + OOM_END,
        ("9.3 GiB", "expandable_segments:True"),
    ),
    "cuda-out-of-memory": (
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.00 GiB. GPU 0 has a total capacty of 23.65 GiB of which 1.66 GiB "
        "is free. Including non-PyTorch memory, this process has 20.81 GiB memory in use. Of the allocated memory 20.09 GiB is allocated by "
        "PyTorch, and 0.30 GiB is reserved by PyTorch but unallocated. "),
        ("1.3 GiB too few", "at least 1.3 GiB", "holds 20.8 GiB"),
    ),
    "cuda-out-of-memory-old-text": (
        ("RuntimeError: CUDA out of memory. Tried to allocate 2.00 MiB (GPU 0; 6.00 GiB total capacity; 4.88 GiB already allocated; 0 bytes free; "
        "4.96 GiB reserved in total by PyTorch)"),
        ("2.0 MiB too few", "4.88 GiB"),
    ),
    "cuda-out-of-memory-bare": ("RuntimeError: CUDA error: out of memory", ()),
    "cublas-not-initialized": ("RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", ("CUDA_LAUNCH_BLOCKING=1",)),
    "no-nvidia-driver": ("RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx", ("--gpus all",)),
    "driver-too-old": ("RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and installing a new version", ("CUDA 11.4",)),
    "driver-insufficient": ("RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version", ("error 35",)),
    "no-kernel-image": ("RuntimeError: CUDA error: no kernel image is available for execution on the device", ()),
    "not-compatible-with-torch": ("NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.", ("sm_120",)),
    "unsupported-ptx": ("torch.AcceleratorError: CUDA error: the provided PTX was compiled with an unsupported toolchain.", ()),
    "fabric-not-ready": ("RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 802: system not yet initialized", ("fabric",)),
    "compat-library-clash": ("RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda driver combination", ("cuda-compat",)),
    "compat-on-a-consumer-gpu": ("CUDA failure 804: forward compatibility was attempted on non supported HW", ("804",)),
    "nvml-mismatch": ("Failed to initialize NVML: Driver/library version mismatch", ("Reboot",)),
    "no-cuda-gpus": ("RuntimeError: No CUDA GPUs are available", ("CUDA_VISIBLE_DEVICES",)),
    "torch-without-cuda": ("AssertionError: Torch not compiled with CUDA enabled", ("--device cpu",)),
    "uncorrectable-ecc": ("RuntimeError: CUDA error: uncorrectable ECC error encountered", ()),
    "sampled-from-nan": ("RuntimeError: probability tensor contains either `inf`, `nan` or element < 0", ("NaN",)),
    "index-outside-the-table": ("/pytorch/aten/src/ATen/native/cuda/Indexing.cu:1422: indexSelectLargeIndex: block: [14,0,0], thread: [0,0,0] Assertion `srcIndex < srcSelectDimSize` failed.", ("vocabulary",)),
    "device-side-assert": ("RuntimeError: CUDA error: device-side assert triggered", ("CUDA_LAUNCH_BLOCKING=1",)),
    "illegal-memory-access": ("torch.AcceleratorError: CUDA error: an illegal memory access was encountered", ("CUDA_LAUNCH_BLOCKING=1",)),
    "nvjitlink-shadowed": (
        f"ImportError: {SITE}/torch/lib/../../nvidia/cusparse/lib/libcusparse.so.12: undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12",
        ("libnvJitLink.so.12", "__nvJitLinkComplete_12_4"),
    ),
    "nccl-symbol-missing": (f"ImportError: {SITE}/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommRegister", ("ncclCommRegister",)),
    "undefined-symbol": (f"ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: _ZN5torch3jit17parseSchemaOrNameERKSsb", ("_C.abi3.so", "parseSchemaOrName")),
    "cuda-library-missing": ("ImportError: libcudart.so.13: cannot open shared object file: No such file or directory", ("libcudart.so.13", "CUDA 13")),
    "libcuda-missing": ("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory", ()),
    "libtorch-missing": ("OSError: libtorch_cuda.so: cannot open shared object file: No such file or directory", ("libtorch_cuda.so",)),
    "torchvision-of-another-torch": ("RuntimeError: operator torchvision::nms does not exist", ("nms",)),
    "transformers-could-not-import": (
        ("ModuleNotFoundError: Could not import module 'Qwen2ForCausalLM'. Are this object's requirements defined correctly? Set the logging "
        "verbosity to DEBUG for the original import error."),
        ("Qwen2ForCausalLM",),
    ),
    "cannot-import-name": (
        f"ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params' ({SITE}/vllm/sampling_params.py)",
        ("vllm.sampling_params has no GuidedDecodingParams",),
    ),
    "attribute-gone-from-the-tokenizer": ("AttributeError: Qwen2Tokenizer has no attribute all_special_tokens_extended. Did you mean: 'num_special_tokens_to_add'?", ()),
    "config-name-taken": ("ValueError: 'aimv2' is already used by a Transformers config, pick another name.", ("aimv2",)),
    "module-missing": ("ModuleNotFoundError: No module named 'peft.tuners'", ("peft.tuners",)),
    "trl-failed-to-import": ("RuntimeError: Failed to import trl.trainer.grpo_trainer because of the following error (look up to see its traceback):", ("trl.trainer.grpo_trainer",)),
    "trl-server-unreachable": ("ConnectionError: The vLLM server can't be reached at http://0.0.0.0:8000 after 240.0 seconds. Make sure the server is running by running `vllm serve`.", ("http://0.0.0.0:8000", "240.0 s")),
    "trl-server-needs-cuda": ("NotImplementedError: Weight synchronization runs on vLLM's NCCL weight-transfer engine, which needs a CUDA device, got 'cpu'. Generation through the server is unaffected.", ("on cpu",)),
    "numpy-1-module": ("A module that was compiled using NumPy 1.x cannot be run in", ("NumPy 2",)),
    "numpy-size-changed": ("ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject", ("numpy.dtype to have 96 bytes", "has 88")),
    "glibc-too-old": (
        f"ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.32' not found (required by {SITE}/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so)",
        ("GLIBC_2.32 is missing", "flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so was built"),
    ),
    "nccl-shared-memory": ("misc/shmutils.cc:132 NCCL WARN Error while creating shared memory segment /dev/shm/nccl-WU88OE (size 9637888), error: No space left on device (28)", ("9.2 MiB", "--shm-size")),
    "nccl-shared-memory-too-small": ("misc/shmutils.cc:72 NCCL WARN Error: failed to extend /dev/shm/nccl-UbzKZ9 to 9637892 bytes", ("--shm-size",)),
    "nccl-no-interface": ("bootstrap.cc:45 NCCL WARN Bootstrap : no socket interface found", ("NCCL_SOCKET_IFNAME",)),
    "nccl-watchdog": (
        ("[rank0]:[E321 02:07:08.408271257 ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1580, "
        "OpType=ALLREDUCE, NumelIn=466119168, NumelOut=466119168, Timeout(ms)=600000) ran for 600060 milliseconds before timing out."),
        ("Rank 0 waited 600 s in ALLREDUCE",),
    ),
    "nccl-remote-error": ("ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.", ()),
    "nccl-system-error": ("torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:317, unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.21.5", ("NCCL_DEBUG=INFO",)),
    "nccl-cuda-error": ("RuntimeError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1201, unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.18.5", ("NCCL_DEBUG=INFO",)),
    "nccl-warning": ("node:534:1763 [3] transport/net_ib.cc:1295 NCCL WARN NET/IB : Got completion from peer with error 12, opcode 0", ("NET/IB : Got completion",)),
    "port-taken": ("torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use", ("MASTER_PORT",)),
    "elastic-child-failed": ("torch.distributed.elastic.multiprocessing.errors.ChildFailedError:", ()),
    "no-c-compiler": ("RuntimeError: Failed to find C compiler. Please specify via CC environment variable or set triton.knobs.build.impl.", ("build-essential",)),
    "no-python-headers": ("main.c:5:10: fatal error: Python.h: No such file or directory", ("python3-dev",)),
    "linker-finds-no-libcuda": ("/usr/bin/ld: cannot find -lcuda: No such file or directory", ("TRITON_LIBCUDA_PATH",)),
    "ptxas-too-old": ("ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'", ("sm_121a",)),
    "no-triton": ("torch._inductor.exc.TritonMissing: Cannot find a working triton installation. Either the package is not installed or it is too old.", ()),
    "dataloader-shared-memory": ("ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).", ("--shm-size",)),
    "bus-error": ("killed by SIGBUS", ("df -h",)),
    "illegal-instruction": ("Illegal instruction (core dumped)", ("AVX512",)),
    "killed-for-memory": ("ERROR:torch.distributed.elastic.multiprocessing.api:failed (exitcode: -9) local_rank: 0 (pid: 178) of binary: /opt/venv/bin/python", ("dmesg",)),
    "host-memory-full": ("RuntimeError: [enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 132426121216 bytes. Error code 12 (Cannot allocate memory)", ("123.3 GiB",)),
    "disk-full": ("OSError: [Errno 28] No space left on device", ("df -h",)),
    "too-many-open-files": ("OSError: [Errno 24] Too many open files", ("ulimit -n",)),
    "hub-offline": ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files in the disk cache and outgoing traffic has been disabled.", ("HF_HUB_OFFLINE",)),
    "hub-unreachable": ("OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.", ("https://huggingface.co",)),
    "segmentation-fault": ("Segmentation fault (core dumped)", ("PYTHONFAULTHANDLER",)),
    "uncaught-cpp-exception": (
        "  what():  BFloat16 Brgemm VNNI format is only supported on X64 when oneDNN ukernel is enabled and `amx` is supported",
        ("BFloat16 Brgemm VNNI format is only supported",),
    ),
    "aborted": ("killed by SIGABRT", ()),
}  # fmt: skip
