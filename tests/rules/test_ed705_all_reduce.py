"""ED705: an all-reduce that fails, hangs, sums wrongly or is slow. Its rates are made: none was ever measured here."""

from __future__ import annotations

from itertools import permutations

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.loaded import CollectiveTried, Live, PairTried
from tests.factory import blind, judged
from tests.render.made_live import good, h100, on

RULE = "ed705_all_reduce"


def summed(
    state: str = "passed", rate: float | None = 330.0, says: str = "256 MiB, every sum is right", backend: str = "nccl"
) -> Facts:
    count = 8
    pairs = tuple(
        PairTried(first=a, second=b, peer_access=True, link="nvlink", gb_per_s=380.0, says="")
        for a, b in permutations(range(count), 2)
    )
    one = CollectiveTried(backend=backend, devices=count, state=state, bus_gb_per_s=rate, says=says)
    devices = tuple(h100(index, *good()) for index in range(count))
    live = Live(devices=Known(devices, "run"), pairs=Known(pairs, "copies"), collective=Known(one, "an all-reduce"))
    return on(live, count)


def test_a_right_and_fast_sum_is_no_finding() -> None:
    assert judged(RULE, summed())[:2] == (Outcome.PASS, ())


def test_one_device_has_nothing_to_sum_with() -> None:
    assert judged(RULE, on(Live(collective=Known(None, "one device")), 1))[:2] == (Outcome.PASS, ())


def test_where_nothing_was_run_it_cannot_tell() -> None:
    assert judged(RULE, blind(summed(), "live__collective"))[0] is Outcome.UNKNOWN


def test_one_that_was_skipped_is_an_open_question() -> None:
    found = judged(RULE, summed("skipped", None, "torch has no NCCL"))
    assert (found[0], found[1]) == (Outcome.UNKNOWN, ())
    assert found[2][0].why == "torch has no NCCL"


@pytest.mark.parametrize(("state", "verb"), [("failed", "fails"), ("late", "hangs"), ("wrong", "sums wrongly")])
def test_what_went_wrong_is_an_error_and_the_rank_is_named(state: str, verb: str) -> None:
    says = "not done in 60 s: rank 1 is in 'meet the others', the others in 'the sum'"
    (one,) = judged(RULE, summed(state, None, says))[1]
    assert one.severity is Severity.ERROR
    assert one.title.startswith(f"the all-reduce over 8 processes by nccl {verb} (rank 1): ")
    assert "__cuda:1" in one.subjects
    assert one.changes[0].argv[0] == ("export", "NCCL_DEBUG=INFO")


def test_words_of_nccl_that_are_known_say_what_they_mean() -> None:
    says = "ncclSystemError: Error while creating shared memory segment /dev/shm/nccl-x (size 9637888), No space left on device"
    (one,) = judged(RULE, summed("failed", None, says))[1]
    assert "shared memory" in one.title


def test_gloo_is_not_helped_by_nvidia_smi() -> None:
    (one,) = judged(RULE, summed("failed", None, "RuntimeError: connection refused", "gloo"))[1]
    assert one.changes[0].argv == (("export", "GLOO_SOCKET_IFNAME=lo"),)


def test_a_slow_sum_over_nvlink_is_a_warning() -> None:
    (one,) = judged(RULE, summed(rate=120.0))[1]
    assert one.severity is Severity.WARNING
    assert one.title == "the all-reduce over 8 H100 SXM5 80GB reaches 120 GB/s, where NVLink gives 450"
