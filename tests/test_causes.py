"""The table of causes names every slug that a diagnosis can carry, and none that no diagnosis has; a page says what each means."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from envdoctor import causes as shared
from envdoctor.causes import FAMILIES, MODULE, OF_LIBRARY, OF_OWNER, OF_SHADOWED, OF_SIDE, of_module, of_package, of_pairs
from envdoctor.dockerfiles import all_rules as lints
from envdoctor.glossary import INSTEAD, causes
from envdoctor.matrix import DATA
from envdoctor.render.triage import NONE, TOO_LITTLE
from envdoctor.rules import all_rules
from envdoctor.signatures import signatures
from tests.cli.test_cli import run

ROOT = Path(__file__).resolve().parent.parent
JUDGES = [
    ROOT / "envdoctor" / "sources" / "pasted" / f"{name}.py"
    for name in ("arguments", "causes", "hardware", "releases", "resolving", "traces")
]
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def answers(path: Path) -> set[str]:
    """Texts with a hyphen that stand in what a module's functions return."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Return) and node.value is not None:
            # what is compared with, or looked up by, is no answer
            asked = {id(one) for part in ast.walk(node.value) if isinstance(part, ast.Compare) for one in ast.walk(part)}
            found |= {
                one.value
                for one in ast.walk(node.value)
                if isinstance(one, ast.Constant)
                and isinstance(one.value, str)
                and SLUG.fullmatch(one.value)
                and id(one) not in asked
            }
    return found


