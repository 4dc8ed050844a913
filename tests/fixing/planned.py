"""Environments of the shelf's releases as facts, and planning on them with the real uv and an index on 127.0.0.1."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.examine import Wishes, examine
from envdoctor.facts import Known, VllmBuild
from envdoctor.fixing.asking import Resolver
from envdoctor.fixing.planning import Answer, Wish, plan
from envdoctor.resolver import Index, Pinned, Question, resolve
from tests.factory import MATRIX, SITE, dist, edit, healthy, with_driver, with_torch
from tests.fixing.shelf import requires

if TYPE_CHECKING:
    from envdoctor.facts import Distribution, Facts
    from envdoctor.findings import Report

CUDA = {"2.14.0": "13.0", "2.13.0": "13.0", "2.10.0": "12.8", "2.5.1": "12.4"}


def environment(versions: dict[str, str], *more: Distribution, driver: str = "590.44.01", api: str = "13.1") -> Facts:
    """One H100 with these releases of the shelf, and other distributions beside them."""
    torch = versions["torch"]
    facts = with_torch(with_driver(healthy(), driver, api), f"{torch}+cu{CUDA[torch].replace('.', '')}", CUDA[torch])
    dists = tuple(dist(name, version, *requires(name, version)) for name, version in versions.items())
    facts = edit(
        facts,
        packages__distributions=Known((*dists, *more), SITE),
        builds__extensions=Known((), SITE),
        cuda__libraries=Known((), "the loader's search path"),
        device_code=Known((), SITE),
        overwritten=Known((), SITE),
    )
    vllm = VllmBuild(version=versions["vllm"], cuda_major=Known(int(CUDA[torch].split(".")[0]), "DT_NEEDED"))
    return edit(facts, builds__vllm=Known(vllm, SITE))


NEWEST = {
    "trl": "1.16.0",
    "vllm": "0.31.0",
    "torch": "2.13.0",
    "transformers": "5.17.0",
    "huggingface-hub": "1.33.0",
    "tokenizers": "0.23.3",
    "accelerate": "1.15.0",
    "numpy": "2.3.5",
    "triton": "3.7.1",
    "nvidia-cublas": "13.1.1.3",
}
"""What pip install trl[vllm] gave in November 2026, in small."""
VLLM_0_33 = NEWEST | {
    "vllm": "0.33.0",
    "torch": "2.14.0",
    "transformers": "5.20.0",
    "huggingface-hub": "2.4.0",
    "triton": "3.8.0",
}
VLLM_0_7 = {
    "vllm": "0.7.0",
    "torch": "2.5.1",
    "transformers": "5.24.0",
    "huggingface-hub": "2.4.0",
    "tokenizers": "0.23.3",
    "numpy": "1.26.4",
    "triton": "3.1.0",
    "nvidia-cublas-cu12": "12.4.5.8",
}
"""vllm 0.7.0 as it resolves today."""


class Asked(NamedTuple):
    """A plan that was asked for, and what was asked of uv for it."""

    report: Report
    answer: Answer
    questions: list[Question]

    @property
    def moves(self) -> dict[str, tuple[str | None, str | None]]:
        """From -> to of the best plan."""
        return {one.name: (one.before, one.after) for one in self.answer.plans[0].repair.moves}


def report_of(facts: Facts) -> Report:
    """The report without remedies."""
    return examine(facts, MATRIX, Wishes(), time.monotonic(), remedies=False)[1]


def planned(facts: Facts, url: str, keep: dict[str, str] | None = None, *, several: bool = False) -> Asked:
    """The plans for these facts, with what the index at ``url`` has."""
    questions: list[Question] = []

    def listening(question: Question) -> tuple[Pinned, ...]:
        questions.append(question)
        return resolve(question)

    report = report_of(facts)
    wish = Wish(keep=keep or {}, index=Index(default=url), several=several)
    return Asked(report, plan(facts, MATRIX, report, wish, Resolver(resolve=listening)), questions)
