"""The registry of the rules for Dockerfiles, and what each of them says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from envdoctor import rules
from envdoctor.dockerfiles import REGISTRY, all_rules, code_of, load
from envdoctor.manual import HEADINGS, sections, title

ROOM = Path(rules.__file__).resolve().parent.parent / "dockerfiles"


def test_the_registry_is_the_folder() -> None:
    assert sorted(REGISTRY) == sorted(path.stem for path in ROOM.glob("ed*.py"))
    assert list(REGISTRY) == sorted(REGISTRY)


def test_no_code_means_two_rules() -> None:
    codes = [*(rule.CODE for rule in rules.all_rules()), *(rule.CODE for rule in all_rules())]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_rule_says_who_it_is(name: str) -> None:
    rule = load(name)
    assert code_of(name) == rule.CODE
    assert rule.QUESTION.endswith("?")
    assert rule.CAUSE.lower() == rule.CAUSE
    assert tuple(sections(rule)) == HEADINGS
    assert all(sections(rule).values())
    assert 10 < len(title(rule)) < 90
    assert "- " in sections(rule)["Sources"]
    assert (Path(__file__).parent / f"test_{name}.py").exists()
    assert len((ROOM / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 200
