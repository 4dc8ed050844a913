"""Which file speaks for a release, what its tags mean, and what its metadata says."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.harvest.index import File
from envdoctor.harvest.metadata import MAX_LINE, MAX_REQUIREMENTS, Said, glibc_of, parse, python_tags, read, speaker, tags_of
from envdoctor.harvest.remote import Unreadable
from tests.harvest.samples import metadata, sdist, wheel
from tests.harvest.server import saying

if TYPE_CHECKING:
    from envdoctor.harvest.remote import Client
    from tests.harvest.server import Index

NAME = "x-1.0-py3-none-any.whl"
SAID = metadata("x", "1.0", "torch==2.5.1", "numpy", python=">=3.9")
TOLD = Said(">=3.9", ("torch==2.5.1", "numpy"))


def file(name: str = NAME, **more: Any) -> File:
    values: dict[str, Any] = {
        "name": name, "url": "", "kind": "wheel" if name.endswith(".whl") else "sdist", "sha256": None, "requires_python": None,
        "uploaded": None, "yanked": False, "metadata": None,
    }  # fmt: skip
    return File(**(values | more))


def served(index: Index, content: bytes, name: str = NAME, **more: Any) -> File:
    return file(name, url=index.root + index.add("x", name, content), **more)


# --- reading


def test_metadata_beside_the_wheel_is_all_that_is_read(index: Index, client: Client) -> None:
    path = index.add("x", NAME, b"no wheel at all", metadata=SAID)
    for stated in (hashlib.sha256(SAID).hexdigest(), hashlib.sha256(SAID).hexdigest().upper(), ""):
        assert read(client, file(url=f"{index.root}{path}#sha256=0", metadata=stated)) == (TOLD, None)
    assert index.paths() == [f"{path}.metadata"] * 3


def test_metadata_beside_the_wheel_with_another_hash_is_refused(index: Index, client: Client) -> None:
    path = index.add("x", NAME, wheel("x", "1.0", SAID), metadata=SAID)
    with pytest.raises(Unreadable, match="does not have the hash that the page states"):
        read(client, file(url=index.root + path, metadata="0" * 64))


def test_metadata_that_the_page_promises_and_the_index_does_not_have_is_unreadable(index: Index, client: Client) -> None:
    with pytest.raises(Unreadable, match="HTTP status 404"):
        read(client, served(index, wheel("x", "1.0", SAID), metadata=""))


def test_without_it_the_wheel_is_opened_and_handed_on(index: Index, client: Client) -> None:
    said, opened = read(client, served(index, wheel("x", "1.0", SAID, {"x/a.py": b""})))
    assert said == TOLD
    assert opened is not None
    assert "x/a.py" in opened.members


def test_an_sdist_speaks_by_its_pkg_info(index: Index, client: Client) -> None:
    assert read(client, served(index, sdist("x", "1.0", SAID), "x-1.0.tar.gz")) == (TOLD, None)


def test_a_wheel_that_is_gone_is_unreadable(index: Index, client: Client) -> None:
    one = served(index, b"")
    index.manners[f"/files/x/{NAME}"] = saying(410)
    with pytest.raises(Unreadable, match="HTTP status 410"):
        read(client, one)


# --- parsing


@pytest.mark.parametrize(
    ("name", "inside"),
    [("x-1.0-py3-none-any.whl", "y"), ("x-1.0.tar.gz", "y"), ("x-1.0.tar.gz", ""), ("x-1.0-py3-none-any.whl", ""),
     ("flash_attn-1.0-py3-none-any.whl", "flash"), ("xy-1.0.tar.gz", "x")],
)  # fmt: skip
def test_metadata_of_another_project_is_refused(name: str, inside: str) -> None:
    with pytest.raises(Unreadable, match="its metadata is of "):
        parse(metadata(inside, "1.0"), file(name))


@pytest.mark.parametrize(
    ("name", "inside"),
    [("flash_attn-1.0-py3-none-any.whl", "flash-attn"), ("flash-attn-1.0.tar.gz", "flash_attn"), ("Flash.Attn-1.0.tar.gz", "flash--attn")],
)  # fmt: skip
def test_names_are_compared_as_pep_503_writes_them(name: str, inside: str) -> None:
    assert parse(metadata(inside, "1.0", "numpy"), file(name)).requires == ("numpy",)


def test_requirements_are_kept_as_written_once_each_and_on_one_line() -> None:
    data = b"Metadata-Version: 2.1\nName: x\nVersion: 1\nRequires-Dist: a >=1\nRequires-Dist: b;\n  extra == 'y'\nRequires-Dist: a >=1\nRequires-Dist: no requirement!\n\nRequires-Dist: description\n"
    assert parse(data, file()).requires == ("a >=1", "b; extra == 'y'", "no requirement!")


def test_metadata_too_long_to_be_meant_is_refused() -> None:
    with pytest.raises(Unreadable, match="2001 requirements"):
        parse(metadata("x", "1.0", *(f"a{number}" for number in range(MAX_REQUIREMENTS + 1))), file())
    with pytest.raises(Unreadable, match="one too long to be meant"):
        parse(metadata("x", "1.0", "a" * (MAX_LINE + 1)), file())
    with pytest.raises(Unreadable, match="a Requires-Python of 5002 characters"):
        parse(metadata("x", "1.0", python=">=" + "1" * 5000), file())


@given(st.binary(max_size=200))
def test_random_bytes_are_no_metadata(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(data, file())


HEADERS = st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("\n\r\t :;=?"), max_size=60)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Requires-Dist", "Requires-Python", "Name", "Content-Type", "MIME-Version", "X", "Project-URL"]),
            HEADERS,
        ),
        max_size=6,
    ),
    st.binary(max_size=30),
)
@settings(max_examples=300)
def test_random_headers_are_read_or_unreadable(fields: list[tuple[str, str]], body: bytes) -> None:
    text = "Metadata-Version: 2.1\nName: x\nVersion: 1\n" + "".join(f"{name}: {value}\n" for name, value in fields)
    try:
        said = parse(text.encode() + b"\n" + body, file())
    except Unreadable:
        return
    assert all(isinstance(line, str) and "\n" not in line for line in said.requires)


def test_a_body_in_parts_is_read_or_unreadable() -> None:
    data = b'Name: x\nContent-Type: multipart/mixed; boundary="y"\n\n--y\n\n--y\n\na\n--y--\n'
    with suppress(Unreadable):
        assert parse(data, file()) == Said(None, ())


# --- tags


@pytest.mark.parametrize(
    ("name", "glibc", "pythons"),
    [
        ("x-1.0-py3-none-any.whl", None, ("py3",)),
        ("x-1.0-py2.py3-none-any.whl", None, ("py3",)),
        ("x-1.0-cp311-cp311-manylinux1_x86_64.whl", (2, 5), ("cp311",)),
        ("x-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", (2, 17), ("cp311",)),
        ("x-1.0-cp38-abi3-manylinux_2_28_x86_64.manylinux_2_31_x86_64.whl", (2, 28), ("cp38-abi3",)),
        ("x-1.0-cp39-none-linux_x86_64.whl", None, ("cp39",)),
        ("x-1.0-cp313-cp313t-manylinux_2_28_x86_64.whl", None, ()),
        ("x-1.0-cp311-cp311-manylinux_2_28_aarch64.whl", None, ()),
        ("x-1.0-cp311-cp311-musllinux_1_1_x86_64.whl", None, ()),
        ("x-1.0-cp311-cp311-win_amd64.whl", None, ()),
        ("x-1.0-cp311-cp311-macosx_11_0_arm64.whl", None, ()),
        ("x-1.0.tar.gz", None, ()),
        ("x-1.0-what-ever.whl", None, ()),
        ("x-1.0-cp311-cp311-manylinux_x_y_x86_64.whl", None, ("cp311",)),
    ],
)
def test_tags_of_a_file_are_those_for_linux_x86_64_and_cpython(
    name: str, glibc: tuple[int, int] | None, pythons: tuple[str, ...]
) -> None:
    tags = tags_of(file(name))
    assert glibc_of(tags) == glibc
    assert python_tags(tags) == pythons


def test_python_tags_are_in_order_of_their_numbers() -> None:
    tags = frozenset().union(
        *(tags_of(file(f"x-1.0-{one}-manylinux_2_28_x86_64.whl")) for one in ("cp310-cp310", "cp39-cp39", "cp38-abi3"))
    )
    assert python_tags(tags) == ("cp38-abi3", "cp39", "cp310")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["x-1.0.tar.gz", "x-1.0-cp311-cp311-win_amd64.whl", "x-1.0-cp39-cp39-manylinux_2_28_x86_64.whl", "x-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"], 3),
        (["x-1.0.tar.gz", "x-1.0-cp311-cp311-win_amd64.whl"], 1),
        (["x-1.0.tar.gz"], 0),
        (["x-1.0-cp38-abi3-manylinux1_x86_64.whl", "x-1.0-cp314-cp314-manylinux1_x86_64.whl"], 0),
        (["x-1.0-cp316-cp316-manylinux1_x86_64.whl", "x-1.0-py3-none-any.whl"], 1),
    ],
)  # fmt: skip
def test_the_speaker_is_a_linux_wheel_else_any_wheel_else_the_sdist_whatever_the_order(names: list[str], chosen: int) -> None:
    for order in (names, names[::-1]):
        found = speaker(map(file, order))
        assert found is not None
        assert found.name == names[chosen]
    assert speaker([]) is None


@given(st.text("x-.+cp39anylinux_86t any0123", max_size=60))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_file_name_makes_an_error(text: str) -> None:
    tags = tags_of(file(f"x-1.0-{text}.whl"))
    glibc_of(tags)
    python_tags(tags)
