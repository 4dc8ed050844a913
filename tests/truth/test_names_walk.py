"""The list of statements that the truth about names is taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.truth.names_walk import imports, module_of, package_imports

if TYPE_CHECKING:
    from pathlib import Path

VLLM = frozenset({"vllm"})


def found(source: str) -> list[tuple[int, str, tuple[str, ...], bool]]:
    return [(one.line, one.module, one.names, one.plain) for one in imports(source, "trl/x.py", VLLM)]


def test_a_statement_of_several_lines_is_one_with_its_first_and_last_line() -> None:
    (only,) = imports("from vllm import (\n    LLM,\n    SamplingParams,\n)\n", "trl/x.py", VLLM)
    assert (only.line, only.end, only.names, only.at, only.exporter) == (1, 4, ("LLM", "SamplingParams"), "trl/x.py:1", "vllm")


def test_modules_are_listed_one_by_one_and_other_packages_are_not() -> None:
    assert found("import os, vllm.utils as u, vllmx\nfrom .vllm import a\nfrom torch import b\n") == [(1, "vllm.utils", (), True)]


def test_what_stands_under_a_condition_a_try_a_with_or_a_class_is_listed_but_not_plain() -> None:
    source = (
        "if a:\n    import vllm.a\nelse:\n    import vllm.b\ntry:\n    import vllm.c\nexcept ImportError:\n    import vllm.d\n"
        "finally:\n    import vllm.e\nwith f():\n    import vllm.f\nclass C:\n    import vllm.g\nmatch x:\n    case 1:\n        import vllm.h\n"
    )
    assert sorted((module, plain) for _, module, _, plain in found(source)) == [
        (f"vllm.{letter}", False) for letter in "abcdefgh"
    ]


def test_what_stands_in_a_function_is_not_listed() -> None:
    assert (
        found(
            "def f():\n    import vllm\nasync def g():\n    from vllm import LLM\nclass C:\n    def h(self):\n        import vllm\n"
        )
        == []
    )


def test_a_file_that_is_no_python_has_no_statements() -> None:
    assert found("import vllm\nprint 'x'\n") == []
    assert found("import vllm\0") == []


def test_a_package_is_walked_file_by_file_and_files_have_module_names(tmp_path: Path) -> None:
    (tmp_path / "trl" / "b").mkdir(parents=True)
    (tmp_path / "trl" / "a.py").write_text("import vllm\n")
    (tmp_path / "trl" / "b" / "__init__.py").write_text("from vllm import *\n")
    (tmp_path / "trl" / "notes.txt").write_text("import vllm\n")
    statements = package_imports(str(tmp_path), "trl", VLLM)
    assert [(one.file, one.names) for one in statements] == [("trl/a.py", ()), ("trl/b/__init__.py", ("*",))]
    assert [module_of(one.file) for one in statements] == ["trl.a", "trl.b"]
