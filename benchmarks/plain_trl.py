"""The peer of smoke_speed.py: TRL's GRPOTrainer on the same task, model and number of steps, and nothing else.

    python benchmarks/plain_trl.py STEPS [vllm]

It runs in the target's Python. It is what people run as a smoke test today: it prints rewards, and proves nothing.
Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_LOGGING_LEVEL="ERROR", VLLM_CPU_KVCACHE_SPACE="1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
LETTERS, FILLERS, ANSWER, PROMPTS, GROUP = "abcdefgh", "wxyz", 4, 12, 16


def main() -> None:
    """Train, and print the rewards."""
    import torch  # noqa: PLC0415
    from datasets import Dataset  # noqa: PLC0415
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415
    from trl import GRPOConfig, GRPOTrainer  # noqa: PLC0415

    steps, with_vllm = int(sys.argv[1]), sys.argv[2:] == ["vllm"]
    if with_vllm and not torch.cuda.is_available():
        # without these two TRL 1.16 cannot push into vLLM on a CPU ("'Parameter' object has no attribute 'weight_loader'")
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
        torch.cpu._is_amx_tile_supported = lambda: False  # noqa: SLF001 - what vLLM asks
    folder = tempfile.mkdtemp()
    vocabulary = {word: place for place, word in enumerate(["<pad>", "<bos>", "<eos>", "=", *LETTERS, *FILLERS])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<eos>"))  # noqa: S106 - no password
    raw.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")  # noqa: S106
    config = LlamaConfig(
        vocab_size=16, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=64, max_position_embeddings=64, initializer_range=0.08, tie_word_embeddings=False,
        pad_token_id=0, bos_token_id=1, eos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def reward(completions: list[str], prompts: list[str], **_: object) -> list[float]:
        return [sum(c == p[1] for c in completion[:ANSWER]) / ANSWER for completion, p in zip(completions, prompts, strict=True)]

    rows = [{"prompt": f"{filler}{letter}="} for letter in LETTERS for filler in FILLERS] * 40
    more = {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.1} if with_vllm else {}
    arguments = GRPOConfig(
        output_dir=folder, per_device_train_batch_size=PROMPTS * GROUP, num_generations=GROUP, num_iterations=2,
        max_completion_length=ANSWER, learning_rate=2e-3, max_steps=2 * steps, logging_steps=1, report_to=[], beta=0.01,
        use_cpu=not torch.cuda.is_available(), bf16=False, fp16=False, save_strategy="no", temperature=1.0, adam_beta2=0.95,
        gradient_checkpointing=False, lr_scheduler_type="constant", disable_tqdm=True, dataloader_pin_memory=False, **more,
    )  # fmt: skip
    model = LlamaForCausalLM.from_pretrained(folder)
    trainer = GRPOTrainer(
        model=model, reward_funcs=reward, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    trainer.train()
    rewards = [line["reward"] for line in trainer.state.log_history if "reward" in line]
    sys.stdout.write(json.dumps({"first": rewards[0], "last": sum(rewards[-10:]) / 10, "updates": len(rewards)}) + "\n")


if __name__ == "__main__":
    main()
