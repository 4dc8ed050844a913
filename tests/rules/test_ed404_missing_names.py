"""ED404: names that one package takes from another which does not define them."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Layer, Outcome, Severity
from envdoctor.probe import names as section
from envdoctor.takings import PAIRS
from tests import linked
from tests.factory import blind, dist, drop, edit, healthy, judged, put

RULE = "ed404_missing_names"
GUIDED = "GuidedDecodingParams"


def with_trl(version: str = "0.25.0", vllm: str = "0.12.0") -> Facts:
    return put(healthy(), dist("trl", version), dist("vllm", vllm))


def found(*uses: object) -> tuple:  # type: ignore[type-arg]
    return judged(RULE, edit(with_trl(), names=linked.names(*uses)))  # type: ignore[arg-type]


def test_names_that_are_all_there_are_no_finding() -> None:
    outcome, findings, _ = found()
    assert findings == ()
    assert outcome is not Outcome.FAIL


def test_a_name_that_is_gone_at_module_level_is_an_error_with_its_line() -> None:
    (one,) = found(linked.use(GUIDED))[1]
    assert one.severity is Severity.ERROR
    assert one.layer is Layer.LINKED
    assert one.title == f"trl 0.25.0 takes {GUIDED} of vllm.sampling_params, which vllm 0.12.0 does not have"
    assert one.evidence[0].what == "trl/trainer/grpo_trainer.py:95 (runs on import)"
    assert f"cannot import name '{GUIDED}' from 'vllm.sampling_params'" in one.why
    assert one.subjects == ("vllm", "trl")


def test_inside_a_function_the_feature_fails_when_it_is_called() -> None:
    (one,) = found(linked.use(GUIDED, place="function", scope="GRPOTrainer.__init__"))[1]
    assert one.severity is Severity.WARNING
    assert "It fails when GRPOTrainer.__init__ is called" in one.why


def test_a_guarded_name_is_information() -> None:
    (one,) = found(linked.use(GUIDED, place="guarded"))[1]
    assert one.severity is Severity.INFO
    assert "goes on without" in one.why
    assert one.changes == ()


def test_the_gravest_use_is_the_headline_and_others_are_counted() -> None:
    uses = (linked.use("C", place="function"), linked.use("A", line=3), linked.use("B", line=2), linked.use("B", line=9))
    (one,) = found(*uses)[1]
    assert one.title == "trl 0.25.0 takes B of vllm.sampling_params, which vllm 0.12.0 does not have (and 1 more)"
    assert [line.value.split(" ")[0] for line in one.evidence] == ["B", "A", "B", "C"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "the module vllm.sampling_params"),
        ("Worker.load_model", "Worker.load_model of vllm.sampling_params"),
        ("SamplingParams(guided_decoding)", "SamplingParams(guided_decoding) of vllm.sampling_params"),
    ],
)
def test_modules_attributes_and_keywords_are_named_as_such(name: str, said: str) -> None:
    (one,) = found(linked.use(name))[1]
    assert f"takes {said}, which" in one.title


def test_what_only_one_model_needs_is_information() -> None:
    uses = (
        linked.use("WHISPER_ATTENTION_CLASSES", file="vllm/model_executor/models/minicpmo.py", line=33),
        linked.use("B", place="function"),
    )
    (one,) = found(*uses)[1]
    assert one.severity is Severity.WARNING
    assert one.title.startswith("trl 0.25.0 takes B of")
    (one,) = found(uses[0])[1]
    assert one.severity is Severity.INFO
    assert "Only vllm/model_executor/models/minicpmo.py fails to load" in one.why


def test_a_pair_of_which_nothing_is_known_is_a_doubt() -> None:
    facts = drop(with_trl(version="0.25.0.dev0"), "transformers")
    facts = blind(facts, "names__missing", "names__pairs", why="no answer in 8 s")
    outcome, _, doubts = judged(RULE, facts)
    assert outcome is Outcome.UNKNOWN
    assert doubts[0].why == "no answer in 8 s"


def test_without_importer_or_exporter_there_is_nothing_to_ask() -> None:
    assert judged(RULE, edit(healthy(), names__pairs=Known((), "source text")))[1] == ()


def test_the_rule_and_the_probe_agree_on_the_pairs() -> None:
    probed = {name: {one for one in exporters if one != "torch"} for name, exporters in section.PAIRS.items()}
    asked = {name.replace("-", "_"): {one.replace("-", "_") for one in exporters} for name, exporters in PAIRS.items()}
    assert probed == asked
