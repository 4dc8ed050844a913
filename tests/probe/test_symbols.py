"""The reader of symbols and versions: pyelftools as the oracle over real libraries, and hostile tables."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection, GNUVerSymSection
from elftools.elf.hash import ELFHashTable, GNUHashTable

from envdoctor.probe import symbols
from envdoctor.probe.elf import Elf, NotElf
from envdoctor.probe.symbols import Library, gnu_hash
from tests.probe.samples import BUILT_FOR_NUMPY_1, BUILT_FOR_NUMPY_2, TORCH_NEEDS_CUDA_12, put
from tests.probe.shared_objects import (
    DF_1_NODEFLIB,
    DF_1_NOOPEN,
    DF_1_PIE,
    DF_STATIC_TLS,
    DF_SYMBOLIC,
    IFUNC,
    TLS,
    Asks,
    Gives,
    shared_object,
)

MAX_EXPORTED = 1500  # of one library that the oracle is asked about, one by one
MAX_BYTES = 400_000  # of a library: the oracle takes seconds for larger ones


def real_libraries() -> list[Path]:
    """Recorded ones, and those of this Python and of what is installed beside it; the interpreter itself too."""
    folders = [sysconfig.get_path("platlib"), sysconfig.get_config_var("DESTSHARED")]
    found = [path for folder in folders if folder for path in Path(folder).rglob("*.so") if path.stat().st_size < MAX_BYTES]
    return [TORCH_NEEDS_CUDA_12, BUILT_FOR_NUMPY_1, BUILT_FOR_NUMPY_2, Path(sys.executable).resolve(), *sorted(found)]


def tags_of(elf: Any) -> list[Any]:
    return [tag for section in elf.iter_sections() if isinstance(section, DynamicSection) for tag in section.iter_tags()]


def versions_by_index(elf: Any) -> dict[int, tuple[str, str | None]]:
    """{index: (version, SONAME it is asked of)} by the oracle."""
    found: dict[int, tuple[str, str | None]] = {}
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for library, versions in section.iter_versions():
                found |= {one["vna_other"] & 0x7FFF: (one.name, library.name) for one in versions}
        elif isinstance(section, GNUVerDefSection):
            for definition, names in section.iter_versions():
                if not definition["vd_flags"] & 1:
                    found[definition["vd_ndx"] & 0x7FFF] = next(iter(names)).name, None
    return found


def test_real_libraries_are_read_as_pyelftools_reads_them() -> None:
    exported = 0
    for path in real_libraries():
        with path.open("rb") as file, Library(path) as library:
            elf = ELFFile(file)
            tags = tags_of(elf)
            assert library.needs == library.needed() == [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
            assert library.soname == next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None)
            runpath = next((tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"), None)
            rpath = next((tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"), None)
            assert (library.runpath, library.rpath) == (runpath, None if runpath else rpath)
            flags = next((tag.entry.d_val for tag in tags if tag.entry.d_tag == "DT_FLAGS"), 0)
            assert library.static_tls == bool(flags & 0x10)
            blocks = [one["p_memsz"] for one in elf.iter_segments() if one["p_type"] == "PT_TLS"]
            assert library.tls[0] == (blocks[0] if blocks else 0)
            assert library.type == elf.structs.e_type if isinstance(elf["e_type"], int) else library.type in {2, 3}
            exported += symbols_agree(library, elf)
    assert exported > 100, "the oracle was asked about symbols that exist"


def symbols_agree(library: Any, elf: Any) -> int:
    """Compare undefined symbols, and the look-up of defined ones; how many of those there were."""
    dynsym, versym = elf.get_section_by_name(".dynsym"), elf.get_section_by_name(".gnu.version")
    if dynsym is None:
        return 0
    assert versym is None or isinstance(versym, GNUVerSymSection)
    versions = versions_by_index(elf)
    wanted: dict[bool, list[tuple[Any, ...]]] = {False: [], True: []}
    tables = [one for one in elf.iter_sections() if isinstance(one, GNUHashTable | ELFHashTable)]
    count = 0
    for index, symbol in enumerate(dynsym.iter_symbols()):
        binding = symbol["st_info"]["bind"]
        number = versym.get_symbol(index)["ndx"] if versym is not None else "VER_NDX_GLOBAL"
        number = number & 0x7FFF if isinstance(number, int) else {"VER_NDX_LOCAL": 0}.get(number, 1)
        if symbol["st_shndx"] == "SHN_UNDEF":
            if symbol.name and binding != "STB_LOCAL":
                version, of = versions.get(number, (None, None))
                wanted[binding == "STB_WEAK"].append((symbol.name.encode(), version and version.encode(), of, index))
        elif binding != "STB_LOCAL" and symbol["st_value"] and count < MAX_EXPORTED:
            count += 1
            name, version = symbol.name.encode(), versions.get(number, (None, None))[0]
            assert library.defines(name, gnu_hash(name), version and version.encode())
            other = name + b"_that_is_not_there"
            assert not library.defines(other, gnu_hash(other))
    for weak in (False, True):
        assert [(name, version, of, at) for name, version, of, _hidden, at in library.undefined(weak)] == wanted[weak]
    assert tables or not count
    return count


def test_the_flags_of_the_dynamic_section(tmp_path: Path) -> None:
    path = put(
        tmp_path / "x.so",
        shared_object("x", flags=DF_SYMBOLIC | DF_STATIC_TLS, flags_1=DF_1_NOOPEN | DF_1_NODEFLIB | DF_1_PIE, tls=24),
    )
    with Library(path) as library:
        assert (library.symbolic, library.static_tls, library.no_open, library.no_default_folders, library.is_program) == (
            True,
        ) * 5
        assert library.tls == (24, 8)
    with Library(put(path, shared_object())) as library:
        assert (library.symbolic, library.static_tls, library.no_open, library.no_default_folders, library.is_program) == (
            False,
        ) * 5
        assert (library.soname, library.tls) == (None, (0, 1))


def test_a_weak_version_need_is_told_apart(tmp_path: Path) -> None:
    path = put(tmp_path / "x.so", shared_object(needs_versions=(("b", "V_1", True), ("b", "V_2", False), ("c", "V_3", True))))
    with Library(path) as library:
        library.undefined()
        assert library.versions_needed == [("b", b"V_1", True), ("b", b"V_2", False), ("c", b"V_3", True)]
        assert library.version_needs() == [("b", "V_1"), ("b", "V_2"), ("c", "V_3")]


@pytest.mark.parametrize("kind", [IFUNC, TLS])
def test_an_indirect_function_and_a_thread_local_symbol_at_zero_are_definitions(tmp_path: Path, kind: int) -> None:
    with Library(put(tmp_path / "x.so", shared_object(gives=(Gives("f", kind=kind),)))) as library:
        assert library.defines(b"f", gnu_hash(b"f"))


@pytest.mark.parametrize("kind", [3, 4])
def test_a_section_or_file_symbol_is_no_definition(tmp_path: Path, kind: int) -> None:
    with Library(put(tmp_path / "x.so", shared_object(gives=(Gives("f", kind=kind),)))) as library:
        assert not library.defines(b"f", gnu_hash(b"f"))


@pytest.mark.parametrize("name", [b"", b"f", b"cuInit", b"_ZN2at4_ops9fft_irfft4callERKNS_6TensorE", b"\xff" * 900, b"x" * 5000])
def test_the_hash_is_the_one_of_the_gnu_abi(name: bytes) -> None:
    value = 5381
    for byte in name:
        value = value * 33 + byte & 0xFFFFFFFF
    assert gnu_hash(name) == value


def test_symbols_are_bound_in_the_order_of_the_relocations(tmp_path: Path) -> None:
    path = put(tmp_path / "x.so", shared_object(asks=(Asks("b"), Asks("unused", used=False), Asks("a"))))
    with Library(path) as library:
        by_index = {index: name for name, _version, _of, _hidden, index in library.undefined()}
        assert [by_index[index] for index in library.relocation_order()] == [b"b", b"a"]


def test_a_chain_of_the_hash_table_is_not_followed_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"s{number}" for number in range(3)]
    path = put(tmp_path / "x.so", shared_object(gives=tuple(map(Gives, names))))
    monkeypatch.setattr(symbols, "MAX_CHAIN", 2)
    with Library(path) as library, pytest.raises(NotElf, match="no end"):
        library.defines(b"s2", gnu_hash(b"s2"))


def test_damage_is_said_each_time_it_is_met(tmp_path: Path) -> None:
    data = bytearray(shared_object(gives=(Gives("f"),)))
    place = data.rindex((6).to_bytes(8, "little"))  # DT_SYMTAB
    data[place + 8 : place + 16] = b"\xff" * 8
    library = Library(put(tmp_path / "x.so", bytes(data)))
    for _ in range(2):
        with pytest.raises(NotElf):
            library.undefined()
        with pytest.raises(NotElf):
            library.defines(b"f", gnu_hash(b"f"))
    library.close()


def test_the_interpreter_names_its_loader_and_a_library_names_none() -> None:
    with Elf(Path(sys.executable).resolve()) as program, Elf(TORCH_NEEDS_CUDA_12) as library:
        loader = program.interpreter()
        assert loader is None or loader.startswith("/")
        assert library.interpreter() is None
