"""What a user asks for beyond a plain check: the map of libraries, any package's modules, any pair's names."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.cli.test_cli import run

if TYPE_CHECKING:
    from pathlib import Path


def test_libs_tells_of_the_copies_of_an_environment() -> None:
    done = run("libs", sys.prefix)
    assert done.returncode == 0
    assert "nothing was loaded" in done.stdout or "once" in done.stdout


def test_libs_as_json_has_the_leaves() -> None:
    said = json.loads(run("libs", sys.prefix, "--format", "json").stdout)
    assert said["copies"]["is"] == "known"
    assert said["torch"]["value"] is None  # this environment has no torch


def test_a_deep_link_judges_the_modules_of_the_packages_that_are_named() -> None:
    facts = json.loads(run("facts", sys.prefix, "--deep-link", "msgspec").stdout)
    modules = facts["linking"]["modules"]["value"]
    assert {one["package"] for one in modules} == {"msgspec"}
    assert all(one["problems"] == [] for one in modules)


def test_a_pair_that_is_asked_for_is_compared() -> None:
    facts = json.loads(run("facts", sys.prefix, "--names", "jsonschema:referencing").stdout)
    (pair,) = facts["names"]["pairs"]["value"]
    assert (pair["importer"], pair["exporter"]) == ("jsonschema", "referencing")
    assert pair["names"] > 0
    assert facts["names"]["missing"]["value"] == []


def test_a_pair_of_which_nothing_is_taken_is_noted_and_a_package_that_is_not_there_refused() -> None:
    done = run("check", sys.prefix, "--names", "pluggy:mypy")
    assert "pluggy takes no names of mypy, so nothing was compared" in " ".join(done.stdout.split())
    for option, word in (("--names", "pluggy:mipy"), ("--deep-link", "mipy")):
        done = run("check", sys.prefix, option, word)
        assert done.returncode == 2
        assert f"{option} names mipy, which is not installed" in done.stderr
        assert "mypy" in done.stderr


def test_a_pair_that_is_none_is_refused_with_an_example(tmp_path: Path) -> None:
    for word in ("trl", "trl>peft", ":peft", "trl:", "tr l:peft"):
        done = run("check", sys.prefix, "--names", word)
        assert done.returncode == 2
        assert "is not IMPORTER:EXPORTER" in done.stderr
        assert "--names trl:peft" in done.stderr
