"""The versioned JSON of a proof, written field by field; envdoctor/data/schema/smoke-1.json is its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from envdoctor.measured import Measured
    from envdoctor.proving.proof import Cause, Failure, Invariant, Proof

SCHEMA_VERSION = 1
ASKED = (
    "engine", "device", "seed", "loss", "reward", "model", "engine_dtype", "steps", "prompts", "group", "answer_tokens",
    "inner_steps", "learning_rate", "clip", "kl_weight", "repeat_steps", "budget_s", "gpus",
)  # fmt: skip
STEP = (
    "reward", "reward_error", "reward_spread", "advantage_sum", "advantage_error", "entropy", "surprise", "surprise_error",
    "logp_gap_max", "logp_gap_mean", "ratio_deviation", "clipped", "kl", "loss", "gradient_norm", "tokens",
    "rollout_s", "train_s", "push_s", "memory_bytes",
)  # fmt: skip
SAMPLE = ("mean", "variance", "count")
GRADIENT = ("step", "inner", "relative_error", "cosine", "norm", "reference_norm", "clipped", "kl")
REPEAT = ("steps", "same_bits", "first_difference", "largest")
VALUE_NETWORK = (
    "parameters", "state_bytes", "policy_state_bytes", "error_first", "error_last",
)  # fmt: skip
PLAIN = (
    "device_name", "compute_capability", "cuda", "model_kind", "parameters", "layers", "vocabulary", "greedy_before",
    "greedy_after", "update_error", "peak_bytes", "ended_by",
)  # fmt: skip


def render(proof: Proof) -> str:
    """The proof as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document(proof)), indent=2).decode() + "\n"


def document(proof: Proof) -> dict[str, Any]:
    """The proof as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": proof.engine,
        "passed": proof.passed,
        "cause": None if proof.cause is None else _cause(proof.cause),
        "invariants": [_invariant(one) for one in proof.invariants],
        "failure": None if proof.failure is None else _failure(proof.failure),
        "measured": None if proof.measured is None else _measured(proof.measured),
        "notes": list(proof.notes),
        "seconds": round(proof.seconds, 3),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "title": cause.title,
        "why": cause.why,
        "evidence": [{"what": one.what, "value": one.value, "via": one.via} for one in cause.evidence],
        "says": cause.says,
        "commands": [list(argv) for argv in cause.commands],
        "code": cause.code,
        "signature": cause.signature,
        "sources": [{"where": one.where, "read": one.read} for one in cause.sources],
    }


def _invariant(one: Invariant) -> dict[str, Any]:
    return {
        "key": one.key,
        "title": one.title,
        "state": one.state.value,
        "value": one.value,
        "bound": one.bound,
        "why": one.why,
        "required": one.required,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "phase": failure.phase,
        "how": failure.how,
        "kind": failure.kind,
        "message": failure.message,
        "trace": list(failure.trace),
        "said": failure.said,
        "seconds": round(failure.seconds, 3),
        "late": failure.late,
    }


def _measured(measured: Measured) -> dict[str, Any]:
    return {
        "asked": _fields(measured.asked, ASKED),
        "versions": dict(sorted(measured.versions.items())),
        **_fields(measured, PLAIN),
        "steps": [_fields(one, STEP) for one in measured.steps],
        "untrained": _fields(measured.untrained, SAMPLE),
        "trained": _fields(measured.trained, SAMPLE),
        "gradients": [_fields(one, GRADIENT) for one in measured.gradients],
        "moved": [{"name": one.name, "change": one.change} for one in measured.moved],
        "not_finite": list(measured.not_finite),
        "repeat": None if measured.repeat is None else _fields(measured.repeat, REPEAT),
        "value_network": None if measured.value_network is None else _fields(measured.value_network, VALUE_NETWORK),
        "ranks": [{"rank": one.rank, "device": one.device, "weights_differ": one.weights_differ} for one in measured.ranks],
        "times_s": measured.times_s,
        "unmeasured": measured.unmeasured,
    }


def _fields(record: object, names: tuple[str, ...]) -> dict[str, Any]:
    """The named fields; what else a record has stays out until a version of this document names it."""
    return {name: getattr(record, name) for name in names}
