"""What code takes from others: names, modules, chains, patches and keywords, and where each stands."""

from __future__ import annotations

import pytest

from envdoctor.probe.judging import fails, runs
from tests.probe.trees import brief, exporter, taken

GUIDED = ("engine.sampling", "Guided")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from engine.sampling import Guided as g", [(*GUIDED, "module")]),
        ("from engine.sampling import (A,\n  B)", [("engine.sampling", "A", "module"), ("engine.sampling", "B", "module")]),
        ("from engine.sampling import *", [("engine.sampling", "", "module")]),
        ("import os, engine.sampling as s", [("engine.sampling", "", "module")]),
        ("import importlib\nm = importlib.import_module('engine.worker')", [("engine.worker", "", "module")]),
        ("import engine\nengine.LLM(x)", [("engine", "", "module"), ("engine", "LLM", "module")]),
        ("import engine.a.b\nengine.a.b.C.d", [("engine.a.b", "", "module"), ("engine.a.b", "C", "module")]),
        ("from engine import envs\nenvs.FLAG", [("engine", "envs", "module"), ("engine.envs", "FLAG", "module")]),
        ("from engine import LLM\nLLM.load", [("engine", "LLM", "module")]),
        ("from engines import LLM\nfrom . import engine\nimport engineer", []),
        ("'''from engine import LLM'''\n# import engine", []),
    ],
)
def test_imports_and_what_is_looked_up_in_modules_are_uses(text: str, found: list[tuple[str, str, str]]) -> None:
    assert brief(text) == found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{}", "module"),
        ("def f():\n    {}", "function"),
        ("class A:\n    {}", "module"),
        ("with lock:\n    {}", "module"),
        ("for i in x:\n    {}", "guarded"),
        ("try:\n    {}\nexcept ImportError:\n    pass", "guarded"),
        ("try:\n    {}\nexcept (ValueError, Exception) as e:\n    x = e", "guarded"),
        ("try:\n    {}\nexcept:\n    pass", "guarded"),
        ("try:\n    {}\nexcept ImportError as e:\n    raise ImportError('install engine') from e", "module"),
        ("try:\n    {}\nexcept ValueError:\n    pass", "module"),
        ("try:\n    {}\nexcept ModuleNotFoundError:\n    pass", "module"),
        ("try:\n    {}\nfinally:\n    pass", "module"),
        ("from contextlib import suppress\nwith suppress(ImportError):\n    {}", "guarded"),
        ("try:\n    def f():\n        {}\nexcept ImportError:\n    pass", "function"),
        ("if is_engine_available():\n    {}", "guarded"),
        ("if is_vllm_available() and is_cuda():\n    {}", "guarded"),
        ("if x:\n    pass\nelse:\n    {}", "guarded"),
        ("if __name__ == '__main__':\n    {}", "function"),
        ("def f():\n    if x:\n        {}", "function"),
        ("if not TYPE_CHECKING:\n    {}", "module"),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    {}", "module"),
    ],
)
def test_the_place_says_what_happens_when_the_name_is_missing(text: str, place: str) -> None:
    assert brief(text.format("from engine.sampling import Guided")) == [(*GUIDED, place)]


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING", "False", "not is_vllm_available()"])
def test_what_never_runs_with_the_exporter_installed_is_left_out(test: str) -> None:
    assert brief(f"if {test}:\n    from vllm.sampling import Guided", "vllm") == []


@pytest.mark.parametrize(
    "test",
    [
        "is_vllm_available()",
        "importlib.util.find_spec('vllm') is not None",
        "importlib.util.find_spec('vllm')is not None and is_vllm_available()",
        "_is_package_available('vllm')",
    ],
)
def test_a_question_whether_the_exporter_is_installed_guards_no_name_of_it(test: str) -> None:
    assert brief(f"if {test}:\n    from vllm.sampling import Guided", "vllm") == [("vllm.sampling", "Guided", "module")]
    assert brief(f"HAS = {test}\nif HAS:\n    from vllm.sampling import Guided", "vllm") == [
        ("vllm.sampling", "Guided", "module")
    ]
    (use,) = taken(f"if {test}:\n    from trl import Guided", "trl")
    assert (use["place"], use["when"][0]) == ("module", ["vllm", "installed", ""])


@pytest.mark.parametrize(
    ("test", "when", "otherwise"),
    [
        ("version.parse(engine.__version__) >= version.parse('0.11')", ">= 0.11", "< 0.11"),
        ("Version('0.11') > Version(importlib.metadata.version('engine'))", "< 0.11", ">= 0.11"),
        ("not Version(engine.__version__) >= Version('0.11')", "< 0.11", ">= 0.11"),
        ("is_engine_version('>=', '0.11')", ">= 0.11", "< 0.11"),
        ("compare_versions('engine', '<', '0.11')", "< 0.11", ">= 0.11"),
        ("is_engine_greater_or_equal('0.11')", ">= 0.11", "< 0.11"),
        ("V >= W", ">= 0.11", "< 0.11"),
    ],
)
def test_a_version_guard_becomes_a_condition_and_its_else_the_opposite(test: str, when: str, otherwise: str) -> None:
    start = "import engine\nV = version.parse(engine.__version__)\nW = version.parse('0.11')\n"
    text = f"{start}if {test}:\n    from engine.new import A\nelse:\n    from engine.old import B\n"
    conditions = {
        use["name"]: [(" ".join(one[1:]), one[0]) for one in use["when"]] for use in taken(text) if use["name"] in {"A", "B"}
    }
    assert conditions == {"A": [(when, "engine")], "B": [(otherwise, "engine")]}
    assert all(use["place"] == "module" for use in taken(text))


