"""Proofs for tests: plausible numbers of a tiny run, in the shapes that a worker and the verdict give.

They are made, not measured: nothing may be concluded from them about an engine.
"""

from __future__ import annotations

from typing import Any

import msgspec

from envdoctor.findings import Evidence, Source
from envdoctor.measured import Asked, GradientCheck, LayerMoved, Measured, Rank, Repeat, Sample, Step, ValueNetwork
from envdoctor.proving.proof import Cause, Failure, Invariant, Proof, State

STEPS = 40


def asked(**more: Any) -> Asked:
    values: dict[str, Any] = {
        "engine": "vllm", "device": "cuda:0", "seed": 0, "loss": "grpo", "reward": "outcome", "model": None, "engine_dtype": "float32",
        "steps": STEPS, "prompts": 8, "group": 16, "answer_tokens": 4, "inner_steps": 2, "learning_rate": 2e-3, "clip": 0.2,
        "kl_weight": 0.01, "repeat_steps": 8, "budget_s": 60.0, "gpus": 1,
    }  # fmt: skip
    return Asked(**(values | more))


def step(number: int, **more: Any) -> Step:
    """A step of a run that learns: the reward rises from .1 to .99 in some 20 steps."""
    share = min(1.0, number / 20)
    values: dict[str, Any] = {
        "reward": round(0.1 + 0.89 * share * share * (3 - 2 * share), 4),
        "reward_error": 0.0,
        "reward_spread": round(0.3 * (1 - share) + 0.02, 4),
        "advantage_sum": 2.4e-7,
        "advantage_error": 3.9e-7,
        "entropy": round(2.0 * (1 - share) + 0.05, 4),
        "surprise": round(2.0 * (1 - share) + 0.051, 4),
        "surprise_error": 0.02,
        "logp_gap_max": 2.4e-6,
        "logp_gap_mean": 5.1e-7,
        "ratio_deviation": 9.5e-7,
        "clipped": 0.11,
        "kl": round(4.0 * share, 4),
        "loss": -0.01,
        "gradient_norm": 0.42,
        "tokens": 512,
        "rollout_s": 0.4 if number == 0 else 0.08,
        "train_s": 0.3 if number == 0 else 0.04,
        "push_s": 0.016,
        "memory_bytes": 1_200_000_000 + 1024 * number,
    }
    return Step(**(values | more))


def measured(**more: Any) -> Measured:
    values: dict[str, Any] = {
        "schema_version": 1,
        "asked": asked(),
        "versions": {"torch": "2.13.0+cu130", "transformers": "5.19.0", "vllm": "0.32.0"},
        "device_name": "NVIDIA H100 80GB HBM3",
        "compute_capability": "9.0",
        "cuda": "13.0",
        "model_kind": "qwen2",
        "parameters": 82_304,
        "layers": 2,
        "vocabulary": 16,
        "steps": tuple(step(number) for number in range(STEPS)),
        "untrained": Sample(mean=0.12, variance=0.012, count=16),
        "trained": Sample(mean=0.99, variance=0.0004, count=16),
        "greedy_before": 0.125,
        "greedy_after": 1.0,
        "gradients": (
            GradientCheck(
                step=0, inner=0, relative_error=1.1e-6, cosine=1.0, norm=0.42, reference_norm=0.42, clipped=0.0, kl=0.0
            ),
            GradientCheck(
                step=3, inner=1, relative_error=1.4e-6, cosine=1.0, norm=0.31, reference_norm=0.31, clipped=0.14, kl=0.21
            ),
        ),
        "update_error": 1.2e-6,
        "moved": (
            LayerMoved(name="model.layers.0.self_attn.q_proj", change=0.21),
            LayerMoved(name="model.layers.1.mlp.up_proj", change=0.18),
        ),
        "not_finite": (),
        "repeat": Repeat(steps=8, same_bits=False, first_difference=3, largest=0.001),
        "peak_bytes": 1_310_000_000,
        "value_network": None,
        "ranks": (),
        "times_s": {"import_torch": 14.2, "engine_start": 31.5, "train": 5.4, "repeat": 1.2, "whole": 38.1, "worker": 52.3},
        "unmeasured": {},
        "ended_by": None,
    }
    return Measured(**(values | more))


def invariant(key: str, title: str, state: State = State.HELD, **more: Any) -> Invariant:
    values: dict[str, Any] = {"value": "1", "bound": "at most 1", "why": ""}
    return Invariant(key=key, title=title, state=state, **(values | more))


