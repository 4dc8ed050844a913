"""What ``import torch`` opens by itself, read from source of the shapes that its releases have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.probe.machine import Trouble
from envdoctor.probe.torch_import import preloads, suffixes
from tests.probe.linked import ENDING, Environment
from tests.probe.shared_objects import Asks, Gives, shared_object
from tests.probe.test_linkmap import supported

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not supported(), reason="this Python is not started by glibc's loader")

# torch 2.4 and 2.5.0: nothing unless the global dependencies fail
NOTHING = """
def _preload_cuda_deps(lib_folder, lib_name):
    for path in sys.path:
        candidates = glob.glob(os.path.join(path, 'nvidia', lib_folder, 'lib', lib_name))
    ctypes.CDLL(candidates[0])


def _load_global_deps() -> None:
    try:
        ctypes.CDLL(global_deps_lib_path, mode=ctypes.RTLD_GLOBAL)
    except OSError as err:
        cuda_libs: Dict[str, str] = {
            'cublas': 'libcublas.so.*[0-9]',
            'cudnn': 'libcudnn.so.*[0-9]',
        }
        is_cuda_lib_err = [lib for lib in cuda_libs.values() if lib.split('.')[0] in err.args[0]]
        if not is_cuda_lib_err:
            raise err
        for lib_folder, lib_name in cuda_libs.items():
            _preload_cuda_deps(lib_folder, lib_name)
        ctypes.CDLL(global_deps_lib_path, mode=ctypes.RTLD_GLOBAL)


def other():
    x = {"cufft": "libcufft.so.*[0-9]"}
"""
# torch 2.6 to 2.8: two by name
TWO = """
def _preload_cuda_deps(lib_folder: str, lib_name: str) -> None:
    ctypes.CDLL(lib_path)


def _load_global_deps() -> None:
    try:
        ctypes.CDLL(global_deps_lib_path, mode=ctypes.RTLD_GLOBAL)
        try:
            with open("/proc/self/maps") as f:
                _maps = f.read()
            if "nvidia/cuda_runtime/lib/libcudart.so" not in _maps:
                return
            _preload_cuda_deps("cuda_nvrtc", "libnvrtc.so.*[0-9]")
            _preload_cuda_deps("nvjitlink", "libnvJitLink.so.*[0-9]")
        except Exception:
            pass
    except OSError as err:
        cuda_libs: _Dict[str, str] = {
            "cublas": "libcublas.so.*[0-9]",
        }
        if cuda_version is not None:
            cuda_libs["cufile"] = "libcufile.so.*[0-9]"
        for lib_folder, lib_name in cuda_libs.items():
            _preload_cuda_deps(lib_folder, lib_name)


if True:
    _load_global_deps()
"""
# torch 2.10 and later: a list, of which any may be missing
LIST = """
def _get_cuda_dep_paths(path: str, lib_folder: str, lib_name: str) -> list[str]:
    from torch.version import cuda as cuda_version

    return glob.glob(os.path.join(path, "nvidia", f"cu{cuda_version}", "lib", lib_name))


def _preload_cuda_lib(lib_folder: str, lib_name: str, required: bool = True) -> None:
    ctypes.CDLL(lib_path)


def _preload_cuda_deps(err: OSError | None = None, required: bool = True) -> None:
    cuda_libs: list[tuple[str, str]] = [
        ("cublas", "libcublasLt.so.*[0-9]"),
        ("cublas", "libcublas.so.*[0-9]"),
    ]
    for lib_folder, lib_name in cuda_libs:
        _preload_cuda_lib(lib_folder, lib_name, required=required)
    _preload_cuda_lib("nvtx", "libnvToolsExt.so.*[0-9]", required=False)


def _load_global_deps() -> None:
    try:
        ctypes.CDLL(global_deps_lib_path, mode=ctypes.RTLD_GLOBAL)
        try:
            if "libcudart.so" not in _maps:
                return
            _preload_cuda_deps(required=False)
        except Exception:
            pass
    except OSError as err:
        _preload_cuda_deps(err)
