"""The derived data beside what ``uv pip compile`` resolves for the same releases. Run by ``make network``.

``UPDATE_DOCS=1 make network`` writes docs/matrix-against-uv.md anew; read the diff before it is committed. Rows of a past day
must come out as they are written there; rows of today only on the day that is written above them.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.matrix import Matrix
from tests.real.resolutions import (
    NotResolved,
    Pair,
    compared,
    day_after,
    declared,
    differences,
    exact,
    refusals,
    resolve,
    row_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.real.resolutions import Difference

pytestmark = pytest.mark.network

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matrix-against-uv.md"
OF_TODAY = "## Resolved today"
NO_WHEELS = ("deepspeed", "flash-attn", "transformers-stream-generator")
TRAINERS = ("trl", "verl", "openrlhf")

PAIRS = (
    Pair(("vllm==0.5.4", "trl==0.12.0"), "3.11"),
    Pair(("vllm==0.6.3", "trl==0.12.0"), "3.11", without=("pyairports",)),
    Pair(("vllm==0.5.4", "verl==0.2"), "3.11", without=("pyairports",)),
    Pair(("vllm==0.7.2", "trl==0.15.2"), "3.11"),
    Pair(("vllm==0.7.3", "trl==0.16.0"), "3.11"),
    Pair(("vllm==0.8.1", "trl==0.16.0"), "3.11"),
    Pair(("vllm==0.8.3", "trl==0.16.1"), "3.11"),
    Pair(("openrlhf[vllm]==0.7.5",), "3.11", without=NO_WHEELS),
    Pair(("vllm==0.8.5.post1", "trl==0.20.0"), "3.11"),
    Pair(("verl[vllm]==0.4.0",), "3.11"),
    Pair(("vllm==0.9.2", "trl==0.20.0"), "3.12"),
    Pair(("trl[vllm]==0.24.0",), "3.12"),
    Pair(("vllm==0.11.0", "trl==0.24.0"), "3.12"),
    Pair(("vllm==0.12.0", "trl==0.26.0"), "3.12"),
    Pair(("vllm==0.16.0", "trl==1.0.0"), "3.12"),
    Pair(("openrlhf[vllm]==0.9.4",), "3.12", without=NO_WHEELS),
    Pair(("openrlhf[vllm]==0.11.2",), "3.12", without=NO_WHEELS),
    Pair(("verl[vllm]==0.9.1",), "3.12"),
    Pair(("vllm==0.31.0", "trl==1.16.0"), "3.13"),
    Pair(("vllm==0.32.0", "trl==1.16.0"), "3.12"),
    Pair(("vllm==0.7.0", "trl==0.14.0"), "3.11", today=True),
    Pair(("vllm==0.8.5.post1", "trl==0.20.0"), "3.11", today=True),
    Pair(("trl[vllm]==1.16.0",), "3.12", today=True),
    Pair(("vllm==0.33.0", "trl==1.16.0"), "3.12", today=True),
)

UNRESOLVABLE = {
    "vllm 0.5.4 + trl 0.12.0": "no versions of pyairports",
    "vllm 0.8.1 + trl 0.16.0": "no version of xgrammar",
    "openrlhf[vllm] 0.9.4": "huggingface-hub",
}
"""Pairs without a resolution, and words of uv's message."""
WHY_NOT = {
    "vllm 0.5.4 + trl 0.12.0": "pyairports, which outlines of that day requires, was taken from the index; what is there under that "
    "name now is of 2025. Our data does not read it, so `matrix show` still lists vLLM up to 0.6.4.post1.",
    "vllm 0.8.1 + trl 0.16.0": "vLLM 0.8.0 to 0.8.2 pin xgrammar 0.1.16, which is gone from the index. Our data says so, too: `matrix show` "
    "refuses them.",
    "openrlhf[vllm] 0.9.4": "OpenRLHF 0.9.4 requires huggingface-hub 1.0 or newer, and the transformers 4.57.6 that its vLLM 0.16.0 "
    "leaves to it requires an older one. Our data says so, too: no stack of `matrix show --openrlhf` has it.",
}

