"""The JSON of a preflight: its schema, whatever happened; and harmless where it is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from envdoctor.matrix import DATA
from envdoctor.render import Page
from envdoctor.render.preflight.json import render
from tests.preflight.made import MADE, hostile

SCHEMAS = Path(DATA) / "schema"


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))


def validator() -> jsonschema.Draft202012Validator:
    smoke = Resource.from_contents(schema("smoke-1.json"))
    return jsonschema.Draft202012Validator(schema("preflight-1.json"), registry=Registry().with_resource("smoke-1.json", smoke))


@pytest.mark.parametrize("name", MADE)
def test_every_preflight_is_as_its_schema_says(name: str) -> None:
    validator().validate(json.loads(render(MADE[name](), Page())))


def test_what_a_hostile_target_says_stays_inside_its_strings() -> None:
    text = render(hostile(), Page())
    validator().validate(json.loads(text))
    assert "\x1b" not in text
    assert all(line.isprintable() for line in text.replace("\u202e", "").splitlines())


def test_the_schema_refuses_what_is_not_in_it() -> None:
    document = json.loads(render(MADE["passed"](), Page()))
    changes: tuple[dict[str, Any], ...] = (
        {"verdict": "fine"},
        {"more": 1},
        {"tiers": document["tiers"][:5]},
        {"problems": [{}]},
    )
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            validator().validate(document | change)


def test_the_smoke_and_what_stands_in_the_environment_are_in_it() -> None:
    document = json.loads(render(MADE["passed"](), Page()))
    assert document["smoke"]["passed"] is True
    assert "torch" in document["packages"]
    assert "driver" in document["traits"]
    assert json.loads(render(MADE["bad-dockerfile"](), Page()))["packages"] is None
