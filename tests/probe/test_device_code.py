"""GPU code of installed libraries: which files are looked at, and what damage costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor.probe import device_code, packages
from envdoctor.probe.machine import Machine, known, unknown
from tests.probe.samples import container, elf_file, entry, install, put

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = elf_file(sections={".nv_fatbin": container(entry("sm_80"), entry("sm_90a")) + container(entry("sm_80"))})
WHEEL = "cp311-cp311-linux_x86_64"


def taken(*sites: Path) -> dict[str, Any]:
    """The section's leaf on this machine with these site folders."""
    machine, folders = Machine(), [str(site) for site in sites]
    sections: dict[str, Any] = {"python": {"interpreter": known({"site_dirs": known(folders, "test")}, "test")}, "packages": {}}
    packages.probe(sections["packages"], machine, {"sections": sections})
    out: dict[str, Any] = {}
    device_code.probe(out, machine, {"sections": sections})
    return dict(out["libraries"])


def test_a_library_of_any_package_with_machine_code_is_counted_by_its_containers(tmp_path: Path) -> None:
    put(tmp_path / "fast/ops/_C.so", LIBRARY)
    install(tmp_path, "fast-kernels", "1.0", tag=WHEEL, record="fast/__init__.py,sha256=x,0\nfast/ops/_C.so,sha256=y,700000\n")
    leaf = taken(tmp_path)
    assert leaf["value"] == [
        {"package": "fast-kernels", "path": "fast/ops/_C.so", "containers": {"sm_80 sm_90a": 1, "sm_80": 1}}
    ]  # fmt: skip


def test_libraries_of_the_gpu_stack_are_found_without_a_record(tmp_path: Path) -> None:
    put(tmp_path / "torch/lib/libtorch_cuda.so", LIBRARY)
    put(tmp_path / "vllm/_C.abi3.so", LIBRARY)
    put(tmp_path / "vllm/notes.txt", "no library")
    found = [(one["package"], one["path"]) for one in taken(tmp_path)["value"]]
    assert found == [("torch", "torch/lib/libtorch_cuda.so"), ("vllm", "vllm/_C.abi3.so")]


def test_a_library_that_is_listed_and_found_in_its_folder_is_counted_once(tmp_path: Path) -> None:
    put(tmp_path / "vllm/_C.abi3.so", LIBRARY)
    install(tmp_path, "vllm", "0.8.5", tag=WHEEL, record="vllm/_C.abi3.so,sha256=y,700000\n")
    assert len(taken(tmp_path)["value"]) == 1


def test_small_libraries_pure_wheels_and_files_outside_are_not_opened(tmp_path: Path) -> None:
    for name in ("small", "pure", "outside"):
        put(tmp_path / f"{name}.so", LIBRARY)
    install(tmp_path / "site", "small", "1.0", tag=WHEEL, record="small.so,sha256=y,65535\n")
    install(tmp_path / "site", "pure", "1.0", record="pure.so,sha256=y,700000\n")
    paths = ("../outside.so", "/etc/x.so", '"a,b.so"', "x/../../outside.so", "nul\0.so")
    install(tmp_path / "site", "outside", "1.0", tag=WHEEL, record="".join(f"{path},sha256=y,700000\n" for path in paths))
    leaf = taken(tmp_path / "site")
    assert (leaf["is"], leaf["value"]) == ("known", [])


def test_libraries_with_a_version_in_their_name_and_without_a_size_are_looked_at(tmp_path: Path) -> None:
    put(tmp_path / "nvidia/nccl/lib/libnccl.so.2", LIBRARY)
    install(
        tmp_path, "nvidia-nccl-cu12", "2.21.5", tag="py3-none-manylinux2014_x86_64", record="nvidia/nccl/lib/libnccl.so.2,,\n"
    )
    assert [one["path"] for one in taken(tmp_path)["value"]] == ["nvidia/nccl/lib/libnccl.so.2"]


def test_of_two_copies_on_the_path_the_first_is_looked_at(tmp_path: Path) -> None:
    other = elf_file(sections={".nv_fatbin": container(entry("sm_120"))})
    for site, content in (("first", LIBRARY), ("second", other)):
        put(tmp_path / site / "fast.so", content)
        install(tmp_path / site, "fast", "1.0", tag=WHEEL, record="fast.so,sha256=y,700000\n")
    (one,) = taken(tmp_path / "first", tmp_path / "second")["value"]
    assert one["containers"] == {"sm_80 sm_90a": 1, "sm_80": 1}


def test_a_damaged_library_is_named_and_costs_only_itself_and_an_absent_one_nothing(tmp_path: Path) -> None:
    put(tmp_path / "bad.so", b"\x7fELF" + bytes(100))
    put(tmp_path / "good.so", LIBRARY)
    install(
        tmp_path, "fast", "1.0", tag=WHEEL, record="".join(f"{name}.so,sha256=y,700000\n" for name in ("bad", "gone", "good"))
    )
    leaf = taken(tmp_path)
    assert [one["path"] for one in leaf["value"]] == ["good.so"]
    assert "bad.so is damaged: it is not 64-bit little-endian" in leaf["via"]


def test_without_the_site_folders_or_the_distributions_it_is_not_known() -> None:
    out: dict[str, Any] = {}
    sections = {"python": {"interpreter": unknown("no answer")}, "packages": {"distributions": known([], "x")}}
    device_code.probe(out, Machine(), {"sections": sections})
    assert out == {"libraries": unknown("no answer")}
