"""The section ``linking``: which files are judged, what they may count on, and what a healthy environment does not say."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.linkage import Linking
from envdoctor.probe import linking
from tests.probe.linked import ABI, ENDING, Environment
from tests.probe.samples import put
from tests.probe.shared_objects import AARCH64, MACHINE, X86_64, Asks, Gives, shared_object
from tests.probe.test_linkmap import supported
from tests.probe.test_torch_import import LIST, cublas, environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not supported(), reason="this Python is not started by glibc's loader")

TAG = "cp{}{}".format(*sys.version_info)
OTHER_ABI = ABI.replace("cpython-3", "cpython-2")


def module(stem: str, *, gives: tuple[Gives, ...] = (), **more: Any) -> bytes:
    """A compiled Python module."""
    return shared_object(gives=(Gives("PyInit_" + stem), *gives), **more)


@pytest.fixture
def healthy(tmp_path: Path) -> Environment:
    """Torch and an extension of it that binds by SONAME alone."""
    made = environment(tmp_path, LIST)
    made.add("nvidia-cublas-cu12", cublas())
    made.add("vllm", {"vllm/_C.abi3.so": module("_C", needs=("libtorch_cpu.so",), asks=(Asks("at_add"),))}, "torch==2.9.0")
    return made


def test_the_leaves_decode_into_the_facts(healthy: Environment) -> None:
    out = healthy.linked()
    facts = msgspec.json.decode(json.dumps(out).encode(), type=Linking)
    assert facts.seconds > 0
    assert set(out) == {*linking.LEAVES, "seconds"}


def test_an_extension_without_a_run_path_binds_to_what_torch_has_mapped(healthy: Environment) -> None:
    judged = healthy.modules()
    assert judged["vllm/_C.abi3.so"] == {
        "package": "vllm", "path": "vllm/_C.abi3.so", "module": "vllm._C", "problems": [], "problem_count": 0, "optional": False,
    }  # fmt: skip
    assert judged[f"torch/_C{ENDING}"]["module"] == "torch._C"
    assert "torch/lib/libtorch_cpu.so" not in judged, "it is loaded by others, not by itself"
    assert healthy.linked(alone=True)["modules"]["value"][-1]["problems"][0]["wants"] == "libtorch_cpu.so"


def test_a_symbol_that_this_torch_lacks_is_named_with_the_library_that_should_have_it(healthy: Environment) -> None:
    asks = (Asks("at_add"), *(Asks(f"at_add_{number}") for number in range(12)))
    healthy.add("xformers", {"xformers/_C.so": shared_object(needs=("libtorch_cpu.so",), asks=asks)}, "torch")
    found = healthy.modules()["xformers/_C.so"]
    assert (found["module"], found["problem_count"], len(found["problems"])) == (None, 12, 8)
    assert found["problems"][0] == {
        "kind": "undefined-symbol", "file": "xformers/_C.so", "wants": "at_add_0", "of": "libtorch_cpu.so",
        "message": f"{healthy.site}/xformers/_C.so: undefined symbol: at_add_0",
    }  # fmt: skip


def test_a_failed_torch_is_said_once_and_its_users_are_judged_as_if_it_loaded(healthy: Environment) -> None:
    (healthy.site / "nvidia/cublas/lib/libcublas.so.12").write_bytes(shared_object("libcublas.so.12"))
    out = healthy.linked()
    assert [one["wants"] for one in out["torch"]["value"]["problems"]] == ["cublasCreate"]
    judged = {one["path"]: one for one in out["modules"]["value"]}
    assert judged[f"torch/_C{ENDING}"]["problems"] == out["torch"]["value"]["problems"]
    assert judged["vllm/_C.abi3.so"]["problems"] == []
    deep = healthy.modules(deep_link="torch")
    assert [one["wants"] for one in deep["torch/lib/libtorch_python.so"]["problems"]] == ["cublasCreate"]


def test_a_module_for_another_python_only_is_said_and_one_of_several_is_not(healthy: Environment) -> None:
    healthy.add(
        "flash-attn",
        {
            f"flash_attn_2_cuda.{OTHER_ABI}.so": module("flash_attn_2_cuda"),
            f"flash_attn/_a.{OTHER_ABI}.so": module("_a"),
            f"flash_attn/_a{ENDING}": module("_a"),
            f"flash_attn/_b.{OTHER_ABI}.so": module("_b"),
            "flash_attn/_b.abi3.so": module("_b"),
        },
        tag="cp27-cp27-linux_x86_64",
    )
    judged = healthy.modules()
    found = judged[f"flash_attn_2_cuda.{OTHER_ABI}.so"]
    assert [(one["kind"], one["wants"]) for one in found["problems"]] == [("wrong-python", ABI)]
    assert found["module"] == "flash_attn_2_cuda"
    assert OTHER_ABI in found["problems"][0]["message"]
    assert judged[f"flash_attn/_a{ENDING}"]["problems"] == judged["flash_attn/_b.abi3.so"]["problems"] == []
    assert len([path for path in judged if path.startswith("flash_attn")]) == 3


def test_a_stray_in_a_wheel_that_fits_is_opened_by_path_if_at_all(healthy: Environment) -> None:
    """So does torchao 0.18.0, which brings _C_mxfp8.cpython-310-x86_64-linux-gnu.so in a cp310-abi3 wheel."""
    path = f"torchao/_C_mxfp8.{OTHER_ABI}.so"
    healthy.add(
        "torchao", {path: shared_object(needs=("libtorch_cpu.so",)), "torchao/_C.abi3.so": module("_C")}, tag="cp310-abi3-linux"
    )
    assert healthy.modules()[path]["problems"] == []
    assert healthy.modules()[path]["optional"]


def test_a_stray_that_is_a_module_cannot_be_imported_and_need_not_be(healthy: Environment) -> None:
    """So does sgl-kernel 0.3.9, which brings _mscclpp.cpython-310-x86_64-linux-gnu.so in a cp310-abi3 wheel."""
    path = f"_mscclpp.{OTHER_ABI}.so"
    healthy.add("sgl-kernel", {path: module("_mscclpp"), "sgl_kernel/_C.abi3.so": module("_C")}, tag="cp310-abi3-linux")
    assert [one["kind"] for one in healthy.modules()[path]["problems"]] == ["wrong-python"]
    assert healthy.modules()[path]["optional"]


@pytest.mark.parametrize("tag", ["cp39-cp39-linux_x86_64", "cp399-abi3-linux_x86_64", "cp399-cp399-linux_x86_64", ""])
def test_a_wheel_for_another_python_does_not_fit(healthy: Environment, tag: str) -> None:
    path = f"torchao/_C.{OTHER_ABI}.so"
    healthy.add("torchao", {path: module("_C")}, tag=tag)
    assert [one["kind"] for one in healthy.modules()[path]["problems"]] == ["wrong-python"]


@pytest.mark.parametrize(
    ("tag", "refused"), [("cp39-cp39-linux_x86_64", True), (f"{TAG}-{TAG}-linux_x86_64", False), ("", False)]
)
def test_a_module_without_a_tag_in_its_name_says_itself_that_it_is_for_another_python(
    healthy: Environment, tag: str, refused: bool
) -> None:
    """So does triton's libtriton.so, which pybind11 made."""
    healthy.add(
        "triton",
        {"triton/_C/libtriton.so": module("libtriton") + linking.PYBIND11 + b"%s", "triton/_C/plain.so": module("plain")},
        tag=tag,
    )
    judged = healthy.modules()
    assert [one["kind"] for one in judged["triton/_C/libtriton.so"]["problems"]] == (["wrong-python"] if refused else [])
    assert judged["triton/_C/plain.so"]["problems"] == []


