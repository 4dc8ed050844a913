"""docs/ci.md and the page of the Action: links lead somewhere, and every file that is ready to use is shown."""

from __future__ import annotations

import re

import pytest

from tests.deploy.commands import DEPLOY
from tests.deploy.programs import ROOT
from tools.generate import PAGES_WITH_FILES
from tools.snippets import shown

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", *PAGES_WITH_FILES)}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, heading = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {one.lower().replace(" ", "-") for one in headings}, target


def test_every_file_of_deploy_is_shown() -> None:
    files = {str(path.relative_to(ROOT)) for path in DEPLOY.rglob("*") if path.is_file()}
    assert set(re.findall(r"<!-- file: (\S+) -->", "\n".join(PAGES.values()))) == files


def test_what_stands_between_the_marks_is_replaced() -> None:
    old = "a\n<!-- file: .pre-commit-hooks.yaml -->\nold\n<!-- /file -->\nb\n"
    new = shown(old, ROOT)
    content = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert new == f"a\n<!-- file: .pre-commit-hooks.yaml -->\n```yaml\n{content}```\n<!-- /file -->\nb\n"
    assert shown(new, ROOT) == new


def test_a_file_that_is_gone_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        shown("<!-- file: deploy/none.yml -->\n<!-- /file -->\n", ROOT)
