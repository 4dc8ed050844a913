"""A real model from a folder on disk as the policy, and a task that any tokenizer allows: answer in digits.

Nothing is downloaded and none of the model's own code is run (``trust_remote_code`` stays off). The reward of a token is 1 where
its text holds a digit. An untrained or a pretrained model draws some now and then, so the reward starts low and has something to
rise from; it says nothing of how good the model is, only that GRPO moves it where the reward says.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

import torch

if TYPE_CHECKING:
    from .settings import Settings

GIB = 1024**3
COPIES = 6
"""Of the weights at once: policy, frozen reference, gradients, two moments of AdamW, the sampling engine."""
MOST_PROMPT_TOKENS = 24
EXACT_BYTES = 32
"""A parameter takes so many in the float64 reference: two copies of the weights, the gradient, and what is widened to make it."""
LARGE = 50_000_000
"""Parameters from which on a model counts as pretrained: such a one is moved by small steps."""
LARGE_RATE, SMALL_RATE = 2e-5, 1e-3
DIGITS = frozenset("0123456789")
TEXTS = (
    "This morning the old man walked down to the",
    "On the kitchen table there was a bowl of",
    "She opened the door and saw that the room",
    "The number of people who came to the meeting was",
    "When the train arrived at the station it was",
    "My brother asked me how old the house is:",
    "We counted the birds on the roof and found",
    "The price of a ticket to the museum is",
    "He wrote the telephone number on the wall:",
    "In the garden behind the school there are",
    "The teacher looked at the clock, which said",
    "After the rain the road to the village was",
    "The answer to the last question of the test is",
    "At the end of the book the author lists",
    "Our neighbours have lived in this street since",
    "The recipe says to add flour and sugar, about",
    "Nobody knew what the letter was about until",
    "The distance from here to the river is",
    "The children went into the forest to look for",
    "The ship left the harbour in the year",
    "A good friend of mine once told me that",
    "The temperature outside this afternoon was",
    "The box on the shelf holds a set of",
    "Before the concert began the hall was",
)
HELD_OUT = (
    "The bus that goes to the hospital has the number",
    "There was a small shop at the corner of the",
    "The wall around the castle is as high as",
    "In the evening they sat by the fire and",
    "The weight of the stone in kilograms is",
    "The painter had a brush and some pots of",
    "It takes a long time to walk to the",
    "The oldest tree in the park was planted in",
)


def load(settings: Settings) -> Tuple[torch.nn.Module, Any]:
    """The policy on ``settings.device``, and the task.

    Raises:
        RuntimeError: there is no room for it; says how much it needs.
        ValueError: its tokenizer has no digits.
        Exception: whatever transformers raises while it opens the folder.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = str(settings.model)
    dtype = precision(parameters_in(place), free_bytes(settings.device))
    # torch_dtype is the name that 4.x and 5.x both take
    model = AutoModelForCausalLM.from_pretrained(place, torch_dtype=dtype).to(settings.device)
    # its kind is what the document says: the class is called as the model's
    policy = type(type(model).__name__, (Policy,), {})(model)
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    return policy, Digits(AutoTokenizer.from_pretrained(place), vocabulary, settings.answer_tokens)


def suited(settings: Settings, policy: torch.nn.Module) -> Settings:
    """The settings with a step that this model stands: the tiny model's would ruin a pretrained one at once."""
    size = sum(parameter.numel() for parameter in policy.parameters())
    return settings._replace(learning_rate=min(settings.learning_rate, LARGE_RATE if size >= LARGE else SMALL_RATE))


def unmeasured(settings: Settings, policy: torch.nn.Module) -> Dict[str, str]:
    """Keys of the invariants that need the float64 reference, with why, where this model leaves no room for one."""
    size, free = sum(parameter.numel() for parameter in policy.parameters()), free_bytes(settings.device)
    need = (COPIES * 4 + EXACT_BYTES) * size
    if need <= free:
        return {}
    why = (
        f"a float64 reference of {size / 1e9:.2f} billion parameters has no room: {need / GIB:.1f} GiB in all, "
        f"{free / GIB:.1f} GiB are free"
    )
    return dict.fromkeys(("gradient-is-right", "update-is-right"), why)


class Policy(torch.nn.Module):
    """``policy(tokens)`` gives logits, as the tiny model does; its parameters have the names that the model itself gives them."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner.eval()  # dropout would make the ratio of the first inner step another than 1

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Next-token logits, [batch, length, vocabulary], of int64 [batch, length]."""
        return self.inner(input_ids=tokens, use_cache=False).logits

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[Tuple[str, torch.nn.Parameter]]:
        """Without the wrapper's own name in front: the engines look for those of the checkpoint."""
        return self.inner.named_parameters(prefix, recurse, remove_duplicate)


