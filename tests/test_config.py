"""The configuration: found upwards, strict about keys, ignores that carry reasons."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from envdoctor.config import Config, find, parse
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

CODES = ("ED101", "ED102", "ED301")


def read(text: str) -> Config:
    return parse(text.encode(), "pyproject.toml", ("tool", "envdoctor"), CODES)


def test_every_key_is_read() -> None:
    config = read(
        """
        [tool.envdoctor]
        profile = "h100"
        select = ["ED1"]
        skip = ["ed102"]
        fail-on = "warning"
        [[tool.envdoctor.ignore]]
        code = "ED301"
        reason = "CI has no GPU"
        until = 2026-12-31
        """
    )
    assert (config.profile, config.select, config.skip, config.fail_on) == ("h100", ("ED1",), ("ED102",), "warning")
    assert config.in_force(dt.date(2026, 12, 31)) == {"ED301": "CI has no GPU"}
    assert config.in_force(dt.date(2027, 1, 1)) == {}
    assert [one.code for one in config.expired(dt.date(2027, 1, 1))] == ["ED301"]


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ('[tool.envdoctor]\nfail_on = "error"', '"fail_on" is not a key', 'Did you mean "fail-on"?'),
        ('[tool.envdoctor]\nselct = ["ED1"]', '"selct" is not a key', 'Did you mean "select"?'),
        ('[tool.envdoctor]\nselect = ["ED999"]', "no rule is called 'ED999'", "envdoctor rules"),
        ('[tool.envdoctor]\nselect = "ED1"', "select is 'ED1'", "list of strings"),
        ('[tool.envdoctor]\nfail-on = "never"', "fail-on is 'never'", '"warning"'),
        ("[tool.envdoctor]\nprofile = 3", "profile is 3", "h100"),
        ('[[tool.envdoctor.ignore]]\ncode = "ED101"', "the ignore of ED101 has no reason", "must carry one"),
        ('[[tool.envdoctor.ignore]]\ncode = "ED101"\nreason = " "', "has no reason", "must carry one"),
        ('[[tool.envdoctor.ignore]]\ncode = "ED10"\nreason = "x"', "code 'ED10'", 'Did you mean "ED10'),
        ('[[tool.envdoctor.ignore]]\ncode = "ED101"\nreason = "x"\nuntil = "soon"', "until = 'soon'", "2026-12-31"),
        ('[[tool.envdoctor.ignore]]\ncode = "ED101"\nreason = "x"\nunitl = 2026-01-01', '"unitl" is not a key', '"until"'),
        ("[tool.envdoctor]\nignore = 3", "ignore is 3", "[[tool.envdoctor.ignore]]"),
        ("[tool]\nenvdoctor = 3", "is not a table", "[tool.envdoctor]"),
        ("[tool.envdoctor", "is not TOML", "line"),
    ],
)
def test_a_wrong_word_is_an_error_that_says_what_to_write(text: str, what: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        read(text)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_the_nearest_file_upwards_counts_and_envdoctor_toml_wins(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.envdoctor]\nselect = ["ED1"]\n')
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "no table of ours"\n')
    assert find(str(deep), CODES).select == ("ED1",)
    (tmp_path / "envdoctor.toml").write_text('select = ["ED3"]\n')
    assert find(str(deep), CODES).select == ("ED3",)


@pytest.mark.parametrize(
    "text", ['[tool."envdoctor"]\nselect = ["ED1"]', 'tool.envdoctor.select = ["ED1"]', '[tool]\nenvdoctor = {select = ["ED1"]}']
)
def test_every_spelling_of_the_table_counts(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert find(str(tmp_path), CODES).select == ("ED1",)


def test_a_project_that_only_depends_on_envdoctor_is_not_configured_by_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["envdoctor"]\n')
    assert find(str(tmp_path), CODES) == Config()


@pytest.mark.parametrize("text", ['tool = "[tool.envdoctor"', "envdoctor = " + "[" * 100_000])
def test_hostile_toml_is_no_bug_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with contextlib.suppress(UserError):
        assert find(str(tmp_path), CODES) == Config()


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert find(str(tmp_path), CODES) == Config()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "envdoctor.toml").mkdir()
    with pytest.raises(UserError, match=r"envdoctor\.toml cannot be read"):
        find(str(tmp_path), CODES)
