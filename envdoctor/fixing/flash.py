"""When a plan or a finding is about flash-attn: what can be done about it, for the torch that will be there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known
from envdoctor.fixing.flash_attn import advice, words
from envdoctor.suppose import supposing
from envdoctor.views import distributions

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.fixing.planning import Answer
    from envdoctor.matrix import Matrix

NAME = "flash-attn"


def about_flash_attn(facts: Facts, matrix: Matrix, answer: Answer) -> tuple[str, ...]:
    """Sentences and commands; none where neither a cause is about it nor torch moves under one that is installed."""
    moved = answer.plans[0].supposed if answer.plans else {}
    found = any(NAME in one.root.subjects for one in (*answer.wanted, *answer.others))
    torn = NAME in distributions(facts) and "torch" in moved
    if not found and not torn:
        return ()
    after = supposing(facts, {name: moved[name] for name in ("torch", "vllm") if name in moved}, matrix)
    python = facts.python.value.executable if isinstance(facts.python, Known) else "python3"
    head = (
        f"flash-attn is compiled for one torch: with torch {moved['torch']} it must be another one."
        if torn
        else "About flash-attn:"
    )
    return (head, *words(advice(after, matrix), f"uv pip install --python {python}"))
