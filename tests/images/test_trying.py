"""The image on a GPU: what is seen inside counts, not what the engine says."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.facts import Facts, Known, encode
from envdoctor.images import trying
from envdoctor.matrix import Matrix
from tests.factory import edit, healthy, with_torch

if TYPE_CHECKING:
    from envdoctor.engine.client import Engine

LOCAL: Any = SimpleNamespace(socket="unix:///var/run/docker.sock")


def answers(monkeypatch: pytest.MonkeyPatch, out: bytes, *, node: bool = True) -> Engine:
    """An engine whose containers print this, on a machine with or without a GPU node."""
    monkeypatch.setattr(trying, "GPU_NODES", ("/dev/null",) if node else ("/dev/none-of-this-name",))
    ran = SimpleNamespace(status=0, out=out, err=b"")
    monkeypatch.setattr(trying, "run", lambda *_args, **_more: ran)
    engine: Engine = LOCAL
    return engine


def seen(facts: Facts) -> trying.Tried:
    return trying.seen(facts, Matrix(), time.monotonic())


def test_a_gpu_that_is_seen_inside_passes_and_the_missing_smoke_is_said() -> None:
    found = seen(healthy())
    assert found.state == "passed"
    assert found.gpus[0] == "NVIDIA H100 80GB HBM3"
    assert trying.NO_SMOKE in found.says


def test_an_engine_that_says_yes_and_gives_no_gpu_is_found_out() -> None:
    found = seen(edit(healthy(), gpus__devices=Known((), "NVML")))
    assert (found.state, found.gpus) == ("failed", ())
    assert "inside there is none" in found.says


def test_an_error_on_this_very_gpu_fails_and_is_named() -> None:
    found = seen(with_torch(healthy(), "2.11.0+cu130", "13.0"))
    assert found.state == "failed"
    assert "ED102" in found.says


def test_a_container_that_prints_something_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = answers(monkeypatch, b"Segmentation fault\n")
    assert trying.tried(engine, "x", wanted=True, gpu="h100", matrix=Matrix()).state == "failed"


def test_the_document_of_the_container_is_what_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = answers(monkeypatch, encode(healthy()))
    assert trying.tried(engine, "x", wanted=True, gpu="h100", matrix=Matrix()).state == "passed"


@pytest.mark.parametrize(
    ("wanted", "gpu", "node", "says"),
    [
        (False, "h100", True, "--no-smoke"),
        (True, None, True, "without a GPU"),
        (True, "h100", False, "no GPU is on this machine"),
    ],
)
def test_it_is_said_why_it_was_not_tried(
    monkeypatch: pytest.MonkeyPatch, *, wanted: bool, gpu: str | None, node: bool, says: str
) -> None:
    engine = answers(monkeypatch, b"", node=node)
    found = trying.tried(engine, "x", wanted=wanted, gpu=gpu, matrix=Matrix())
    assert found.state == "not run"
    assert says in found.says
