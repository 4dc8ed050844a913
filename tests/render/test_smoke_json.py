"""The JSON of a proof: valid by its committed schema, everything in it, and nothing that a version does not name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from envdoctor.findings import Evidence
from envdoctor.measured import Asked, GradientCheck, Measured, Repeat, Sample, Step, ValueNetwork
from envdoctor.render import smoke_json
from envdoctor.render.smoke_json import render
from tests.proving.made import measured, proven, stale, step
from tests.render.test_smoke import PROOFS, hostile

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "envdoctor" / "data" / "schema" / "smoke-1.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(PROOFS[name]()))
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_is_valid_by_its_schema(name: str) -> None:
    VALIDATOR.validate(document(name))


def test_a_hostile_target_is_still_valid_but_for_what_the_schema_fixes() -> None:
    errors = {"/".join(map(str, one.absolute_path)) for one in VALIDATOR.iter_errors(json.loads(render(hostile())))}
    assert errors == {"cause"}, "only the code, which comes from our own rules, has a form"


def test_every_invariant_stands_with_its_value_bound_and_reason() -> None:
    found = document("broken-invariant")
    assert found["passed"] is False
    assert [one["key"] for one in found["invariants"]] == [one.key for one in stale().invariants]
    (broken,) = [one for one in found["invariants"] if one["key"] == "engine-agrees-after-push"]
    assert broken == {
        "key": "engine-agrees-after-push",
        "title": "they do after every push of weights",
        "state": "broken",
        "value": "6.0 at step 30",
        "bound": "at most 1e-04 (float32)",
        "why": "the engine samples from old weights",
        "required": True,
    }


def test_a_failed_run_has_its_cause_and_how_it_ended_and_nothing_measured() -> None:
    found = document("engine-did-not-start")
    assert found["measured"] is None
    assert found["cause"]["signature"] == "vllm-free-memory-below-utilization"
    assert found["failure"]["phase"] == "start the engine"
    assert found["failure"]["late"] is False
    assert found["seconds"] == 41.9


def test_all_that_was_measured_is_in_it() -> None:
    for shape, names in (
        (Asked, smoke_json.ASKED),
        (Step, smoke_json.STEP),
        (Sample, smoke_json.SAMPLE),
        (GradientCheck, smoke_json.GRADIENT),
        (Repeat, smoke_json.REPEAT),
        (ValueNetwork, smoke_json.VALUE_NETWORK),
    ):
        assert set(names) == set(shape.__struct_fields__)
    found = document("broken-invariant")["measured"]
    assert set(found) == set(Measured.__struct_fields__) - {"schema_version"}
    assert found["value_network"]["parameters"] == 70_000
    assert len(found["steps"]) == 31
    assert found["ranks"][1] == {"rank": 1, "device": "cuda:1", "weights_differ": 0.0}


def test_a_number_that_was_not_finite_is_null() -> None:
    proof = msgspec.structs.replace(proven(), measured=measured(steps=(step(0, reward=None),)))
    found = json.loads(render(proof))
    VALIDATOR.validate(found)
    assert found["measured"]["steps"][0]["reward"] is None


def test_a_field_that_no_version_names_is_refused_by_the_schema() -> None:
    found = document("proven")
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**found, "more": 1})
    cause = {**document("broken-invariant")["cause"], "evidence": [msgspec.to_builtins(Evidence("a", "b", "c")) | {"x": 1}]}
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**found, "cause": cause})
