"""Quotes of a pasted text: each cause in different words, what decides between causes, order, wrapping, hostile texts."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest

from envdoctor.pasted import Quote  # noqa: TC001 - shown in failures
from envdoctor.quoting import EXCEPTION, PLAIN, WARNED, role
from envdoctor.sources.pasted.errors import quotes
from envdoctor.sources.pasted.sides import Sides
from tests.factory import MATRIX
from tests.sources.pasted import error_texts, release_texts
from tests.sources.pasted.error_texts import ONE_TEXT, SITE, TRACE, frames

CASES = error_texts.CASES | release_texts.CASES


class Line(NamedTuple):
    """A cleaned line."""

    number: int
    text: str


def of(text: str) -> tuple[Quote, ...]:
    return quotes([Line(number, line) for number, line in enumerate(text.splitlines(), 1)], Sides(MATRIX))


def top(text: str) -> str | None:
    found = of(text)
    assert found, "nothing was recognised"
    return found[0].cause


@pytest.mark.parametrize(("cause", "text"), [(cause, text) for cause, texts in CASES.items() for text in texts])
def test_a_cause_in_the_words_of_the_programs(cause: str, text: str) -> None:
    assert top(text) == cause


def test_each_cause_is_told_in_at_least_two_wordings() -> None:
    assert {cause for cause, texts in CASES.items() if len(texts) < 2} == ONE_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.10 GiB is free. ",
        "RuntimeError: CUDA error: device-side assert triggered",
        "RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "RuntimeError: CUDA error: invalid device ordinal",
        "OSError: You are trying to access a gated repo.",
        "ModuleNotFoundError: No module named 'wandb'",
        "ImportError: cannot import name 'TrainingArguments' from 'trl'",
        "ImportError: cannot import name 'Qwen2_5VLForConditionalGeneration' from 'transformers'",
        "ValueError: The checkpoint you are trying to load has model type `openvla` but Transformers does not recognize this architecture.",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x768 and 1024x512)",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions? Error 2: out of memory",
        "RuntimeError: No CUDA GPUs are available",
        "RuntimeError: FlashInfer requires GPUs with sm75 or higher",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "OSError: [Errno 28] No space left on device",
        "nvcc error   : 'cicc' died due to signal 9 (Kill signal)",
        "ImportError: FlashAttention2 has been toggled on, but it cannot be used due to the following error: the package flash_attn seems to be not installed.",
        "ModuleNotFoundError: No module named 'torch'",
        "ERROR: Could not find a version that satisfies the requirement vllm==99 (from versions: 0.6.3, 0.7.0)\nERROR: No matching distribution found for vllm==99",
        "Raspberry Pi OS, aarch64\nERROR: Could not find a version that satisfies the requirement torch (from versions: none)\nERROR: No matching distribution found for torch",
        "OS: CentOS Linux 7\nERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)\nERROR: No matching distribution found for nosuch",
    ],
)
def test_what_is_no_fault_of_the_environment_or_names_none_has_no_cause(text: str) -> None:
    found = of(text)
    assert found
    assert all(quote.cause is None for quote in found)


@pytest.mark.parametrize(
    "text",
    [
        " [WARNING]  sparse_attn requires a torch version >= 1.5 and < 2.0 but detected 2.4",
        " [WARNING]  using untested triton version (3.0.0), only 1.0.0 is known to be compatible",
        "FutureWarning: The pynvml package is deprecated. Please install nvidia-ml-py instead. If you did not install pynvml directly, please report this",
        "INFO 10-04 21:59:38 selector.py:240] Cannot use FlashAttention-2 backend for Volta and Turing GPUs.",
        "NOTE: CUDA Forward Compatibility mode ENABLED.",
        "Skipping import of cpp extensions due to incompatible torch version 2.9.0 for torchao version 0.15.0",
        "xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.7.0+cu126 with CUDA 1206 (you have 2.7.0+cu126)\n    Python  3.11.12 (you have 3.11.9)",
        "The detected CUDA version (12.2) has a minor version mismatch with the version that was used to compile PyTorch (12.4). Most likely this shouldn't be a problem.",
        "INFO 11-26 flash-attn is not installed, using SDPA; enable TF32 for better performance; NCCL_CUMEM_ENABLE=0",
        "cpuonly                   2.0                           0    pytorch",
        "KeyError: 'labels'",
        "KeyError: 'auto'",
        "PyTorch version: 2.13.0+cpu",
        "AttributeError: 'NoneType' object has no attribute 'generate'",
        "AttributeError: 'DataParallel' object has no attribute 'generate'",
        "AttributeError: 'MyModel' object has no attribute 'generate'",
        "AttributeError: 'GRPOConfig' object has no attribute 'no_such_thing'",
        "TypeError: main() got an unexpected keyword argument 'tokenizer'",
        "TypeError: MyModel.forward() got an unexpected keyword argument 'labels'",
        "TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'no_such_argument'",
        "TypeError: LlamaModel.forward() missing 1 required positional argument: 'input_ids'",
        "TypeError: log() takes 2 positional arguments but 3 were given",
        "an unexpected keyword argument tokenizer was in line 5 of my own file",
        "torch.cuda.is_available() is False",
        "CUDA used to build PyTorch: Could not collect",
        "AttributeError: 'MyTokenizer' object has no attribute 'language'",
        "body = message.encode()\nTypeError: a bytes-like object is required, not 'str'",
        "PS C:\\proj> pip uninstall torch\n  Successfully uninstalled torch-2.11.0+cu128\n  Successfully installed torch-2.11.0+cu130",
        "$ pip install demo\n  Successfully uninstalled torch-2.11.0+cu128\n  Successfully installed torch-2.12.0",
        '    locs = subprocess.check_output(["whereis", "libcuda.so"])',
        "    torch.cuda.set_device(opt.gpu_ids[0])",
        "NVIDIA GeForce RTX 3090\nGraphics: Intel HD Graphics\n    torch.cuda.set_device(0)",
        "transformers 5\nAttributeError: 'BertConfig' object has no attribute 'no_such_thing'",
        "transformers 5\nAttributeError: 'MyModule' object has no attribute 'extract_past'",
        "it works with the CPU version of PyTorch",
        "$ pip install vllm\nI use Ubuntu 22.04",
        "transformers==4.30.2\nlogits of position_ids",
        "Found GPU0 NVIDIA GB10 which is of cuda capability 12.1. Minimum and Maximum cuda capability supported by this version of PyTorch is (8.0) - (12.0)",
        "    Found GPU0 NVIDIA GB10 which is of cuda capability 12.1.\n    Minimum and Maximum cuda capability supported by this version of PyTorch is\n    (8.0) - (12.0)",
        TRACE.replace("(LD_LIBRARY_PATH)", f"(RPATH from file {SITE}/nvidia/cusparse/lib/libcusparse.so.12)"),
        TRACE.replace(SITE, "/opt/program"),
        "\n".join(TRACE.splitlines()[:3]),
        "step 803 of 804: loss 0.35, error rate 35.2 %, port 8020, 222 tokens",
        "CUDA Version: 12.8, Driver Version: 535.129.03",
    ],
)
def test_what_looks_like_an_error_and_is_none_yields_nothing(text: str) -> None:
    assert of(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Last week I saw `ImportError: libcudart.so.11.0: cannot open shared object file`, which I fixed by a new venv. Now to my question:",
        "If you see `RuntimeError: CUDA error: no kernel image is available for execution on the device`, your GPU is too new.",
        "in case you get `operator torchvision::nms does not exist`, install it anew",
    ],
)
def test_an_error_that_is_over_or_only_spoken_of_is_none(text: str) -> None:
    assert of(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "ImportError: libcudart.so.11.0: cannot open shared object file. If you see this, tell me what you did.",
        "I fixed the path and now get ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory",
    ],
)
def test_an_error_beside_such_words_stays_one(text: str) -> None:
    assert top(text) == "cuda-major-mismatch"


def test_an_undefined_symbol_says_whose_it_is_and_which_package_asks() -> None:
    (one, *_) = of(
        f"ImportError: {SITE}/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZN5torch3jit17parseSchemaOrNameERKSsb"
    )
    assert one.values["function"] == "torch::jit::parseSchemaOrName"
    assert one.values["side"] == "torch"
    assert one.values["strings"] == "old"
    assert one.values["package"] == "flash-attn"
    assert one.line == 1


@pytest.mark.parametrize(
    ("near", "cause"),
    [
        (f'  File "{SITE}/xformers/_cpp_lib.py", line 121, in _register_extensions', "xformers-torch-mismatch"),
        (f'  File "{SITE}/vllm/_custom_ops.py", line 12, in <module>', "torch-vllm-pin-mismatch"),
        (f'  File "{SITE}/flash_attn/__init__.py", line 3, in <module>', "flash-attn-abi"),
        (f'  File "{SITE}/causal_conv1d/cpp_functions.py", line 3, in <module>', "kernel-ext-torch-abi"),
        ("WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions.", "xformers-torch-mismatch"),
    ],
)
def test_lines_around_a_bare_symbol_say_which_package_asks_for_it(near: str, cause: str) -> None:
    assert top(f"{near}\nImportError: undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocationESs") == cause


def test_windows_explains_a_missing_platform_before_pynvml() -> None:
    text = "OS: Microsoft Windows 10 Pro\nIs CUDA available: True\nRuntimeError: Failed to infer device type"
    assert top(text) == "unsupported-os"


def test_a_newer_pynvml_brings_no_module_and_is_not_at_fault() -> None:
    assert top("pynvml==12.0.0\nRuntimeError: Failed to infer device type") is None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Error 803: system has unsupported display driver / cuda driver combination", "cuda-compat-conflict"),
        ("Error 804: forward compatibility was attempted on non supported HW", "cuda-compat-conflict"),
        ("Error 802: system not yet initialized", "fabric-manager"),
        ("- Error code: 35", "driver-too-old-for-cuda"),
        ("CUDA error: 222", "ptx-newer-than-driver"),
    ],
)
def test_error_numbers(text: str, cause: str) -> None:
    assert top(text) == cause


def test_causes_come_before_symptoms_and_these_before_wrappers() -> None:
    text = (
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
        "RuntimeError: NCCL error: unhandled cuda error\n"
        "NCCL WARN Cuda failure 802 'system not yet initialized'"
    )
    found = of(text)
    assert [quote.depth for quote in found] == sorted((quote.depth for quote in found), reverse=True)
    assert found[0].cause == "fabric-manager"
    assert found[-1].signature == "vllm-engine-core-failed"


def test_the_exception_that_ended_the_run_outranks_a_warning() -> None:
    warning = "UserWarning: NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation."
    ended = f"{frames(SITE + '/x.py')}AttributeError: _ARRAY_API not found"
    found = of(f"{warning}\n{ended}")
    assert [quote.cause for quote in found] == ["numpy2-abi", "arch-not-in-torch-build"]


def test_an_exception_without_a_cause_outranks_a_warning_with_one() -> None:
    text = f"UserWarning: {SITE}/torchvision/image.so: undefined symbol: _ZN3c105ErrorD1Ev\ntorch.OutOfMemoryError: CUDA error: out of memory"
    assert top(text) is None


def test_of_chained_exceptions_the_first_is_the_cause() -> None:
    text = (
        f"{frames(SITE + '/a.py')}ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        f"{frames(SITE + '/b.py')}RuntimeError: operator torchvision::nms does not exist"
    )
    assert [quote.cause for quote in of(text)] == ["cuda-major-mismatch", "torchvision-torch-mismatch"]


def test_the_python_that_allows_no_other_release_comes_before_what_that_release_lacks() -> None:
    text = "ImportError: cannot import name 'GRPOConfig' from 'trl' (/x/trl/__init__.py)\nERROR: Package 'trl' requires a different Python: 3.8.17 not in '>=3.9'"
    assert [quote.cause for quote in of(text)] == ["python-version-unsupported", "trl-too-old"]


def test_what_a_terminal_broke_is_read_together() -> None:
    whole = f"ImportError: {SITE}/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocationESs"
    for cut in range(20, len(whole) - 1):
        found = of(f"{whole[:cut]}\n{whole[cut:]}")
        assert "flash-attn-abi" in {quote.cause for quote in found}, cut


def test_a_symbol_on_the_next_line_is_read() -> None:
    start = f"ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol:"
    assert top(f"{start}\n_ZN3c104cuda9SetDeviceEi") == "torch-vllm-pin-mismatch"
    assert top(f"{start}\n_Z20cutlass_moe_mm_sm100RN2at6TensorE") == "source-build-bug"
    assert top(f"{start}\nc10::cuda::SetDevice(int)") == "torch-vllm-pin-mismatch"


def test_a_message_that_was_wrapped_at_a_space_is_read_together() -> None:
    assert top("RuntimeError: CUDA error: no kernel image is\navailable for execution on the device") == "arch-not-in-torch-build"


def test_a_quote_has_its_line_and_is_cut_to_a_length() -> None:
    (one, *_) = of("first\n" + "RuntimeError: CUDA error: no kernel image is available for execution on the device " + "x" * 5000)
    assert one.line == 2
    assert len(one.text) == 600


def test_an_error_far_inside_a_long_line_is_found() -> None:
    (one, *_) = of("x" * 30_000 + " RuntimeError: operator torchvision::nms does not exist " + "y" * 30_000)
    assert one.cause == "torchvision-torch-mismatch"
    assert "torchvision::nms" in one.text


def test_the_same_error_of_many_ranks_is_quoted_once() -> None:
    assert len(of("RuntimeError: operator torchvision::nms does not exist\n" * 64)) == 1


def test_what_kind_a_line_is() -> None:
    assert role("torch.OutOfMemoryError: CUDA out of memory") == EXCEPTION
    assert role("[rank0]: ImportError: x") == PLAIN or role("[rank0]: ImportError: x") == EXCEPTION
    assert role("NCCL WARN Cuda failure 802") == WARNED
    assert role("a.py:3: UserWarning: b") == WARNED
    assert role("nvidia-container-cli: requirement error") == PLAIN


@pytest.mark.parametrize(
    "unit",
    [
        "undefined symbol: ",
        "undefined symbol: _Z",
        "CUDA error: ",
        'File "',
        "requires torch",
        "CUDA out of memory. Tried to allocate 1 GiB. GPU 0 has a total capacity of 1 GiB of which ",
        "requires device with capability > (",
        "libbitsandbytes_cuda Configured CUDA binary not found at ",
        "ptxas fatal",
        "  ",
    ],
)
def test_a_hostile_text_costs_linear_time(unit: str) -> None:
    took = []
    for lines in (1000, 4000):
        text = [Line(number, (unit * (3000 // len(unit)))) for number in range(1, lines + 1)]
        began = time.process_time()
        quotes(text)
        took.append(time.process_time() - began)
    assert took[1] < 40.0
    assert took[1] < 8 * max(took[0], 0.1)


@pytest.mark.parametrize(
    ("gpu", "least_to_most"),
    [("6.1", "(7.0) - (12.0)"), ("12.0", "(5.0) - (9.0)"), ("8.7", "(8.0) - (8.6)"), ("12.1", "")],
    ids=["too old", "too new", "of a Jetson", "cut off"],
)
def test_a_capability_that_no_code_of_the_build_runs_on_is_a_fault(gpu: str, least_to_most: str) -> None:
    text = f"""Found GPU0 X which is of cuda capability {gpu}.
    Minimum and Maximum cuda capability supported by this version of PyTorch is
    {least_to_most}"""
    assert top(text) == "arch-not-in-torch-build"


@pytest.mark.parametrize(
    ("release", "cause"), [("4.33.2", None), ("4.34.0", "transformers-too-new"), ("5.0.0", "transformers-too-new")]
)
def test_a_tokenizer_that_is_asked_before_it_has_read_its_vocabulary(release: str, cause: str | None) -> None:
    line = Line(1, "AttributeError: 'BaichuanTokenizer' object has no attribute 'sp_model'")
    found = quotes([line], Sides(MATRIX, {"transformers": release}))
    assert [one.cause for one in found] == ([] if cause is None else [cause])


def test_a_fabric_manager_that_has_nothing_to_do_is_no_fault() -> None:
    log = """nvidia-fabricmanager-start.sh[4756]: request to query NVSwitch device information from NVSwitch driver failed with error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]
