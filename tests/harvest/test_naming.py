"""Names collected over releases: in whatever order they are read, and from whatever was known before."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from envdoctor.harvest.naming import READER, Having, Line, Question, Taking, questions
from envdoctor.harvest.texts import Texts
from envdoctor.lifetimes import status
from envdoctor.nametables import NamedRelease, covers

if TYPE_CHECKING:
    from envdoctor.nametables import Exports, Uses

READ = "2026-11-25"


def release(version: str, sha256: str = "0" * 64) -> NamedRelease:
    return NamedRelease(version=version, file=f"vllm-{version}-py3-none-any.whl", sha256=sha256, read=READ)


FIRST = {
    "vllm/__init__.py": b"from vllm.params import Guided, Sampling\n__version__ = '1'\n",
    "vllm/params.py": b"import os\nclass Guided: pass\nclass Sampling:\n    def __init__(self, n, guided=None): pass\n"
    b"    def load(self): pass\n",
    "vllm/worker/__init__.py": b"",
    "vllm/worker/worker.py": b"from vllm.params import *\nclass Worker: pass\n",
    "vllm/plugins.py": b"globals().update(load())\nknown = 1\n",
    "vllm/extra.py": b"if this():\n    def maybe(): pass\n",
}
SECOND = FIRST | {
    "vllm/__init__.py": b"from vllm.params import Sampling\n__version__ = '2'\n",
    "vllm/params.py": b"class Sampling:\n    def __init__(self, n): pass\n",
}
THIRD = {path: text for path, text in SECOND.items() if "worker" not in path}
WORLD = {"1.0": FIRST, "1.1": FIRST, "2.0": SECOND, "3.0": THIRD}
ASKED = (
    Question("vllm.params", "Sampling(guided)"),
    Question("vllm.params", "Sampling.load"),
    Question("vllm.params", "Guided"),
    Question("vllm.nowhere", ""),
)


def read(order: tuple[str, ...], line: Line | None = None, old: Exports | None = None) -> Exports:
    having = Having(line or Line([release(one) for one in WORLD]))
    if old is not None:
        having.keep(old)
    for version in order:
        having.add(version, Texts(WORLD[version], ["vllm/_C.abi3.so"]), "vllm", ASKED)
    return having.table("vllm", "vllm")


TABLE = read(tuple(WORLD))


def over_time(module: str, name: str, table: Exports = TABLE) -> list[str]:
    return [status(table, at, module, name)[0] for at in range(len(table.releases))]


@pytest.mark.parametrize(
    ("module", "name", "answers"),
    [
        ("vllm", "Guided", "ddmm"),
        ("vllm", "Sampling", "dddd"),
        ("vllm", "params", "dddd"),  # a module is a name of its package
        ("vllm.params", "Guided", "ddmm"),
        ("vllm.params", "os", "ddmm"),
        ("vllm.params", "Sampling(guided)", "ddmm"),
        ("vllm.params", "Sampling.load", "ddmm"),
        ("vllm.worker", "worker", "dddm"),
        ("vllm.worker.worker", "Worker", "dddm"),
        ("vllm.worker.worker", "Guided", "ddmm"),  # by a star
        ("vllm.worker.worker", "", "dddm"),
        ("vllm.plugins", "known", "dddd"),
        ("vllm.plugins", "other", "uuuu"),  # it fills itself when it runs
        ("vllm.extra", "maybe", "uuuu"),
        ("vllm.extra", "other", "mmmm"),
        ("vllm._C", "", "dddd"),
        ("vllm._C", "anything", "uuuu"),  # compiled
        ("vllm.nowhere", "", "mmmm"),
        ("vllm.nowhere", "x", "mmmm"),
    ],
)
def test_each_release_has_the_names_of_its_own_files(module: str, name: str, answers: str) -> None:
    assert over_time(module, name) == list(answers)


@pytest.mark.parametrize("order", list(permutations(WORLD))[::5])
def test_the_order_in_which_releases_are_read_makes_no_difference(order: tuple[str, ...]) -> None:
    assert read(order) == TABLE


def test_what_was_known_before_need_not_be_read_again_and_keeps_its_place() -> None:
    two = ("1.1", "3.0")
    old = read(two, Line([release(one) for one in two]))
    assert [one.version for one in old.releases] == list(two)
    assert read(("1.0", "2.0"), old=old) == TABLE


def test_a_release_whose_file_has_changed_or_is_gone_is_forgotten() -> None:
    line = Line([release("1.0"), release("2.0", "1" * 64)])
    having = Having(line)
    having.keep(TABLE)
    table = having.table("vllm", "vllm")
    assert over_time("vllm.params", "Guided", table) == ["defined"[0], "missing"[0]]
    assert not any(covers(row.there, 1) for row in table.modules.values())


def test_only_some_of_what_was_known_can_be_kept() -> None:
    having = Having(Line([release(one) for one in WORLD]))
    having.keep(TABLE, {"2.0"})
    table = having.table("vllm", "vllm")
    assert [at for at in range(4) if table.has_module("vllm", at)] == [2]


def test_a_name_that_is_no_name_and_a_module_of_endless_name_are_left_out() -> None:
    long = "x" * 300
    texts = Texts({"vllm/__init__.py": b"%s = 1\nshort = 2\n" % long.encode(), f"vllm/{long}.py": b"y = 1\n"})
    having = Having(Line([release("1.0")]))
    having.add("1.0", texts, "vllm", ())
    table = having.table("vllm", "vllm")
    assert list(table.modules) == ["vllm"]
    assert table.modules["vllm"].always.split() == ["short"]


def test_text_that_is_no_python_leaves_its_module_undecided() -> None:
    having = Having(Line([release("1.0")]))
    having.add("1.0", Texts({"vllm/__init__.py": b"def (", "vllm/deep.py": b"x = " + b"(" * 5000}), "vllm", ())
    table = having.table("vllm", "vllm")
    assert over_time("vllm", "x", table) == over_time("vllm.deep", "x", table) == ["u"]


# --- what is taken

CODE = b"""\
import vllm
from vllm.params import Guided
try:
    from vllm.params import Sampling