"""
CUBLAS = [("cublas", "libcublasLt.so.*[0-9]"), ("cublas", "libcublas.so.*[0-9]")]


def test_a_release_that_opens_nothing_has_a_table_for_the_way_out_only() -> None:
    found = preloads(NOTHING)
    assert found.table == [("cublas", "libcublas.so.*[0-9]"), ("cudnn", "libcudnn.so.*[0-9]")]
    assert (found.always, found.optional, found.marker, found.major_folders) == ([], [], None, False)


def test_a_release_that_opens_two_by_name() -> None:
    found = preloads(TWO)
    assert found.always == [("cuda_nvrtc", "libnvrtc.so.*[0-9]"), ("nvjitlink", "libnvJitLink.so.*[0-9]")]
    assert found.table == [("cublas", "libcublas.so.*[0-9]"), ("cufile", "libcufile.so.*[0-9]")]
    assert found.marker == "nvidia/cuda_runtime/lib/libcudart.so"
    assert not found.optional


def test_a_release_that_opens_a_list_of_which_any_may_be_missing() -> None:
    found = preloads(LIST)
    assert found.always == found.table == CUBLAS
    assert found.optional == [("nvtx", "libnvToolsExt.so.*[0-9]")]
    assert (found.marker, found.major_folders) == ("libcudart.so", True)


def test_source_without_these_functions_opens_nothing_and_damaged_source_is_said() -> None:
    found = preloads("import os\n")
    assert (found.table, found.always, found.optional) == ([], [], [])
    with pytest.raises(Trouble, match="_load_global_deps"):
        preloads("def _load_global_deps():\n    try:\n  pass\n\n\n")


@pytest.mark.parametrize(
    ("abi", "version", "free_threaded", "expected"),
    [
        ("cpython-311-x86_64-linux-gnu", "3.11.7", False, (".cpython-311-x86_64-linux-gnu.so", ".abi3.so", ".so")),
        ("cpython-313t-x86_64-linux-gnu", "3.13.0", True, (".cpython-313t-x86_64-linux-gnu.so", ".so")),
        ("", "3.12.1", False, (".cpython-312-aarch64-linux-gnu.so", ".abi3.so", ".so")),
    ],
)
def test_the_endings_that_a_python_imports(abi: str, version: str, free_threaded: bool, expected: tuple[str, ...]) -> None:
    assert suffixes({"abi": abi, "version": version, "free_threaded": free_threaded}, "aarch64") == expected


def environment(tmp_path: Path, source: str, *, cuda: str = "12.4") -> Environment:
    """Torch of this source, whose libraries want cublas; cudart lies in a wheel as torch's run path knows."""
    made = Environment(tmp_path)
    path = "$ORIGIN/../../nvidia/cuda_runtime/lib"
    made.add(
        "torch",
        {
            "torch/__init__.py": source,
            "torch/version.py": f"__version__ = '2.9.0'\ncuda = '{cuda}'\n",
            "torch/lib/libtorch_global_deps.so": shared_object("libtorch_global_deps.so", needs=("libcudart.so.12",), rpath=path),
            "torch/lib/libtorch_cpu.so": shared_object("libtorch_cpu.so", gives=(Gives("at_add"),)),
            "torch/lib/libtorch_python.so": shared_object(
                "libtorch_python.so", needs=("libtorch_cpu.so", "libcublas.so.12"), asks=(Asks("cublasCreate"),), rpath="$ORIGIN"
            ),
            f"torch/_C{ENDING}": shared_object(needs=("libtorch_python.so",), rpath="$ORIGIN/lib", gives=(Gives("PyInit__C"),)),
        },
    )
    runtime = {"nvidia/cuda_runtime/lib/libcudart.so.12": shared_object("libcudart.so.12")}
    made.add("nvidia-cuda-runtime-cu12", runtime)
    return made


def cublas(folder: str = "nvidia/cublas/lib") -> dict[str, bytes]:
    return {
        f"{folder}/libcublasLt.so.12": shared_object("libcublasLt.so.12"),
        f"{folder}/libcublas.so.12": shared_object(
            "libcublas.so.12", needs=("libcublasLt.so.12",), gives=(Gives("cublasCreate"),)
        ),
    }


@pytest.mark.parametrize("folder", ["nvidia/cublas/lib", "nvidia/cu12/lib", "cublas/lib"])
def test_what_torch_opens_itself_serves_what_its_libraries_need(tmp_path: Path, folder: str) -> None:
    made = environment(tmp_path, LIST)
    made.add("nvidia-cublas-cu12", cublas(folder))
    leaf = made.linked()["torch"]["value"]
    assert leaf["problems"] == []
    assert leaf["preloads"] == [f"{made.site}/{folder}/libcublasLt.so.12", f"{made.site}/{folder}/libcublas.so.12"]


def test_a_release_that_opens_nothing_does_not_find_them(tmp_path: Path) -> None:
    made = environment(tmp_path, NOTHING)
    made.add("nvidia-cublas-cu12", cublas())
    leaf = made.linked()["torch"]["value"]
    assert leaf["preloads"] == []
    assert [(one["kind"], one["wants"], one["file"]) for one in leaf["problems"]] == [
        ("missing-library", "libcublas.so.12", "torch/lib/libtorch_python.so")
    ]
    assert leaf["problems"][0]["message"] == "libcublas.so.12: cannot open shared object file: No such file or directory"


def test_nothing_is_opened_where_the_runtime_is_not_that_of_the_wheel(tmp_path: Path) -> None:
    made = environment(tmp_path, TWO)
    made.add("nvidia-cuda-nvrtc-cu12", {"nvidia/cuda_nvrtc/lib/libnvrtc.so.12": shared_object("libnvrtc.so.12")})
    (toolkit := tmp_path / "toolkit").mkdir()
    (made.site / "nvidia/cuda_runtime/lib/libcudart.so.12").rename(toolkit / "libcudart.so.12")
    assert made.linked({"LD_LIBRARY_PATH": str(toolkit)})["torch"]["value"]["preloads"] == []


def test_a_missing_runtime_is_the_error_that_torchs_own_way_out_raises(tmp_path: Path) -> None:
    made = environment(
        tmp_path,
        LIST.replace('("cublas", "libcublasLt', '("cuda_runtime", "libcudart.so.*[0-9]"),\n        ("cublas", "libcublasLt'),
    )
    (made.site / "nvidia/cuda_runtime/lib/libcudart.so.12").unlink()
    first = made.linked()["torch"]["value"]["problems"][0]
    assert (first["kind"], first["wants"], first["file"]) == ("preload", "libcudart.so.*[0-9]", "torch/__init__.py")
    assert first["message"].startswith("ValueError: libcudart.so.*[0-9] not found in the system path")


def test_torch_without_its_extension_or_its_source_is_said(tmp_path: Path) -> None:
    made = environment(tmp_path, LIST)
    (made.site / f"torch/_C{ENDING}").unlink()
    problems = made.linked()["torch"]["value"]["problems"]
    assert problems[-1]["message"] == "No module named 'torch._C'"
    (made.site / "torch/version.py").unlink()
    assert "version.py does not exist" in made.linked()["torch"]["why"]
