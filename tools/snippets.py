"""Files that pages show, copied into them between marks: what a reader pastes is what the tests run.

``<!-- file: PATH -->`` and ``<!-- /file -->`` hold a file of the repository as a block of code, and
``<!-- inputs -->``, ``<!-- /inputs -->``, ``<!-- outputs -->`` and ``<!-- /outputs -->`` the tables of action.yml.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n.*?<!-- /file -->", re.DOTALL)
LANGUAGES = {
    ".yml": "yaml",
    ".yaml": "yaml",
    ".sh": "bash",
    ".service": "ini",
    ".timer": "ini",
    ".Dockerfile": "dockerfile",
    ".py": "python",
}


def shown(text: str, root: Path) -> str:
    """The page with every file and table between its marks.

    Raises:
        OSError: it names a file that is not there.
    """
    for name, head in (("inputs", "| input | default | |\n|---|---|---|\n"), ("outputs", "| output | |\n|---|---|\n")):
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        if mark:
            _, _, after = rest.partition(f"<!-- /{name} -->")
            text = f"{before}{mark}{head}{rows(root, name)}<!-- /{name} -->{after}"
    return FILE.sub(lambda found: block(found["path"], root), text)


def block(path: str, root: Path) -> str:
    """One file between its marks."""
    content = (root / path).read_text(encoding="utf-8")
    language = LANGUAGES.get((root / path).suffix, "yaml" if path.startswith(".") else "")
    return f"<!-- file: {path} -->\n```{language}\n{content}```\n<!-- /file -->"


def rows(root: Path, name: str) -> str:
    """The rows of the inputs or of the outputs of action.yml."""
    action = yaml.safe_load((root / "action.yml").read_text(encoding="utf-8"))
    made = []
    for key, one in action[name].items():
        default = f"| {'`' + one['default'] + '`' if one['default'] else ''} " if name == "inputs" else ""
        made.append(f"| `{key}` {default}| {one['description']} |\n".replace("|  |", "| |"))
    return "".join(made)
