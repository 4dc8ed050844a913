"""How torch and vLLM wheels were built, from wheels made of tiny libraries."""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.errors import UserError
from envdoctor.harvest import builds
from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.remote import Unreadable
from tests.harvest.samples import metadata, wheel
from tests.harvest.test_metadata import file
from tests.probe.samples import container, elf_file, entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.harvest.index import File
    from envdoctor.harvest.remote import Client
    from tests.harvest.server import Index

TORCH_WHEEL, VLLM_WHEEL = "torch-2.5.1-cp311-cp311-manylinux1_x86_64.whl", "vllm-0.7.0-cp38-abi3-manylinux1_x86_64.whl"
NEW_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_stringIcE\0"
OLD_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs\0"
ABOUT = builds.About("2.5.1", ">=3.9,<3.13", "2026-11-25")


def torch_members(
    *, cuda: str = "'12.4'", abi: bytes = OLD_ABI, archs: bytes = b"\0sm_80 sm_90 compute_90\0", glibc: str = "GLIBC_2.28"
) -> dict[str, bytes]:
    """What is read of a torch wheel."""
    return {
        "torch/version.py": f"__version__ = '2.5.1+cu124'\ncuda: str = {cuda}\n".encode(),
        "torch/lib/libc10.so": elf_file(rodata=abi, versions={"libc.so.6": ("GLIBC_2.2.5", glibc)}),
        "torch/lib/libtorch_python.so": elf_file(
            rodata=archs, versions={"libc.so.6": ("GLIBC_2.14",), "libstdc++.so.6": ("GLIBCXX_3.4.30", "CXXABI_1.3")}
        ),
    }


def module(*archs: str, glibc: str = "GLIBC_2.28", cudart: str = "libcudart.so.12") -> bytes:
    """A compiled module of vLLM."""
    code = {".nv_fatbin": container(*map(entry, archs))} if archs else {}
    return elf_file((cudart,) if cudart else (), sections=code, versions={"libc.so.6": (glibc,)} if glibc else {})


def vllm_members() -> dict[str, bytes]:
    return {
        "vllm/__init__.py": b"",
        "vllm/_C.abi3.so": module("sm_80", "sm_90a", "sm_90a", "compute_90", "sm_100"),
        "vllm/_C_stable_libtorch.abi3.so": module("sm_90a", "sm_100", "sm_80", glibc="GLIBC_2.17"),
        "vllm/_moe_C.abi3.so": module("sm_75", glibc="GLIBC_2.34"),
        "vllm/vllm_flash_attn/_fa.so": module("sm_90a", glibc="GLIBC_2.9"),
        "vllm/cumem_allocator.abi3.so": module(glibc="GLIBC_2.5", cudart=""),
        "other/_x.so": b"not looked at",
    }


def opened(index: Index, client: Client, name: str, members: Mapping[str, bytes]) -> tuple[Wheel, File]:
    project, version = name.split("-")[:2]
    path = index.add(project, name, wheel(project, version, metadata(project, version), members))
    return Wheel(client, index.root + path), file(name, sha256="a" * 64)


def torch(index: Index, client: Client, members: Mapping[str, bytes]) -> Any:
    told: list[int] = []
    return builds.torch(*opened(index, client, TORCH_WHEEL, members), ABOUT, told.append)


def vllm(index: Index, client: Client, members: Mapping[str, bytes]) -> Any:
    return builds.vllm(*opened(index, client, VLLM_WHEEL, members), ABOUT._replace(version="0.7.0"), lambda _: None)


def test_a_torch_row_says_how_the_wheel_was_built_and_which_wheel_it_was(index: Index, client: Client) -> None:
    row = torch(index, client, torch_members())
    assert (row.torch, row.cuda, row.archs) == ("2.5.1", "12.4", ("sm_80", "sm_90", "compute_90"))
    assert (row.cxx11_abi, row.glibc, row.python, row.read) == (False, "2.28", ">=3.9,<3.13", "2026-11-25")
    assert row.source == f"bytes of the wheel {TORCH_WHEEL}, sha256 {'a' * 64}"
    assert torch(index, client, torch_members(abi=NEW_ABI)).cxx11_abi is True