@pytest.mark.parametrize(
    ("source", "opened"),
    [
        ("", False),
        ("ctypes.CDLL('libcusolver.so.11')", True),
        ("'cusolver'", False),
        ("from cuda import pathfinder\nlibs = ['cusolver']", True),
    ],
)
def test_a_library_of_a_stranger_counts_as_opened_first_where_the_source_names_it(
    healthy: Environment, source: str, opened: bool
) -> None:
    healthy.add("nvidia-cusolver-cu12", {"nvidia/cusolver/lib/libcusolver.so.11": shared_object("libcusolver.so.11")})
    healthy.add(
        "cupy-cuda12x", {"cupy/linalg.abi3.so": module("linalg", needs=("libcusolver.so.11",)), "cupy/__init__.py": source}
    )
    problems = healthy.modules(deep_link="all")["cupy/linalg.abi3.so"]["problems"]
    assert [one["wants"] for one in problems] == ([] if opened else ["libcusolver.so.11"])


def test_libraries_of_required_packages_count_as_opened_first_and_those_of_others_do_not(healthy: Environment) -> None:
    healthy.add("tensorrt-libs", {"tensorrt_libs/libnvinfer.so.10": shared_object("libnvinfer.so.10")})
    healthy.add("tensorrt", {"tensorrt/__init__.py": ""}, "tensorrt_libs==1.0")
    user = {"torch_tensorrt/_C.abi3.so": module("_C", needs=("libnvinfer.so.10",))}
    healthy.add("torch-tensorrt", user, "torch", 'tensorrt >=1; platform_system != "Windows"')
    healthy.add("stranger", {"stranger/_C.abi3.so": module("_C", needs=("libnvinfer.so.10",))}, "torch")
    judged = healthy.modules()
    assert judged["torch_tensorrt/_C.abi3.so"]["problems"] == []
    assert [one["wants"] for one in judged["stranger/_C.abi3.so"]["problems"]] == ["libnvinfer.so.10"]


