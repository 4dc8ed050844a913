"""Tables of names made of an index: what is read again, what stays, and in which order questions are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.harvest import naming, store, surfaces
from envdoctor.harvest.journal import JOURNAL
from envdoctor.lifetimes import defined, missing
from envdoctor.matrix import DataError, Matrix, Overlay
from tests.harvest.samples import metadata, sdist, wheel
from tests.harvest.server import saying
from tests.harvest.stock import DAY, NEXT, Interrupting, Quiet, contents, refreshed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harvest.server import Index

USER = {
    "unsloth/__init__.py": b"",
    "unsloth/a.py": b"from accelerate.state import Gone, Stays\n\ndef f():\n    return Stays(word=1)\n",
}
STAYS = b"class Stays:\n    def __init__(self, word): pass\n"
STATES = {"1.0": STAYS + b"class Gone: pass\n", "1.1": STAYS + b"class Gone: pass\n", "2.0": STAYS.replace(b", word", b"")}
PACKAGES = ("unsloth", "accelerate")


def add(index: Index, package: str, version: str, members: dict[str, bytes]) -> str:
    """A wheel with its metadata beside it; gives its path."""
    said = metadata(package, version)
    name = f"{package}-{version}-py3-none-any.whl"
    return index.add(package, name, wheel(package, version, said, members), metadata=said)


def add_accelerate(index: Index, version: str, state: bytes | None = None) -> str:
    """A release of what unsloth takes from; gives its path."""
    files = {"accelerate/__init__.py": b"", "accelerate/state.py": STATES[version] if state is None else state}
    return add(index, "accelerate", version, files)


@pytest.fixture
def paths(index: Index) -> dict[str, str]:
    """Three releases of accelerate and one of unsloth; their paths."""
    add(index, "unsloth", "1.0", USER)
    return {version: add_accelerate(index, version) for version in STATES}


def wheels(index: Index) -> list[str]:
    """The wheels that were asked for."""
    return sorted({path for path in index.paths() if path.endswith(".whl")})


def test_names_and_uses_are_written_and_answer(index: Index, tmp_path: Path, paths: dict[str, str]) -> None:
    tell = Quiet()
    outcome = refreshed(index, tmp_path, *PACKAGES, tell=tell)
    assert (outcome.named, outcome.troubles) == (4, ())
    assert tell.pages["names of accelerate"] == (3, 0)
    matrix = Matrix(str(tmp_path))
    table = matrix.exports("accelerate")
    assert table is not None
    assert [(one.version, one.file, one.read) for one in table.releases] == [
        (version, paths[version].rpartition("/")[2], DAY) for version in STATES
    ]
    assert all(one.sha256 and len(one.sha256) == 64 for one in table.releases)
    joint = missing(matrix, "unsloth", "1.0", "accelerate", "2.0")
    assert joint is not None
    assert [(one.use.name, one.lifetime.gone) for one in joint.lacks] == [("Gone", "2.0"), ("Stays(word)", "2.0")]
    assert defined(matrix, "accelerate", "1.1", "accelerate.state", "Stays(word)") == "defined"
    assert store.load(str(tmp_path)) == outcome.derived


@pytest.mark.usefixtures("paths")
def test_a_second_refresh_reads_no_wheel_again_and_a_new_release_alone_is_read(index: Index, tmp_path: Path) -> None:
    refreshed(index, tmp_path, *PACKAGES)
    index.asked.clear()
    outcome = refreshed(index, tmp_path, *PACKAGES, today=NEXT)
    assert (outcome.named, wheels(index)) == (0, [])
    path = add_accelerate(index, "2.1", STAYS)
    outcome = refreshed(index, tmp_path, *PACKAGES, today=NEXT)
    assert (outcome.named, wheels(index)) == (1, [path])
    table = outcome.derived.exports["accelerate"]
    assert [(one.version, one.read) for one in table.releases] == [("1.0", DAY), ("1.1", DAY), ("2.0", DAY), ("2.1", NEXT)]
    assert defined(Matrix(str(tmp_path)), "accelerate", "2.1", "accelerate.state", "Stays(word)") == "defined"


@pytest.mark.usefixtures("paths")
def test_what_is_made_bit_by_bit_is_what_is_made_at_once(index: Index, tmp_path: Path) -> None:
    refreshed(index, tmp_path / "at-once", *PACKAGES)
    refreshed(index, tmp_path / "bit-by-bit", "unsloth")
    refreshed(index, tmp_path / "bit-by-bit", "accelerate")
    at_once, bit_by_bit = (contents(tmp_path / name / "claims" / "derived" / "names") for name in ("at-once", "bit-by-bit"))
    assert len(at_once) == 2
    assert at_once == bit_by_bit


def test_a_replaced_wheel_is_read_again(index: Index, tmp_path: Path, paths: dict[str, str]) -> None:
    refreshed(index, tmp_path, *PACKAGES)
    add_accelerate(index, "2.0", STAYS + b"class Gone: pass\n")
    index.asked.clear()
    assert refreshed(index, tmp_path, *PACKAGES).named == 1
    assert wheels(index) == [paths["2.0"]]
    assert defined(Matrix(str(tmp_path)), "accelerate", "2.0", "accelerate.state", "Gone") == "defined"


@pytest.mark.usefixtures("paths")
def test_tables_of_another_reader_are_made_anew(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed(index, tmp_path, *PACKAGES)
    for module in (naming, surfaces):
        monkeypatch.setattr(module, "READER", naming.READER + 1)
    assert refreshed(index, tmp_path, *PACKAGES).named == 4


def test_a_wheel_that_cannot_be_read_is_told_and_undecided_and_tried_again(
    index: Index, tmp_path: Path, paths: dict[str, str]
) -> None:
    index.manners[paths["1.1"]] = saying(404)
    outcome = refreshed(index, tmp_path, *PACKAGES)
    assert outcome.troubles == ("the Python files of accelerate-1.1-py3-none-any.whl: HTTP status 404",)
    matrix = Matrix(str(tmp_path))
    assert [defined(matrix, "accelerate", one, "accelerate.state", "Gone") for one in STATES] == [
        "defined",
        "undecided",
        "missing",
    ]
    index.manners.clear()
    assert refreshed(index, tmp_path, *PACKAGES).named == 1
    assert defined(Matrix(str(tmp_path)), "accelerate", "1.1", "accelerate.state", "Gone") == "defined"


def test_what_was_known_of_a_release_stays_where_its_new_wheel_cannot_be_read(
    index: Index, tmp_path: Path, paths: dict[str, str]
) -> None:
    before = refreshed(index, tmp_path, *PACKAGES).derived.exports["accelerate"]
    add_accelerate(index, "1.1", b"")
    index.manners[paths["1.1"]] = saying(404)
    outcome = refreshed(index, tmp_path, *PACKAGES, today=NEXT)
    assert outcome.derived.exports["accelerate"] == before
    assert len(outcome.troubles) == 1


@pytest.mark.usefixtures("paths")
def test_a_release_without_a_wheel_is_undecided_and_no_trouble(index: Index, tmp_path: Path) -> None:
    index.add("accelerate", "accelerate-0.9.tar.gz", sdist("accelerate", "0.9", metadata("accelerate", "0.9")))
    outcome = refreshed(index, tmp_path, *PACKAGES)
    assert outcome.troubles == ()
    assert [one.version for one in outcome.derived.packages["accelerate"].releases] == ["0.9", *STATES]
    assert [one.version for one in outcome.derived.exports["accelerate"].releases] == list(STATES)


@pytest.mark.usefixtures("paths")
def test_a_finished_package_is_not_read_again_after_an_interruption(index: Index, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        refreshed(index, tmp_path, *PACKAGES, tell=Interrupting(4 + 1 + 2))
    assert (tmp_path / JOURNAL).exists()
    index.asked.clear()
    outcome = refreshed(index, tmp_path, *PACKAGES)
    assert outcome.named == 3, "unsloth was finished, accelerate was not"
    assert not any("/unsloth-" in path for path in wheels(index))
    refreshed(index, tmp_path / "other", *PACKAGES)
    assert outcome.derived == store.load(str(tmp_path / "other"))


@pytest.mark.usefixtures("paths")
def test_names_that_would_be_lost_are_told_and_nothing_is_written(index: Index, tmp_path: Path) -> None:
    derived = refreshed(index, tmp_path, *PACKAGES).derived
    less = msgspec.structs.replace(derived, exports={})
    assert store.lost(derived, less) == [f"the names of accelerate {version}" for version in STATES]
    assert store.lost(derived, msgspec.structs.replace(derived, uses={})) == ["what code takes in unsloth 1.0"]
    assert store.lost(derived, derived) == []


@pytest.mark.usefixtures("paths")
def test_a_damaged_table_is_an_error_where_it_was_chosen_and_passed_over_where_it_was_not(index: Index, tmp_path: Path) -> None:
    refreshed(index, tmp_path, *PACKAGES)
    path = tmp_path / "claims" / "derived" / "names" / "exports" / "accelerate.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"accelerate\.jsonl\.gz: it is cut off"):
        Matrix(str(tmp_path)).exports("accelerate")
    passed = Matrix(overlay=Overlay(str(tmp_path), chosen=False))
    assert passed.exports("accelerate") is not None or passed.passed_over
    assert len(passed.passed_over) == 1


@pytest.mark.usefixtures("paths")
def test_a_table_of_another_package_is_refused(index: Index, tmp_path: Path) -> None:
    refreshed(index, tmp_path, *PACKAGES)
    folder = tmp_path / "claims" / "derived" / "names"
    (folder / "uses" / "accelerate.jsonl.gz").write_bytes((folder / "uses" / "unsloth.jsonl.gz").read_bytes())
    with pytest.raises(DataError, match="not about that package"):
        Matrix(str(tmp_path)).uses("accelerate")
