"""ED403: flashinfer and its companions."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome
from tests.factory import blind, dist, edit, healthy, judged, put

RULE = "ed403_flashinfer_companions"


def node(version: str, *companions: tuple[str, str]) -> Facts:
    return put(healthy(), dist("flashinfer-python", version), *(dist(name, other) for name, other in companions))


def test_one_version_is_healthy_whatever_its_local_part() -> None:
    same = node("0.6.6", ("flashinfer-cubin", "0.6.6"), ("flashinfer-jit-cache", "0.6.6+cu129"))
    assert judged(RULE, same)[0] is Outcome.PASS
    assert judged(RULE, healthy())[0] is Outcome.PASS
    assert judged(RULE, node("0.6.6"))[0] is Outcome.PASS


@pytest.mark.parametrize("name", ["flashinfer-cubin", "flashinfer-jit-cache"])
def test_a_companion_left_behind_by_an_upgrade_is_an_error_and_may_go(name: str) -> None:
    outcome, (finding,), _ = judged(RULE, node("0.7.0.post1", (name, "0.6.13")))
    assert outcome is Outcome.FAIL
    assert finding.title == f"{name} 0.6.13 does not belong to flashinfer-python 0.7.0.post1"
    assert finding.changes[0].remove == (name,)


def test_a_check_that_is_switched_off_is_not_made_here_either() -> None:
    facts = edit(node("0.7.0", ("flashinfer-cubin", "0.6.13")), environ=Known({"FLASHINFER_DISABLE_VERSION_CHECK": "1"}, "x"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_without_the_packages_it_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN
    assert judged(RULE, node("0.7.0", ("flashinfer-cubin", "nightly")))[0] is Outcome.UNKNOWN
