"""What the README shows is what the program does; its page is checked by test_generated.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from envdoctor.cli.group import COMMANDS
from envdoctor.config import parse
from envdoctor.examine import codes

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_configuration_it_shows_is_accepted() -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    config = parse(toml.encode(), "README.md", ("tool", "envdoctor"), codes())
    assert config.profile == "h100"
    assert config.ignore[0].reason


def test_every_command_it_shows_exists() -> None:
    shown = set(
        re.findall(r"\benvdoctor ([a-z-]+)\b", "\n".join(re.findall(r"```(?:console|yaml)\n(.*?)```", README, re.DOTALL)))
    )
    assert {"check", "explain", "facts"} <= shown <= set(COMMANDS)


@pytest.mark.parametrize("target", re.findall(r"`make ([a-z0-9-]+)[ `]", README))
def test_every_make_target_it_names_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
