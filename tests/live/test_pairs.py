"""Copies between GPUs and the links that NVML names, with a torch and an NVML that stand for them."""

from __future__ import annotations

import ctypes
import faulthandler
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.live import pairs
from tests.live.test_battery import Told

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tensor:
    """Where it lies and what it holds."""

    def __init__(self, device: str, holds: str) -> None:
        self.device, self.holds = device, holds

    def copy_(self, other: Tensor) -> None:
        """Copy, as a bad way does."""
        lost = (other.device, self.device) == ("cuda:1", "cuda:2")
        self.holds = "something else" if lost else other.holds


def torch_with(count: int, **properties: Any) -> SimpleNamespace:
    """A torch whose copies from GPU 1 to GPU 2 arrive changed, and whose GPU 3 cannot be reached."""

    def made(holds: str) -> Any:
        def make(*_: Any, device: str, **__: Any) -> Tensor:
            if device == "cuda:3":
                raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
            return Tensor(device, holds)

        return make

    return SimpleNamespace(
        int32="int32",
        arange=made("numbers"),
        zeros=made("zeros"),
        equal=lambda one, other: one.holds == other.holds,
        cuda=SimpleNamespace(
            synchronize=lambda _: None,
            can_device_access_peer=lambda first, second: (first, second) != (0, 2),
            get_device_properties=lambda index: SimpleNamespace(**{name: one(index) for name, one in properties.items()}),
            device_count=lambda: count,
        ),
    )


class Nvml:
    """libnvidia-ml.so.1 of four GPUs; those on the buses 0x10 and 0x20 are joined by NVLink."""

    BUSES = (b"00000000:10:00.0", b"00000000:20:00.0", b"00000000:30:00.0", b"00000000:40:00.0")

    def __init__(self, *, starts: bool = True) -> None:
        self.starts, self.ended = starts, 0

    def nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's names
        """0 is success."""
        return 0 if self.starts else 9

    def nvmlShutdown(self) -> int:  # noqa: N802
        """Count it."""
        self.ended += 1
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, address: bytes, out: Any) -> int:  # noqa: N802
        """6 is not found."""
        if address not in self.BUSES:
            return 6
        out._obj.value = self.BUSES.index(address) + 1
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, out: Any) -> int:  # noqa: N802
        """Every index is there."""
        out._obj.value = index + 1
        return 0

    def nvmlDeviceGetP2PStatus(self, one: Any, other: Any, index: int, out: Any) -> int:  # noqa: N802
        """Of NVLink alone."""
        assert index == 2
        out._obj.value = 0 if {one.value, other.value} == {1, 2} else 1
        return 0


@pytest.fixture(autouse=True)
def nothing_is_watched_afterwards() -> Iterator[None]:
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    made = Nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: made)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return made


ADDRESSED = {"pci_domain_id": lambda _: 0, "pci_bus_id": lambda index: (index + 1) * 16, "pci_device_id": lambda _: 0}


def told(monkeypatch: pytest.MonkeyPatch, count: int) -> Told:
    monkeypatch.setitem(sys.modules, "torch", torch_with(count, **ADDRESSED))
    teller = Told()
    pairs.main(teller, count, 600.0)  # type: ignore[arg-type]
    return teller


def test_every_ordered_pair_is_announced_copied_and_told_with_its_link(monkeypatch: pytest.MonkeyPatch, nvml: Nvml) -> None:
    events = told(monkeypatch, 2).events
    assert [one["event"] for one in events] == ["phase", "phase", "pair", "phase", "pair", "done"]
    assert events[1] == {"event": "phase", "name": "copy cuda:0 to cuda:1", "within_s": 600.0}
    assert [(one["first"], one["second"], one["link"], one["peer_access"]) for one in events if one["event"] == "pair"] == [
        (0, 1, "nvlink", True),
        (1, 0, "nvlink", True),
    ]
    assert events[2]["gb_per_s"] > 0
    assert events[2]["says"] == "256 MiB, the copy equals the source; best of 3"
    assert nvml.ended == 2


def test_a_copy_that_arrives_changed_has_no_rate_and_says_so(monkeypatch: pytest.MonkeyPatch, nvml: Nvml) -> None:
    found = {(one["first"], one["second"]): one for one in told(monkeypatch, 4).events if one["event"] == "pair"}
    assert len(found) == 12
    assert (found[1, 2]["gb_per_s"], found[1, 2]["says"]) == (None, "the copy differs from the source")
    assert found[2, 1]["gb_per_s"] is not None
    assert (found[0, 2]["peer_access"], found[0, 2]["link"]) == (False, "pcie")


def test_a_gpu_that_cannot_be_reached_leaves_the_other_pairs(monkeypatch: pytest.MonkeyPatch, nvml: Nvml) -> None:
    found = {(one["first"], one["second"]): one for one in told(monkeypatch, 4).events if one["event"] == "pair"}
    assert found[0, 3]["says"] == "RuntimeError: CUDA error: uncorrectable ECC error encountered"
    assert found[0, 3]["gb_per_s"] is None


def test_of_sixteen_gpus_the_first_pairs_are_tried(monkeypatch: pytest.MonkeyPatch, nvml: Nvml) -> None:
    tried = [(one["first"], one["second"]) for one in told(monkeypatch, 16).events if one["event"] == "pair"]
    assert len(tried) == pairs.MOST
    assert tried[:15] == [(0, number) for number in range(1, 16)]


@pytest.mark.parametrize(
    ("shown", "first", "second", "expected"),
    [
        (None, 0, 1, "nvlink"),
        (None, 1, 2, "pcie"),
        ("2,3", 0, 1, "pcie"),
        ("1,0", 0, 1, "nvlink"),
        ("GPU-8a5f,GPU-77", 0, 1, None),
    ],
)
def test_a_torch_that_tells_no_address_is_helped_by_the_order(
    monkeypatch: pytest.MonkeyPatch, nvml: Nvml, shown: str | None, first: int, second: int, expected: str | None
) -> None:
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert pairs.link(torch_with(2), first, second) == expected


def test_without_nvml_nobody_knows_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_with(2, **ADDRESSED)

    def not_there(_: str) -> Any:
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", not_there)
    assert pairs.link(torch, 0, 1) is None
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Nvml(starts=False))
    assert pairs.link(torch, 0, 1) is None
    elsewhere = torch_with(2, **{**ADDRESSED, "pci_bus_id": lambda _: 0x99})
    made = Nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: made)
    assert pairs.link(elsewhere, 0, 1) is None
    assert made.ended == 1
