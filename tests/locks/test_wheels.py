"""Sizes and builds of wheels on an index of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.locks import wheels
from envdoctor.locks.wheels import Measured, measured
from envdoctor.probe import records
from envdoctor.resolver import File
from tests.harvest.conftest import index
from tests.harvest.samples import archive, metadata, wheel
from tests.probe.test_ownership import row

if TYPE_CHECKING:
    import pytest

    from tests.harvest.server import Index

__all__ = ["index"]  # a fixture

RECORD = row("pkg/__init__.py", b"x = 1\n") + "pkg-1.0.dist-info/RECORD,,\n"


def on(index: Index, name: str, content: bytes, size_bytes: int | None = None) -> File:
    return File(name, None, size_bytes, None, index.root + index.add("pkg", name, content))


def test_size_unpacked_size_and_build_are_read_without_downloading_the_wheel(index: Index) -> None:
    members = {"pkg/__init__.py": b"x = 1\n", "pkg/big.bin": bytes(3_000_000), "pkg-1.0.dist-info/RECORD": RECORD.encode()}
    content = archive(members, method=0)
    found = measured({"pkg": on(index, "pkg-1.0-py3-none-any.whl", content)})["pkg"]
    assert found == Measured(
        size_bytes=len(content), installed_bytes=sum(map(len, members.values())), record=records.digest(RECORD)
    )
    assert all(asked.range is not None for asked in index.asked)


def test_a_source_distribution_has_no_installed_size_and_says_why(index: Index) -> None:
    one = measured({"pkg": on(index, "pkg-1.0.tar.gz", b"", 7)})["pkg"]
    assert (one.size_bytes, one.installed_bytes, one.record) == (7, None, None)
    assert one.trouble is not None
    assert "source distribution" in one.trouble


def test_a_wheel_that_is_no_archive_keeps_the_size_that_the_index_tells(index: Index) -> None:
    one = measured({"pkg": on(index, "pkg-1.0-py3-none-any.whl", b"not a zip file", 14)})["pkg"]
    assert (one.size_bytes, one.record) == (14, None)
    assert one.trouble is not None
    assert "archive" in one.trouble


def test_a_wheel_without_record_has_no_build(index: Index) -> None:
    content = archive({"pkg-1.0.dist-info/METADATA": metadata("pkg", "1.0")})
    one = measured({"pkg": on(index, "pkg-1.0-py3-none-any.whl", content)})["pkg"]
    assert one.record is None
    assert one.trouble == "it holds no RECORD"


def test_files_that_the_record_of_a_wheel_lists_wrongly_are_counted(index: Index) -> None:
    stripped = {"pkg/__init__.py": b"x = 1", "pkg/same.py": b"y\n", "pkg-1.0.data/purelib/far.py": b"was longer"}
    listed = RECORD + row("pkg/same.py", b"y\n") + row("pkg-1.0.data/purelib/far.py", b"it was longer")
    content = archive({**stripped, "pkg-1.0.dist-info/RECORD": listed.encode()})
    assert measured({"pkg": on(index, "pkg-1.0-py3-none-any.whl", content)})["pkg"].mislisted == 2


def test_a_wheel_that_announces_more_than_a_disk_holds_has_no_installed_size(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({"pkg/__init__.py": b"x = 1\n", "pkg-1.0.dist-info/RECORD": RECORD.encode()})
    monkeypatch.setattr(wheels, "MAX_INSTALLED_BYTES", 10)
    one = measured({"pkg": on(index, "pkg-1.0-py3-none-any.whl", content)})["pkg"]
    assert (one.size_bytes, one.installed_bytes, one.record) == (len(content), None, None)
    assert one.trouble is not None
    assert one.trouble.endswith("more than a disk holds")


def test_where_the_index_tells_no_size_the_file_itself_does(index: Index) -> None:
    sdist = measured({"pkg": on(index, "pkg-1.0.tar.gz", b"twelve bytes")})["pkg"]
    broken = measured({"pkg": on(index, "pkg-1.0-py3-none-any.whl", b"not a zip file")})["pkg"]
    assert (sdist.size_bytes, broken.size_bytes) == (12, 14)


def test_a_file_that_is_gone_is_no_failure_and_its_address_is_not_told(index: Index) -> None:
    one = measured({"pkg": File("pkg-1.0-py3-none-any.whl", None, None, None, index.root + "/gone/pkg-1.0-py3-none-any.whl")})[
        "pkg"
    ]
    assert one == Measured(trouble="HTTP status 404")


def test_every_file_is_told_of_as_it_is_done(index: Index) -> None:
    content = wheel("pkg", "1.0", metadata("pkg", "1.0"))
    files = {f"p{number}": on(index, f"p{number}-1.0-py3-none-any.whl", content) for number in range(5)}
    told: list[tuple[int, int]] = []
    measured(files, lambda done, total: told.append((done, total)))
    assert told == [(number, 5) for number in range(1, 6)]
