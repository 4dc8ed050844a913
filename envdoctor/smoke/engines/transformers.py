"""transformers' own ``generate`` samples: the decoding that TRL uses without vLLM, from 4.45 on."""

from __future__ import annotations

import os
from importlib import metadata
from typing import TYPE_CHECKING, Any, List, Optional

import torch

from .. import folder  # noqa: TID252 - under the target this room has another name
from . import Rollout, Weights

if TYPE_CHECKING:
    from ..model import Shape  # noqa: TID252
    from ..settings import Settings  # noqa: TID252
    from ..telling import Teller  # noqa: TID252


def start(settings: Settings, weights: Weights, teller: Teller, shape: Optional[Shape] = None) -> Transformers:
    """The engine with a copy of these weights, in ``settings.engine_dtype`` on ``settings.device``.

    Args:
        settings: ``model`` names a folder to open; without it one is written to ``scratch``.
        weights: what it samples with.
        teller: is told "import transformers" and "build the model".
        shape: of the tiny model; the default one if it is not given.

    Raises:
        ValueError: the weights do not fit the model.
        Exception: whatever transformers raises while it is imported or opens the folder.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    teller.phase("import transformers")
    from transformers import AutoModelForCausalLM

    teller.phase("build the model")
    place = settings.model or os.path.join(settings.scratch, "model")
    if settings.model is None:
        folder.write(place, weights, shape or _default_shape())
    # torch_dtype is the name that 4.x and 5.x both take
    model = AutoModelForCausalLM.from_pretrained(place, torch_dtype=getattr(torch, settings.engine_dtype))
    engine = Transformers(model.to(settings.device))
    engine.push(weights)
    return engine


def _default_shape() -> Shape:
    from ..model import Shape  # noqa: TID252

    return Shape()


class Transformers:
    """See the head of this file."""

    name = "transformers"

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a PreTrainedModel
        from transformers import GenerationConfig

        self.model = model.eval()
        # what the folder asks for (a temperature, top_k, a repetition penalty) would change the distribution that is compared
        self.model.generation_config = GenerationConfig()
        self.versions = {name: metadata.version(name) for name in ("torch", "transformers")}

    def push(self, weights: Weights) -> None:
        """Copy the weights into the model.

        Raises:
            ValueError: a tensor has no place in the model, or a parameter was given none.
        """
        places = dict(self.model.named_parameters())
        given = dict(weights)
        if set(places) != set(given):
            odd = sorted(set(places) ^ set(given))
            raise ValueError(
                f"the trainer's weights are not those of transformers' model; only one of them has: {', '.join(odd[:4])}"
            )
        with torch.no_grad():
            for name, parameter in places.items():
                parameter.copy_(given[name])

    def close(self) -> None:
        """Let the model go, and its GPU memory."""
        self.model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.no_grad()
    def generate(self, prompts: torch.Tensor, group: int, length: int, *, seed: int, greedy: bool = False) -> Rollout:
        """See :class:`Engine`. No token ends an answer, so that all have the same length and none is kept from being drawn."""
        from transformers import GenerationConfig, LogitsProcessorList

        rows = prompts.to(self.model.device).repeat_interleave(group, 0)
        plain = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
        reader = Reader(rows.shape[1])
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        # generate takes no dice of its own: it draws from torch's, which belong to the trainer
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            whole = self.model.generate(
                rows,
                attention_mask=torch.ones_like(rows),
                generation_config=GenerationConfig(
                    max_new_tokens=length, eos_token_id=None, pad_token_id=0, use_cache=True, **plain
                ),
                logits_processor=LogitsProcessorList([reader]),
            )
        tokens = whole[:, rows.shape[1] :]
        return Rollout(tokens.to(prompts.device), reader.logps(whole).to(prompts.device))


class Reader:
    """A logits processor that changes nothing: notes the log-probability of each token drawn, and holds one step's logits only.

    (``output_logits`` would keep those of every step: 1.2 GB for a real vocabulary.)
    """

    def __init__(self, prompt_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.last: Optional[torch.Tensor] = None
        self.noted: List[torch.Tensor] = []

    def __call__(self, tokens: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Called before each draw with what is there so far, int64 [answers, length], and float32 [answers, vocabulary]."""
        self._note(tokens)
        self.last = scores.float().log_softmax(-1)
        return scores

    def _note(self, tokens: torch.Tensor) -> None:
        if self.last is not None:
            self.noted.append(self.last.gather(1, tokens[:, -1:]))

    def logps(self, tokens: torch.Tensor) -> torch.Tensor:
        """Of all answer tokens of the finished sequences, float32 [answers, answer_tokens]."""
        self._note(tokens)
        return torch.cat(self.noted, 1)