def by_rules() -> dict[str, set[str]]:
    """Code -> the slugs that stand in a rule by themselves."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "envdoctor" / "rules").glob("ed*.py"):
        text = path.read_text(encoding="utf-8")
        slugs = set(re.findall(r'^(?:[A-Z]+_)?CAUSE = "([^"]+)"|^OF_TORCH = "([^"]+)"|cause="([a-z0-9-]+)"', text, re.MULTILINE))
        found[path.name[:5].upper()] = {slug for groups in slugs for slug in groups if slug}
    return found


def in_code() -> set[str]:
    """The slugs of rules, of the judges of error texts, of signatures and of the compatibility data."""
    found = {one.cause for one in signatures() if one.cause} | {rule.CAUSE for rule in all_rules()}
    found |= {slug for slugs in by_rules().values() for slug in slugs}
    found |= {*OF_OWNER.values(), *OF_LIBRARY.values(), *OF_SIDE.values(), *dict(OF_SHADOWED).values(), *shared.ORDER, MODULE}
    found |= {slug for path in (*JUDGES, Path(shared.__file__)) for slug in answers(path)}
    for path in Path(DATA, "claims").rglob("*.jsonl"):
        found |= set(re.findall(r'"cause": ?"([a-z0-9-]+)"', path.read_text(encoding="utf-8")))
    return found


def test_every_slug_is_in_the_table_and_the_table_has_no_other() -> None:
    assert in_code() - set(causes()) == set()
    assert set(causes()) - in_code() == set()


def test_every_family_is_made_of_slugs_of_the_table_and_none_is_in_two() -> None:
    listed = [slug for family in FAMILIES for slug in family]
    assert set(listed) <= set(causes())
    assert len(listed) == len(set(listed))


def test_a_rule_that_states_a_slug_stands_in_its_row_and_every_row_names_rules_that_exist() -> None:
    known = {rule.CODE for rule in all_rules()}
    for code, slugs in by_rules().items():
        for slug in slugs:
            assert code in causes()[slug].rules, (code, slug)
    assert all(set(one.rules) <= known for one in causes().values())


def test_the_page_has_a_heading_for_every_slug_and_no_other() -> None:
    page = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)$", page, re.MULTILINE) == list(causes())


def test_a_fault_of_a_dockerfile_is_no_cause_of_an_environment() -> None:
    assert not {rule.CAUSE for rule in lints()} & set(causes())


def test_explain_tells_a_cause_and_which_was_meant() -> None:
    done = run("explain", "driver-too-old-for-cuda")
    assert done.returncode == 0
    assert "What mends it" in done.stdout
    assert "ED102" in done.stdout
    wrong = run("explain", "driver-too-old-for-cud")
    assert wrong.returncode == 2
    assert "driver-too-old-for-cuda" in wrong.stderr


@pytest.mark.parametrize(
    ("kind", "wants", "package", "cause"),
    [
        ("undefined-symbol", "_ZN3c105ErrorC2ENS_14SourceLocationESs", "flash-attn", "flash-attn-abi"),
        ("undefined-symbol", "_ZN3c105ErrorC2ENS_14SourceLocationESs", "vllm", "torch-vllm-pin-mismatch"),
        ("undefined-symbol", "_ZN3c105ErrorC2ENS_14SourceLocationESs", "sgl-kernel", "kernel-ext-torch-abi"),
        ("undefined-symbol", "_ZN2at4_ops5zeros4callE", "xformers", "xformers-torch-mismatch"),
        ("undefined-symbol", "ncclCommRegister", "torch", "nccl-version-mismatch"),
        ("undefined-symbol", "__nvJitLinkComplete_12_4", "torch", "ld-library-path-shadow"),
        ("undefined-symbol", "_Z14cutlass_mm_smPv", "vllm", "source-build-bug"),
        ("missing-library", "libcudart.so.11.0", "vllm", "cuda-major-mismatch"),
        ("missing-library", "libcudart.so.12", "torch", MODULE),
        ("missing-library", "libtorch_cuda.so", "torchvision", "torch-cpu-build"),
        ("missing-library", "libcuda.so.1", "vllm", "libcuda-not-found"),
        ("missing-library", "libpng16.so.16", "torchvision", MODULE),
        ("missing-library", "libcudart.so.11.0", "bitsandbytes", "bitsandbytes-cuda"),
        ("missing-version", "GLIBC_2.32", "flash-attn", "glibc-too-old"),
        ("missing-version", "GLIBCXX_3.4.30", "vllm", "glibc-too-old"),
        ("missing-version", "libnvJitLink.so.12", "torch", "ld-library-path-shadow"),
        ("wrong-python", "cpython-311", "xformers", "python-version-unsupported"),
        ("not-elf", "", "vllm", MODULE),
    ],
)  # fmt: skip
def test_what_the_loader_lacks_says_the_cause(kind: str, wants: str, package: str, cause: str) -> None:
    assert of_module(kind, wants, package, shadowed=False) == cause


def test_a_library_in_front_is_the_cause_where_nothing_more_exact_is_known() -> None:
    assert of_module("undefined-symbol", "some_function", "torch", shadowed=True) == "ld-library-path-shadow"
    assert of_module("undefined-symbol", "some_function", "torch", shadowed=False) == MODULE


@pytest.mark.parametrize(
    ("pairs", "cause"),
    [
        ({("vllm", "torch"): "too-new"}, "torch-vllm-pin-mismatch"),
        ({("vllm", "transformers"): "too-new", ("vllm", "torch"): "too-new"}, "torch-vllm-pin-mismatch"),
        ({("vllm", "transformers"): "too-new"}, "transformers-too-new"),
        ({("trl", "transformers"): "too-old"}, "transformers-too-old"),
        ({("trl", "vllm"): "too-new"}, "trl-vllm-unsupported"),
        ({("verl", "vllm"): "too-new"}, "rl-framework-vllm-unsupported"),
        ({("flashinfer-python", "flashinfer-cubin"): "too-old"}, "flashinfer-mismatch"),
        ({("torchaudio", "torch"): "too-new"}, "torchvision-torch-mismatch"),
        ({("accelerate", "torch"): "too-old"}, None),
        ({("numba", "numpy"): "too-new"}, None),
    ],
)
def test_which_pair_does_not_fit_says_the_cause(pairs: dict[tuple[str, str], str], cause: str | None) -> None:
    assert of_pairs(pairs) == cause


def test_a_compiled_package_that_nobody_thought_of_is_an_extension_like_others() -> None:
    assert of_package("a-kernel-of-tomorrow") == "kernel-ext-torch-abi"


def test_what_triage_prints_in_place_of_a_cause_is_explained_and_is_no_cause() -> None:
    assert set(INSTEAD) == {NONE, TOO_LITTLE}
    assert not set(INSTEAD) & set(causes())
    for word, said in ((NONE, "What the report does not say was not judged"), (TOO_LITTLE, "no verdict on the environment")):
        done = run("explain", word)
        assert done.returncode == 0
        assert said in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nope", "no rule and no cause is called 'nope'"),
        ("nope", "causes have slugs, as driver-too-old-for-cuda (docs/causes.md)"),
        ("nope", "`envdoctor rules`"),
        ("healty", 'Did you mean "healthy"?'),
        ("flash-attn-abbi", "no cause is called 'flash-attn-abbi' Did you mean \"flash-attn-abi\"?"),
        ("ED109x", "no rule and no cause"),
        ("ed110", "no rule is called 'ed110' Did you mean"),
    ],
)
def test_a_word_that_is_neither_rule_nor_cause_is_answered_with_the_nearest_and_where_both_are_listed(
    word: str, said: str
) -> None:
    done = run("explain", word)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
