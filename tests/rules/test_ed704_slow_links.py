"""ED704: links beside what the product is sold with. No link was ever measured here: the numbers are made."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from envdoctor.facts import Facts, Known, Unknown
from envdoctor.findings import Outcome, Severity
from envdoctor.loaded import Live, PairTried
from tests.factory import blind, gpu, judged
from tests.render.made_live import check, good, h100, on

RULE = "ed704_slow_links"
SAID = "256 MiB, the copy equals the source"


def pair(
    first: int, second: int, rate: float | None, link: str | None = "nvlink", *, peer: bool | None = True, says: str = SAID
) -> PairTried:
    return PairTried(first=first, second=second, peer_access=peer, link=link, gb_per_s=rate, says=says)


def joined(rate: float | None, count: int = 8, link: str | None = "nvlink", *, peer: bool | None = True) -> Facts:
    """H100s of one machine, all pairs alike; eight are joined by NVSwitches."""
    pairs = tuple(pair(a, b, rate, link, peer=peer) for a, b in permutations(range(count), 2))
    devices = tuple(h100(index, *good()) for index in range(count))
    return on(Live(devices=Known(devices, "run"), pairs=Known(pairs, "copies")), count)


def test_nvlink_as_it_is_sold_is_no_finding() -> None:
    assert judged(RULE, joined(380.0))[:2] == (Outcome.PASS, ())


def test_where_nothing_was_run_it_cannot_tell() -> None:
    assert judged(RULE, blind(joined(380.0), "live__pairs"))[0] is Outcome.UNKNOWN


@pytest.mark.parametrize(("rate", "like"), [(170.0, ", as H800"), (40.0, ", as PCIe does")])
def test_slow_pairs_are_said_with_what_they_behave_like(rate: float, like: str) -> None:
    (one,) = judged(RULE, joined(rate))[1]
    assert one.severity is Severity.WARNING
    assert one.title.startswith(f"56 of 56 pairs of H100 SXM5 80GB copy as slowly as {rate:.0f} GB/s")
    assert one.title.endswith(" does, where their NVLink gives 450")
    assert like in one.title
    assert one.changes[0].says.startswith("Look at the fabric manager of the host first.")


def test_the_one_bad_pair_of_many_is_named() -> None:
    facts = joined(380.0)
    assert isinstance(facts.live.pairs, Known)
    pairs = (pair(0, 1, 25.0), *facts.live.pairs.value[1:])
    (one,) = judged(RULE, msgspec.structs.replace(facts, live=msgspec.structs.replace(facts.live, pairs=Known(pairs, "copies"))))[
        1
    ]
    assert one.title.startswith("1 of 56 pairs of H100 SXM5 80GB copy as slowly as 25 GB/s, as PCIe does")
    assert {"__cuda:0", "__cuda:1"} <= set(one.subjects)
    assert "__cuda:2" not in one.subjects
    assert one.evidence[0].value == "25.0 GB/s, nvlink, peer access"


def test_a_pair_that_should_have_nvlink_and_goes_over_pcie_is_found() -> None:
    (one,) = judged(RULE, joined(11.8, 2, "pcie", peer=False))[1]
    assert "as PCIe does, where their NVLink gives" in one.title


def test_nvlink_without_peer_access_is_a_finding_of_its_own() -> None:
    (one,) = judged(RULE, joined(380.0, peer=False))[1]
    assert "may not read each other's memory" in one.title


def test_a_faster_chip_than_it_says_is_told_and_breaks_nothing() -> None:
    (one,) = judged(RULE, joined(700.0))[1]
    assert one.severity is Severity.INFO
    assert "more than the 450 it is sold with" in one.title


def test_copies_that_arrive_changed_or_never_are_errors() -> None:
    (one,) = judged(RULE, joined(None))[1]
    assert one.severity is Severity.ERROR
    assert "copies fail between 56 pairs of GPUs, first cuda:0 to cuda:1" in one.title


def test_a_product_that_is_not_in_the_data_is_an_open_question() -> None:
    facts = joined(100.0, 2)
    gpus = msgspec.structs.replace(facts.gpus, devices=Known((gpu(0, pci="0xffff"), gpu(1, pci="0xffff")), "NVML"))
    found = judged(RULE, msgspec.structs.replace(facts, gpus=gpus))
    assert found[0] is Outcome.UNKNOWN
    assert "is not in the data" in found[2][0].why


def test_a_slow_slot_is_found_without_any_pair() -> None:
    slow = check("copy host to device", value=6.2, unit="GB/s")
    facts = on(Live(devices=Known((h100(0, slow),), "run"), pairs=Known((), "one GPU")), 1)
    (one,) = judged(RULE, facts)[1]
    assert one.title.startswith("cuda:0 (NVIDIA H100 80GB HBM3): copy host to device at 6.2 GB/s, where PCIe of")
    assert one.title.endswith("gives 63")


def test_pairs_that_were_not_tried_are_an_open_question() -> None:
    facts = on(Live(devices=Known((h100(0, *good()),), "run"), pairs=Unknown("cuda:0 hung")), 1)
    assert judged(RULE, facts)[0] is Outcome.UNKNOWN