INVARIANTS = (
    invariant("all-finite", "no NaN or Inf anywhere", value="0 found", bound="none"),
    invariant("rewards-are-true", "each answer gets the reward it earns", value="0.0", bound="exactly 0"),
    invariant("advantages-centred", "advantages sum to zero over each prompt's answers", value="2.4e-07", bound="at most 1e-05"),
    invariant("engine-agrees", "engine and trainer give the same log-probabilities before training", value="2.4e-06", bound="at most 1e-04 (float32)"),
    invariant("engine-agrees-after-push", "they do after every push of weights", value="2.4e-06", bound="at most 1e-04 (float32)"),
    invariant("ratio-is-one", "the ratio is 1 on the first inner step", value="9.5e-07", bound="at most 1e-05 (float32)"),
    invariant("gradient-is-right", "the gradient equals a float64 reference", value="1.4e-06", bound="at most 1e-03 (float32)"),
    invariant("every-layer-moves", "parameters of every layer move", value="2 of 2", bound="all"),
    invariant("reward-rises", "the reward rises over the same seed untrained", value="0.12 to 0.99", bound="p below 1e-06, and at least 0.90"),
    invariant("same-seed-same-run", "the same seed gives the same run", State.UNMEASURED, value="", bound="the same bits on a CPU",
              why="8 steps were run again, and on a GPU their bits may differ", required=False),
)  # fmt: skip


def proven() -> Proof:
    """A run in which everything held."""
    return Proof(
        engine="vllm", passed=True, measured=measured(), invariants=INVARIANTS, failure=None, cause=None, seconds=52.3,
        notes=("the GPU was not reset between the two runs of the same seed",),
    )  # fmt: skip


def stale() -> Proof:
    """A run whose engine kept its first weights, with a value network for PPO."""
    steps = tuple(
        step(
            number, reward=0.11, logp_gap_max=2.4e-6 if number == 0 else 0.2 * number, logp_gap_mean=5e-7 if number == 0 else 0.1
        )
        for number in range(STEPS - 9)
    )
    broken = tuple(
        msgspec.structs.replace(one, state=State.BROKEN, value="6.0 at step 30", why="the engine samples from old weights")
        if one.key == "engine-agrees-after-push"
        else msgspec.structs.replace(one, state=State.BROKEN, value="0.12 to 0.11", why="nothing was learnt")
        if one.key == "reward-rises"
        else one
        for one in INVARIANTS
    )
    return Proof(
        engine="vllm",
        passed=False,
        measured=measured(
            asked=asked(loss="ppo"),
            steps=steps,
            trained=Sample(mean=0.11, variance=0.011, count=16),
            greedy_after=0.125,
            value_network=ValueNetwork(
                parameters=70_000, state_bytes=1_120_000, policy_state_bytes=1_316_864,
                error_first=0.21, error_last=0.03,
            ),
            ranks=(Rank(rank=0, device="cuda:0", weights_differ=0.0), Rank(rank=1, device="cuda:1", weights_differ=0.0)),
            ended_by="budget",
        ),
        invariants=broken,
        failure=None,
        cause=Cause(
            title="The engine keeps old weights after a push",
            why="Before training engine and trainer agree (2.4e-06); after the pushes they do not (6.0).",
            evidence=(Evidence("largest log-probability gap after a push", "6.0 at step 30", "the run's own steps"),),
            says="Look at how the weights are handed to the engine, and at their names.",
            commands=(("envdoctor", "smoke", "--engine", "bare"),),
        ),
        seconds=58.8,
    )  # fmt: skip


ENGINE_SAID = """\
INFO 11-26 06:40:01 [__init__.py:216] Automatically detected platform cuda.
(EngineCore_DP0 pid=815) ERROR 11-26 06:40:31 [core.py:708] EngineCore failed to start.
(EngineCore_DP0 pid=815) ERROR 11-26 06:40:31 [core.py:708] Traceback (most recent call last):
(EngineCore_DP0 pid=815) ERROR 11-26 06:40:31 [core.py:708] ValueError: Free memory on device cuda:0 (19.77/79.18 GiB) on startup \
is less than desired GPU memory utilization (0.9, 71.26 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.
"""


def failure(**more: Any) -> Failure:
    values: dict[str, Any] = {
        "phase": "start the engine",
        "how": "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        "kind": "RuntimeError",
        "message": "Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        "trace": (
            "envdoctor_smoke/grpo.py:88 run",
            "envdoctor_smoke/engines/vllm.py:61 start",
            "~/venv/lib/python3.12/site-packages/vllm/v1/engine/utils.py:1431 wait_for_engine_startup",
        ),
        "said": ENGINE_SAID,
        "seconds": 41.7,
    }
    return Failure(**(values | more))


def not_started() -> Proof:
    """An engine that did not start: another process holds the GPU."""
    return Proof(
        engine="vllm",
        passed=False,
        measured=None,
        invariants=(),
        failure=failure(),
        cause=Cause(
            title="vLLM wants 71.26 GiB of the GPU, and 19.77 GiB are free",
            why="vLLM reserves gpu_memory_utilization = 0.9 of all 79.18 GiB when it starts. Other processes hold 59.41 GiB.",
            evidence=(Evidence("it printed", ENGINE_SAID.splitlines()[-1], "the run's output, phase: start the engine"),),
            says="Set gpu_memory_utilization to at most 0.24, or end what else holds memory on this GPU.",
            commands=(("nvidia-smi", "--query-compute-apps=pid,process_name,used_memory", "--format=csv"),),
            signature="vllm-free-memory-below-utilization",
            sources=(Source("vllm 0.32.0, vllm/v1/worker/utils.py", "2026-11-26"),),
        ),
        seconds=41.9,
    )
