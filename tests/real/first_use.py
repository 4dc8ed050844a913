"""Runs in the patient's Python, not in ours: what vLLM takes of its companions before it needs a GPU. Prints one JSON object.

``python first_use.py FOLDER``: FOLDER is empty, and gets a tiny model without weights. No network is asked.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import pkgutil
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = "vllm.model_executor.models"
QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "vocab_size": 512,
    "torch_dtype": "float32",
}


def tiny_model(folder: Path) -> str:
    """Write configuration and tokenizer (one token a byte, nothing merged) of a Qwen2 without weights; gives its path."""
    library = importlib.import_module("tokenizers")  # the patient has it, we do not
    vocabulary = {letter: number for number, letter in enumerate(sorted(library.pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = library.Tokenizer(library.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    written = {
        "config.json": CONFIG,
        "vocab.json": vocabulary,
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
        },
    }
    for name, document in written.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return str(folder)


def tokenizer_of(model: str) -> None:
    """The way on which vLLM comes to a tokenizer, and a text there and back."""
    found = importlib.import_module("vllm.transformers_utils.tokenizer").get_tokenizer(model)
    said = found.decode(found.encode("lock"))
    if said != "lock":
        raise ValueError(said)


def configured(model: str) -> None:
    """The configuration that every engine of vLLM begins with."""
    make = importlib.import_module("vllm.config").ModelConfig
    make(
        model=model,
        task="generate",
        tokenizer=model,
        tokenizer_mode="auto",
        trust_remote_code=False,
        dtype="float32",
        seed=0,
    )


def trainers() -> None:
    """Those of TRL's trainers that this release has, where TRL is there; a name is loaded when it is asked for."""
    if find_spec("trl") is None:
        return
    trl = importlib.import_module("trl")
    for name in ("DPOTrainer", *({"GRPOTrainer"} & set(dir(trl)))):
        getattr(trl, name)


def model_modules() -> list[str]:
    """Every module of vLLM's models that is on the disk, by its full name."""
    package = importlib.import_module(MODELS)
    return sorted(one.name for one in pkgutil.iter_modules(package.__path__, f"{MODELS}."))


def outcome(what: Callable[[], Any]) -> str:
    """Empty, or the error's kind and first line."""
    try:
        what()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what a user would meet
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return ""


def measured(folder: Path) -> dict[str, Any]:
    """Empty strings where it works; ``models`` is module -> outcome."""
    model = tiny_model(folder)
    steps = {
        "import": lambda: importlib.import_module("vllm").LLM,
        "tokenizer": lambda: tokenizer_of(model),
        "config": lambda: configured(model),
        "trainer": trainers,
    }
    found: dict[str, Any] = {name: outcome(step) for name, step in steps.items()}
    found["models"] = {name: outcome(partial(importlib.import_module, name)) for name in model_modules()}
    return found


def main() -> None:
    """Everything that the libraries say goes to standard error."""
    os.environ.update(QUIET)
    logging.disable(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        found = measured(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
