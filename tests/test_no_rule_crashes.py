"""Whatever single leaves of the facts say, every rule ends in an outcome and proposes only versions that can be asked for."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.check import check
from envdoctor.claims import specifier
from envdoctor.facts import BadDocument, Known, Leftover, decode, encode
from envdoctor.findings import Outcome
from envdoctor.linkage import Overwritten
from tests.factory import MATRIX, SITE, dist, edit, gpu, healthy, put, with_driver, without_driver
from tests.render.made_live import slow_link, wrong_and_hung

STARTS = [
    healthy(),
    without_driver(healthy()),
    with_driver(healthy(), "470.57.02", "11.4"),
    edit(healthy(), packages__leftovers=Known((Leftover(location=SITE, entry="~orch"),), SITE), target__broken="gone"),
    edit(
        put(healthy(), dist("opencv-python", "4.10.0.84"), dist("cuda-python", "12.6.0"), dist("cuda-bindings", "13.5.0")),
        gpus__devices=Known((gpu(name="NVIDIA B200", sm="10.0"), gpu(1)), "NVML"),
        overwritten=Known(
            (Overwritten(path="cuda/a.py", count=1, owners=("cuda-bindings", "cuda-python"), winner="cuda-python", sampled=1),),
            SITE,
        ),
    ),
    put(healthy(), dist("pynvml", "11.5.3"), dist("trl", "0.14.0"), dist("numpy", "2.1.0"), dist("nvidia-nccl-cu13", "2.20.1")),
    wrong_and_hung(),
    slow_link(),
]
ODD = [
    "",
    "N/A",
    "ERR!",
    "nightly",
    "1" * 5000,
    "9" * 150,
    "0.dev0",
    "===foo",
    ">=1; (",
    "../..",
    "~",
    "-rf",
    "a\nb",
    "2.6.0a0+x",
    "\x00",
]
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [{"is": "unknown", "why": "no answer"}, {"is": "known", "value": None, "via": "x"}, None, [], {}, 0, -1, True]
    ),
    st.sampled_from(ODD),
    st.text(max_size=6),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


DOCUMENTS = [msgspec.to_builtins(facts) for facts in STARTS]
PLACES = [places(document)[1:] for document in DOCUMENTS]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the document with one value replaced; a place that an earlier replacement took away is left."""
    if not path:
        return value
    if isinstance(node, dict) and path[0] in node:
        return node | {path[0]: replaced(node[path[0]], path[1:], value)}
    if isinstance(node, list) and isinstance(path[0], int) and path[0] < len(node):
        return [replaced(one, path[1:], value) if place == path[0] else one for place, one in enumerate(node)]
    return node


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.data())
def test_no_document_that_can_be_read_crashes_a_rule(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(DOCUMENTS) - 1))
    document = DOCUMENTS[start]
    for place in data.draw(st.lists(st.sampled_from(PLACES[start]), min_size=1, max_size=4)):
        changed = replaced(document, place, data.draw(VALUES))
        try:
            decode(msgspec.json.encode(changed))
        except BadDocument:
            continue
        document = changed
    verdicts = check(decode(msgspec.json.encode(document)), MATRIX)
    assert [verdict.crash for verdict in verdicts if verdict.outcome is Outcome.CRASH] == []
    for finding in (finding for verdict in verdicts for finding in verdict.findings):
        for spec in (spec for change in finding.changes for spec in change.install.values()):
            assert list(specifier(spec)) or not spec


def test_the_starts_are_documents_and_some_of_them_are_sick() -> None:
    assert all(decode(encode(facts)) == facts for facts in STARTS)
    failing = {verdict.code for facts in STARTS for verdict in check(facts, MATRIX) if verdict.outcome is Outcome.FAIL}
    assert {"ED101", "ED102", "ED109", "ED201", "ED204", "ED206", "ED207", "ED208"} <= failing
