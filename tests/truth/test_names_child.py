"""The child that takes the truth about names, on packages small enough to know the answer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.truth import names_child
from tests.truth.names_build import CHILD
from tests.truth.names_walk import module_of, package_imports

if TYPE_CHECKING:
    from pathlib import Path

EXPORTER = {
    "__init__.py": "import exporter.low\nfrom exporter.low import thing\ndef __getattr__(n):\n    if n == 'lazy': return 1\n    raise AttributeError(n)\n",
    "low.py": "thing = 1\n",
    "broken.py": "from exporter.low import never\n",
    "needy.py": "import a_package_that_nobody_has\n",
}
IMPORTER = {
    "__init__.py": "",
    "good.py": "from exporter import thing, lazy, low\nimport exporter.low as short\n",
    "gone.py": "from exporter import gone, thing\nfrom exporter.nowhere import x\nclass C(gone):\n    y = gone.z\n",
    "caught.py": "try:\n    from exporter import gone\nexcept ImportError:\n    gone = None\n",
    "guarded.py": "if False:\n    from exporter import gone\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from exporter.nowhere import x\n",
    "above.py": "from importer.gone import C\nfrom exporter import gone2\n",
    "third.py": "from a_package_that_nobody_has.sub import A\nclass B(A):\n    pass\nfrom exporter import gone\n",
    "dies.py": "raise RuntimeError('no GPU')\nfrom exporter import gone\n",
    "star.py": "from exporter.nowhere import *\nfrom exporter import thing\n",
    "late.py": "def f():\n    from exporter import gone\nf()\nfrom exporter import thing\n",
    "kills.py": "import os\nos._exit(3)\nfrom exporter import thing\n",
}


def write(folder: Path, package: str, files: dict[str, str]) -> None:
    (folder / package).mkdir(parents=True)
    for name, text in files.items():
        (folder / package / name).write_text(text)


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("names")
    write(folder / "site", "exporter", EXPORTER)
    write(folder / "beside", "importer", IMPORTER)
    write(folder / "site", "importer", {"__init__.py": "", "good.py": ""})  # another release, which the exporter has loaded
    statements = package_imports(str(folder / "beside"), "importer", frozenset({"exporter"}))
    wanted = {(one.module, name) for one in statements for name in ("", *one.names)}
    wanted |= {("exporter.broken", ""), ("exporter.broken", "never"), ("exporter.needy", "x")}
    importer = {
        "pin": "importer==1",
        "package": "importer",
        "folder": str(folder / "beside"),
        "statements": [[one.at, one.module, list(one.names)] for one in statements],
        "modules": sorted({module_of(one.file) for one in statements}),
        "protected": ["exporter", "importer"],
    }
    job = {"preload": ["exporter", "importer.good"], "direct": sorted(wanted), "importers": [importer]}
    (folder / "job.json").write_text(json.dumps(job))
    words = [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = [{str(folder / 'site')!r}]; sys.argv[1:] = sys.argv[2:]\n"]
    words[-1] += f"exec(compile(open({CHILD!r}).read(), {CHILD!r}, 'exec'))"
    subprocess.run([*words, "--", str(folder / "job.json"), str(folder / "answer.json")], check=True, timeout=60)
    found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return found


@pytest.fixture
def run(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["importers"]["importer==1"]
    return found


def test_a_name_that_is_there_lazy_or_a_submodule_is_defined(answer: dict[str, Any]) -> None:
    assert {answer["direct"][f"exporter {name}"] for name in ("thing", "lazy", "low", "")} == {"defined"}


def test_a_name_or_module_that_is_not_there_is_missing(answer: dict[str, Any]) -> None:
    assert {answer["direct"][one] for one in ("exporter gone", "exporter.nowhere ", "exporter.nowhere x")} == {"missing"}


def test_a_module_of_the_exporter_that_is_itself_broken_is_no_missing_name(answer: dict[str, Any]) -> None:
    assert answer["direct"]["exporter.broken never"].startswith(
        "other: ImportError: cannot import name 'never' from 'exporter.low'"
    )
    assert answer["direct"]["exporter.needy x"] == "other: ModuleNotFoundError: No module named 'a_package_that_nobody_has'"


def test_a_module_dies_of_each_of_its_missing_names_one_after_another(run: dict[str, Any]) -> None:
    assert set(run["died"]) == {f"importer/{at}" for at in ("gone.py:1", "gone.py:2", "above.py:2", "third.py:4", "star.py:1")}
    assert run["last"]["importer.gone"] is None


def test_the_first_death_of_a_module_may_be_in_another_one(run: dict[str, Any]) -> None:
    assert run["first"]["importer.above"]["at"] == "importer/gone.py:1"
    assert run["first"]["importer.above"]["top"] is True


def test_a_failure_that_is_caught_is_seen_to_run_and_one_that_is_guarded_is_not(run: dict[str, Any]) -> None:
    assert run["last"]["importer.caught"] is None
    assert run["last"]["importer.guarded"] is None
    assert "importer/caught.py:2" in run["ran"]
    assert not {"importer/guarded.py:2", "importer/guarded.py:5"} & set(run["ran"])


def test_another_release_of_the_importer_that_is_already_loaded_is_not_taken_for_it(run: dict[str, Any]) -> None:
    assert "importer/good.py:1" in run["ran"]


def test_a_third_package_is_replaced_only_for_the_module_that_dies_for_want_of_it(run: dict[str, Any]) -> None:
    assert run["stubs"] == {"importer.third": ["a_package_that_nobody_has"]}


def test_what_dies_of_something_else_is_told_as_it_is(run: dict[str, Any]) -> None:
    assert run["last"]["importer.dies"]["error"] == "RuntimeError: no GPU"
    assert run["last"]["importer.kills"] == {"error": "the child was killed or crashed"}
    assert (run["last"]["importer.late"]["at"], run["last"]["importer.late"]["top"]) == ("importer/late.py:2", False)


def test_an_error_counts_as_a_missing_name_only_in_pythons_own_words() -> None:
    assert names_child.says_missing(ModuleNotFoundError("", name="vllm.a"), "vllm.a.b", "c")
    assert not names_child.says_missing(ModuleNotFoundError("", name="vllm.ab"), "vllm.abc", "d")
    assert not names_child.says_missing(ModuleNotFoundError("", name="torchvision"), "vllm.a", "b")
    circular = ImportError("cannot import name 'b' from 'vllm.a' (most likely due to a circular import)", name="vllm.a")
    assert not names_child.says_missing(circular, "vllm.a", "b")
    assert names_child.says_missing(AttributeError("module 'vllm.a' has no attribute 'b'"), "vllm.a", "b")


def test_the_cause_of_a_wrapped_error_is_found() -> None:
    deepest = ImportError("cannot import name 'b'")
    wrapper = RuntimeError("Failed to import")
    wrapper.__cause__ = deepest
    assert names_child.root(wrapper) is deepest
    fallback = ImportError("the fallback is gone too")
    fallback.__context__ = deepest
    assert names_child.root(fallback) is fallback
