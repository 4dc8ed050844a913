"""What an interrupted refresh has read is found again, whatever happened to the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from envdoctor.errors import UserError
from envdoctor.harvest.jobs import Job
from envdoctor.harvest.journal import JOURNAL, Harvested, Journal
from envdoctor.harvest.plan import Reading
from envdoctor.rows import Release
from tests.harvest.test_metadata import file

if TYPE_CHECKING:
    from pathlib import Path

DAY = "2026-11-25"


def name(version: str) -> str:
    return f"x-{version}-py3-none-any.whl"


def harvested(version: str, **more: Any) -> Harvested:
    values: dict[str, Any] = {"version": version, "file": name(version), "sha256": "a" * 64} | more
    return Harvested(package="x", release=Release(**values), requires=("torch==2.5.1",))


def job(version: str, sha256: str | None = "a" * 64, package: str = "x", of: str | None = None) -> Job:
    row = Release(version=version, file=of or name(version), sha256=sha256)
    return Job(Reading(package, "0"), Version(version), file(of or name(version), sha256=sha256), row, "")


def written(folder: Path, *versions: str, today: str = DAY) -> Path:
    journal = Journal(str(folder / JOURNAL), today)
    for version in versions:
        journal.add(harvested(version))
    journal.close()
    return folder / JOURNAL


def known(path: Path, *versions: str, today: str = DAY) -> list[str]:
    journal = Journal(str(path), today)
    return [version for version in versions if journal.find(job(version)) is not None]


def test_what_was_written_down_is_found_again_for_that_very_file(tmp_path: Path) -> None:
    path = written(tmp_path / "new", "1.0", "1.1")
    journal = Journal(str(path), DAY)
    assert journal.find(job("1.0")) == harvested("1.0")
    assert journal.find(job("1.0", "b" * 64)) is None, "another file of the same name"
    assert journal.find(job("1.0", of="x-1.0.tar.gz")) is None
    assert journal.find(job("1.0", None)) is None, "an index without hashes cannot say that it is the same file"
    assert journal.find(job("1.0", package="y")) is None
    assert journal.find(job("1.2")) is None


def test_an_interrupted_refresh_adds_to_its_journal(tmp_path: Path) -> None:
    path = written(tmp_path, "1.0")
    written(tmp_path, "1.1")
    assert known(path, "1.0", "1.1") == ["1.0", "1.1"]


def test_a_torn_last_line_costs_itself_only(tmp_path: Path) -> None:
    path = written(tmp_path, "1.0", "1.1")
    path.write_bytes(path.read_bytes()[:-20])
    written(tmp_path, "1.2", "1.3")
    assert known(path, "1.0", "1.1", "1.2", "1.3") == ["1.0", "1.2", "1.3"]


@pytest.mark.parametrize(
    ("today", "counts"), [("2026-11-25", True), ("2026-12-02", True), ("2026-12-03", False), ("2026-11-20", True)]
)
def test_a_journal_counts_for_a_week(tmp_path: Path, today: str, *, counts: bool) -> None:
    path = written(tmp_path, "1.0")
    assert known(path, "1.0", today=today) == (["1.0"] if counts else [])


def test_an_expired_or_foreign_journal_is_written_anew(tmp_path: Path) -> None:
    path = written(tmp_path, "1.0")
    written(tmp_path, "1.1", today="2027-01-01")
    assert known(path, "1.0", "1.1", today="2027-01-01") == ["1.1"]
    path.write_bytes(path.read_bytes().replace(b"envdoctor matrix refresh", b"another program"))
    assert known(path, "1.1", today="2027-01-01") == []


def test_a_finished_refresh_leaves_no_journal_and_none_is_needed_to_finish(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    journal = Journal(str(path), DAY)
    journal.done()
    journal.add(harvested("1.0"))
    journal.done()
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{}", b'{"generator":"x"}', b"\xff\xff", b"[" * 100_000, b'{"generator":"envdoctor matrix refresh 0.1.0","read":"yesterday"}\n',
     b'{"generator":"envdoctor matrix refresh 0.1.0","read":"2026-13-41"}\n', b'{"generator":5,"read":5}'],
)  # fmt: skip
def test_a_journal_that_is_none_is_passed_over_and_written_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / JOURNAL).write_bytes(content)
    assert known(tmp_path / JOURNAL, "1.0") == []
    assert known(written(tmp_path, "1.0"), "1.0") == ["1.0"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.sampled_from(
            [b"[" * 50_000, b"{}", b'{"package":"x","release":{"version":"no","file":"","sha256":null}}', b'{"x":' * 20_000]
        ),
        max_size=4,
    )
)
def test_random_lines_in_a_journal_are_passed_over(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / JOURNAL
    path.unlink(missing_ok=True)
    written(tmp_path, "1.0")
    path.write_bytes(path.read_bytes() + b"\n".join([*lines, msgspec.json.encode(harvested("1.1")), b""]))
    assert set(known(path, "1.0", "1.1")) >= {"1.0"}
    path.write_bytes(b"\n".join(lines))
    assert known(path, "1.0") == []


def test_a_journal_that_cannot_be_written_is_an_error_that_the_user_can_act_on(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        written(tmp_path, "1.0")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written: "):
        written(tmp_path / "file" / "folder", "1.0")


def test_a_fifo_in_the_place_of_a_journal_is_not_waited_for(tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    os.mkfifo(tmp_path / JOURNAL)
    assert known(tmp_path / JOURNAL, "1.0") == []
