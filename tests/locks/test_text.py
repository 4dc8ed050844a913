"""Requirements files of pinned releases: those of pip, uv and ours are read; everything else is an error that names its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.locks import files
from envdoctor.locks.text import listed
from tests.locks.sample import h100

if TYPE_CHECKING:
    from pathlib import Path

A, B = "a" * 64, "b" * 64


def read(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {one.name: (one.version, one.sha256) for one in listed(text.encode(), "r.txt")}


def test_the_list_of_pip_freeze_is_read_and_names_are_normalized() -> None:
    assert read("Jinja2==3.1.6\ntyping_extensions==4.15.0\ntorch==2.6.0+cu124\n") == {
        "jinja2": ("3.1.6", ()),
        "typing-extensions": ("4.15.0", ()),
        "torch": ("2.6.0+cu124", ()),
    }


def test_the_list_of_uv_pip_compile_is_read_with_its_hashes_and_comments() -> None:
    text = f"# by uv\r\nclick==8.1.7 \\\r\n    --hash=sha256:{A} \\\r\n    --hash=sha256:{B}\r\n    # via black\r\ntrl[vllm]==1.16.0 # x\r\n"
    assert read(text) == {"click": ("8.1.7", (A, B)), "trl": ("1.16.0", ())}


def test_our_own_form_is_read() -> None:
    packages = listed(files.requirements(h100()).encode(), "h100.txt")
    assert [(one.name, one.version, one.sha256) for one in packages] == [
        (one.name, one.version, (one.sha256,)) for one in h100().packages
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("torch", "'torch' is not an exact version"),
        ("torch>=2", "'torch>=2' is not an exact version"),
        ("torch==2.*", "not an exact version"),
        ("torch===2.0", "not an exact version"),
        ("torch==2.0,<3", "not an exact version"),
        ("torch==two", "not an exact version"),
        ("torch==2.0; sys_platform == 'linux'", "torch has a marker"),
        ("torch @ https://u:secret@example.invalid/torch.whl", "torch comes from an address"),
        ("https://u:secret@example.invalid/torch.whl", "comes from an address"),
        ("git+ssh://git@example.invalid/x", "comes from an address"),
        ("--index-url https://u:secret@example.invalid/simple", "the option --index-url is no pinned package"),
        ("-e .", "the option -e is no"),
        ("-r other.txt", "the option -r is no"),
        ("--index-url=https://u:secret@example.invalid", "the option --index-url is no"),
        ("./torch.whl", "'./torch.whl' is not an exact version"),
        (f"torch==2.0 --hash=md5:{A}", "64 hex digits"),
        ("torch==2.0 --hash=sha256:abc", "64 hex digits"),
        (f"torch==2.0 --hash=sha256:{A} --index-url=x", "64 hex digits"),
        ("torch==2.0\x1b[2J", "not an exact version"),
        ("torch==2.0\u202e", "not an exact version"),
    ],
)
def test_anything_else_than_a_pin_is_an_error_that_names_its_line_and_no_address(line: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read(f"# a list\nnumpy==2.0\n{line}\n")
    assert "r.txt, line 3: " in caught.value.what
    assert said in caught.value.what
    for hidden in ("secret", "example", "\x1b", "\u202e"):
        assert hidden not in caught.value.what


def test_a_package_that_is_there_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"line 2: foo-bar is there twice"):
        read("foo_bar==1\nFoo.Bar==1\n")


def test_a_file_that_is_cut_off_or_no_text_or_too_long_is_refused() -> None:
    with pytest.raises(UserError, match="backslash"):
        read("torch==2.0 \\")
    with pytest.raises(UserError, match="no text"):
        listed(b"\xff\xfe", "r.txt")
    with pytest.raises(UserError, match="more than"):
        read("".join(f"p{number}==1\n" for number in range(10_001)))


def test_a_requirements_file_by_itself_is_a_list_without_a_machine(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("trl==1.16.0\nnumpy==2.0\n")
    found = files.read_requirements(str(path))
    assert [one.name for one in found.packages] == ["numpy", "trl"]
    path.write_text("# nothing\n")
    with pytest.raises(UserError, match="names no package"):
        files.read_requirements(str(path))
    with pytest.raises(UserError, match="cannot be read"):
        files.read_requirements(str(tmp_path / "none.txt"))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes(b"#" * (files.MAX_LOCK_BYTES + 1))
    with pytest.raises(UserError, match="larger than 1 MiB"):
        files.read_requirements(str(path))
