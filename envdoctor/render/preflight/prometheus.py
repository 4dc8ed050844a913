"""A preflight as metrics in Prometheus' text format 0.0.4, for the textfile collector of node_exporter.

Write it to a name that ends in ``.prom`` in the collector's folder, by renaming a finished file. In a label's value a
backslash, a quote and a newline are escaped (Prometheus' "Exposition formats", read 2026-11-26); no sample carries a time
of its own, which the collector refuses.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from envdoctor.preflight.outcome import Verdict
from envdoctor.render.preflight import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.preflight.outcome import Preflight
    from envdoctor.render import Page

MOST_SERIES = 200
"""Of problems; the rest are counted under the code "other", so that a broken machine does not flood a server with series."""
MAX_LABEL = 100
"""Characters of a label's value."""
PREFIX = "envdoctor_preflight"


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """The families, each with HELP and TYPE, ending in a newline."""
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: Preflight) -> Iterator[str]:
    passed = int(found.verdict is Verdict.PASSED)
    yield from _family("passed", "Whether the preflight passed: 1 or 0.", [({}, passed)])
    states = [({"tier": one.tier.value, "state": words.word(one.state)}, 1.0) for one in found.tiers]
    yield from _family("tier_state", "How each tier ended: 1 for the state that it is in.", states)
    times = [({"tier": one.tier.value}, one.seconds) for one in found.tiers if one.state in words.BEGUN]
    yield from _family("tier_seconds", "How long each tier took that was begun.", times)
    yield from _family("problems", "Problems that fail it, by tier, code and severity.", _problems(found))
    yield from _family("waived", "Problems that are waived.", [({}, len(found.waived))])
    yield from _family("questions", "Questions that could not be answered.", [({}, len(found.questions))])
    yield from _family("seconds", "How long the whole preflight took.", [({}, found.seconds)])
    began = _unix(found.began)
    if began is not None:
        yield from _family("timestamp_seconds", "When the preflight began, in Unix time.", [({}, began)])


def _family(name: str, says: str, samples: Iterable[tuple[dict[str, str], float]]) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {says}"
    yield f"# TYPE {PREFIX}_{name} gauge"
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        number = f"{value:.3f}".rstrip("0").rstrip(".")
        yield f"{PREFIX}_{name}{f'{{{inside}}}' if inside else ''} {number}"


def _problems(found: Preflight) -> Iterator[tuple[dict[str, str], float]]:
    count: Counter[tuple[str, str, str]] = Counter()
    for one in found.counted():
        key = (one.tier.value, words.clean(one.code, MAX_LABEL), one.severity.value)
        count[key if key in count or len(count) < MOST_SERIES else (key[0], "other", key[2])] += 1
    for (tier, code, severity), number in count.items():
        yield {"tier": tier, "code": code, "severity": severity}, number


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unix(iso: str) -> float | None:
    try:
        return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
