"""Pages of pasted reports: golden files of the page in full and of the answer for a maintainer.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

from envdoctor.examine import Wishes, examine, too_little
from envdoctor.facts import encode
from envdoctor.glossary import causes
from envdoctor.render import Page
from envdoctor.render.json import render as as_json
from envdoctor.render.reported import NEEDED, missing
from envdoctor.render.terminal import render
from envdoctor.render.triage import Triaged, Unread, answer, table
from envdoctor.sources import pasted
from tests.factory import MATRIX

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.findings import Report

SCHEMAS = Path(__file__).resolve().parents[2] / "envdoctor" / "data" / "schema"
STORIES = Path(__file__).resolve().parent.parent / "stories" / "reports"
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "reports"
SITE = "/opt/venv/lib/python3.12/site-packages"
TEXTS = {
    "two-faults": (
        "[pip3] torch==2.9.0\n[pip3] vllm==0.11.0\n[pip3] flash-attn==2.7.4.post1\n"
        f"ImportError: {SITE}/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZN3c104cuda9SetDeviceEi\n"
    ),
    "one-fault-said-twice": (
        "trl==0.25.0\nvllm==0.12.0\n"
        f"ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params' ({SITE}/vllm/sampling_params.py)\n"
    ),
    "hidden-by-the-engine": (
        "PyTorch version: 2.6.0+cu124\nIs CUDA available: True\nGPU 0: NVIDIA GeForce RTX 5090\nNvidia driver version: 570.86.10\n"
        "(EngineCore_0 pid=7) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': 1}\n"
    ),
    "no-fault-of-the-environment": (
        "[pip3] torch==2.7.0\n[pip3] vllm==0.6.6\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 GiB of which "
        "1.00 GiB is free.\n"
    ),
    "healthy": "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA H100 80GB HBM3\nNvidia driver version: 550.54.15\n",
    "too-little": "it does not work\n",
}


def judged(text: str) -> tuple[Facts, Report]:
    facts, report = examine(pasted.facts_of(text.encode(), "issue.txt", MATRIX), MATRIX, Wishes(), 0.0)
    return facts, msgspec.structs.replace(report, seconds=0.1)


def held(name: str, page: str) -> None:
    golden = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TEXTS)
def test_the_page_of_a_report_is_its_golden_file(name: str) -> None:
    facts, report = judged(TEXTS[name])
    page = render(report, facts, Page(color=False, width=80, verbose=False, notes=(), today="2026-11-26"))
    held(f"{name}.txt", page)


@pytest.mark.parametrize("name", TEXTS)
def test_the_answer_to_a_report_is_its_golden_file(name: str) -> None:
    facts, report = judged(TEXTS[name])
    held(f"{name}.md", answer(Triaged("issue.txt", facts, report, too_little(facts))))


@pytest.mark.parametrize("name", TEXTS)
def test_lines_of_an_answer_that_follow_each_other_are_items_of_a_list(name: str) -> None:
    """Markdown runs others into one paragraph."""
    facts, report = judged(TEXTS[name])
    posted = re.sub(
        r"^```.*?^```$", "", answer(Triaged("issue.txt", facts, report, too_little(facts))), flags=re.DOTALL | re.MULTILINE
    )
    for part in posted.split("\n\n"):
        lines = part.strip().splitlines()
        assert len(lines) < 2 or all(line.startswith("- ") for line in lines)


def test_every_report_is_valid_json_of_version_1_and_its_facts_too() -> None:
    schema = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "report-1.json").read_text()))
    of_facts = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "facts-1.json").read_text()))
    cases = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(STORIES.glob("*/report.txt"))]
    assert len(cases) >= 40
    for text in (*TEXTS.values(), *cases):
        facts, report = judged(text)
        schema.validate(json.loads(as_json(report, facts, Page(notes=()))))
        of_facts.validate(json.loads(encode(facts)))


def test_what_is_asked_for_belongs_to_causes_that_there_are_and_is_not_in_the_report() -> None:
    assert set(NEEDED) <= set(causes())
    facts, _ = judged(TEXTS["healthy"])
    assert missing(facts, "driver-too-old-for-cuda") == ()
    lacking = missing(judged(TEXTS["too-little"])[0], None)
    assert len(lacking) == 3


def test_a_table_counts_causes_and_names_what_was_not_read() -> None:
    many = [Triaged(f"{name}.txt", *judged(TEXTS[name])) for name in ("healthy", "two-faults")]
    text = table([*many, *many], [Unread("a|b <i>.txt", "it is gone @you")])
    assert "| `flash-attn-abi` | 2 | two-faults.txt, two-faults.txt |" in text
    assert "<i>" not in text
    assert "@you" not in text
    crowd = table([many[0]._replace(name=f"{number}.txt") for number in range(9)])
    assert "and 3 more |" in crowd
