"""The laws of docs/architecture.md, enforced."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from envdoctor.findings import Joint
from envdoctor.manual import HEADINGS, sections, title
from envdoctor.rules import REGISTRY, all_rules, code_of, load

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "envdoctor"
MODULES = sorted(PACKAGE.rglob("*.py"))
NEVER_AT_MODULE_LEVEL = {"torch", "vllm", "docker", "pynvml", "transformers", "trl"}

IN_THE_TARGET = {"smoke", "live"}
"""Rooms that run in the target's own Python; nothing of the doctor imports them."""

# who may import what of envdoctor; everything not named may import anything but cli
MAY_IMPORT = {
    "leaf": set(),
    "linkage": {"leaf"},
    "loaded": {"leaf"},
    "measured": {"leaf"},
    "pasted": {"leaf"},
    "builds": {"leaf", "linkage"},
    "facts": {"builds", "leaf", "linkage", "loaded", "pasted"},
    "demands": set(),
    "hooks": set(),
    "errors": set(),
    "files": set(),
    "wording": set(),
    "postponing": set(),
    "findings": {"facts"},
    "views": {"facts"},
    "rows": {"facts"},
    "claims": {"facts", "rows"},
    "nametables": {"facts", "rows"},
    "matrix": {"claims", "errors", "files", "nametables", "rows"},
    "lifetimes": {"matrix", "nametables"},
    "taken": {"claims", "facts", "findings", "lifetimes", "matrix", "nametables"},
    "overlay": {"errors", "matrix"},
    "requirements": {"facts", "findings", "views", "claims"},
    "blame": {"views", "requirements"},
    "pins": {"facts", "findings", "views", "claims", "matrix", "requirements"},
    "architectures": {"facts", "linkage", "rows"},
    "links": {"facts", "linkage", "requirements", "views"},
    "predictions": {"facts", "linkage", "links", "loaded", "views"},
    "ran": {"facts", "findings", "loaded", "matrix", "rows", "signatures"},
    "takings": {"claims", "facts", "lifetimes", "linkage", "matrix", "requirements", "views"},
    "rules": {
        "causes",
        "glossary",
        "demands",
        "taken",
        "takings",
        "facts",
        "leaf",
        "mangled",
        "lifetimes",
        "wording",
        "findings",
        "views",
        "claims",
        "matrix",
        "rows",
        "requirements",
        "blame",
        "pins",
        "architectures",
        "links",
        "linkage",
        "loaded",
        "pasted",
        "predictions",
        "quoting",
        "ran",
        "rules",
        "signatures",
    },
    "manual": {"dockerfiles", "rules"},
    "suppose": {
        "architectures",
        "facts",
        "linkage",
        "loaded",
        "views",
        "matrix",
        "rows",
        "errors",
        "wording",
        "suppose_env",
        "suppose_link",
    },
    "suppose_env": {"facts", "suppose_link"},
    "suppose_link": {"facts", "leaf", "linkage", "claims", "matrix", "requirements", "views"},
    "check": {"errors", "facts", "findings", "loaded", "matrix", "rules", "manual", "views"},
    "causes": {"mangled"},
    "glossary": {"errors", "files", "wording"},
    "quoting": {"causes", "facts", "findings", "pasted", "signatures", "views"},
    "ranking": {"causes", "facts", "findings", "pasted", "quoting", "signatures"},
    "diagnose": {"findings"},
    "prescribe": {"facts", "findings", "claims", "matrix", "views", "check", "suppose", "errors"},
    "stack": {"facts", "findings", "views", "wording"},
    "traits": {"facts", "leaf", "stack", "views"},
    "compare": {"check", "diagnose", "examine", "facts", "findings", "matrix", "requirements", "traits", "views"},
    "departures": set(),
    "assumed": {"compare", "departures", "facts", "locks", "views"},
    "drift": {"assumed", "compare", "departures", "facts", "linkage", "locks", "views", "wording"},
    "realign": {"departures", "drift", "facts", "locks", "views"},
    "notes": {"claims", "facts", "findings", "matrix", "rows", "views"},
    "stacks": {"facts", "claims", "matrix", "notes", "rows", "architectures", "pins"},
    "reasons": {"check", "claims", "facts", "findings", "matrix", "notes", "pins", "rows", "sources", "stack", "taken", "views"},
    "asking": {"claims", "errors", "matrix", "rows", "stacks", "suppose", "views", "wording"},
    "render": {
        "quoting",
        "signatures",
        "wording",
        "facts",
        "linkage",
        "findings",
        "views",
        "stack",
        "stacks",
        "reasons",
        "taken",
        "lifetimes",
        "locks",
        "compare",
        "traits",
        "drift",
        "departures",
        "realign",
        "render",
        "fixing",
        "plans",
        "images",
        "dockerfiles",
        "leaf",
        "loaded",
        "manual",
        "measured",
        "nodes",
        "predictions",
        "preflight",
        "proving",
    },
    "config": {"errors", "files", "wording"},
    "sources": {
        "architectures",
        "causes",
        "facts",
        "mangled",
        "nametables",
        "pasted",
        "quoting",
        "signatures",
        "views",
        "errors",
        "files",
        "wording",
        "claims",
        "matrix",
        "suppose",
        "linkage",
        "locks",
        "probe",
        "engine",
        "sources",
        "leaf",
    },
    "engine": {"errors", "files", "postponing", "wording", "engine"},
    "smoke": {"smoke"},
    "live": {"live"},
    "workers": {"errors", "probe", "wording", "workers"},
    "deep": {"deep", "errors", "facts", "leaf", "linkage", "loaded", "predictions", "probe", "views", "wording", "workers"},
    "proving": {
        "leaf",
        "check",
        "diagnose",
        "errors",
        "examine",
        "facts",
        "files",
        "findings",
        "loaded",
        "locks",
        "matrix",
        "measured",
        "overlay",
        "prescribe",
        "probe",
        "proving",
        "session",
        "signatures",
        "requirements",
        "targets",
        "traits",
        "views",
        "wording",
        "workers",
    },
    "preflight": {
        "config",
        "deep",
        "departures",
        "dockerfiles",
        "drift",
        "errors",
        "facts",
        "files",
        "findings",
        "leaf",
        "loaded",
        "locks",
        "matrix",
        "preflight",
        "proving",
        "realign",
        "session",
        "sources",
        "stack",
        "suppose",
        "traits",
        "views",
        "wording",
    },
    "nodes": {
        "compare",
        "errors",
        "examine",
        "facts",
        "files",
        "findings",
        "leaf",
        "matrix",
        "nodes",
        "preflight",
        "prescribe",
        "requirements",
        "sources",
        "traits",
        "views",
        "wording",
        "workers",
    },
    "signature_numbers": set(),
    "mangled": set(),
    "signatures": {"errors", "files", "findings", "signature_numbers", "signatures", "wording"},
    "images": {
        "departures",
        "drift",
        "engine",
        "errors",
        "examine",
        "facts",
        "files",
        "findings",
        "images",
        "locks",
        "matrix",
        "measured",
        "proving",
        "resolver",
        "rows",
        "session",
        "suppose",
        "views",
        "wording",
    },
    "dockerfiles": {"claims", "dockerfiles", "errors", "facts", "files", "findings", "matrix", "rows", "views", "wording"},
    "resolver": {"errors", "files", "wording"},
    "targets": {"errors", "files", "rows", "wording"},
    "locks": {
        "check",
        "claims",
        "errors",
        "facts",
        "files",
        "findings",
        "harvest",
        "matrix",
        "pins",
        "probe",
        "resolver",
        "rows",
        "sources",
        "stacks",
        "suppose",
        "taken",
        "targets",
        "views",
        "wording",
        "locks",
    },
    "harvest": {"errors", "files", "wording", "rows", "nametables", "claims", "matrix", "overlay", "probe", "harvest"},
}


