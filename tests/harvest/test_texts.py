"""The Python files of a wheel on the index: few requests, the same text, and limits for what is made to hurt."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from envdoctor.harvest import archive as archives
from envdoctor.harvest import texts as reading
from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.remote import Unreadable
from envdoctor.harvest.texts import texts
from envdoctor.probe.machine import Missing
from tests.harvest.samples import metadata, wheel
from tests.harvest.server import whole

if TYPE_CHECKING:
    from envdoctor.harvest.remote import Client
    from tests.harvest.server import Index

NAME = "x-1.0-py3-none-any.whl"
SAID = metadata("x", "1.0")
NOISE = random.Random(3).randbytes(1_000_000)  # noqa: S311 - bytes that do not pack
FILES = {f"x/part_{number}/a.py": b"# %d\n" % number + NOISE[:2000].hex().encode() for number in range(60)}


def put(index: Index, members: dict[str, bytes]) -> str:
    return index.root + index.add("x", NAME, wheel("x", "1.0", SAID, members))


def test_the_files_of_the_package_are_read_and_compiled_modules_are_named(index: Index, client: Client) -> None:
    members = {"x/__init__.py": b"a = 1\n", "x/_C.abi3.so": b"elf", "x/data.json": b"{}", "y/other.py": b"b = 2\n"}
    found = texts(Wheel(client, put(index, members)), "x")
    assert found.paths("x") == ["x/_C.abi3.so", "x/__init__.py"]
    assert found.read("x/__init__.py") == b"a = 1\n"
    for path in ("x/_C.abi3.so", "y/other.py", "x/none.py"):
        with pytest.raises(Missing):
            found.read(path)


def test_files_that_a_wheel_keeps_beside_the_site_folder_are_where_they_are_installed(index: Index, client: Client) -> None:
    found = texts(Wheel(client, put(index, {"x-1.0.data/purelib/x/__init__.py": b"a = 1\n"})), "x")
    assert found.paths("x") == ["x/__init__.py"]


def test_files_that_lie_together_cost_one_request_and_a_large_one_between_them_is_left_out(index: Index, client: Client) -> None:
    first, rest = dict(list(FILES.items())[:30]), dict(list(FILES.items())[30:])
    url = put(index, {**first, "x/_C.abi3.so": NOISE, **rest})
    opened = Wheel(client, url)
    before, read = len(index.asked), client.traffic.body_bytes
    assert texts(opened, "x").texts == FILES
    assert len(index.asked) == before + 2
    assert client.traffic.body_bytes - read < 400_000


def test_what_is_asked_for_together_has_a_limit(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_PIECE_BYTES", 30_000)
    opened = Wheel(client, put(index, FILES | {"x/_C.abi3.so": NOISE}))
    before = len(index.asked)
    assert texts(opened, "x").texts == FILES
    assert len(index.asked) > before + 2


def test_a_server_without_ranges_gives_the_same_files(index: Index, client: Client) -> None:
    url = put(index, FILES)
    index.manners = dict.fromkeys(index.files, whole)
    assert texts(Wheel(client, url), "x").texts == FILES


def test_a_wheel_without_the_package_is_unreadable(index: Index, client: Client) -> None:
    with pytest.raises(Unreadable, match="no Python file of x"):
        texts(Wheel(client, put(index, {"y/__init__.py": b""})), "x")


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_TOTAL_BYTES"])
def test_more_than_a_package_has_is_not_read(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(reading, limit, 50)
    opened = Wheel(client, put(index, FILES))
    before = len(index.asked)
    with pytest.raises(Unreadable, match="more Python files than can be read"):
        texts(opened, "x")
    assert len(index.asked) == before