class Digits:
    """Prompts are beginnings of sentences, all of so many tokens; every answer token with a digit in its text is right."""

    def __init__(self, tokenizer: Any, vocabulary: int, answer_tokens: int) -> None:  # noqa: ANN401 - a tokenizer of transformers
        self.tokenizer, self.vocabulary, self.answer_tokens = tokenizer, vocabulary, answer_tokens
        known = min(vocabulary, len(tokenizer))
        texts = tokenizer.batch_decode([[token] for token in range(known)], skip_special_tokens=True)
        self.right = torch.zeros(vocabulary)
        self.right[:known] = torch.tensor([float(has_digit(text)) for text in texts])
        self.chance = float(self.right.mean())
        """Mean reward of answers drawn evenly from the vocabulary."""
        if not self.chance:
            raise ValueError(f"none of the {known} tokens of this tokenizer holds a digit, so there is nothing to reward")
        self.training, self.kept = self._rows()
        self.prompt_tokens = self.training.shape[1]

    def _rows(self) -> Tuple[torch.Tensor, torch.Tensor]:
        """The prompts, int64: the last tokens of each text, behind the token that a text begins with, if there is one."""
        begin = self.tokenizer.bos_token_id
        begins = begin is not None and self.tokenizer(TEXTS[0])["input_ids"][:1] == [begin]
        ids = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (*TEXTS, *HELD_OUT)]
        length = min(MOST_PROMPT_TOKENS, *map(len, ids))
        rows = torch.tensor([[begin] * begins + one[-length:] for one in ids])
        return rows[: len(TEXTS)], rows[len(TEXTS) :]

    def prompts(self, count: int, dice: torch.Generator) -> torch.Tensor:
        """int64 [count, prompt_tokens] on the CPU, of the texts that are for training."""
        return self.training[torch.randint(0, len(self.training), (count,), generator=dice)]

    def held_out(self) -> torch.Tensor:
        """The prompts that training never sees, int64 [8, prompt_tokens]."""
        return self.kept

    def step_rewards(self, prompts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - any prompt
        """Reward of each place, float32 [answers, answer_tokens], by the table of the whole vocabulary."""
        self.right = self.right.to(answers.device)
        return self.right[answers]

    def verified(self, prompts: List[List[int]], answers: List[List[int]]) -> List[float]:  # noqa: ARG002
        """The reward of each answer read a second time: its tokens are decoded now, one by one, and looked at."""
        return [
            sum(has_digit(self.tokenizer.decode([token], skip_special_tokens=True)) for token in answer) / len(answer)
            for answer in answers
        ]


def has_digit(text: str) -> bool:
    """Whether one of the ten digits is in it."""
    return not DIGITS.isdisjoint(text)


def parameters_in(place: str) -> int:
    """Parameters of the weights in a folder, by the bytes of its files and the type that config.json names (2 bytes without one).

    Raises:
        FileNotFoundError: there are no weights.
    """
    weights = [name for name in os.listdir(place) if name.endswith(".safetensors")]
    weights = weights or [name for name in os.listdir(place) if name.startswith("pytorch_model") and name.endswith(".bin")]
    if not weights:
        raise FileNotFoundError(f"{place} holds no weights: no *.safetensors and no pytorch_model*.bin")
    with open(os.path.join(place, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    width = 4 if (config.get("dtype") or config.get("torch_dtype")) == "float32" else 2
    return sum(os.path.getsize(os.path.join(place, name)) for name in weights) // width


def precision(parameters: int, free: int) -> torch.dtype:
    """float32 where all copies of the weights have room in it, else bfloat16.

    Raises:
        RuntimeError: not even that fits.
    """
    for dtype, width in ((torch.float32, 4), (torch.bfloat16, 2)):
        if COPIES * width * parameters <= free:
            return dtype
    need = COPIES * 2 * parameters
    raise RuntimeError(
        f"training {parameters / 1e9:.1f} billion parameters takes about {need / GIB:.1f} GiB in bfloat16 and "
        f"{free / GIB:.1f} GiB are free: name a smaller model by --model, or leave it out for the tiny one"
    )


def free_bytes(device: str) -> int:
    """Free memory of the GPU, or available memory of this machine (MemAvailable of /proc/meminfo)."""
    if device != "cpu":
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
