"""One hostile text through the whole way of a pasted report: read, judged, written as JSON and as an answer. Nothing may be raised."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from envdoctor.examine import Wishes, examine, too_little
from envdoctor.facts import Known, decode, encode
from envdoctor.matrix import Matrix
from envdoctor.render.triage import Triaged, answer
from envdoctor.signatures import signatures
from envdoctor.sources import pasted
from envdoctor.sources.pasted.errors import MAX_QUOTES, SHOWN

MATRIX = Matrix()
REPORTS = Path(__file__).parent.parent / "stories" / "reports"
SHORT_BYTES = 2000
"""Reports that are no longer are seeds: mutations of a longer one mostly hit lines that say nothing."""
JUNK = (
    b"\x1b[31m", b"\x1b]8;;http://a\x07", b"```python", b"~~~", b"<details><summary>", b"</pre>", b"&#x0;", b"&lt;", b"\xff\xfe", b"\0",
    b"\r", b"\r\n", b"> > ", b">>> ", b"[rank0]: ", b"(EngineCore_DP0 pid=93) ", b"| ", "│ ".encode(), "\uff1a".encode(), "\u2028".encode(),
    b"==", b"===1.", b"+cu", b"torch==", b"'", b'File "/a/site-packages/vllm/x.py", line 9', b"undefined symbol: _ZN3c10", b"sm_", b"...",
)  # fmt: skip
"""What people, terminals and loggers put into texts, and what the readers look for."""


@lru_cache(maxsize=1)
def seeds() -> dict[str, bytes]:
    """Short reports of real tools, and all examples of known error texts."""
    found = {path.parent.name: path.read_bytes() for path in sorted(REPORTS.glob("*/report.txt"))}
    short = {name: content for name, content in found.items() if len(content) <= SHORT_BYTES}
    return short | {one.id: one.example.encode() for one in signatures()}


@lru_cache(maxsize=1)
def lines() -> tuple[bytes, ...]:
    """Lines of all seeds and of the longer reports, for mixtures."""
    longer = (line for path in sorted(REPORTS.glob("*/report.txt")) for line in path.read_bytes().splitlines())
    return tuple(dict.fromkeys((*JUNK, *(line for content in seeds().values() for line in content.splitlines()), *longer)))


def put_through(document: bytes) -> int:
    """Read and judge it in every way; gives how many of its lines are known error texts.

    Raises:
        AssertionError: a rule failed on it, it is not the same after a round through JSON, or more is kept of it than may be.
    """
    facts = pasted.facts_of(document, "a report", MATRIX)
    assert isinstance(facts.pasted, Known)
    assert facts.pasted.value is not None
    quotes = facts.pasted.value.quotes
    assert len(quotes) <= MAX_QUOTES
    assert all(len(one.text) <= SHOWN for one in quotes)
    assert decode(encode(facts)) == facts
    _, report = examine(facts, MATRIX, Wishes(), 0.0, remedies=False)
    crashed = [(one.code, one.crash) for one in report.verdicts if one.crash is not None]
    assert not crashed, crashed
    posted = answer(Triaged("a report", facts, report, too_little(facts)))
    assert posted.endswith("\n")
    assert "\x1b" not in posted
    return len(quotes)
