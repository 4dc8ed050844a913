"""Which build is installed, and whether its files are as they were: real RECORDs of a wheel and of what pip and uv made of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.facts import Known
from envdoctor.linkage import RecordCheck
from envdoctor.probe import packages, records
from envdoctor.probe.machine import Machine, known, unknown
from tests.probe.samples import install, put
from tests.probe.test_ownership import row

HERE = Path(__file__).parent / "data" / "records"
FILES = {"pkg/__init__.py": b"x = 1\n", "pkg/_core.so": b"\x7fELF" + bytes(100)}


def listing(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def installed(tmp_path: Path, files: dict[str, bytes] = FILES) -> Path:
    site = tmp_path / "site"
    for path, content in files.items():
        put(site / path, content)
    install(site, "pkg", "1.0", record=listing_of(files))
    return site


def listing_of(files: dict[str, bytes]) -> str:
    return "".join(row(path, content) for path, content in files.items())


def checked(site: Path, **asked: str) -> RecordCheck:
    (one,) = all_checked(site, **asked)
    return one


def all_checked(site: Path, **asked: str) -> tuple[RecordCheck, ...]:
    sections: dict[str, Any] = {
        "python": {"interpreter": known({"site_dirs": known([str(site)], "test")}, "test")}, "packages": {},
    }  # fmt: skip
    packages.probe(sections["packages"], Machine(), {"sections": sections})
    out: dict[str, Any] = {}
    records.probe(out, Machine(), {"sections": sections, **asked})
    return msgspec.convert(out["checked"], Known[tuple[RecordCheck, ...]]).value


def test_a_wheel_has_the_same_digest_before_and_after_pip_or_uv_installed_it() -> None:
    digests = {records.digest(listing(f"ninja-1.13.2-{how}.csv")) for how in ("wheel", "by-uv", "by-pip")}
    assert len(digests) == 1
    assert digests.pop().startswith("sha256:")


def test_another_build_of_the_same_release_has_another_digest() -> None:
    wheel = listing("ninja-1.13.2-wheel.csv")
    rebuilt = wheel.replace("taDHI20kpmjxOT72PiSyE42Pvz3KLXlwMfTZvvnRMKM", "taDHI20kpmjxOT72PiSyE42Pvz3KLXlwMfTZvvnRMKN")
    assert rebuilt != wheel
    assert records.digest(rebuilt) != records.digest(wheel)


@pytest.mark.parametrize(
    ("listed", "lies"),
    [
        ("pkg/a.py", "pkg/a.py"),
        ("./pkg/a.py", "pkg/a.py"),
        ("pkg\\a.py", "pkg/a.py"),
        ("pkg-1.0.data/purelib/pkg/a.py", "pkg/a.py"),
        ("pkg-1.0.data/platlib/pkg/_c.so", "pkg/_c.so"),
        ("pkg-1.0.data/scripts/tool", None),
        ("pkg-1.0.data/headers/pkg.h", None),
        ("../../../bin/tool", None),
        ("pkg/../../outside.py", None),
        ("/etc/passwd", None),
        ("pkg/__pycache__/a.cpython-311.pyc", None),
        ("pkg-1.0.dist-info/INSTALLER", None),
        ("pkg-1.0.dist-info/uv_cache.json", None),
        ("pkg-1.0.dist-info/METADATA", "pkg-1.0.dist-info/METADATA"),
        ("pkg-1.0.dist-info/licenses/INSTALLER", "pkg-1.0.dist-info/licenses/INSTALLER"),
    ],
)
def test_what_a_wheel_lists_is_found_where_installers_put_it(listed: str, lies: str | None) -> None:
    assert records.placed(listed) == lies


def test_a_comma_in_a_quoted_path_is_part_of_it() -> None:
    text = '"pkg/a,b.py",sha256=taDHI20kpmjxOT72PiSyE42Pvz3KLXlwMfTZvvnRMKM,3\n'
    assert records.rows(text) == [("pkg/a,b.py", "taDHI20kpmjxOT72PiSyE42Pvz3KLXlwMfTZvvnRMKM", 3)]


@pytest.mark.parametrize("name", ["a\nb.py", "a\r\nb.py", "a\u2028b.py", "a\x0cb.py", "a\x85b.py"])
def test_a_line_break_in_a_quoted_path_is_part_of_it(name: str) -> None:
    text = f'"{name}",sha256=taDHI20kpmjxOT72PiSyE42Pvz3KLXlwMfTZvvnRMKM,3\r\npkg/c.py,,\r\n'
    assert [path for path, _, _ in records.rows(text)] == [name]


def test_a_field_longer_than_any_path_is_no_table() -> None:
    with pytest.raises(ValueError, match="RECORD is no table"):
        records.rows("a" * 200_000 + ",,\n")


def test_more_rows_than_any_wheel_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_ROWS", 2)
    with pytest.raises(ValueError, match="more than 2 rows"):
        records.rows("a.py,,\n" * 3)


def test_untouched_files_are_counted_and_nothing_is_found(tmp_path: Path) -> None:
    one = checked(installed(tmp_path))
    assert (one.name, one.version, one.files) == ("pkg", "1.0", 2)
    assert one.missing_count == one.altered_count == one.by_size_only == 0
    assert one.problem is None


def test_a_file_edited_to_the_same_length_is_found(tmp_path: Path) -> None:
    site = installed(tmp_path)
    (site / "pkg/__init__.py").write_bytes(b"x = 2\n")
    assert checked(site).altered == ("pkg/__init__.py",)


def test_deleted_files_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    site = installed(tmp_path, {f"pkg/m{number:02}.py": b"" for number in range(records.MAX_SHOWN + 5)})
    for path in (site / "pkg").iterdir():
        path.unlink()
    one = checked(site)
    assert one.missing_count == records.MAX_SHOWN + 5
    assert one.missing == tuple(f"pkg/m{number:02}.py" for number in range(records.MAX_SHOWN))


def test_a_file_too_large_to_hash_is_compared_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_HASHED_BYTES", 50)
    site = installed(tmp_path)
    assert checked(site).by_size_only == 1
    (site / "pkg/_core.so").write_bytes(b"short of what RECORD lists, but this is longer than fifty")
    assert checked(site).altered == ("pkg/_core.so",)


def test_a_file_that_another_distribution_wrote_over_is_not_taken_for_edited(tmp_path: Path) -> None:
    site = installed(tmp_path)
    theirs = b"x = 'theirs, and longer'\n"
    put(site / "pkg/__init__.py", theirs)
    install(site, "other", "1.0", record=row("pkg/__init__.py", theirs))
    pkg, other = sorted(all_checked(site), key=lambda one: one.name, reverse=True)
    assert (pkg.name, pkg.overwritten_count, pkg.altered_count) == ("pkg", 1, 0)
    assert (other.name, other.overwritten_count, other.altered_count) == ("other", 0, 0)
    (site / "pkg/__init__.py").write_bytes(b"x = 'somebody else yet'\n")
    assert [one.altered_count for one in all_checked(site)] == [1, 1]


def test_what_is_there_and_cannot_be_read_is_neither_missing_nor_altered(tmp_path: Path) -> None:
    install(tmp_path / "site", "pkg", "1.0", record=row("pkg/queue", b"").replace(",0\n", ",\n"))
    (tmp_path / "site/pkg").mkdir()
    os.mkfifo(tmp_path / "site/pkg/queue")
    one = checked(tmp_path / "site")
    assert (one.files, one.unread_count, one.missing_count, one.altered_count) == (1, 1, 0, 0)


def test_when_time_is_up_sizes_are_compared_and_what_was_not_hashed_is_counted(tmp_path: Path) -> None:
    site = installed(tmp_path)
    put(site / "pkg/unsized.py", b"")
    install(site, "pkg", "1.0", record=listing_of(FILES) + row("pkg/unsized.py", b"").replace(",0\n", ",\n"))
    (site / "pkg/__init__.py").write_bytes(b"x = 2\n")
    (site / "pkg/_core.so").write_bytes(b"")
    one = checked(site, deadline_s="0")
    assert (one.by_size_only, one.altered, one.unread_count) == (1, ("pkg/_core.so",), 1)
    assert checked(site, deadline_s="60").altered == ("pkg/__init__.py", "pkg/_core.so")


def test_a_record_longer_than_any_is_said_to_be_and_not_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = installed(tmp_path)
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", len(listing_of(FILES)) - 1)
    one = checked(site)
    assert one.digest is None
    assert one.problem is not None
    assert one.problem.endswith("pkg-1.0.dist-info/RECORD is larger than 0 MiB")
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", len(listing_of(FILES)))
    assert checked(site).problem is None


@pytest.mark.parametrize("listed", ["", "pkg/__init__.py,,\n"])
def test_a_record_without_hashes_has_no_digest_and_says_so(tmp_path: Path, listed: str) -> None:
    install(tmp_path / "site", "pkg", "1.0", record=listed)
    one = checked(tmp_path / "site")
    assert one.digest is None
    assert one.problem == "RECORD lists no file with its hash"


def test_a_distribution_without_record_says_so(tmp_path: Path) -> None:
    site = installed(tmp_path)
    (site / "pkg-1.0.dist-info/RECORD").unlink()
    problem = checked(site).problem
    assert problem is not None
    assert problem.endswith("RECORD does not exist")


def test_unknown_packages_leave_the_section_unknown() -> None:
    out: dict[str, Any] = {}
    records.probe(out, Machine(), {"sections": {"packages": {"distributions": unknown("no answer")}}})
    assert out["checked"] == unknown("no answer")
