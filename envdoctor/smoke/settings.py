"""What one smoke run is asked for; travels to the target's Python as one JSON object. Standard library only."""

from __future__ import annotations

import json
from typing import NamedTuple, Optional


class Settings(NamedTuple):
    """The settings of one run; the defaults are those that were measured to work on every seed that was tried."""

    engine: str = "bare"
    """Who samples the answers: bare, transformers, vllm or trl."""
    device: str = "cpu"
    """cpu or cuda:0."""
    seed: int = 0
    loss: str = "grpo"
    """grpo, dr_grpo or ppo."""
    reward: str = "outcome"
    """outcome: one reward an answer. process: one a step of the answer."""
    model: Optional[str] = None
    """Folder of a real model; None builds a tiny one on the spot."""
    engine_dtype: str = "float32"
    """Of the sampling engine's weights: float32 or bfloat16. The trainer keeps float32."""
    steps: int = 50
    prompts: int = 16
    group: int = 16
    """Answers to each prompt (G of the paper)."""
    answer_tokens: int = 4
    inner_steps: int = 2
    """Updates on each batch (mu of the paper)."""
    learning_rate: float = 2e-3
    clip: float = 0.2
    kl_weight: float = 0.01
    """beta of the paper."""
    repeat_steps: int = 8
    """So many steps are run a second time from the same seed; 0 leaves that out."""
    budget_s: float = 60.0
    """Training ends after so many seconds even if steps are left; the document says so."""
    gpus: int = 1
    scratch: str = "."
    """A folder of the run's own, removed afterwards."""

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self._asdict())


def from_json(text: str) -> Settings:
    """The settings in a line of JSON. Raises ValueError or TypeError for what is none."""
    return Settings(**json.loads(text))