def test_a_cuda_wheel_that_torch_does_not_map_is_not_mapped_for_its_extensions(healthy: Environment) -> None:
    healthy.add("nvidia-cuda-runtime-cu11", {"nvidia/cu11/lib/libcudart.so.11.0": shared_object("libcudart.so.11.0")})
    healthy.add(
        "mamba-ssm", {"selective_scan_cuda.abi3.so": module("selective_scan_cuda", needs=("libcudart.so.11.0",))}, "torch"
    )
    healthy.add("sgl-kernel", {"sgl_kernel/ops.abi3.so": module("ops", needs=("libcudart.so.11.0",))}, "torch")
    judged = healthy.modules()
    assert [one["wants"] for one in judged["selective_scan_cuda.abi3.so"]["problems"]] == ["libcudart.so.11.0"]
    assert judged["sgl_kernel/ops.abi3.so"]["problems"] == [], "it opens the runtime of the wheels itself"


def test_transformer_engine_finds_what_it_opens_for_all_before_its_modules(healthy: Environment) -> None:
    healthy.add(
        "nvidia-cuda-nvrtc-cu12",
        {"nvidia/cuda_nvrtc/lib/libnvrtc.so.12": shared_object("libnvrtc.so.12", gives=(Gives("nvrtcX"),))},
    )
    core = shared_object("libtransformer_engine.so", asks=(Asks("nvrtcX"),), gives=(Gives("nvte_cast"),))
    healthy.add("transformer-engine-cu12", {"transformer_engine/wheel_lib/libtransformer_engine.so": core})
    bindings = module("transformer_engine_torch", asks=(Asks("nvte_cast"), Asks("nvte_gone")))
    healthy.add("transformer-engine-torch", {"transformer_engine_torch.abi3.so": bindings}, "torch")
    judged = healthy.modules()
    assert judged["transformer_engine/wheel_lib/libtransformer_engine.so"]["problems"] == []
    assert [one["wants"] for one in judged["transformer_engine_torch.abi3.so"]["problems"]] == ["nvte_gone"]


def test_a_free_threaded_python_does_not_import_abi3_modules(healthy: Environment) -> None:
    free = ABI[: len("cpython-3")] + ABI[len("cpython-3") :].replace("-", "t-", 1)
    found = healthy.modules(python={"free_threaded": True, "abi": free})["vllm/_C.abi3.so"]
    assert [one["kind"] for one in found["problems"]] == ["wrong-python"]


def test_of_two_files_for_one_module_only_the_one_that_python_takes_is_judged(healthy: Environment) -> None:
    broken = module("_x", asks=(Asks("nowhere"),))
    healthy.add("apex", {f"apex/_x{ENDING}": module("_x"), "apex/_x.abi3.so": broken, "apex/_x.so": broken})
    assert [path for path in healthy.modules() if path.startswith("apex")] == [f"apex/_x{ENDING}"]