NUMBA = (
    "vLLM pins a numba that takes no newer numpy ({}). Our data reads neither numba nor its bound; the claims that envdoctor "
    "makes about numpy are vLLM's and torch's own."
)
NUMBA_61_0, NUMBA_61_2, NUMBA_65 = (
    NUMBA.format("0.61.0: below 2.2"),
    NUMBA.format("0.61.2: below 2.3"),
    NUMBA.format("0.65.0: below 2.5"),
)
MISTRAL = "mistral-common, which vLLM requires and our data does not read, takes numpy below 2.4 on Python below 3.13."
TRITON = (
    "torch pins triton under a marker (below Python 3.13) and has wheels for 3.13, and a pin that does not hold on every Python "
    "that a release has wheels for is none in our data: there torch leaves triton open."
)
TVM = (
    "vLLM 0.24.0 pins apache-tvm-ffi 0.1.9, xgrammar from 0.2.6 on requires 0.1.10, and 0.2.4 and 0.2.5 refuse transformers 5. Our data "
    "does not read apache-tvm-ffi."
)
BACKTRACKED = (
    "No range is broken, but uv settled numpy 2.3 first, which the numba of every newer vLLM excludes, and went back to the "
    "last vLLM that bounds neither. Its torch decides what xformers and triton are."
)
OTHER_MAXIMUM = (
    "vLLM 0.31.0 takes transformers below 5.18 and 0.30.0 takes any. Both cannot be newest: uv prefers the newest transformers, and we the "
    "newest vLLM."
)
NOT_READ = "vLLM older than 0.5.2 is not read, so our data does not know what 0.5.0.post1 pins."

EXPLAINED: dict[tuple[str, str], str] = {
    ("vllm 0.7.2 + trl 0.15.2", "triton"): TRITON,
    ("vllm 0.7.3 + trl 0.16.0", "triton"): TRITON,
    ("vllm 0.8.3 + trl 0.16.1", "numpy"): NUMBA_61_0,
    ("vllm 0.8.5.post1 + trl 0.20.0", "numpy"): NUMBA_61_2,
    ("verl[vllm] 0.4.0", "vllm"): BACKTRACKED,
    ("verl[vllm] 0.4.0", "triton"): TRITON,
    ("verl[vllm] 0.4.0", "xformers"): NOT_READ,
    ("vllm 0.9.2 + trl 0.20.0", "numpy"): NUMBA_61_2,
    ("trl[vllm] 0.24.0", "numpy"): NUMBA_61_2,
    ("vllm 0.11.0 + trl 0.24.0", "numpy"): NUMBA_61_2,
    ("vllm 0.12.0 + trl 0.26.0", "numpy"): NUMBA_61_2,
    ("vllm 0.16.0 + trl 1.0.0", "numpy"): NUMBA_61_2,
    ("openrlhf[vllm] 0.11.2", "numpy"): MISTRAL,
    ("verl[vllm] 0.9.1", "numpy"): MISTRAL,
    ("verl[vllm] 0.9.1", "xgrammar"): TVM,
    ("vllm 0.31.0 + trl 1.16.0", "numpy"): NUMBA_65,
    ("vllm 0.32.0 + trl 1.16.0", "numpy"): MISTRAL,
    ("vllm 0.7.0 + trl 0.14.0, today", "triton"): TRITON,
    ("vllm 0.8.5.post1 + trl 0.20.0, today", "numpy"): NUMBA_61_2,
    ("trl[vllm] 1.16.0, today", "vllm"): OTHER_MAXIMUM,
    ("trl[vllm] 1.16.0, today", "numpy"): MISTRAL,
    ("vllm 0.33.0 + trl 1.16.0, today", "numpy"): MISTRAL,
}
"""Where uv does not choose the newest release that our rows admit, and why. An entry that is not needed any more fails."""


class Answers:
    """What uv answered to each pair, asked once."""

    def __init__(self, folder: Path) -> None:
        self.matrix = Matrix()
        self._folder = folder
        self._found: dict[str, dict[str, Version] | NotResolved] = {}

    def day(self, pair: Pair) -> str:
        """The newest upload that both may use: of the pair's own day, or of the day our data was read."""
        return self.matrix.packages()["vllm"] if pair.today else day_after(self.matrix, pair)

    def of(self, pair: Pair) -> dict[str, Version]:
        """What uv chose; raises NotResolved."""
        if pair.name not in self._found:
            try:
                self._found[pair.name] = resolve(pair, self._folder, self.day(pair))
            except NotResolved as refused:
                self._found[pair.name] = refused
        found = self._found[pair.name]
        if isinstance(found, NotResolved):
            raise found
        return found

    def differences(self, pair: Pair) -> list[Difference]:
        """Where our rows predict another release; what was uploaded after our data was read is not in them."""
        return differences(self.matrix, pair, self.of(pair), self.day(pair))


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with tempfile.TemporaryDirectory(prefix="envdoctor-uv-", ignore_cleanup_errors=True) as folder:
        yield Answers(Path(folder))


