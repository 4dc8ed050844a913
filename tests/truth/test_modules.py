"""Which files are taken for modules of which package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.truth.modules import plan

if TYPE_CHECKING:
    from pathlib import Path


def site(folder: Path, **files: str) -> Path:
    """A site folder with files that export these modules, "" for none."""
    for number, (path, module) in enumerate(files.items()):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\x7fELF" + bytes([number]) + (b"\0PyInit_" + module.encode() + b"\0" if module else b"\0"))
    return folder


def test_a_file_that_exports_its_own_module_is_one_and_another_is_opened_by_its_path(tmp_path: Path) -> None:
    site(tmp_path, **{"vllm/_C.abi3.so": "_C", "torchvision/_C.so": ""})
    assert plan(tmp_path, "3.11") == {
        "vllm": [(str(tmp_path / "vllm/_C.abi3.so"), "vllm._C")],
        "torchvision": [(str(tmp_path / "torchvision/_C.so"), None)],
    }


def test_of_several_files_for_one_module_the_one_that_this_python_takes_is_judged(tmp_path: Path) -> None:
    mine = "p/a.cpython-311-x86_64-linux-gnu.so"
    site(tmp_path, **{"p/a.cpython-310-x86_64-linux-gnu.so": "a", mine: "a", "p/a.abi3.so": "a", "p/a.so": "a"})
    assert plan(tmp_path, "3.11") == {"p": [(str(tmp_path / mine), "p.a")]}


def test_a_module_for_another_python_only_is_judged_too(tmp_path: Path) -> None:
    site(tmp_path, **{"p/a.cpython-310-x86_64-linux-gnu.so": "a"})
    assert [module for _, module in plan(tmp_path, "3.11")["p"]] == ["p.a"]


def test_bundled_libraries_belong_to_no_package(tmp_path: Path) -> None:
    site(tmp_path, **{"pillow.libs/libtiff.so.6": "", "nvidia/nccl/lib/libnccl.so.2": "", "p.libs/a.so": ""})
    assert plan(tmp_path, "3.11") == {}