def test_an_availability_check_with_a_lowest_version_is_a_version_guard() -> None:
    text = (
        "FLAG = is_vllm_available(min_version='0.28.0')\nif FLAG:\n    from vllm.new import A\nelse:\n    from vllm.old import B"
    )
    assert [(use["name"], use["when"]) for use in taken(text, "vllm")] == [
        ("A", [["vllm", ">=", "0.28.0"]]),
        ("B", [["vllm", "<", "0.28.0"]]),
    ]


def test_code_behind_a_version_check_that_leaves_stands_under_its_opposite() -> None:
    text = (
        "def f():\n    if Version(engine.__version__) < Version('2'):\n        return\n    from engine import New\n    assert 1\n"
    )
    (use,) = taken("import engine\n" + text)[-1:]
    assert (use["name"], use["when"], use["place"], use["scope"]) == ("New", [["engine", ">=", "2"]], "function", "f")


def test_both_alternatives_of_several_conditions_are_negated_in_the_else() -> None:
    start = "import engine\nV = Version(engine.__version__)\n"
    text = start + "if V < Version('1') or V > Version('2'):\n    from engine import A\nelse:\n    from engine import B"
    uses = {use["name"]: (use["place"], use["when"]) for use in taken(text) if use["name"]}
    assert uses["A"] == ("guarded", [])
    assert uses["B"] == ("module", [["engine", ">=", "1"], ["engine", "<=", "2"]])


FALLBACK = """
try:
    from engine.new import Params
except ImportError:
    from engine.old import Params
"""


@pytest.mark.parametrize(
    ("modules", "failing"),
    [
        ({"new.py": "class Params: ..."}, []),
        ({"old.py": "class Params: ..."}, [("engine.new", "guarded")]),
        ({}, [("engine.new", "guarded"), ("engine.old", "module")]),
        ({"new.py": "exec(x)"}, []),
    ],
)
def test_an_import_in_an_except_clause_runs_only_when_the_try_fails(
    modules: dict[str, str], failing: list[tuple[str, str]]
) -> None:
    found = exporter({"": "", **modules})
    assert [(use["module"], use["place"]) for use in taken(FALLBACK) if fails(use, found.status, {})] == failing


def test_a_use_under_a_condition_runs_where_the_installed_versions_meet_it() -> None:
    text = "import engine\nif Version(engine.__version__) >= Version('2'):\n    from engine import New"
    use = taken(text)[-1]
    status = exporter({"": ""}).status
    assert [runs(use, status, {"engine": version}) for version in ("1.9", "2.0", "odd version")] == [False, True, None]


def test_a_keyword_argument_is_a_use_of_what_is_called() -> None:
    text = """
        import engine.sampling
        from engine import Params as P
        def run(self):
            P(guided=1, **more)
            engine.sampling.Other(n=2)
            local(x=1)
    """
    names = [(use["module"], use["name"], use["place"], use["scope"]) for use in taken(text) if "(" in use["name"]]
    assert names == [
        ("engine", "Params(guided)", "function", "run"),
        ("engine.sampling", "Other(n)", "function", "run"),
    ]


def test_a_patched_attribute_is_information_and_one_that_is_also_read_fails_where_it_is_read() -> None:
    text = """
        from engine.worker import Worker, Other
        def patch():
            original = Worker.load_model
            Worker.load_model = mine
            old = Worker.load_model
            setattr(Other, "run", mine)
            Other.untouched
    """
    names = [(use["name"], use["place"]) for use in taken(text) if "." in use["name"]]
    assert names == [
        ("Worker.load_model", "function"),
        ("Worker.load_model", "guarded"),
        ("Worker.load_model", "function"),
        ("Other.run", "guarded"),
    ]
    assert {use["kind"] for use in taken(text) if "." in use["name"]} == {"patch", "attribute"}  # what a table of names can hold


@pytest.mark.parametrize(
    "text",
    [
        "import engine\ndef f(engine):\n    engine.Thing",
        "import engine\ndef f():\n    engine = 1\n    engine.Thing",
        "import engine\nengine = wrap(engine)\nengine.Thing",
        "from engine import Guided\nGuided = 1\nGuided(x=1)",
        "from __future__ import annotations\nimport engine\ndef f(x: engine.Thing) -> engine.Thing: ...",
    ],
)
def test_a_name_that_stands_for_something_else_there_is_no_use(text: str) -> None:
    assert not [use for use in taken(text) if "Thing" in use["name"] or "(" in use["name"]]


def test_decorators_defaults_and_bases_run_on_import() -> None:
    text = "import engine\n@engine.deco\ndef f(x=engine.DEFAULT): engine.inner\nclass A(engine.Base): ..."
    assert [(name, place) for _module, name, place in brief(text) if name] == [
        ("deco", "module"),
        ("DEFAULT", "module"),
        ("inner", "function"),
        ("Base", "module"),
    ]


def test_expressions_that_may_be_skipped_are_guarded() -> None:
    text = "import engine\nx = engine.a if y else engine.b\nz = y and engine.c\nf = lambda: engine.d"
    assert [(name, place) for _module, name, place in brief(text) if name] == [
        ("a", "guarded"),
        ("b", "guarded"),
        ("c", "guarded"),
        ("d", "function"),
    ]


def test_text_that_is_no_python_has_no_uses_and_relative_imports_are_the_packages_own() -> None:
    assert taken("from engine import (") == []
    assert taken("from .engine import x\nfrom ..engine import y", path="trainer/deep/loop.py") == []
    assert taken("from engine import own", path="engine/loop.py") == []