def room(path: Path) -> str:
    """The first part of a module's place: "rules" for rules/ed102.py, "facts" for facts.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, module_level_only: bool = False) -> set[str]:
    """Absolute names a file imports; what stands under TYPE_CHECKING counts, since it tells who knows whom."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if module_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.level == 0 else {"."}
    return found


def of_envdoctor(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("envdoctor.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_the_import_law_allows(path: Path) -> None:
    here = room(path)
    knows = of_envdoctor(path) - {"__version__"}
    if here not in {"cli", "__main__"}:
        assert "cli" not in knows
    if here in MAY_IMPORT:
        assert knows <= MAY_IMPORT[here]
    roots = {name.split(".")[0] for name in imports(path, module_level_only=True)}
    assert not roots & NEVER_AT_MODULE_LEVEL or path.name == "nvml_worker.py" or here in IN_THE_TARGET


def test_only_the_engine_room_knows_the_docker_sdk() -> None:
    for path in MODULES:
        assert "docker" not in {name.split(".")[0] for name in imports(path)} or room(path) == "engine", path


def test_only_the_harvest_knows_the_network() -> None:
    for path in MODULES:
        roots = {name.split(".")[0] for name in imports(path)}
        # the docker SDK speaks to its socket by requests, and lets the errors of it through
        assert not roots & {"requests", "pypi_simple", "urllib3"} or room(path) in {"harvest", "engine"}, path
        # a lock says what its wheels weigh: that one file of it asks the index too
        may_know = room(path) in {"harvest", "cli"} or path == PACKAGE / "locks" / "wheels.py"
        assert "harvest" not in of_envdoctor(path) or may_know, path


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) in IN_THE_TARGET], ids=lambda path: path.name)
def test_what_runs_in_the_target_is_python_3_9_and_knows_nothing_of_the_doctor(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert not of_envdoctor(path), "import by dots: under the target it goes by another name"


def test_the_doctor_imports_nothing_that_runs_in_the_target() -> None:
    for path in MODULES:
        assert room(path) in IN_THE_TARGET or not of_envdoctor(path) & IN_THE_TARGET, path


@pytest.mark.parametrize("path", sorted((PACKAGE / "probe").glob("*.py")), ids=lambda path: path.name)
def test_the_probe_is_standard_library_only_and_python_3_8(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 8))
    roots = {name.split(".")[0] for name in imports(path)} - {""}
    foreign = roots - set(sys.stdlib_module_names) - {"pynvml"}
    assert not foreign
    # pynvml travels along and is looked at only by the worker, in a process of its own
    assert "pynvml" not in roots or path.name == "nvml_worker.py"


