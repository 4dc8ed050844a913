"""Lists of packages: pip list, pip freeze, pip show, conda list, trees, collect_env's own, names with versions in prose. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.complaints import complaints, is_conflict
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.installers import NAME, VER, Installing
from envdoctor.sources.pasted.names import KNOWN, version_in
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

PINNED = re.compile(rf"(?<![\w./=<>~!-])(?P<name>{NAME})(?:\[[\w,. -]{{0,80}}\])?(?P<gap>\s?===?\s?)(?P<version>{VER})")
FROZEN = re.compile(rf"^\s{{0,8}}(?P<name>{NAME})(?:==(?P<version>{VER})| @ \S{{1,600}})\s{{0,8}}$")
TABLE = re.compile(
    rf"^\s{{0,8}}(?P<name>{NAME})\s{{1,60}}(?P<version>{VER})(?P<rest>(?:\s{{1,60}}\S{{1,300}}){{0,3}})\s{{0,80}}$"
)
PLACE = re.compile(r"/|[A-Za-z]:\\|~|https?://|git\+|pypi$|<|conda|pytorch$|nvidia$|defaults$|pip$")
"""What may stand behind a version in a row: where it lies or comes from."""
CONDA = re.compile(
    rf"^\s{{0,8}}(?P<mark>\[conda\] )?(?P<name>{NAME})\s{{1,60}}(?P<version>{VER})\s{{1,60}}"
    r"(?P<build>pypi_0|<pip>|py\w{1,60}(?:\.\w{1,20}){0,6}|h[0-9a-f]{5,12}\w{0,4}|(?:cuda|cpu)[\w.]{1,60}|\w{0,40}_\d{1,3})"
    r"(?P<channel>\s{1,60}\S{1,100})?\s{0,80}$"
)
CONDA_PLAN = re.compile(
    rf"^\s{{0,12}}(?:(?P<name>{NAME})-(?P<version>{VER})\s{{1,60}}\|\s{{0,60}}|\S{{1,100}}\s{{1,60}}\S{{1,60}}::(?P<of>{NAME})-(?P<at>{VER})-)"
    r"(?P<build>\w[\w.]{0,60}_\d{1,3})\b"
)
"""What conda is about to fetch ("pytorch-1.12.1 | py3.8_cpu_0") or to install ("pytorch/linux-64::pytorch-1.12.1-py3.8_cpu_0")."""
CONDA_BUILD = re.compile(r"cuda_?(?P<cuda>\d{1,2}\.?\d)|(?P<cpu>(?:^|_)cpu)")
HEADER = re.compile(r"^\s{0,8}Package\s{1,60}Version\b")
CONDA_HEADER = re.compile(r"^# (?:packages in environment|Name\s{1,60}Version\s{1,60}Build)")
JSON = re.compile(
    rf"\"name\": ?\"(?P<name>{NAME})\", ?(?:\"[a-z_]{{1,30}}\": ?\"[^\"]{{0,200}}\", ?){{0,3}}\"version\": ?\"(?P<version>{VER})\""
)
TREE = re.compile(
    rf"^[\s│|]{{0,80}}(?:[├└]─{{1,3}}|[|+\\`]-{{2}}) ?(?P<name>{NAME})(?:\[[\w, .-]{{0,80}}\])? v(?P<version>{VER})"
)
"""A node of `uv tree`."""
ROOT = re.compile(rf"^(?P<name>{NAME}) v(?P<version>{VER})(?: \(.{{1,300}}\))?$")
DEPTREE = re.compile(rf"(?<![\w-])(?P<name>{NAME}) \[required: [^\]]{{1,100}}, installed: (?P<version>{VER})\]")
SHOW = re.compile(r"^\s{0,8}(?P<key>Name|Version|Requires): (?P<value>\S.{0,2000})$")
CLAIMS = re.compile(
    r"\(you have |\b(?:built for|was built|compiled|supports?|require[sd]?|recommend(?:s|ed)?|upgrad(?:e|ed|ing)|downgrad(?:e|ed|ing)|must be|should be|expected|at least"
    r"|or newer|or later|works? (?:with|on|fine)|worked|is fine|fine with|tried|latest|compatible with|instead of|other env|forced to|need(?:s|ed)?"
    r"|switch(?:ed|ing)? to|fix(?:ed|es)?|changed? to|depends on|user requested|satisf(?:y|ies|ied)|no matching|could not find|from versions|cannot install"
    r"|conflicting|new (?:version|release)|is available|higher than|lower than|newer than|older than|previous(?:ly)?|release notes|since|until|prior to|deprecated in|removed in|introduced in)\b",
    re.IGNORECASE,
)
"""Words of a line whose versions are not those that are installed."""
WHEEL = re.compile(rf"\b(?P<name>[A-Za-z0-9_]{{2,60}})-(?P<version>{VER})(?:-[A-Za-z0-9_.]{{1,60}}){{3}}\.whl\b")
DIST_INFO = re.compile(r"(?:site|dist)-packages/(?P<name>[A-Za-z0-9_.]{2,60})-(?P<version>\d[\w.+!]{0,40})\.(?:dist|egg)-info")
WORD = re.compile(
    r"(?<![\w./=-])(?P<name>[A-Za-z][A-Za-z_-]{1,30}(?:-\d)?)(?: version)?(?:\*\*|`)?(?:[:=]| [\u2013\u2014])?\s{1,3}(?:\*\*|[`(v])?(?P<version>\d{1,3}(?:\.\d{1,8}){1,3}[\w.+-]{0,40})"
)
MAX_LINE_READ = 4000
MANY = 25
"""Rows from which on a list is that of an environment, not the answer to a question."""
WITHIN = 3
"""Lines below a name in which its version stands."""
LATE, EARLY = "t", "f"
"""The letters up to which, and from which, a list goes at least that is neither cut off nor filtered."""


class Table:
    """A list that is being read."""

    def __init__(self, line: int, form: str) -> None:
        self.line = line
        self.form = form
        self.rows: list[str] = []

    def ended(self) -> Iterator[Seen]:
        """What the list was: whole where nothing says that a part is missing."""
        if self.rows:
            whole = len(self.rows) >= MANY and max(self.rows) >= LATE and min(self.rows) < EARLY
            yield Seen(Kind.LISTED, "", "whole" if whole else "part", self.line, self.form)


def packages(lines: Sequence[Line]) -> Iterator[Seen]:
    """Every package that the text names with a version."""
    installing = Installing(lines)
    table: Table | None = None
    frozen, document = Table(0, "pip freeze"), Table(0, "pip list")
    shown = ("", 0)
    for line in lines:
        in_json = list(_in_json(line))
        if in_json:
            document.line = document.line or line.number
            document.rows += [one.name for one in in_json]
            yield from in_json
            continue
        text = line.text[:MAX_LINE_READ]
        told = installing.read(text, line)
        if told is not None:
            yield from told
            continue
        if HEADER.match(text) or CONDA_HEADER.match(text):
            yield from () if table is None else table.ended()
            table = Table(line.number, "conda list" if text.startswith("#") else "pip list")
            continue
        match = SHOW.match(text) if "Name:" in text or "Version:" in text or "Requires:" in text else None
        if match is not None:
            yield from _shown(match, line, shown)
            shown = (match["value"].strip(), line.number) if match["key"] == "Name" else shown
            continue
        row = _row(text, line, listed=table is not None)
        if row:
            if table is not None:
                table.rows.append(row[0].name)
            yield from row
            continue
        if table is not None and not text.lstrip().startswith(("-", "#")):
            yield from table.ended()
            table = None
        match = FROZEN.match(text) if "==" in text or " @ " in text else None
        if match is not None:
            frozen.line = frozen.line or line.number
            frozen.rows.append(normalized(match["name"]))
        yield from _prose(text, line)
    yield from frozen.ended()
    yield from document.ended()
    yield from () if table is None else table.ended()


def _in_json(line: Line) -> Iterator[Seen]:
    if '"version"' in line.text and '"name"' in line.text:
        for match in JSON.finditer(line.text):
            yield Seen(Kind.PACKAGE, _distribution(match["name"]), match["version"], line.number, "pip list")


def _distribution(name: str) -> str:
    """Its normal name; conda calls torch pytorch."""
    name = normalized(name)
    return "torch" if name == "pytorch" else name


def _shown(match: re.Match[str], line: Line, shown: tuple[str, int]) -> Iterator[Seen]:
    name, number = shown
    version = version_in(match["value"]) if match["key"] == "Version" else None
    if version is not None and name and line.number - number <= WITHIN:
        yield Seen(Kind.PACKAGE, normalized(name), version, line.number, "pip show")


def _row(text: str, line: Line, *, listed: bool) -> list[Seen]:
    """A row of a list, with what its build says of torch."""
    match = CONDA.match(text)
    if match is not None and (listed or match["mark"] or match["channel"] or _distribution(match["name"]) in KNOWN):
        return list(_of_conda(match["name"], match["version"], match["build"], line))
    match = CONDA_PLAN.match(_after_arrow(text)) if "|" in text or "::" in text else None
    if match is not None:
        return list(_of_conda(match["name"] or match["of"], match["version"] or match["at"], match["build"], line))
    match = None
    if " v" in text:
        match = TREE.match(text) or (ROOT.match(text) if not listed else None)
    elif "installed:" in text:
        match = DEPTREE.search(text)
    if match is None:
        match = TABLE.match(text)
        if match is None or version_in(match["version"]) is None:
            return []
        known = _distribution(match["name"]) in KNOWN and all(map(PLACE.match, match["rest"].split()))
        if not (listed or known):
            return []
    return [Seen(Kind.PACKAGE, _distribution(match["name"]), match["version"], line.number, "pip list")]


def _after_arrow(text: str) -> str:
    """What comes, of a row that says what goes and what comes in its place."""
    before, arrow, after = text.partition(" --> ")
    return f"{before.split()[0]} {after}" if arrow and before.strip() else text


def _of_conda(package: str, version: str, build: str, line: Line) -> Iterator[Seen]:
    name = _distribution(package)
    yield Seen(Kind.PACKAGE, name, version, line.number, "conda list")
    said = CONDA_BUILD.search(build) if name == "torch" else None
    if said is not None:
        digits = (said["cuda"] or "").replace(".", "")
        cuda = f"{digits[:-1]}.{digits[-1]}" if digits else ""
        yield Seen(Kind.TORCH_CUDA, "", cuda, line.number, "conda list")


def _prose(text: str, line: Line) -> Iterator[Seen]:
    """Names with versions anywhere in a line."""
    yield from complaints(text, line)
    if is_conflict(text) or CLAIMS.search(text):
        # versions that something wants, was built for or advises; what came of it may stand behind an arrow
        _, arrow, text = text.replace("→", "->").partition("->")
        if not arrow:
            return
    # what a command installs is what is there afterwards, unless a list says otherwise
    form = "command" if "install" in text or "uv add" in text else "pip freeze"
    text = text.replace("%2B", "+")
    wheel = "pip freeze" if " @ " in text else "command"
    for word, pattern, said in (("==", PINNED, form), (".whl", WHEEL, wheel), ("-info", DIST_INFO, "paths")):
        for match in pattern.finditer(text) if word in text else ():
            name = _distribution(match["name"])
            if pattern is PINNED and " " in match["gap"] and name not in KNOWN:
                continue  # a comparison in a program
            yield Seen(Kind.PACKAGE, name, match["version"].partition("-")[0], line.number, said)
    for match in WORD.finditer(text):
        known = KNOWN.get(match["name"].lower().replace("_", "-"))
        if known is not None and version_in(match["version"]) is not None:
            yield Seen(Kind.PACKAGE, known, match["version"].rstrip(".,;)"), line.number, "prose")
