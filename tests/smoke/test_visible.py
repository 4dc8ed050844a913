"""Which GPU a process sees."""

from __future__ import annotations

import os

import pytest

from envdoctor.smoke.visible import environment_of_a_server, only_device

RANKED = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*RANKED, "CUDA_VISIBLE_DEVICES", "ENVDOCTOR_CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")  # so that what the function sets is taken back
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("shown", "device", "visible"),
    [(None, "cuda:0", "0"), (None, "cuda:3", "3"), ("4,6", "cuda:1", "6"), ("GPU-8a5f", "cuda:0", "GPU-8a5f"), ("4", "cpu", "")],
)
def test_one_process_sees_its_own_device_alone(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, device: str, visible: str
) -> None:
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert only_device(device) == ("cpu" if device == "cpu" else "cuda:0")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_a_rank_takes_its_own_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RANKED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5")
    assert only_device("cuda:0") == "cuda:1"
    environ = environment_of_a_server(2)
    assert environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert not set(RANKED) & set(environ), "it would wait to be a rank"


def test_a_server_gets_the_last_gpu_after_the_trainer_has_hidden_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert only_device("cuda:0") == "cuda:0"
    assert environment_of_a_server(1)["CUDA_VISIBLE_DEVICES"] == "3"
