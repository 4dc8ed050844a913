"""Five repositories as a CI job finds them, each with one fault or none, and a record of the node that they are run on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import Facts, Known, encode, need
from envdoctor.locks import files
from envdoctor.sources.lock import facts_of_lock
from tests.factory import MATRIX, SITE, dist, edit, gpu, healthy, put, with_driver
from tests.locks.sample import h100
from tests.preflight.made import story

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """\
[project]
name = "grpo"
version = "0.1"
requires-python = ">=3.12"
dependencies = [
  "torch==2.6.0",
  "vllm==0.6.6",
  "trl>=0.12",
]

[tool.envdoctor]
profile = "h100"
"""
WAIVER = """
[[tool.envdoctor.ignore]]
code = "ED401"
reason = "our fork of TRL speaks to this vLLM"
until = 2026-10-01
"""
GOOD = f"FROM nvidia/cuda:13.0.1-base-ubuntu24.04@sha256:{'0' * 64}\nCOPY lockfiles/h100.txt /lock/\nRUN pip install --require-hashes -r /lock/h100.txt\n"
BAD = "FROM nvidia/cuda:12.8.1-devel-ubuntu22.04\nCOPY lockfiles/h100.txt /lock/\nRUN pip install torch==2.15.0 transformers>=4.50\nRUN pip install flash-attn==2.8.3\n"


class Repository(NamedTuple):
    """What lies in it, how the job calls the preflight, and how that ends."""

    node: Facts
    words: tuple[str, ...]
    status: int
    codes: tuple[str, ...]
    """Of the problems that fail it."""
    project: str = PROJECT
    dockerfile: str = GOOD


def _locked() -> Facts:
    """A node whose environment is what the lock says."""
    named = need(facts_of_lock(h100(), MATRIX).packages.distributions)
    return edit(
        with_driver(healthy(), "590.44.01", "13.1"),
        python__version="3.12.7",
        gpus__devices=Known((gpu(),), "NVML"),
        packages__distributions=Known(tuple(dist(one.name, one.version) for one in named), SITE),
    )


LOCK = ("--lock", "h100", "--static")
REPOSITORIES = {
    "healthy": Repository(_locked(), (*LOCK, "--require", "gpu,torch,vllm,trl"), 0, ()),
    "lock-drift": Repository(put(_locked(), dist("dill", "0.4.0"), dist("deepspeed", "0.18.2")), LOCK, 1, ("DRIFT-VERSION", "DRIFT-EXTRA")),
    "wrong-torch": Repository(story("torch-2.6-under-vllm-0.6.6"), ("--price", "24/h", "--require", "gpu"), 1, ("ED201",)),
    "dockerfile-mistake": Repository(_locked(), LOCK, 1, ("ED604",), dockerfile=BAD),
    "expired-waiver": Repository(_locked(), LOCK, 1, ("WAIVER-EXPIRED",), project=PROJECT + WAIVER),
}  # fmt: skip
REPORTS = {
    "junit": "junit.xml",
    "sarif": "report.sarif",
    "html": "report.html",
    "json": "report.json",
    "gitlab": "codequality.json",
    "dotenv": "preflight.env",
    "prometheus": "preflight.prom",
    "markdown": "-",
}
"""Format -> the file that the job keeps."""


def lay(folder: Path, one: Repository) -> None:
    """Write it into the folder."""
    files.write(h100(), str(folder / "lockfiles"))
    (folder / "node.json").write_bytes(encode(one.node))
    (folder / "pyproject.toml").write_text(one.project, encoding="utf-8")
    (folder / "Dockerfile").write_text(one.dockerfile, encoding="utf-8")


TIMES = (
    # the page's own style and script are no part of what was found, and have tests of their own
    (re.compile(r"<(style|script)[^>]*>.*?</\1>", re.DOTALL), r"<\1></\1>"),
    (re.compile(r"sha256-[A-Za-z0-9+/=]{44}"), "sha256-0"),
    (re.compile(r'\d{4}-\d\d-\d\d( <span class="remark">)\d\d:\d\d:\d\d UTC'), r"2026-11-26\g<1>12:00:00 UTC"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|\+00:00)"), "2026-11-26T12:00:00Z"),
    (
        re.compile(r'((?:"(?:seconds|spent_s)": |time="|_time=|\btime=|seconds=|SECONDS=|_seconds(?:\{[^}]*\})? ))[\d.e+]+'),
        r"\g<1>0",
    ),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)? (s|min)\b(?! left)"), r"0 \1"),
    (re.compile(r'(less than )?([$]|\\\$)\d+\.\d\d ((?:<span class="remark">)?(?:at|for))'), r"\g<2>0.00 \3"),
    (re.compile(r"\(sha256 [0-9a-f]+\)"), "(sha256 0)"),
)


def settled(text: str, folder: Path) -> str:
    """A report without what differs from run to run: times, what they cost, the folder; and without the page's style and script."""
    for name in (str(folder), str(folder).replace("_", "\\_")):  # Markdown escapes it
        text = text.replace(name, "/repository")
    for pattern, instead in TIMES:
        text = pattern.sub(instead, text)
    return text