RESOLVED = [pair for pair in PAIRS if pair.name not in UNRESOLVABLE]


@pytest.mark.parametrize("pair", RESOLVED, ids=lambda pair: pair.name)
def test_every_release_that_uv_chooses_is_in_the_ranges_of_our_rows(pair: Pair, answers: Answers) -> None:
    resolved = answers.of(pair)
    wanted = declared(answers.matrix, pair, resolved)
    assert len(wanted) > 20, "the data says almost nothing of these releases"
    outside = [
        f"{who} wants {package}{spec}, uv chose {resolved[package]}"
        for package, asked in wanted.items()
        for who, spec in asked
        if package in resolved and not admits(spec, resolved[package])
    ]
    assert not outside
    absent = {package for package in wanted if package not in resolved} - set(pair.without)
    assert not absent, "required by our rows on every Python, and not in the resolution"


@pytest.mark.parametrize("pair", RESOLVED, ids=lambda pair: pair.name)
def test_every_exact_pin_of_our_rows_is_what_uv_chooses(pair: Pair, answers: Answers) -> None:
    resolved = answers.of(pair)
    wanted = declared(answers.matrix, pair, resolved)
    pins = {(package, exact(spec)) for package, asked in wanted.items() for _, spec in asked if package not in pair.without}
    pins = {(package, pin) for package, pin in pins if pin is not None}
    assert len(pins) > 3
    assert pins == {(package, resolved[package]) for package, _ in pins}


@pytest.mark.parametrize("pair", RESOLVED, ids=lambda pair: pair.name)
def test_our_rows_alone_predict_what_uv_chooses_or_the_difference_is_explained(pair: Pair, answers: Answers) -> None:
    differs = {one.package: one for one in answers.differences(pair)}
    explained = {package for name, package in EXPLAINED if name == pair.name}
    assert not [one for package, one in differs.items() if package not in explained], "unexplained"
    assert not explained - set(differs), "an explanation that is not needed any more"


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.name in UNRESOLVABLE], ids=lambda pair: pair.name)
def test_a_pair_that_cannot_be_installed_is_one_for_the_reason_that_is_written_down(pair: Pair, answers: Answers) -> None:
    with pytest.raises(NotResolved) as refused:
        answers.of(pair)
    assert UNRESOLVABLE[pair.name] in str(refused.value)


def test_every_explanation_is_of_a_pair_that_is_asked() -> None:
    names = {pair.name for pair in PAIRS}
    assert {name for name, _ in EXPLAINED} | set(UNRESOLVABLE) <= names
    assert set(WHY_NOT) == set(UNRESOLVABLE)


@pytest.mark.parametrize("pair", [pair for pair in RESOLVED if pair.today], ids=lambda pair: pair.name)
def test_what_resolves_today_and_does_not_run_is_refused_by_envdoctor(pair: Pair, answers: Answers) -> None:
    resolved = answers.of(pair)
    if resolved["transformers"] >= Version("5") and resolved["vllm"] < Version("0.9"):
        assert any(said.startswith("ED402: ") and "transformers" in said for said in refusals(answers.matrix, pair, resolved))


def test_the_page_says_what_uv_answered(answers: Answers) -> None:
    text = page(answers)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")
    written = PAGE.read_text(encoding="utf-8")
    day = f"{OF_TODAY}, {today()}\n"
    if day in written:
        assert written == text
    else:  # the rest must be the same on any day
        assert written.partition(OF_TODAY)[0] == text.partition(OF_TODAY)[0]


def today() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).date().isoformat()