def test_what_a_package_brings_itself_counts_as_opened_by_it_first(healthy: Environment) -> None:
    healthy.add(
        "torchaudio",
        {
            "torchaudio/lib/_torchaudio.so": module("_torchaudio", needs=("libtorchaudio.so",), asks=(Asks("sox"),)),
            "torchaudio/lib/libtorchaudio.so": shared_object("libtorchaudio.so", needs=("libdeep.so",), gives=(Gives("sox"),)),
            "torchaudio/lib/libdeep.so": shared_object("libdeep.so"),
        },
    )
    judged = healthy.modules()
    assert judged["torchaudio/lib/_torchaudio.so"]["problems"] == []
    assert judged["torchaudio/lib/libtorchaudio.so"]["problems"] == []
    assert "torchaudio/lib/libdeep.so" not in judged
    bare = healthy.modules(bare=True)
    assert [one["wants"] for one in bare["torchaudio/lib/_torchaudio.so"]["problems"]] == ["libtorchaudio.so"]


def test_the_cause_in_what_is_opened_first_is_the_one_that_is_named(healthy: Environment) -> None:
    healthy.add(
        "torchaudio",
        {
            "torchaudio/lib/_torchaudio.so": module("_torchaudio", needs=("libtorchaudio.so",)),
            "torchaudio/lib/libtorchaudio.so": shared_object("libtorchaudio.so", asks=(Asks("at_gone"),)),
        },
    )
    problem = healthy.modules()["torchaudio/lib/_torchaudio.so"]["problems"][0]
    assert (problem["wants"], problem["file"]) == ("at_gone", "torchaudio/lib/libtorchaudio.so")


def test_libraries_of_one_package_that_want_each_other_end(healthy: Environment) -> None:
    loop = {f"deepspeed/lib{a}.so": shared_object(f"other{a}.so", needs=(f"lib{b}.so",)) for a, b in ("xy", "yx")}
    healthy.add("deepspeed", {"deepspeed/_m.abi3.so": module("_m", needs=("libx.so",)), **loop})
    assert [one["kind"] for one in healthy.modules()["deepspeed/_m.abi3.so"]["problems"]] == ["missing-library"]


def test_variants_of_which_any_one_is_enough_are_optional(healthy: Environment) -> None:
    ffmpeg = {f"torchcodec/libtorchcodec_core{n}.so": shared_object(needs=(f"libavutil.so.{n}",)) for n in (6, 7)}
    bnb = {f"bitsandbytes/libbitsandbytes_{n}.so": shared_object(needs=(f"lib{n}.so",)) for n in ("cuda118", "rocm62", "cpu")}
    healthy.add("torchcodec", ffmpeg)
    healthy.add("bitsandbytes", bnb)
    optional = {path: one["optional"] for path, one in healthy.modules().items() if one["problems"]}
    assert optional == {
        "torchcodec/libtorchcodec_core6.so": True,
        "torchcodec/libtorchcodec_core7.so": True,
        "bitsandbytes/libbitsandbytes_cuda118.so": True,
        "bitsandbytes/libbitsandbytes_rocm62.so": True,
        "bitsandbytes/libbitsandbytes_cpu.so": False,
    }


def test_compiled_extensions_of_torch_are_judged_whatever_their_name_and_pure_or_foreign_packages_are_not(
    healthy: Environment,
) -> None:
    broken = module("_k", asks=(Asks("gone"),))
    healthy.add("my-kernels", {"my_kernels/_k.abi3.so": broken}, "torch>=2.4")
    healthy.add("optional-user", {"optional_user/_k.abi3.so": broken}, 'torch; extra == "gpu"')
    healthy.add("torchless", {"torchless/_k.abi3.so": broken}, "torchmetrics")
    healthy.add("pure", {"pure/_k.abi3.so": broken}, "torch", tag="py3-none-any")
    judged = healthy.modules()
    assert {path for path, one in judged.items() if one["problems"]} == {"my_kernels/_k.abi3.so"}
    asked = healthy.modules(deep_link="Torchless,optional.user,not-here")
    assert {path for path, one in asked.items() if one["problems"]} == {
        "my_kernels/_k.abi3.so", "torchless/_k.abi3.so", "optional_user/_k.abi3.so",
    }  # fmt: skip


