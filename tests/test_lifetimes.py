"""Since when a name is there or gone, and what one release takes that another lacks: from tables of a small world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.harvest import store
from envdoctor.harvest.naming import READER
from envdoctor.lifetimes import (
    Candidates,
    Lifetime,
    defined,
    exporters,
    importers,
    lifetime,
    missing,
)
from envdoctor.matrix import Matrix
from envdoctor.nametables import Exports, ModuleRow, NamedRelease, UseRow, Uses
from envdoctor.rows import Release

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.nametables import Spans

READ = "2026-11-25"
ENGINES = ("0.9", "0.10", "0.11", "0.12")
TRAINERS = ("1.0", "1.1", "2.0")
GONE = "GuidedDecodingParams"
PARAMS = "vllm.sampling_params"


def releases(name: str, versions: tuple[str, ...]) -> tuple[NamedRelease, ...]:
    return tuple(NamedRelease(version=one, file=f"{name}-{one}-py3-none-any.whl", sha256="0" * 64, read=READ) for one in versions)


MODULES = (
    ModuleRow(module="vllm", there=(0, 4), always="LLM __version__", names=(((2, 4), "new"),), unsure=(((0, 1), "maybe"),)),
    ModuleRow(
        module=PARAMS, there=(0, 4), always="SamplingParams", names=(((0, 3), GONE), ((1, 2, 3, 4), "returns")),
        asked=(("SamplingParams(guided)", (0, 3), (3, 4), ()), ("SamplingParams(n)", (1, 4), (), (0, 1))),
    ),
    ModuleRow(module="vllm.worker", there=(0, 2), always="Worker"),
    ModuleRow(module="vllm.plugins", there=(0, 4), open=(1, 4), always="known"),
    ModuleRow(module="vllm.alias", there=(), asked=(("", (3, 4), (), (0, 1)),)),
)  # fmt: skip


def use(name: str, at: Spans, module: str = PARAMS, **more: object) -> UseRow:
    words = {"exporter": "vllm", "place": "module", "kind": "name", "file": "trl/a.py", "line": 7}
    return UseRow(**{**words, "module": module, "name": name, "at": at, **more})  # type: ignore[arg-type]


ROWS = (
    use(GONE, (0, 2)),
    use("LLM", (0, 3), module="vllm"),
    use("Worker", (0, 1), module="vllm.worker", place="function", scope="Trainer.step", line=9),
    use("SamplingParams(guided)", (0, 2), place="function", kind="keyword", file="trl/b.py"),
    use("new", (2, 3), module="vllm", when=(("vllm", ">=", "0.11"),)),
    use("newer", (1, 2), module="vllm", when=(("vllm", "<", "0.11"), ("peft", ">=", "0.5"))),
)


def world(folder: Path, rows: tuple[UseRow, ...] = ROWS) -> Matrix:
    """A folder of data with an engine, and a trainer that takes these names of it."""
    packages = {
        name: store.packed(name, READ, {Release(version=one, file="x", sha256=None): () for one in versions})
        for name, versions in (("vllm", ENGINES), ("trl", TRAINERS))
    }
    exports = Exports("vllm", "vllm", READER, releases("vllm", ENGINES), {row.module: row for row in MODULES})
    uses = Uses("trl", "trl", READER, releases("trl", TRAINERS), rows)
    store.write(str(folder), store.Derived(packages, exports={"vllm": exports}, uses={"trl": uses}), {})
    return Matrix(str(folder))


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    """The world above."""
    return world(tmp_path)


@pytest.mark.parametrize(
    ("version", "module", "name", "status"),
    [
        ("0.11", PARAMS, GONE, "defined"),
        ("0.12", PARAMS, GONE, "missing"),
        ("0.12", "vllm", "LLM", "defined"),
        ("0.10", "vllm", "worker", "defined"),  # a submodule
        ("0.11", "vllm", "worker", "missing"),
        ("0.11", "vllm.worker", "", "missing"),
        ("0.10", "vllm.worker", "", "defined"),
        ("0.11", "vllm.worker", "Worker", "missing"),
        ("0.9", "vllm", "maybe", "undecided"),  # under a condition
        ("0.10", "vllm", "maybe", "missing"),
        ("0.9", "vllm.plugins", "other", "missing"),
        ("0.10", "vllm.plugins", "other", "undecided"),  # it makes names when it runs
        ("0.10", "vllm.plugins", "known", "defined"),
        ("0.11", PARAMS, "SamplingParams(guided)", "defined"),
        ("0.12", PARAMS, "SamplingParams(guided)", "missing"),
        ("0.9", PARAMS, "SamplingParams(n)", "undecided"),
        ("0.9", PARAMS, "SamplingParams(never_asked)", "undecided"),
        ("0.12", PARAMS, f"{GONE}.json", "missing"),  # nothing in a class that is gone
        ("0.12", "vllm.alias", "", "defined"),  # a module without a file
        ("0.9", "vllm.alias", "", "undecided"),
        ("0.12", "nowhere", "x", "missing"),
    ],
)
def test_a_name_is_defined_missing_or_undecided_in_a_release_that_was_read(
    matrix: Matrix, version: str, module: str, name: str, status: str
) -> None:
    assert defined(matrix, "vllm", version, module, name) == status


@pytest.mark.parametrize("version", ["0.11.1", "0.13", "0.8", "0.12.0rc1", "0.12.post1", "new"])
def test_nothing_is_guessed_of_a_release_that_was_not_read(matrix: Matrix, version: str) -> None:
    assert defined(matrix, "vllm", version, PARAMS, GONE) == "undecided"
    assert missing(matrix, "trl", "1.0", "vllm", version) is None
    assert lifetime(matrix, "vllm", version, PARAMS, GONE) == Lifetime(None, None, None)


def test_a_build_counts_as_its_release(matrix: Matrix) -> None:
    assert defined(matrix, "vllm", "0.12.0+cu129", PARAMS, GONE) == "missing"


def test_nothing_is_said_of_a_package_without_a_table(matrix: Matrix) -> None:
    assert defined(matrix, "transformers", "5.0", "transformers", "x") == "undecided"
    assert missing(matrix, "verl", "1.0", "vllm", "0.12") is None
    assert missing(matrix, "trl", "1.0", "transformers", "5.0") is None
    assert fitting(exporters(matrix, "verl", "1.0", "vllm")) == fitting(importers(matrix, "verl", "vllm", "0.12")) == []


def test_a_lifetime_says_since_when_a_name_is_gone_and_when_it_comes(matrix: Matrix) -> None:
    assert lifetime(matrix, "vllm", "0.12", PARAMS, GONE) == Lifetime("0.11", "0.12", None)
    assert lifetime(matrix, "vllm", "0.10", "vllm", "new") == Lifetime(None, None, "0.11")
    assert lifetime(matrix, "vllm", "0.11", PARAMS, "returns") == Lifetime("0.10", "0.11", "0.12")
    assert lifetime(matrix, "vllm", "0.12", "vllm.worker", "Worker") == Lifetime("0.10", "0.11", None)
    assert lifetime(matrix, "vllm", "0.12", "vllm", "never") == Lifetime(None, None, None)


def test_what_is_missing_is_listed_the_worst_first_with_file_and_line(matrix: Matrix) -> None:
    joint = missing(matrix, "trl", "1.0", "vllm", "0.12")
    assert joint is not None
    assert [(one.use.name, one.place, one.use.file, one.use.line) for one in joint.lacks] == [
        (GONE, "module", "trl/a.py", 7),
        ("Worker", "function", "trl/a.py", 9),
        ("SamplingParams(guided)", "function", "trl/b.py", 7),
    ]
    assert (joint.taken, joint.undecided) == (4, 0)
    assert (joint.importer.file, joint.exporter.file) == ("trl-1.0-py3-none-any.whl", "vllm-0.12-py3-none-any.whl")
    assert joint.lacks[0].lifetime == Lifetime("0.11", "0.12", None)


def test_a_release_that_has_everything_lacks_nothing(matrix: Matrix) -> None:
    joint = missing(matrix, "trl", "1.0", "vllm", "0.10")
    assert joint is not None
    assert (joint.lacks, joint.taken) == ((), 4)


def test_a_guard_that_does_not_let_a_version_pass_keeps_a_name_from_being_taken(matrix: Matrix) -> None:
    older = missing(matrix, "trl", "2.0", "vllm", "0.10")
    assert older is not None
    assert ([one.use.name for one in older.lacks], older.taken) == ([], 1)


def test_a_guard_about_a_package_of_unknown_version_leaves_it_undecided(matrix: Matrix) -> None:
    unknown = missing(matrix, "trl", "1.1", "vllm", "0.10")
    assert unknown is not None
    assert (unknown.lacks, unknown.undecided) == ((), 1)
    known = missing(matrix, "trl", "1.1", "vllm", "0.10", {"peft": "0.6"})
    assert known is not None
    assert [one.use.name for one in known.lacks] == ["newer"]
    passed = missing(matrix, "trl", "1.1", "vllm", "0.10", {"peft": "0.4"})
    assert passed is not None
    assert passed.undecided == 0


def test_what_stands_in_an_except_clause_is_taken_only_where_the_try_fails(tmp_path: Path) -> None:
    first = use("Worker", (0, 3), module="vllm.worker", place="guarded")
    there = (("vllm.worker", "Worker"),)
    rows = (first, use("nowhere", (0, 3), given=(("missing", there),)), use("never", (0, 3), given=(("defined", there),)))
    matrix = world(tmp_path, rows)
    for engine, name in (("0.10", "never"), ("0.12", "nowhere")):
        joint = missing(matrix, "trl", "1.0", "vllm", engine)
        assert joint is not None
        assert [one.use.name for one in joint.lacks if one.place == "module"] == [name]


def test_a_module_that_is_not_there_is_guarded_by_what_catches_that(tmp_path: Path) -> None:
    row = use("Worker", (0, 3), module="vllm.worker", caught="module")
    other = use(GONE, (0, 3), caught="module")
    joint = missing(world(tmp_path, (row, other)), "trl", "1.0", "vllm", "0.12")
    assert joint is not None
    assert [(one.use.name, one.place) for one in joint.lacks] == [(GONE, "module"), ("Worker", "guarded")]


def fitting(candidates: Candidates) -> list[str]:
    return [one for at, one in enumerate(candidates.versions) if candidates.fits(at)]


def test_what_fits_lacks_no_name_of_module_level(matrix: Matrix) -> None:
    assert fitting(exporters(matrix, "trl", "1.0", "vllm")) == ["0.9", "0.10", "0.11"]
    assert fitting(importers(matrix, "trl", "vllm", "0.12")) == ["2.0"]
    assert fitting(exporters(matrix, "trl", "9", "vllm")) == fitting(importers(matrix, "trl", "vllm", "9")) == []


def test_the_nearest_releases_are_the_last_before_and_the_first_behind() -> None:
    asked: list[int] = []

    def fits(at: int) -> bool:
        asked.append(at)
        return at != 1

    found = Candidates(("0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14"), fits)
    assert found.nearest("0.12", lambda one: one != "0.11") == ("0.10", "0.13")
    assert asked == [2, 5], "a release is judged only where it may be the nearest, and after what costs less"
    assert found.nearest("0.10", lambda one: one != "0.13") == ("0.8", "0.11")
    assert found.nearest("0.8", lambda one: one == "0.8") == (None, None)
    assert Candidates().nearest("0.12", lambda _: True) == (None, None)


def test_tables_are_read_only_when_they_are_asked_for(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("envdoctor.matrix.exports_of", lambda _: read.append("exports"))
    for package in matrix.subjects():
        matrix.claims(package, "pins")
    matrix.torch_releases()
    assert read == []