except ImportError:
    Sampling = None

class Trainer:
    def step(self):
        from vllm.worker.worker import Worker
        return Sampling(n=1)
"""
MOVED = b"# moved\n" + CODE
OTHER = b"import os\nfrom transformers import x\nfrom .a import y\n"


def taking(texts: dict[str, dict[str, bytes]], old: Uses | None = None) -> Uses:
    found = Taking(Line([release(one) for one in ("1.0", "2.0")]))
    if old is not None:
        found.keep(old)
    for version, files in texts.items():
        found.add(version, Texts(files), "trl", ("vllm", "trl"))
    return found.table("trl", "trl")


USES = taking({"1.0": {"trl/a.py": CODE, "trl/b.py": OTHER}, "2.0": {"trl/a.py": MOVED}})


def test_what_a_release_takes_is_told_with_place_file_and_the_line_in_its_newest_release() -> None:
    found = {(row.module, row.name): (row.place, row.kind, row.file, row.line, row.scope, row.at) for row in USES.rows}
    assert found["vllm.params", "Guided"] == ("module", "name", "trl/a.py", 3, "", (0, 2))
    assert found["vllm.params", "Sampling"] == ("guarded", "name", "trl/a.py", 5, "", (0, 2))
    assert found["vllm.worker.worker", "Worker"] == ("function", "name", "trl/a.py", 11, "Trainer.step", (0, 2))
    assert found["vllm.params", "Sampling(n)"][:2] == ("function", "keyword")
    assert USES.exporters == {"vllm"}
    assert USES.reader == READER


def test_lines_are_those_of_the_newest_release_whatever_is_read_first() -> None:
    first = taking({"2.0": {"trl/a.py": MOVED}})
    again = taking({"1.0": {"trl/a.py": CODE}}, old=first)
    assert {row.line for row in again.rows} == {
        row.line for row in taking({"1.0": {"trl/a.py": CODE}, "2.0": {"trl/a.py": MOVED}}).rows
    }
    assert again.rows == taking({"1.0": {"trl/a.py": CODE}, "2.0": {"trl/a.py": MOVED}}).rows


def test_a_name_that_a_later_release_takes_no_more_is_told_of_the_earlier_ones() -> None:
    uses = taking({"1.0": {"trl/a.py": CODE}, "2.0": {"trl/a.py": b"import vllm\n"}})
    assert {row.name: row.at for row in uses.rows}["Guided"] == (0, 1)
    assert [row.at for row in uses.rows if not row.name] == [(0, 2)]


def test_questions_are_what_is_taken_of_that_exporter() -> None:
    assert Question("vllm.params", "Sampling(n)") in set(questions(USES, "vllm"))
    assert list(questions(USES, "transformers")) == []


def test_one_file_has_a_limit_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envdoctor.harvest.naming.MAX_USES", 3)
    many = b"".join(b"from vllm import x%d\n" % number for number in range(50))
    assert len(taking({"1.0": {"trl/a.py": many}}).rows) == 3