def test_deep_linking_judges_every_library_of_the_distribution(healthy: Environment) -> None:
    healthy.add(
        "cupy-cuda12x",
        {
            f"cupy/_core{ENDING}": module("_core"),
            "cupy.libs/libz-0a1b2c3d.so.1.2.11": shared_object("libz-0a1b2c3d.so.1.2.11", needs=("libgone.so",)),
            "cupy/data/x.so.txt": "no library",
            "cupy/stub.so": "no library either, but named like one",
        },
    )
    assert not [path for path in healthy.modules() if path.startswith("cupy")]
    kinds = {
        path: [one["kind"] for one in judged["problems"]] for path, judged in healthy.modules(deep_link="cupy-cuda12x").items()
    }
    assert kinds["cupy.libs/libz-0a1b2c3d.so.1.2.11"] == ["missing-library"]
    assert kinds["cupy/stub.so"] == ["not-elf"]
    assert kinds[f"cupy/_core{ENDING}"] == []
    assert "cupy/data/x.so.txt" not in kinds
    assert "nvidia/cublas/lib/libcublas.so.12" in healthy.modules(deep_link="all")


def test_a_library_for_another_machine_is_said(healthy: Environment) -> None:
    other = AARCH64 if MACHINE == X86_64 else X86_64
    healthy.add("sgl-kernel", {"sgl_kernel/common_ops.abi3.so": module("common_ops", machine=other)})
    assert [one["kind"] for one in healthy.modules()["sgl_kernel/common_ops.abi3.so"]["problems"]] == ["wrong-machine"]


def test_an_editable_install_is_found_by_its_folder(healthy: Environment) -> None:
    healthy.distributions = [one for one in healthy.distributions if one["name"] != "vllm"]
    healthy.add("vllm", {}, "torch")
    put(healthy.site / "vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so", module("_vllm_fa2_C"))
    assert set(healthy.modules()) >= {"vllm/_C.abi3.so", "vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so"}


def test_files_that_record_lists_and_nobody_has_are_left_to_others(healthy: Environment) -> None:
    (healthy.site / "vllm/_C.abi3.so").unlink()
    assert "vllm/_C.abi3.so" not in healthy.modules()


def test_records_that_point_out_of_the_site_folder_are_not_followed(healthy: Environment, tmp_path: Path) -> None:
    put(tmp_path / "evil.so", module("evil"))
    healthy.add("ray", {"../evil.so": module("evil")})
    record = healthy.site / "ray-1.0.dist-info/RECORD"
    record.write_text(f'../evil.so,,\n{tmp_path}/evil.so,,\n"ray/a,b.so",,\nray/\0.so,,\n')
    assert not [one for one in healthy.modules().values() if one["package"] == "ray"]


def test_the_driver_is_assumed_and_said_to_be(healthy: Environment) -> None:
    leaf = healthy.linked()["driver_libraries"]
    if leaf["value"] == "present":
        pytest.skip("this machine has a driver")
    healthy.add("deep-gemm", {"deep_gemm/_c.abi3.so": module("_c", needs=("libcuda.so.1",), asks=(Asks("cuLaunchKernelEx"),))})
    assert healthy.modules()["deep_gemm/_c.abi3.so"]["problems"] == []
    old = put(healthy.site.parent / "driver/libcuda.so.1", shared_object("libcuda.so.1", gives=(Gives("cuInit"),)))
    out = healthy.linked({"LD_LIBRARY_PATH": str(old.parent)})
    assert out["driver_libraries"]["value"] == "present"
    found = [one for one in out["modules"]["value"] if one["problems"]]
    assert [(one["path"], one["problems"][0]["wants"], one["problems"][0]["of"]) for one in found] == [
        ("deep_gemm/_c.abi3.so", "cuLaunchKernelEx", None)
    ]


def test_without_torch_modules_are_judged_by_themselves(tmp_path: Path) -> None:
    made = Environment(tmp_path)
    made.add(
        "triton", {"triton/_C/libtriton.so": module("libtriton"), "triton/_C/libhelper.so": shared_object(needs=("gone.so",))}
    )
    out = made.linked()
    assert out["torch"]["value"] is None
    assert [(one["module"], one["problems"]) for one in out["modules"]["value"]] == [("triton._C.libtriton", [])]


def test_an_environment_with_nothing_to_link_takes_no_time(tmp_path: Path) -> None:
    made = Environment(tmp_path)
    started = time.process_time()
    out = made.linked()
    assert time.process_time() - started < 0.5
    assert (out["modules"]["value"], out["copies"]["value"], out["torch"]["value"]) == ([], [], None)
