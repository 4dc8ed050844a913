"""What is learnt: repeat the prompt's letter. The reward can be verified by looking, rises from chance, and is read twice."""

from __future__ import annotations

from typing import List

import torch

SEPARATOR = 3
FIRST_LETTER = 4
LETTERS = 8
FIRST_FILLER = 12
FILLERS = 4
TOKENS = 16
"""Ids 0 to 2 stand for padding, begin and end as in most vocabularies; 12 to 15 say nothing and are never right."""


class Echo:
    """Prompts [filler, letter, separator]; the right answer is the letter, as often as there are places."""

    vocabulary = TOKENS
    prompt_tokens = 3
    chance = 1.0 / TOKENS
    """Mean reward of answers drawn evenly from the vocabulary."""

    def __init__(self, answer_tokens: int) -> None:
        self.answer_tokens = answer_tokens

    def prompts(self, count: int, dice: torch.Generator) -> torch.Tensor:
        """int64 [count, 3] on the CPU, from the pairs that are for training."""
        chosen = torch.randint(0, LETTERS * (FILLERS - 1), (count,), generator=dice)
        filler, letter = chosen // LETTERS, chosen % LETTERS
        # one filler to each letter is held out: counted from the one after it
        return self._rows((letter + 1 + filler) % FILLERS, letter)

    def held_out(self) -> torch.Tensor:
        """The prompts that training never sees, int64 [8, 3]."""
        letter = torch.arange(LETTERS)
        return self._rows(letter % FILLERS, letter)

    def _rows(self, filler: torch.Tensor, letter: torch.Tensor) -> torch.Tensor:
        return torch.stack([filler + FIRST_FILLER, letter + FIRST_LETTER, torch.full_like(letter, SEPARATOR)], 1)

    def step_rewards(self, prompts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """Reward of each place, float32 [answers, answer_tokens]: 1 where it is the letter. ``prompts`` has a row an answer."""
        return (answers == prompts[:, 1:2]).float()

    def verified(self, prompts: List[List[int]], answers: List[List[int]]) -> List[float]:
        """The reward of each answer read a second time, in plain Python: the share of right places."""
        return [sum(token == prompt[-2] for token in answer) / len(answer) for prompt, answer in zip(prompts, answers)]


def text(tokens: List[int]) -> str:
    """Tokens as letters, for people."""
    return "".join(chr(ord("a") + token - FIRST_LETTER) if 0 <= token - FIRST_LETTER < LETTERS else "_" for token in tokens)
