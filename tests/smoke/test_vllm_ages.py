"""The engine of vLLM against what real releases take, 0.8.5 to 0.32.0: their signatures, read from the wheels by tools.vllm_signatures.

0.27.0 and 0.32.0 are also run (`make smoke-vllm`); of 0.8.5, 0.11.0 and 0.20.0 only these signatures were read, since no torch for
CPUs that they go with is on the index.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from envdoctor.smoke import folder
from envdoctor.smoke.engines import vllm_push
from envdoctor.smoke.engines.vllm_push import Pusher
from envdoctor.smoke.engines.vllm_start import GIB, arguments, memory, needed
from envdoctor.smoke.settings import Settings

RECORDED = Path(__file__).with_name("recorded")
RELEASES = ("0.8.5", "0.11.0", "0.20.0", "0.27.0", "0.32.0")
SOURCE = Path(vllm_push.__file__).with_name("vllm.py")
TOTAL, FREE = 80 * GIB, 70 * GIB


def release(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / f"vllm-{version}.json").read_text(encoding="utf-8"))
    return found


def keywords(call: str) -> set[str]:
    """Keywords that our engine gives to a call, and those that it spreads from dictionaries written beside it."""
    found = set()
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == call:
            found |= {one.arg for one in node.keywords if one.arg is not None}
        if call == "self.sampling" and isinstance(node, ast.Dict):
            found |= {str(key.value) for key in node.keys if isinstance(key, ast.Constant) and key.value in {"n", "temperature"}}
    return found


@pytest.mark.parametrize("version", RELEASES)
def test_every_release_takes_what_the_engine_is_started_with(version: str) -> None:
    told = release(version)
    fields = set(told["EngineArgs"])
    given = set(arguments(Settings(engine="vllm"), "/model", 12)) | set(memory(fields, FREE, TOTAL, 4 * GIB, GIB))
    assert "**kwargs" in told["LLM.__init__"], "what LLM itself does not name goes to EngineArgs"
    assert given <= fields | set(told["LLM.__init__"])


@pytest.mark.parametrize("version", RELEASES)
def test_every_release_takes_what_is_sampled_with(version: str) -> None:
    told, given = release(version), keywords("self.sampling")
    assert {"n", "temperature", "max_tokens", "ignore_eos", "logprobs", "detokenize", "seed"} <= given, (
        "the test reads our source"
    )
    assert given <= set(told["SamplingParams"])
    assert keywords("self.engine.generate") == {"use_tqdm"}
    assert {"use_tqdm", "prompts", "sampling_params"} <= set(told["LLM.generate"])
    assert told["LLM.generate"][:2] == ["prompts", "sampling_params"], "both are given by place"
    assert told["LLM.reset_prefix_cache"] is not None


@pytest.mark.parametrize(
    ("version", "ways"),
    [
        ("0.8.5", ["load_weights"]),
        ("0.11.0", ["load_weights", "reload_weights()"]),
        ("0.20.0", ["reload_weights(weights_iterator)", "load_weights", "reload_weights(weights_path)"]),
        ("0.27.0", ["reload_weights(weights_iterator)", "load_weights", "reload_weights(weights_path)"]),
        ("0.32.0", ["reload_weights(weights_iterator)", "load_weights", "reload_weights(weights_path)"]),
    ],
)
def test_weights_go_in_by_the_way_that_the_release_has(version: str, ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = release(version)
    assert told["LLM.collective_rpc"][:1] == ["method"]
    assert {"args", "kwargs"} <= set(told["LLM.collective_rpc"])
    assert told["GPUModelRunner.get_model"] == []
    abilities = (told["GPUModelRunner.reload_weights"], told["LlamaForCausalLM.load_weights"] == ["weights"])
    monkeypatch.setattr(vllm_push, "in_worker", lambda _engine, ask: abilities if ask is vllm_push.abilities else None)
    assert [name for name, _ in Pusher(None, "/model", "/scratch", owned=True).possible()] == ways


def test_a_model_of_the_users_is_never_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_push, "in_worker", lambda *_: ([], False))
    pusher = Pusher(None, "/model", "/scratch", owned=False)
    assert pusher.possible() == []
    assert any("would read the folder of the user's model" in one for one in pusher.refused)


class Engine:
    """Refuses the ways that are named."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.asked: list[str] = []

    def collective_rpc(self, method: str, kwargs: dict[str, Any]) -> None:  # noqa: ARG002 - as vLLM has it
        """Raise for a broken way."""
        (name,) = kwargs
        self.asked.append(name)
        if name in self.broken:
            raise NotImplementedError(name)


def test_the_first_way_that_works_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_push, "in_worker", lambda *_: (["weights_iterator", "weights_path"], False))
    monkeypatch.setattr(folder, "write_weights", lambda *_: None)
    engine = Engine("weights_iterator")
    pusher = Pusher(engine, "/model", "/scratch", owned=True)
    pusher.push([])
    pusher.push([])
    assert engine.asked == ["weights_iterator", "weights_path", "weights_path"]
    assert pusher.by == "reload_weights(weights_path)"


def test_where_no_way_works_each_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_push, "in_worker", lambda *_: (["weights_iterator", "weights_path"], False))
    monkeypatch.setattr(folder, "write_weights", lambda *_: None)
    pusher = Pusher(Engine("weights_iterator", "weights_path"), "/model", "/scratch", owned=True)
    with pytest.raises(RuntimeError) as said:
        pusher.push([])
    for reason in ("reload_weights(weights_iterator): NotImplementedError", "load_weights: the model has no such method", "0.32"):
        assert reason in str(said.value)


def test_of_a_gpu_only_what_the_model_needs_is_taken() -> None:
    new, old = {"kv_cache_memory_bytes", "gpu_memory_utilization"}, {"gpu_memory_utilization"}
    need = needed(100_000, "bfloat16")
    assert memory(new, FREE, TOTAL, need, GIB) == {"kv_cache_memory_bytes": GIB, "gpu_memory_utilization": 0.0375}
    # before 0.11 what others hold counts as vLLM's own: the share holds both
    assert memory(old, FREE, TOTAL, need, GIB)["gpu_memory_utilization"] == pytest.approx(10 / 80 + 3 / 80, abs=1e-3)
    with pytest.raises(RuntimeError, match=r"needs about 3\.0 GiB of the GPU and 2\.0 of 80\.0 GiB are free .*nvidia-smi"):
        memory(new, 2 * GIB, TOTAL, need, GIB)
