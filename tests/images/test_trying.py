"""The image on a GPU: what is seen inside counts, not what the engine says."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.engine.containers import Ran
from envdoctor.facts import Facts, Known, encode
from envdoctor.images import trying
from envdoctor.matrix import Matrix
from envdoctor.render.smoke_json import render
from tests.factory import edit, healthy, with_torch
from tests.proving import recorded

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


def test_a_gpu_that_is_seen_inside_passes() -> None:
    found = seen(healthy())
    assert found.state == "passed"
    assert found.gpus[0] == "NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize(
    ("name", "status", "state", "says"),
    [
        ("bare-cpu", 0, "passed", "GRPO trains there (bare, 19 invariants held, 8 s)"),
        ("engine-stale", 1, "failed", "engine-agrees-after-push"),
        ("bare-cpu", 1, "failed", "exit status 1"),
    ],
)
def test_the_smoke_in_the_container_decides(name: str, status: int, state: str, says: str) -> None:
    report = render(recorded.proof(name)).encode()
    found = trying.trained(Ran(status, report, b""), seen(healthy()))
    assert found.state == state
    assert says in found.says


@pytest.mark.parametrize("out", [b"", b"Killed\n", b"{}", b'{"schema_version": 2}', b"[" * 100_000, b"\xff"])
def test_a_smoke_without_a_report_has_failed(out: bytes) -> None:
    found = trying.trained(Ran(137, out, b"out of memory\x1b[2J"), seen(healthy()))
    assert found.state == "failed"
    assert "exit status 137" in found.says
    assert "out of memory" in found.says
    assert "\x1b" not in found.says


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


def test_a_healthy_look_alone_is_no_pass_the_smoke_must_report_too(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = answers(monkeypatch, encode(healthy()))
    found = trying.tried(engine, "x", wanted=True, gpu="h100", matrix=Matrix())
    assert found.state == "failed"
    assert "gave no report" in found.says


def test_a_healthy_look_and_a_proven_smoke_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = answers(monkeypatch, b"")
    printed = {trying.LOOK: encode(healthy()), trying.SMOKE: render(recorded.proof("bare-cpu")).encode()}
    monkeypatch.setattr(trying, "run", lambda _engine, _image, argv, **_more: Ran(0, printed[argv], b""))
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
