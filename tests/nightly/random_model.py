"""A small Qwen2 with random weights and a tokenizer of some hundred tokens, as a folder: a real model in all but what it knows.

Runs in the target's Python: ``python random_model.py FOLDER TEXT...``; the tokenizer (byte-level BPE, as Qwen2's) is trained on the
text files that are named.
"""

from __future__ import annotations

import os
import sys

VOCABULARY = 400
END = "<|endoftext|>"
HIDDEN, INNER, LAYERS, HEADS, KEYS = 128, 256, 2, 2, 1


def main(folder: str, texts: list[str]) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch  # noqa: PLC0415 - offline first
    from tokenizers import ByteLevelBPETokenizer  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM  # noqa: PLC0415

    os.makedirs(folder, exist_ok=True)
    pieces = ByteLevelBPETokenizer()
    pieces.train(texts, vocab_size=VOCABULARY, min_frequency=2, special_tokens=[END], show_progress=False)
    pieces.save(os.path.join(folder, "tokenizer.json"))
    PreTrainedTokenizerFast(
        tokenizer_file=os.path.join(folder, "tokenizer.json"),
        eos_token=END,
        pad_token=END,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY + 16,  # padded, as real ones are
            hidden_size=HIDDEN,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=KEYS,
            max_position_embeddings=256,
            tie_word_embeddings=True,  # as the small ones of the family are
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    ).float()
    # biases begin at zero, and a zero weight tells nothing of whether it was pushed
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.02 * torch.randn_like(parameter))
    # a real folder asks for sampling of its own kind; the engines must not heed it
    model.generation_config.update(do_sample=True, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1)
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
