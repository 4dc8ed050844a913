"""What ``envdoctor lint`` prints: golden files, 80 columns, hostile Dockerfiles harmless and bounded, JSON by its schema.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import Linted, lint
from envdoctor.matrix import DATA, Matrix
from envdoctor.render import Page
from envdoctor.render.lint import render, render_json

TESTS = Path(__file__).resolve().parent.parent
GOLDEN = TESTS / "golden" / "lint"
SCHEMA = json.loads((Path(DATA) / "schema" / "lint-1.json").read_text(encoding="utf-8"))
CODES = [code_of(name) for name in REGISTRY]
DIGEST = "@sha256:" + "0" * 64
CASES = {
    "mixed": (
        "ARG CUDA=12.8.1\nFROM nvidia/cuda:${CUDA}-devel-ubuntu22.04\nRUN apt-get update\nRUN apt-get install -y git python3-pip\n"
        "RUN pip install torch==2.15.0 transformers>=4.50\n# envdoctor: ignore ED602 because the newest trl is what is tried here\n"
        'RUN pip install trl && \\\n    pip install --torch-backend=auto "vllm==0.11.0"\n'
        "RUN pip install flash-attn==2.8.3\nRUN pip install git+https://github.com/volcengine/verl\n# envdoctor: ignore ED610\nCOPY fix.patch /tmp/\n"
    ),
    "clean": (
        f"FROM nvidia/cuda:12.8.1-devel-ubuntu22.04{DIGEST}\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*\n"
        "RUN pip install --require-hashes -r /lock/h100.txt\n"
    ),
}


def linted(text: str) -> list[Linted]:
    return [lint("-", text.encode(), None, Matrix(), CODES)]


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_its_golden_file_and_80_columns_wide(case: str) -> None:
    page = render(linted(CASES[case]), Page(), 0.07)
    golden = GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")
    loose = ("            ", "  source ", "  fix  ")  # what is there to be pasted, and addresses
    assert all(len(line) <= 80 or line.startswith(loose) for line in page.splitlines())


def test_verbose_shows_information_in_full_and_every_rule_its_sources() -> None:
    short, full = (render(linted(CASES["mixed"]), Page(verbose=verbose), 0.0) for verbose in (False, True))
    assert "info line" in short
    assert "info line" not in full
    assert "INFO ED601" in full
    assert full.count("  more    ") > short.count("  more    ")


@pytest.mark.parametrize("case", CASES)
def test_the_json_keeps_to_its_schema_and_says_what_the_page_says(case: str) -> None:
    answer = linted(CASES[case])
    document: dict[str, Any] = json.loads(render_json(answer, 0.07))
    jsonschema.validate(document, SCHEMA)
    (one,) = document["dockerfiles"]
    assert [found["line"] for found in one["findings"]] == [found.line for found in answer[0].findings]
    assert [found["reason"] for found in one["ignored"]] == [reason for _, reason in answer[0].ignored]


def test_an_ignore_without_a_reason_ignores_nothing_and_says_so() -> None:
    (answer,) = linted("# envdoctor: ignore ED601\nFROM a:1\n")
    assert [one.code for one in answer.findings] == ["ED601"]
    assert answer.ignored == ()
    assert "Why is ED601 ignored in line 1?" in render([answer], Page(), 0.0)


def test_an_ignore_is_about_one_rule_and_one_instruction() -> None:
    (answer,) = linted("# envdoctor: ignore ED601 because it is a sample\nFROM a:1\nRUN pip install x\nFROM b:1\n")
    assert [(one.code, one.line) for one, _ in answer.ignored] == [("ED601", 2)]
    assert [(one.code, one.line) for one in answer.findings] == [("ED602", 3), ("ED601", 4)]


def test_a_hostile_dockerfile_is_printed_harmless_and_bounded() -> None:
    text = "FROM a\x1b[31m:1\u202e\nRUN pip install " + "x" * 100_000 + "\x1b]0;title\x07 torch\n"
    page = render(linted(text), Page(), 0.0)
    assert not set(page) & {"\x1b", "\x07", "\u202e"}
    assert len(page) < 20_000
