"""Whose a missing symbol is: names as compilers write them, cut off, demangled, and hostile."""

from __future__ import annotations

import random
import string
import time

import pytest

from envdoctor.mangled import CUDA, CUDART, CUDNN, DRIVER, NCCL, NVJITLINK, NVML, OTHER, OWN, PYTHON, STDCXX, TORCH, read


@pytest.mark.parametrize(
    ("symbol", "name", "side", "strings"),
    [
        # c++filt agrees with each name
        ("_ZN3c104cuda9SetDeviceEi", "c10::cuda::SetDevice", TORCH, ""),
        (
            "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
            "c10::Error::Error",
            TORCH,
            "new",
        ),
        ("_ZN3c105ErrorC2ENS_14SourceLocationESs", "c10::Error::Error", TORCH, "old"),
        ("_ZN5torch3jit17parseSchemaOrNameERKSsb", "torch::jit::parseSchemaOrName", TORCH, "old"),
        (
            "_ZN2at4_ops5zeros4callEN3c108ArrayRefINS2_6SymIntEEENS2_8optionalINS2_10ScalarTypeEEE",
            "at::_ops::zeros::call",
            TORCH,
            "",
        ),
        ("_ZNK3c1010TensorImpl4sizeEl", "c10::TensorImpl::size", TORCH, ""),
        ("_ZTIN3c105ErrorE", "c10::Error", TORCH, ""),
        ("_ZTVN5torch8autograd4NodeE", "torch::autograd::Node", TORCH, ""),
        ("_ZN3c1016ScalarTypeToNameENS_10ScalarTypeE", "c10::ScalarTypeToName", TORCH, ""),
        (
            "_ZNR5torch7Library4_defEON3c106eitherINS1_12OperatorNameENS1_14FunctionSchemaEEEONS_11CppFunctionE",
            "torch::Library::_def",
            TORCH,
            "",
        ),
        ("_Z13my_gemm_sm120RN2at6TensorERKS0_S3_b", "my_gemm_sm120", OWN, ""),
        ("_Z3addN2at6TensorES0_", "add", OWN, ""),
        ("_ZN7project4gemmERKSs", "project::gemm", OWN, "old"),
        ("_Z6launchIfLi128ELb1EEvPT_i", "launch", OWN, ""),
        ("_ZN7project3runIN3c108BFloat16ELi256EEEvv", "project::run", OWN, ""),
        ("_ZSt28__throw_bad_array_new_lengthv", "std::__throw_bad_array_new_length", STDCXX, ""),
        ("_ZNSt6thread4joinEv", "std::thread::join", STDCXX, ""),
        ("_ZNKSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE4dataEv", "std::__cxx11::basic_string::data", STDCXX, ""),
        ("_ZN5cudnn3cnn5layerERKNS_5modelE", "cudnn::cnn::layer", CUDNN, ""),
    ],
)
def test_a_mangled_name(symbol: str, name: str, side: str, strings: str) -> None:
    assert read(symbol) == (name, side, strings)


@pytest.mark.parametrize(
    ("symbol", "side"),
    [
        ("ncclCommRegister", NCCL),
        ("ncclMemFree", NCCL),
        ("cudnnGetLibConfig", CUDNN),
        ("__nvJitLinkComplete_12_4", NVJITLINK),
        ("__nvJitLinkAddData_12_1", NVJITLINK),
        ("cudaGetDriverEntryPointByVersion", CUDART),
        ("__cudaRegisterLinkedBinary_af2", CUDART),
        ("cublasLtGetEnvironmentMode", CUDA),
        ("cublasGetEmulationStrategy", CUDA),
        ("cusparseSpSV_bufferSize", CUDA),
        ("cuTensorMapEncodeTiled", DRIVER),
        ("cuMemCreate", DRIVER),
        ("nvmlDeviceGetGpuFabricInfoV", NVML),
        ("_PyThreadState_UncheckedGet", PYTHON),
        ("PyCMethod_New", PYTHON),
        ("aoti_torch_abi_version", TORCH),
        ("THPVariableClass", TORCH),
        ("__cxa_call_terminate", STDCXX),
        ("iJIT_NotifyEvent", OTHER),
        ("", OTHER),
    ],
)
def test_a_c_name(symbol: str, side: str) -> None:
    assert read(symbol) == (symbol, side, "")


@pytest.mark.parametrize(
    ("symbol", "side", "strings"),
    [
        ("at::_ops::zeros::call(c10::ArrayRef<c10::SymInt>)", TORCH, ""),
        ("c10::detail::torchCheckFail(char const*, char const*, unsigned int, std::string const&)", TORCH, "old"),
        ("torch::jit::parse(std::__cxx11::basic_string<char> const&)", TORCH, "new"),
        ("typeinfo for c10::Error", TORCH, ""),
        ("project::gemm(at::Tensor const&)", OWN, ""),
        ("launch_gemm(at::Tensor&, int)", OWN, ""),
    ],
)
def test_a_demangled_name(symbol: str, side: str, strings: str) -> None:
    found = read(symbol)
    assert (found.side, found.strings) == (side, strings)


def test_a_name_that_was_cut_off_still_tells_whose_it_is() -> None:
    whole = "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
    for end in range(len("_ZN3c10"), len(whole)):
        assert read(whole[:end]).side == TORCH, whole[:end]


def test_hostile_names_are_read_in_linear_time() -> None:
    chance = random.Random(7)  # noqa: S311 - names, not keys
    letters = string.ascii_letters + string.digits + "_"
    for _ in range(3000):
        read("_Z" + "".join(chance.choice(letters) for _ in range(chance.randrange(60))))
    for unit in ("I", "N", "S", "S_", "9", "999", "L", "E", "1a", "St", "D", "T", "B", "C1", "IN"):
        for start in ("_Z", "_ZN", "_ZN3c10", ""):
            began = time.process_time()
            read(start + unit * 100_000)
            assert time.process_time() - began < 0.5