def test_the_registry_is_the_folder() -> None:
    assert sorted(REGISTRY) == sorted(path.stem for path in (PACKAGE / "rules").glob("ed*.py"))
    assert list(REGISTRY) == sorted(REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_rule_says_who_it_is(name: str) -> None:
    rule = load(name)
    assert code_of(name) == rule.CODE
    assert isinstance(rule.JOINT, Joint)
    assert rule.QUESTION.endswith("?")
    assert rule.CAUSE.lower() == rule.CAUSE
    assert tuple(sections(rule)) == HEADINGS
    assert all(sections(rule).values())
    assert 10 < len(title(rule)) < 90
    assert "- " in sections(rule)["Sources"]
    assert (ROOT / "tests" / "rules" / f"test_{name}.py").exists()


def test_explanations_are_acyclic_and_name_rules_that_exist() -> None:
    above = {rule.CODE: set(rule.EXPLAINED_BY) for rule in all_rules()}
    for code, causes in above.items():
        assert causes <= set(above), code
    while above:
        free = {code for code, causes in above.items() if not causes & set(above)}
        assert free, f"a circle among {sorted(above)}"
        above = {code: causes for code, causes in above.items() if code not in free}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_stays_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = 200 if room(path) == "rules" else 400
    assert lines <= limit


def test_only_the_machine_module_of_the_probe_opens_files_and_starts_programs() -> None:
    for path in (PACKAGE / "probe").glob("*.py"):
        if path.name == "machine.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert "open" not in names, path.name
        assert "subprocess" not in {name.split(".")[0] for name in imports(path)}, path.name