systemd[1]: nvidia-fabricmanager.service: Control process exited, code=exited, status=1/FAILURE"""
    assert [(one.signature, one.cause) for one in of(log)] == [("fabric-manager-has-nothing-to-do", None)]
    assert top(log.splitlines()[1]) == "fabric-manager"


@pytest.mark.parametrize(
    ("which", "release", "cause"),
    [
        ("Unexpected", "4.31.0", "transformers-too-new"),
        ("Unexpected", "4.30.2", None),
        ("Missing", "4.30.2", "transformers-too-old"),
        ("Missing", "4.31.0", None),
    ],
)
def test_a_checkpoint_of_the_other_side_of_position_ids(which: str, release: str, cause: str | None) -> None:
    line = Line(1, f'{which} key(s) in state_dict: "bert.embeddings.position_ids". ')
    assert [one.cause for one in quotes([line], Sides(MATRIX, {"transformers": release}))] == [cause]


@pytest.mark.parametrize(
    "text",
    [
        "support sliding windows in attention\npip install vllm fails",
        "The client runs Windows 10; the server Ubuntu 22.04, where installing vllm failed once.",
        "Windows 11 host\ndocker run ubuntu\npip install vllm\nerror",
        "I run Windows 10 and did not install vllm",
        "attention windows\n  Successfully uninstalled torch-2.11.0+cu128\n  Successfully installed torch-2.12.0",
        "I don't have a GPU, so I installed the CPU version of PyTorch. How do I save a model?",
        "MacBook: everything is running on CPU as intended, PyTorch CPU version",
        "CI installs the CPU version of torch to build docs; works. We have a GPU cluster.",
        'GPU: Intel UHD 770\nGPU: NVIDIA RTX A6000\n  File "a.py", line 1, in f\n    torch.cuda.set_device(0)',
        "My GPU is too old for this torch",
        "We detect if the driver is too old and warn: your driver is too old",
        "It is not the case that my nvidia driver is too old",
        "AttributeError: 'KerasTokenizer' object has no attribute 'vocab'",
        "    sock.send(device_name)\nTypeError: a bytes-like object is required, not 'str'",
        "Our CI checks for `GLIBC_2.32 not found` regressions",
        "See PR 802 system error handling",
        "  pytorch   pkgs/main::pytorch-1.12.1-py3.8_cpu_0 --> pytorch::pytorch-2.0.0-py3.8_cuda11.8_cudnn8.7.0_0\ncudatoolkit",
        '\tMissing key(s) in state_dict: "module.embeddings.position_ids", "module.fc.weight". ',
        "we had: error: ncclCommRegister undefined symbol is gone after the update, thanks",
    ],
)
def test_what_only_sounds_like_a_cause_names_none(text: str) -> None:
    assert [one.cause for one in of(text) if one.cause is not None] == []


@pytest.mark.parametrize("around", ["I have 8x A100.", 'CUDA_VISIBLE_DEVICES="" python train.py'])
def test_no_gpus_for_nccl_where_there_are_some(around: str) -> None:
    assert top(f"{around}\nRuntimeError: ProcessGroupNCCL is only supported with GPUs, no GPUs found!") is None


def test_an_index_of_one_cuda_begins_and_ends_where_it_likes() -> None:
    listed = (
        "ERROR: Could not find a version that satisfies the requirement torch==2.7.1 (from versions: 2.6.0+cu126, 2.8.0+cu126)"
    )
    assert top(listed) is None


def test_a_name_that_vllm_lacks_in_a_text_about_another_kind_of_rollout() -> None:
    text = "the rollout of the Kubernetes deployment was fine\nImportError: cannot import name 'Fp8LinearOp' from 'vllm.model_executor'"
    assert top(text) is None
