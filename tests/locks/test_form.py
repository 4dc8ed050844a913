"""The TOML form as hostile input: every wrong value is refused, in words that say where it stands."""

from __future__ import annotations

import pytest

from envdoctor.locks import edited, form
from tests.locks.sample import small

TEXT = edited.document(form.tables(small()), None)


def changed(before: str, after: str) -> bytes:
    assert before in TEXT
    return TEXT.replace(before, after, 1).encode()


def test_the_text_is_read_back() -> None:
    assert form.read(TEXT.encode()) == small()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("format = 1", "format = 2", "its format is 2"),
        ("format = 1", "format = true", "format"),
        ("format = 1", "format = 1\nextra = 1", "extra"),
        ('target = "h100"', 'target = "../h100"', "target"),
        ('target = "h100"', 'target = "-r"', "target"),
        ('gpu = "h100"', "gpu = 100", "assumes.gpu"),
        ('python = "3.12"', 'python = "3.12 --pre"', "assumes.python"),
        ('python = "3.12"\n', "", "assumes"),
        ('glibc = "2.35"', 'glibc = "2.35\\n"', "assumes.glibc"),
        ('base_image = "nvidia', 'base_image = "--privileged nvidia', "assumes.base_image"),
        ('verdict = "clean"', 'verdict = "clean\\u001b[2J"', "verdict"),
        ('why = "vllm', 'why = "\\u202evllm', "bounds"),
        ('day = "2026-11-25"', 'day = "today"', "made.day"),
        ('"trl==1.16.0"', '"trl @ https://u:secret@example.invalid/x.whl"', "entry 2 has an address"),
        ('"trl==1.16.0"', '"--index-url=https://u:secret@example.invalid"', "entry 2 is no requirement"),
        ('vllm = "0.31.0"\n', 'vllm = "0.30.0"\n', "[stack] says vllm 0.30.0"),
        ("packages = 4", "packages = 5", "[size]"),
        ("download_bytes = 860404462", "download_bytes = 1", "[size]"),
        ("size_bytes = 526605292", "size_bytes = -1", "size_bytes"),
        ('version = "2.13.0"', 'version = "2.13.x"', "torch: '2.13.x' is not a version"),
        ('version = "2.13.0"', 'version = "2.12.0"', "is no file of torch 2.12.0"),
        ('file = "torch-2.13.0-', 'file = "torch-2.12.0-', "no file of torch 2.13.0"),
        ('file = "torch-2.13.0-', 'file = "../torch-2.13.0-', "file"),
        ('sha256 = "796633c4', 'sha256 = "X96633c4', "sha256"),
        ("\ntorch = {", "\nTorch = {", "Torch"),
        ("\ntorch = {", '\n"to\\u0000rch" = {', "packages"),
    ],
)
def test_a_wrong_value_is_refused_and_named(before: str, after: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        form.read(changed(before, after))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"a = " + b"[" * 50_000,
        b"x = 1" + b"0" * 10_000,
        b"a.b = 1\na.b = 2",
        b"format = 1",
        b"\x00",
        b"a." * 500_000 + b"a = 1",
    ],
)
def test_what_is_no_lock_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        form.read(document)