INTRODUCTION = """# The data beside what uv resolves

Generated by `UPDATE_DOCS=1 make network` (`tests/real/test_matrix_against_uv.py`). uv reads the metadata of the package index and
resolves it, CUDA builds for Linux x86_64, wheels only. Our rows were derived from the same index by `matrix refresh`. For each
pair three things are compared, over all packages of the resolution that our rows say something of:

- every release that uv chose lies in every range that our rows have of it, and every exact pin is what uv chose: no exception;
- the newest release that these ranges admit, uploaded by that day and with a wheel for that Python, is what uv chose. Where it is
  not, the reason is below;
- what envdoctor's rules say of the resolution: uv knows what is declared, and nothing of what then fails.

"""


def page(answers: Answers) -> str:
    dated = [pair for pair in PAIRS if not pair.today]
    now = [pair for pair in PAIRS if pair.today]
    parts = [
        INTRODUCTION,
        "## Resolved as of the day after the newer of the pair was uploaded\n\n",
        *asked(dated, answers),
        *findings(dated, answers),
        f"{OF_TODAY}, {today()}\n\n",
        f"Our rows are of {answers.matrix.packages()['vllm']}. What uv chooses today it may not choose tomorrow.\n\n",
        *asked(now, answers),
        *findings(now, answers),
    ]
    return "".join(parts).rstrip("\n") + "\n"


def asked(pairs: list[Pair], answers: Answers) -> Iterator[str]:
    yield "| asked | as of | Python | vllm | torch | transformers | trainer | our rows | envdoctor |\n|---|---|---|---|---|---|---|---|---|\n"
    for pair in pairs:
        yield f"| {' | '.join(cells(pair, answers))} |\n"
    taken: dict[tuple[str, ...], list[str]] = {}
    for pair in pairs:
        taken.setdefault(pair.without, []).append(pair.name)
    for without, names in taken.items():
        if without:
            yield f"\nWithout {', '.join(without)}, of which the index has no wheel: {'; '.join(names)}.\n"
    failed = [pair for pair in pairs if pair.name in UNRESOLVABLE]
    if failed:
        yield "\n### No resolution\n\n"
        yield from (f"- {pair.name}: {WHY_NOT[pair.name]}\n" for pair in failed)


def findings(pairs: list[Pair], answers: Answers) -> Iterator[str]:
    resolved = [pair for pair in pairs if pair.name not in UNRESOLVABLE]
    reasons: dict[str, list[str]] = {}
    for pair in resolved:
        for one in answers.differences(pair):
            said = f"{pair.name}: {one.package} {one.chosen}, by our rows {one.predicted or 'none'}"
            reasons.setdefault(EXPLAINED.get((pair.name, one.package), "UNEXPLAINED"), []).append(said)
    yield "\n### uv chose otherwise\n\n"
    for why, cases in reasons.items():
        yield from (f"- {why}\n", *(f"  - {case}\n" for case in cases))
    yield "\n### Declared and truth differ\n\nuv resolves these; envdoctor refuses what it chose:\n\n"
    for pair in resolved:
        for said in refusals(answers.matrix, pair, answers.of(pair)):
            yield f"- {pair.name}: {said}\n"
    yield "\n"


def cells(pair: Pair, answers: Answers) -> Iterator[str]:
    yield pair.name.removesuffix(", today")
    yield "today" if pair.today else answers.day(pair)
    yield pair.python
    try:
        resolved = answers.of(pair)
    except NotResolved:
        yield from ("-", "-", "-", "-", "no resolution", "-")
        return
    for name in ("vllm", "torch", "transformers"):
        yield str(resolved[name])
    yield next(f"{name} {resolved[name]}" for name in TRAINERS if name in resolved)
    differs = [one.package for one in answers.differences(pair)]
    agreeing = len(compared(answers.matrix, resolved)) - len(differs)
    yield f"agree on {agreeing}" + (f", differ on {', '.join(differs)}" if differs else "")
    codes = sorted({said.partition(":")[0] for said in refusals(answers.matrix, pair, resolved)})
    yield ", ".join(codes) or "nothing against it"


def test_a_release_that_uv_chooses_of_a_package_that_we_read_is_in_our_data(answers: Answers) -> None:
    missing = {
        f"{name} {version}"
        for pair in RESOLVED
        if not pair.today
        for name, version in answers.of(pair).items()
        if name in answers.matrix.packages() and row_of(answers.matrix, name, str(version)) is None
    }
    assert missing == {"vllm 0.5.0.post1"}, "older than 0.5.2, which is where the data about vLLM begins"
