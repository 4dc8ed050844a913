"""Predictions beside measurements, on small records in the form of real ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.truth.compare import Outcome, compare, share
from tests.truth.page import page

MISSING = "libcudart.so.12: cannot open shared object file: No such file or directory"
OTHER = "libnccl.so.2: cannot open shared object file: No such file or directory"
PROBLEM = ["missing-library", "libcudart.so.12", MISSING]


def leaf(value: Any) -> dict[str, Any]:
    return {"is": "known", "value": value, "via": "test"}


def module(path: str, *problems: list[str], optional: bool = False) -> dict[str, Any]:
    return {"package": "p", "path": path, "module": None, "problems": list(problems), "problem_count": 0, "optional": optional}


def record(**more: Any) -> dict[str, Any]:
    linking = {"torch": leaf(None), "modules": leaf([]), "seconds": 0.1}
    values: dict[str, Any] = {
        "name": "small",
        "about": "nothing",
        "python": "3.11",
        "healthy": False,
        "versions": {"torch": "2.6.0"},
        "distributions": 3,
        "seconds": {"build": 1.0},
        "import_seconds": {},
        "files": {"plain": {"said": {}}},
        "predicted_files": {"plain": {"torch": [], "said": {}}},
        "imports": {"torch": "", "packages": {}, "modules": {}},
        "importable": {},
        "owners": {"p": ["p"], "q": ["q"]},
        "claims": [],
        "linking": linking,
        "default": linking,
        "overwritten": leaf([]),
    }
    return values | more


def of_files(said: str, *problems: list[str]) -> Outcome:
    return compare(
        record(files={"plain": {"said": {"p/a.so": said}}}, predicted_files={"plain": {"said": {"p/a.so": list(problems)}}})
    )


def of_imports(packages: dict[str, str], modules: dict[str, str], judged: list[dict[str, Any]], **more: Any) -> dict[str, str]:
    linking = {"torch": leaf({"problems": [], "preloads": []}), "modules": leaf(judged)}
    imports = {"torch": more.pop("torch", ""), "packages": packages, "modules": modules}
    outcome = compare(record(imports=imports, importable=dict.fromkeys(modules, "p.a"), linking=linking, default=linking, **more))
    return {row.name: row.outcome for row in outcome.imports}


@pytest.mark.parametrize(
    ("said", "problems", "wrong"),
    [
        ("", [], ""),
        (MISSING, [PROBLEM], ""),
        (MISSING, [], "miss"),
        ("", [PROBLEM], "false alarm"),
        (OTHER, [PROBLEM], "other reason"),
        (OTHER, [PROBLEM, ["missing-library", "libnccl.so.2", OTHER]], ""),
    ],
)
def test_a_file_agrees_when_the_loader_says_what_was_predicted(said: str, problems: list[list[str]], wrong: str) -> None:
    assert [row.wrong for row in of_files(said, *problems).files] == [wrong]


def test_a_file_that_was_not_judged_counts_as_a_disagreement() -> None:
    outcome = compare(record(files={"plain": {"said": {"p/a.so": MISSING}}}))
    assert [row.wrong for row in outcome.files] == ["other reason"]


def test_the_import_of_torch_is_a_row_of_its_own() -> None:
    files = {"torch": {"torch": f"ImportError: {MISSING}", "said": {}}}
    outcome = compare(record(files=files, predicted_files={"torch": {"torch": [MISSING], "said": {}}}))
    assert [(row.file, row.measured, row.reason) for row in outcome.files] == [("import torch", "missing-library", "same")]


def test_there_is_no_row_after_an_import_of_torch_where_it_is_not_installed() -> None:
    files = {"torch": {"torch": "ModuleNotFoundError: No module named 'torch'", "said": {}}}
    assert not compare(record(files=files)).files


def test_imports_are_true_or_false_positives_or_negatives() -> None:
    said = {"p/a.so": MISSING, "p/b.so": MISSING, "p/c.so": "", "p/d.so": ""}
    judged = [module("p/a.so", PROBLEM), module("p/b.so"), module("p/c.so", PROBLEM), module("p/d.so")]
    found = of_imports({}, said, judged, files={"plain": {"said": said}})
    assert found == {"p/a.so": "TP", "p/b.so": "FN", "p/c.so": "FP", "p/d.so": "TN"}


def test_a_package_that_hides_its_broken_module_is_broken() -> None:
    found = of_imports({"p": ""}, {"p/a.so": MISSING}, [module("p/a.so", PROBLEM)])
    assert found["p"] == "TP"


def test_a_module_that_is_a_whole_package_is_counted_once() -> None:
    assert of_imports({"p.a": MISSING}, {"p.a.so": MISSING}, [module("p.a.so", PROBLEM)]) == {"p.a.so": "TP"}


def test_a_variant_that_fails_does_not_break_its_package() -> None:
    found = of_imports({"p": ""}, {"p/a.so": MISSING}, [module("p/a.so", PROBLEM, optional=True)])
    assert found == {"p/a.so": "TP", "p": "TN"}


def test_a_rule_that_speaks_from_bytes_predicts_and_one_of_declarations_does_not() -> None:
    failing = {"p": "ValueError: numpy.dtype size changed"}
    assert of_imports(failing, {}, [], claims=[["ED307", "linked", "p"]]) == {"p": "TP"}
    assert of_imports(failing, {}, [], claims=[["ED201", "declared", "p"]]) == {"p": "FN"}
    assert of_imports({"p": ""}, {}, [], claims=[["ED307", "linked", "p"]]) == {"p": "FP"}


def test_a_rule_speaks_of_a_package_that_imports_what_is_broken_in_it_later() -> None:
    found = of_imports({"p": ""}, {"p/a.so": "ValueError: numpy.dtype size changed"}, [], claims=[["ED307", "linked", "p"]])
    assert found == {"p/a.so": "TP", "p": "TP"}


def test_a_rule_speaks_of_a_distribution_and_is_right_if_one_of_its_packages_fails() -> None:
    more: dict[str, Any] = {"claims": [["ED302", "linked", "d"]], "owners": {"torchaudio": ["d"], "torio": ["d"]}}
    found = of_imports({"torchaudio": "RuntimeError: different CUDA versions", "torio": ""}, {}, [], **more)
    assert found == {"torchaudio": "TP", "torio": "TN"}
    assert of_imports({"torchaudio": "", "torio": ""}, {}, [], **more) == {"torchaudio": "FP", "torio": "FP"}


def test_a_package_that_fails_as_another_one_does_is_explained_by_what_is_said_of_that() -> None:
    failing = {
        "p": "RuntimeError: operator p::nms does not exist",
        "q": "RuntimeError: Failed to import x: operator p::nms does not exist",
    }
    assert of_imports(failing, {"p/a.so": MISSING}, [module("p/a.so", PROBLEM)])["q"] == "TP"
    assert of_imports(failing, {"p/a.so": ""}, [module("p/a.so")])["q"] == "FN"


def test_a_module_that_fails_as_one_that_it_imports_does_is_explained_by_what_is_said_of_that() -> None:
    said = {"p/a.so": f"ImportError: {MISSING}", "q/b.so": f"ImportError: {MISSING}"}
    judged = [module("p/a.so", PROBLEM), module("q/b.so")]
    assert of_imports({}, said, judged, files={"plain": {"said": {"p/a.so": MISSING, "q/b.so": ""}}})["q/b.so"] == "TP"
    assert of_imports({}, said, judged, files={"plain": {"said": {"p/a.so": MISSING, "q/b.so": MISSING}}})["q/b.so"] == "FN"


def test_an_error_in_files_that_two_distributions_wrote_is_explained_by_that() -> None:
    said = {"p": "AttributeError: module 'cuda.bindings.runtime' has no attribute 'cudaLibrary_t'"}
    overwritten = {
        "path": "cuda/bindings/__init__.py",
        "count": 9,
        "owners": ["cuda-bindings", "cuda-python"],
        "winner": "cuda-python",
    }
    assert of_imports(said, {}, [], overwritten=leaf([overwritten])) == {"p": "TP"}
    assert of_imports(said, {}, []) == {"p": "FN"}


def test_an_import_of_what_is_not_installed_is_not_counted() -> None:
    assert of_imports({"p": "ModuleNotFoundError: No module named 'cpython'"}, {}, []) == {"p": "absent"}
    assert of_imports({"p": "ModuleNotFoundError: No module named 'q._C'"}, {}, []) == {"p": "FN"}
    assert of_imports({"p": "RuntimeError: Failed to load NVENC library: libnvidia-encode.so.1"}, {}, []) == {"p": "absent"}


def test_modules_in_a_folder_that_their_package_does_not_let_in_are_not_counted() -> None:
    said = {
        "p/cu12/a.so": "ModuleNotFoundError: No module named 'p.cu12'",
        "p/cu12/b.so": "TypeError: wrong signature",
        "p/c.so": "",
    }
    names = {"p/cu12/a.so": "p.cu12.a", "p/cu12/b.so": "p.cu12.b", "p/c.so": "p.c"}
    imports = {"torch": "", "packages": {}, "modules": said}
    outcome = compare(record(imports=imports, importable=names))
    assert {row.name: row.outcome for row in outcome.imports} == {
        "p/cu12/a.so": "absent",
        "p/cu12/b.so": "absent",
        "p/c.so": "TN",
    }


def test_a_quotient_of_nothing_is_none() -> None:
    assert share(0, 0) == "-"
    assert share(49, 1) == "0.980"


def test_the_page_counts_every_row_and_lists_every_disagreement() -> None:
    wrong = of_files("", PROBLEM)
    text = page([wrong, of_files(MISSING, PROBLEM)], {"another": "no wheel"}, "2026-01-02", "glibc 2.36, 2 cores")
    assert "| **all** | 2 | 1 | 1 | 1 | 0 | 0 | 1 of 1 |" in text
    assert f"- small, plain, `p/a.so`: false alarm; measured: loads; predicted: {MISSING}" in text
    assert "- another: no wheel" in text


def test_the_page_of_imports_tells_who_predicted() -> None:
    linking = {"torch": leaf(None), "modules": leaf([module("p/a.so", PROBLEM), module("p/b.so")])}
    imports = {"torch": "", "packages": {}, "modules": {"p/a.so": MISSING, "p/b.so": OTHER}}
    text = page(
        [compare(record(imports=imports, importable=dict.fromkeys(imports["modules"], "m"), linking=linking))],
        {},
        "2026-01-02",
        "x",
    )
    assert "| **all** | 2 | 1 | 0 | 1 | 0 | 1.000 | 0.500 | 0 |" in text
    assert "Who predicted the failures: the linker 1." in text
    assert f"- module `p/b.so`: FN; {OTHER}; said by: nobody (small)" in text
