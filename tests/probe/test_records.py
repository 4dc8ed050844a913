"""Which build is installed, and whether its files are as they were: real RECORDs of a wheel and of what pip and uv made of it."""

from __future__ import annotations

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
    install(site, "pkg", "1.0", record="".join(row(path, content) for path, content in files.items()))
    return site


def checked(site: Path) -> RecordCheck:
    sections: dict[str, Any] = {
        "python": {"interpreter": known({"site_dirs": known([str(site)], "test")}, "test")}, "packages": {},
    }  # fmt: skip
    packages.probe(sections["packages"], Machine(), {"sections": sections})
    out: dict[str, Any] = {}
    records.probe(out, Machine(), {"sections": sections})
    leaf = msgspec.convert(out["checked"], Known[tuple[RecordCheck, ...]])
    (one,) = leaf.value
    return one


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


def several(site: Path) -> dict[str, RecordCheck]:
    sections: dict[str, Any] = {
        "python": {"interpreter": known({"site_dirs": known([str(site)], "test")}, "test")}, "packages": {},
    }  # fmt: skip
    packages.probe(sections["packages"], Machine(), {"sections": sections})
    out: dict[str, Any] = {}
    records.probe(out, Machine(), {"sections": sections, "deadline_s": "60"})
    return {one.name: one for one in msgspec.convert(out["checked"], Known[tuple[RecordCheck, ...]]).value}


def test_a_file_that_is_as_another_distribution_lists_it_is_overwritten_and_not_edited(tmp_path: Path) -> None:
    site = installed(tmp_path)
    put(site / "pkg/__init__.py", b"other = 1\n")
    install(site, "later", "2.0", record=row("pkg/__init__.py", b"other = 1\n"))
    found = several(site)
    assert (found["pkg"].overwritten_count, found["pkg"].altered_count) == (1, 0)
    assert (found["later"].overwritten_count, found["later"].altered_count) == (0, 0)


def test_when_time_is_up_only_sizes_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "HASHING_SHARE", 0.0)
    one = several(installed(tmp_path))["pkg"]
    assert (one.files, one.by_size_only, one.altered_count) == (2, 2, 0)


def test_a_file_name_with_a_line_separator_in_it_is_one_row() -> None:
    text = "pkg/a\u2028b.py,sha256=taDHI20kpmjxOT72PiSyE42Pvz3KLXlwMfTZvvnRMKM,3\r\n"
    assert [path for path, _, _ in records.rows(text)] == ["pkg/a\u2028b.py"]