def test_an_architecture_list_that_follows_a_text_without_a_zero_byte_is_found(index: Index, client: Client) -> None:
    assert torch(index, client, torch_members(archs=b"\0invalid devicesm_70 sm_90\0")).archs == ("sm_70", "sm_90")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"torch/version.py": b"x = 1\n"}, "version.py does not say __version__"),
        ({"torch/version.py": b"__version__ = '2.5.1'\ncuda = None\n"}, "it is not built for CUDA"),
        ({"torch/lib/libc10.so": b"no library" * 20}, "libc10.so"),
        ({"torch/lib/libtorch_python.so": elf_file(rodata=b"\0nothing\0")}, "has no list of GPU architectures"),
        ({"torch/lib/libc10.so": elf_file(rodata=OLD_ABI), "torch/lib/libtorch_python.so": elf_file(rodata=b"\0sm_90\0")}, "ask for no GLIBC_ version"),
        ({"torch/lib/libc10.so": elf_file(rodata=b"x", versions={"libc.so.6": ("GLIBC_2.28",)})}, "neither form of the symbol"),
    ],
)  # fmt: skip
def test_a_torch_wheel_that_does_not_tell_is_unreadable_and_no_scratch_folder_is_named_or_left(
    index: Index, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, bytes], says: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Unreadable, match=says) as why:
        torch(index, client, torch_members() | changes)
    assert str(tmp_path) not in str(why.value)
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_is_missing_is_named(index: Index, client: Client) -> None:
    members = torch_members()
    del members["torch/lib/libc10.so"]
    with pytest.raises(Unreadable, match=r"it holds no torch/lib/libc10\.so"):
        torch(index, client, members)


def test_a_vllm_row_counts_the_code_of_each_module_and_judges_by_the_core(index: Index, client: Client) -> None:
    row = vllm(index, client, vllm_members())
    assert (row.vllm, row.cuda_major) == ("0.7.0", 12)
    assert row.archs == ("sm_80", "sm_90a", "sm_100")
    assert row.modules == {
        "_C.abi3.so": {"compute_90": 1, "sm_100": 1, "sm_80": 1, "sm_90a": 2},
        "_C_stable_libtorch.abi3.so": {"sm_100": 1, "sm_80": 1, "sm_90a": 1},
        "_moe_C.abi3.so": {"sm_75": 1},
        "vllm_flash_attn/_fa.so": {"sm_90a": 1},
    }
    assert (row.glibc, row.glibc_of_others) == ("2.28", {"_moe_C.abi3.so": "2.34"})


def test_each_module_of_a_wheel_is_one_stream(index: Index, client: Client) -> None:
    wheel_, about = opened(index, client, VLLM_WHEEL, vllm_members() | {"vllm/z.bin": os.urandom(100_000)})
    index.asked.clear()
    told: list[int] = []
    builds.vllm(wheel_, about, ABOUT, told.append)
    assert len(index.asked) <= 5
    assert sum(told) == sum(
        len(content) for name, content in vllm_members().items() if name.startswith("vllm/") and name.endswith(".so")
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (dict.fromkeys(vllm_members()), "it holds no compiled module"),
        ({"vllm/_C.abi3.so": b"\x7fELF" + bytes(100)}, "64-bit"),
        ({name: module("sm_90", cudart="") for name in vllm_members() if name.startswith("vllm/_")}, "it is not built for CUDA"),
        ({"vllm/b.so": module(cudart="libcudart.so.13")}, "modules disagree"),
        ({"vllm/_C.abi3.so": module("sm_80", glibc=""), "vllm/_C_stable_libtorch.abi3.so": None}, "ask for no GLIBC_ version"),
        ({"vllm/../../escaped.so": module()}, "outside its folder"),
        ({"vllm/../../../../../../../../tmp/escaped.so": module()}, "outside its folder"),
        ({"vllm/_C.abi3.so/deeper.so": module()}, "cannot be unpacked: "),
        ({f"vllm/{'a' * 300}.so": module()}, "cannot be unpacked: File name too long"),
    ],
)  # fmt: skip
def test_a_vllm_wheel_that_does_not_tell_or_wants_out_of_its_folder_is_unreadable(
    index: Index, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, bytes | None], says: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    members = {name: content for name, content in {**vllm_members(), **changes}.items() if content is not None}
    with pytest.raises(Unreadable, match=says) as why:
        vllm(index, client, members)
    assert str(tmp_path) not in str(why.value)
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/escaped.so").exists()  # noqa: S108 - must not be there


@pytest.mark.parametrize("what", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_to_unpack_is_an_error_that_the_user_can_act_on(
    index: Index, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(what, os.strerror(what))

    monkeypatch.setattr(Wheel, "unpack", full)
    with pytest.raises(UserError, match=f"{tmp_path} cannot hold what is unpacked there: ") as wrong:
        torch(index, client, torch_members())
    assert "TMPDIR" in wrong.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_of_version_needs_makes_a_wheel_unreadable_and_not_a_bug(index: Index, client: Client) -> None:
    members = torch_members()
    library = members["torch/lib/libc10.so"]
    # the table's first entry: version 1, two symbol versions, then the offset of the library's name
    first = library.index(struct.pack("<HH", 1, 2), library.index(b"GLIBC_2.28\0"))
    members["torch/lib/libc10.so"] = library[: first + 4] + b"\xff" * 8 + library[first + 12 :]
    with pytest.raises(Unreadable):
        torch(index, client, members)
