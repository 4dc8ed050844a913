"""What one smoke run measured: the document that a worker ends with. Types only; decoded strictly, since it comes from a target.

Numbers are in the units of their names; log-probabilities, entropies and KL are in nats; a number that was not finite is None.
"""

from __future__ import annotations

import msgspec

from envdoctor.leaf import Part, decoded

SCHEMA_VERSION = 1
MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
MAX_COUNT = 1 << 62
"""Of bytes, tokens, steps: whole numbers beyond it cannot be divided as floats."""


class Asked(Part, frozen=True):
    """The settings the run had (see :class:`envdoctor.smoke.settings.Settings`)."""

    engine: str
    device: str
    seed: int
    loss: str
    reward: str
    model: str | None
    engine_dtype: str
    steps: int
    prompts: int
    group: int
    answer_tokens: int
    inner_steps: int
    learning_rate: float
    clip: float
    kl_weight: float
    repeat_steps: int
    budget_s: float
    gpus: int


class Step(Part, frozen=True):
    """One batch: answers sampled, rewarded, learnt from ``inner_steps`` times, weights pushed."""

    reward: float | None
    """Mean reward of the batch, 0 to 1, as the loss had it."""
    reward_error: float | None
    """Largest difference between a reward the loss had and the same answer's reward read a second time, on its own."""
    reward_spread: float | None
    """Mean over the groups of the rewards' standard deviation."""
    advantage_sum: float | None
    """Largest absolute sum of advantages over the answers to one prompt; None for losses that do not centre them."""
    advantage_error: float | None
    """Largest difference between an advantage the loss had and the one made of the rewards read a second time, in float64."""
    entropy: float | None
    """Mean entropy of the policy's next-token distribution over the sampled positions."""
    surprise: float | None
    """Mean of -log p of the sampled tokens under the policy; equals the entropy where the sampler follows the policy."""
    surprise_error: float | None
    """Standard error of that mean for tokens drawn from the policy, from its distributions."""
    logp_gap_max: float | None
    """Largest difference between the engine's and the trainer's log-probability of the same token."""
    logp_gap_mean: float | None
    ratio_deviation: float | None
    """Largest |ratio - 1| on the first inner step, by the ratio that the loss had."""
    clipped: float | None
    """Share of tokens whose ratio was outside the clip range on the last inner step."""
    kl: float | None
    """Mean k3 estimate of the KL to the frozen reference, before the update."""
    loss: float | None
    gradient_norm: float | None
    """Before clipping, on the first inner step."""
    tokens: int
    rollout_s: float
    train_s: float
    push_s: float
    memory_bytes: int | None
    """Allocated on the GPU after the step; on a CPU the resident set of the worker."""


class GradientCheck(Part, frozen=True):
    """The trainer's gradient beside a float64 reference written on its own."""

    step: int
    inner: int
    relative_error: float | None
    """||g - g64|| / ||g64||."""
    cosine: float | None
    norm: float | None
    reference_norm: float | None
    clipped: float | None
    """Share of tokens outside the clip range: a check with none says nothing of the clip."""
    kl: float | None
    """KL term where it was made: one at zero says nothing of the KL's sign."""


class LayerMoved(Part, frozen=True):
    """How far a layer's parameters are from where they began, ||w - w0|| / ||w0||."""

    name: str
    change: float | None


class Sample(Part, frozen=True):
    """Rewards of so many answers (or groups of answers)."""

    mean: float | None
    variance: float | None
    count: int


class Repeat(Part, frozen=True):
    """The same seed a second time."""

    steps: int
    same_bits: bool
    """Every reward, loss and gradient norm, and all final weights, are the same bits."""
    first_difference: int | None
    """The first step at which something differs."""
    largest: float | None
    """Largest difference of a step's mean reward."""


class ValueNetwork(Part, frozen=True):
    """What PPO's value network costs beside GRPO, measured in bytes."""

    parameters: int
    state_bytes: int
    """Its parameters, gradients and optimizer state."""
    policy_state_bytes: int
    """The same of the policy."""
    error_first: float | None
    error_last: float | None
    """Root mean square of return minus expected value, over the first and the last five steps."""


class Rank(Part, frozen=True):
    """One process of a data-parallel run."""

    rank: int
    device: str
    weights_differ: float | None
    """Largest difference of its weights from rank 0's after the last step."""


class Measured(Part, frozen=True):
    """The whole document."""

    schema_version: int
    asked: Asked
    versions: dict[str, str]
    """Distribution -> version, as imported."""
    device_name: str
    compute_capability: str | None
    cuda: str | None
    """The CUDA that torch was built with."""
    model_kind: str
    parameters: int
    layers: int
    vocabulary: int
    steps: tuple[Step, ...]
    untrained: Sample
    """Rewards of the untrained model's answers to the held-out prompts, a group a value."""
    trained: Sample
    """The same prompts after the training."""
    greedy_before: float | None
    greedy_after: float | None
    """Mean reward of the held-out prompts' greedy answers."""
    gradients: tuple[GradientCheck, ...]
    update_error: float | None
    """||way - way64|| / ||way64|| of all weights in the first update, way64 being AdamW's on the clipped gradient in float64."""
    moved: tuple[LayerMoved, ...]
    not_finite: tuple[str, ...]
    """Where NaN or Inf was first seen: "step 3: gradient of model.layers.1.mlp.up_proj.weight"."""
    repeat: Repeat | None
    peak_bytes: int | None
    value_network: ValueNetwork | None
    ranks: tuple[Rank, ...]
    times_s: dict[str, float]
    """import, engine start, training, push, ... in seconds."""
    unmeasured: dict[str, str]
    """Key of an invariant -> why this engine could not measure it."""
    ended_by: str | None
    """"budget" when steps were left out; None when all were done."""


def decode(document: bytes) -> Measured:
    """Read a document.

    Raises:
        ValueError: too large, not of this shape, or of another version; says where.
    """
    measured = decoded(document, Measured, max_bytes=MAX_DOCUMENT_BYTES, schema_version=SCHEMA_VERSION)
    if too_large(msgspec.to_builtins(measured)):
        raise ValueError("a number of it is larger than anything that can be counted")
    return measured


def too_large(value: object) -> bool:
    """Whether a whole number in plain values is beyond MAX_COUNT."""
    if isinstance(value, dict):
        return any(map(too_large, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(too_large, value))
    return isinstance(value, int) and abs(value) > MAX_COUNT
