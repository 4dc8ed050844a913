"""One root cause for a run that did not end: the rules where one fits, the deepest known text else, and an honest unknown last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.proving.diagnosing import diagnose, recognised
from envdoctor.signatures import signatures
from tests.factory import MATRIX, healthy
from tests.proving.made import ENGINE_SAID, failure
from tests.proving.test_hanging import COMPLAINT, READY, STARTED
from tests.stories.stories import STORIES

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.proving.proof import Cause

FACTS = {story.name: story.facts for story in STORIES}

EXAMPLES = {one.id: one.example for one in signatures()}


def plain(how: str, **more: Any) -> Cause:
    """The cause of a failure on a healthy machine that said nothing more."""
    return on(healthy(), how, **more)


def on(facts: Facts, how: str, **more: Any) -> Cause:
    kind, _, message = how.partition(": ")
    values: dict[str, Any] = {"how": how, "kind": kind if message else None, "message": message, "trace": (), "said": ""}
    return diagnose(failure(**(values | more)), facts, MATRIX)


def test_the_childs_exception_is_the_cause_and_not_its_parents_words() -> None:
    cause = diagnose(failure(), healthy(), MATRIX)
    assert cause.signature == "vllm-free-memory-below-utilization"
    assert cause.code is None
    assert cause.title == "vLLM wants 71.26 GiB of the GPU, and 19.77 GiB are free"
    assert "at most 0.24" in cause.says
    assert cause.evidence[0].value.startswith("(EngineCore_DP0 pid=815)")
    assert cause.evidence[0].via == "the run's own output, while it did: start the engine"
    assert cause.sources


@pytest.mark.parametrize(
    ("story", "key", "code"),
    [
        ("no-driver", "no-nvidia-driver", "ED101"),
        ("docker-without-gpus", "no-cuda-gpus", "ED502"),
        ("torchvision-of-another-torch", "torchvision-of-another-torch", "ED201"),
        ("old-nvjitlink-on-ld-library-path", "nvjitlink-shadowed", "ED305"),
        ("b200-under-torch-2.5", "no-kernel-image", "ED107"),
        ("cuda-13-torch-on-driver-550", "driver-too-old", "ED102"),
        ("name-that-vllm-dropped", "cannot-import-name", "ED401"),
        ("upgraded-without-reboot", "nvml-mismatch", "ED104"),
    ],
)
def test_the_root_of_the_finding_that_explains_the_text_is_the_cause(story: str, key: str, code: str) -> None:
    line = EXAMPLES[key]
    cause = on(FACTS[story], line)
    assert cause.code == code
    assert cause.signature == key
    assert cause.evidence[-1].value == line
    assert len(cause.evidence) > 1
    assert cause.commands
    # on a healthy machine the same text is what it is by itself
    assert plain(line).code is None
    assert plain(line).signature == key


def test_a_finding_about_something_else_explains_nothing() -> None:
    line = EXAMPLES["cuda-out-of-memory"]
    for story in STORIES:
        assert on(story.facts, line).signature == "cuda-out-of-memory"
        assert on(story.facts, line).code is None


def test_a_rule_that_was_not_named_by_a_text_must_be_about_the_package_that_failed() -> None:
    trace = (
        "envdoctor_smoke/grpo.py:9 run",
        "~/venv/lib/python3.11/site-packages/torchvision/_meta_registrations.py:164 <module>",
    )
    facts = FACTS["torchvision-of-another-torch"]
    assert on(facts, "ImportError: it does not load", trace=trace).code == "ED201"
    assert on(facts, "ImportError: it does not load", trace=trace[:1]).code is None
    assert on(facts, "ValueError: a bad number", trace=trace).code is None
    assert on(facts, "ImportError: cannot load 'torchvision._C'").code == "ED201"


def test_without_a_remedy_the_page_of_the_rule_is_the_command() -> None:
    causes = [on(story.facts, EXAMPLES["no-nvidia-driver"]) for story in STORIES]
    for cause in causes:
        assert cause.code is None or cause.commands
        assert "No single command" not in cause.says or cause.commands == (("envdoctor", "explain", cause.code),)


def test_what_ended_the_run_goes_before_what_was_printed_on_the_way() -> None:
    said = EXAMPLES["cuda-library-missing"]
    assert plain("OSError: [Errno 24] Too many open files", said=said).signature == "too-many-open-files"
    assert plain("RuntimeError: something else", said=said).signature == "cuda-library-missing"


def test_an_error_that_was_printed_goes_before_a_warning_that_was() -> None:
    said = f"INFO 11-26 06:40:01 [importing.py:53] {EXAMPLES['module-missing']}\n{EXAMPLES['no-c-compiler']}"
    assert [one.signature.id for one in recognised(failure(said=said))][:2] == ["no-c-compiler", "module-missing"]


@pytest.mark.parametrize(
    ("signal", "key"),
    [
        ("SIGILL", "illegal-instruction"),
        ("SIGBUS", "bus-error"),
        ("SIGKILL", "killed-for-memory"),
        ("SIGSEGV", "segmentation-fault"),
    ],
)
def test_a_signal_is_a_known_text_too(signal: str, key: str) -> None:
    assert plain(f"killed by {signal}").signature == key


def test_a_segmentation_fault_is_explained_by_a_module_of_another_torch() -> None:
    cause = on(FACTS["torchvision-of-another-torch"], "killed by SIGSEGV", phase="import torch")
    assert cause.code == "ED201"


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_run_that_was_ended_from_outside_says_so(signal: str) -> None:
    assert plain(f"killed by {signal}").title == f"The run was ended from outside ({signal})"


@pytest.mark.parametrize(
    ("kind", "says"), [("OutOfMemoryError", "The GPU has no memory"), ("MemoryError", "The machine has no memory")]
)
def test_an_allocation_without_a_known_text_is_named_by_its_kind(kind: str, says: str) -> None:
    assert plain(f"{kind}: no text we know", phase="train").title == f"{says} left while it did: train"


def test_a_run_that_hung_says_in_what_for_how_long_and_which_rank_fell_silent() -> None:
    warning = "node:1:9 [1] misc/socket.cc:71 NCCL WARN socketProgress: Connection closed by remote peer"
    said = "\n".join([*STARTED, READY[0], "waiting"])
    cause = plain("no answer in 120 s", late=True, phase="train", said=said, seconds=120.0)
    assert cause.title == "The run hung: rank 1 of 2 never got ready in NCCL"
    seen = {one.what: one.value for one in cause.evidence}
    assert seen["what it did"] == "train"
    assert seen["how it ended"] == "no answer in 120 s"
    assert seen["NCCL said"] == READY[0]
    assert seen["last line"] == "waiting"
    assert ("export", "NCCL_DEBUG=INFO") in cause.commands
    warned = plain("no answer in 120 s", late=True, said=f"{said}\n{warning}")
    assert warned.signature == "nccl-warning"
    silent = plain("no answer in 120 s", late=True, phase="start the engine")
    assert silent.title == "The run hung while it did: start the engine"
    assert ("envdoctor", "check", "--deep") in silent.commands
    assert ("export", "NCCL_DEBUG=INFO") not in silent.commands


def test_a_hang_whose_cause_was_printed_is_that_cause() -> None:
    cause = plain("no answer in 120 s", late=True, said="\n".join([*STARTED, *READY, COMPLAINT, EXAMPLES["nccl-shared-memory"]]))
    assert cause.signature == "nccl-shared-memory"
    only_wrapped = plain("no answer in 120 s", late=True, said=EXAMPLES["vllm-engine-core-crashed"])
    assert only_wrapped.title.startswith("The run hung")


def test_a_wrapper_alone_is_better_than_nothing() -> None:
    cause = plain("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}")
    assert cause.signature == "vllm-engine-core-failed"


def test_what_nobody_knows_is_said_to_be_unknown_with_all_that_may_help() -> None:
    cause = plain("KeyError: 'zq'", said="one\nlast words\n\n", trace=("a.py:1 f", "b.py:2 g"), phase="train")
    assert cause.title == "It failed while it did: train; no rule and no known error text explains it"
    assert [(one.what, one.value) for one in cause.evidence] == [
        ("it said", "KeyError: 'zq'"),
        ("last line", "last words"),
        ("where", "a.py:1 f"),
        ("where", "b.py:2 g"),
    ]
    assert ("envdoctor", "facts", "--format", "issue") in cause.commands
    assert cause.code is None
    assert cause.signature is None


def test_an_unknown_failure_tells_what_the_rules_found_without_blaming_it() -> None:
    cause = on(FACTS["torch-2.6-under-vllm-0.6.6"], "KeyError: 'zq'")
    assert cause.code is None
    assert any(one.what == "the rules also found" and one.value.startswith("ED2") for one in cause.evidence)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_known_text_has_one_cause_on_every_story(story: Any) -> None:
    for key in ("cannot-import-name", "undefined-symbol", "nccl-system-error", "transformers-could-not-import"):
        cause = on(story.facts, EXAMPLES[key])
        assert cause.title
        assert cause.says
        assert cause.evidence


def test_a_hostile_output_is_diagnosed_in_time() -> None:
    said = ("NCCL WARN " + "x" * 5000 + "\n") * 50 + ENGINE_SAID * 400
    began = time.process_time()
    diagnose(failure(said=said[-256 * 1024 :]), healthy(), MATRIX)
    assert time.process_time() - began < 4.0
