"""What the words of ld.so mean; the texts are those of real runs."""

from __future__ import annotations

import pytest

from tests.truth.saying import Said, absent_module, of_the_loader, same

SYMBOL = "_ZNK3c1011StorageImpl27throw_data_ptr_access_errorEv"
TEXTS = (
    (
        "libcusparseLt.so.0: cannot open shared object file: No such file or directory",
        Said("missing-library", "libcusparseLt.so.0"),
    ),
    (f"vllm/_C.abi3.so: undefined symbol: {SYMBOL}", Said("undefined-symbol", SYMBOL)),
    (
        "torch/lib/libtorch_cpu.so: undefined symbol: cuptiActivityEnableDriverApi, version libcupti.so.12",
        Said("undefined-symbol", "cuptiActivityEnableDriverApi"),
    ),
    (
        "/lib/libm.so.6: version `GLIBC_2.38' not found (required by vllm/spinloop.abi3.so)",
        Said("missing-version", "GLIBC_2.38"),
    ),
    (
        "ray/core/libjemalloc.so: cannot allocate memory in static TLS block",
        Said("static-tls", "ray/core/libjemalloc.so"),
    ),
    ("triton/backends/a.so: wrong ELF class: ELFCLASS32", Said("wrong-machine", "triton/backends/a.so")),
    ("a/b.so: invalid ELF header", Said("not-elf", "a/b.so")),
    ("a/b.so: file too short", Said("not-elf", "a/b.so")),
    ("", Said("loads", "")),
)


@pytest.mark.parametrize(("text", "meaning"), TEXTS, ids=[meaning.kind for _, meaning in TEXTS])
def test_each_text_of_the_loader_has_its_kind_and_names_what_is_lacking(text: str, meaning: Said) -> None:
    assert of_the_loader(text) == meaning


def test_an_import_error_around_the_text_does_not_change_its_meaning() -> None:
    text = f"ImportError: vllm/_C.abi3.so: undefined symbol: {SYMBOL}"
    assert of_the_loader(text) == Said("undefined-symbol", SYMBOL)


def test_a_text_that_is_not_known_is_of_no_known_kind() -> None:
    assert of_the_loader("cannot enable executable stack as shared object requires").kind == "other"


def test_a_file_whose_constructors_end_the_process_has_been_linked() -> None:
    assert of_the_loader("ended the process: status 134").kind == "loads"


def test_a_file_for_another_machine_is_told_of_as_not_there() -> None:
    said = of_the_loader("triton/x.so: cannot open shared object file: No such file or directory")
    assert same(said, "triton/x.so", "wrong-machine", "x86_64")
    assert not same(said, "another.so", "wrong-machine", "x86_64")


def test_another_symbol_is_another_reason() -> None:
    said = of_the_loader(f"vllm/_C.abi3.so: undefined symbol: {SYMBOL}")
    assert same(said, "vllm/_C.abi3.so", "undefined-symbol", SYMBOL)
    assert not same(said, "vllm/_C.abi3.so", "undefined-symbol", "another")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ModuleNotFoundError: No module named 'cpython'", "cpython"),
        ("ModuleNotFoundError: No module named 'torchvision._C'", "torchvision._C"),
        ("ImportError: cannot import name 'cudaLibrary_t'", ""),
        ("", ""),
    ],
)
def test_a_module_that_is_not_installed_is_named(text: str, name: str) -> None:
    assert absent_module(text) == name
