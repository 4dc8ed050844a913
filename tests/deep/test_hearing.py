"""What a worker tells is hostile until it has the right shape; how it ended is told in few words."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.deep import hearing
from envdoctor.deep.hearing import THE_END, Heard, cut, hear
from envdoctor.loaded import CollectiveTried, KernelTried, PairTried
from envdoctor.workers import Ended, Wanted, running

ROOM = str(Path(__file__).parent / "room")
GOOD = {"event": "check", "name": "it", "state": "passed", "value": 1.0, "bound": 2, "unit": "", "says": "", "seconds": 1}
DONE = {"event": "done"}
SHAPES: dict[str, type[KernelTried | PairTried | CollectiveTried]] = {
    "check": KernelTried,
    "pair": PairTried,
    "collective": CollectiveTried,
}


def ended(**values: Any) -> Ended:
    given = {"status": 0, "signal": None, "late": False, "phase": "it", "said": "", "seconds": 1.0}
    return Ended(**(given | values))


def heard(tmp_path: Path, *lines: object, how: str = "ends", deadline_s: float = 20.0) -> Heard:
    """What is heard of a real process that tells these lines."""
    file = tmp_path / "lines"
    file.write_bytes(b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines))
    return hear(Wanted(sys.executable, "test", (str(file), how), deadline_s, folder=ROOM), lambda _: None)


def test_what_is_no_event_or_has_another_shape_is_left_out_and_the_rest_is_heard(tmp_path: Path) -> None:
    lines = (
        b"no json", b"\xff\xfe\x00", b"[]", b"7", b"null", b'{"event": 3}', b"{}", b"[" * 5000, b'{"event":"check"}',
        {**GOOD, "value": "1"}, {**GOOD, "name": None}, {**GOOD, "more": 1}, {**GOOD, "seconds": True}, {**GOOD, "says": ["x"]},
        json.dumps(GOOD).replace("1.0", "1" * 400).encode(), json.dumps(GOOD).replace("1.0", "1" * 5000).encode(),
        b'{"event":"deep","x":' + b'{"x":' * 900 + b"1" + b"}" * 900 + b"}",
        GOOD, DONE,
    )  # fmt: skip
    found = heard(tmp_path, *lines)
    assert found.of("check", KernelTried) == (
        KernelTried(name="it", state="passed", value=1.0, bound=2.0, unit="", says="", seconds=1.0),
    )
    assert found.fate(15.0) is None
    assert found.ended.said.endswith("envdoctor: the worker told something that is no event")


def test_numbers_that_are_not_finite_and_texts_that_are_none_do_not_come_in(tmp_path: Path) -> None:
    nan = json.dumps({**GOOD, "value": float("nan"), "bound": float("-inf"), "says": "a\ud800b"}).encode()
    (one,) = heard(tmp_path, nan, DONE).of("check", KernelTried)
    assert (one.value, one.bound) == (None, None)
    assert one.says == "a?b"
    phase = {"event": "phase", "name": "\udc80 it"}
    assert heard(tmp_path, phase).during() == "? it"


def test_texts_are_cut_and_events_are_counted(tmp_path: Path) -> None:
    found = heard(tmp_path, *([{**GOOD, "says": "x" * 9000}] * 2500), DONE)
    assert len(found.events) == hearing.MOST_EVENTS
    assert {len(one.says) for one in found.of("check", KernelTried)} == {hearing.MOST_CHARACTERS}


def test_home_folders_and_tokens_are_taken_out(tmp_path: Path) -> None:
    says = "no file /home/somebody/x/lib.so; hf_abcdefghijklmnopqrstuvwxyz"
    (one,) = heard(tmp_path, {**GOOD, "says": says}, DONE).of("check", KernelTried)
    assert one.says == "no file /home/USER/x/lib.so; TOKEN"


VALID: dict[str, dict[str, Any]] = {
    "check": {key: value for key, value in GOOD.items() if key != "event"},
    "pair": {"first": 0, "second": 1, "peer_access": True, "link": "nvlink", "gb_per_s": 300.0, "says": ""},
    "collective": {"backend": "nccl", "devices": 2, "state": "passed", "bus_gb_per_s": 300.0, "says": ""},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(list(VALID)), st.data())
def test_whatever_is_told_is_a_record_that_can_be_written_or_nothing(name: str, data: st.DataObject) -> None:
    """A right record of which any fields are changed to anything."""
    event = {**VALID[name], "event": name}
    changed = data.draw(st.dictionaries(st.sampled_from([*VALID[name], "more"]), ANYTHING, max_size=3))
    heard_of = cut(json.loads(json.dumps({**event, **changed})))
    found = Heard((heard_of,), ended()).of(name, SHAPES[name])
    if not changed:
        assert len(found) == 1
    for record in found:
        assert msgspec.json.decode(msgspec.json.encode(record), type=SHAPES[name]) == record


@pytest.mark.parametrize(
    ("how", "fate"),
    [
        (ended(late=True, status=None), "no answer in 15 s"),
        (ended(late=True, status=None, said="Timeout (0:00:30)!\nThread 0x1 (most recent call first):\n"), "no answer in 30 s"),
        (ended(status=1, said="x\nTimeout (0:01:05.500000)!\nThread\n"), "no answer in 65 s"),
        (ended(status=0, said="Timeout (0:01:05)!\n"), "it ended without telling all it was to tell"),
        (ended(status=1, said="NCCL Timeout (0:01:05)! of a line"), "exit status 1"),
        (ended(status=None, signal="SIGILL"), "killed by SIGILL"),
        (ended(status=None, signal="signal 99"), "killed by signal 99"),
        (ended(status=3), "exit status 3"),
    ],
)
def test_how_it_ended(how: Ended, fate: str) -> None:
    assert Heard((), how).fate(15.0) == fate


def test_a_worker_that_has_told_everything_and_then_dies_has_died_at_its_end() -> None:
    one = Heard((DONE,), ended(status=None, signal="SIGSEGV"))
    assert (one.fate(15.0), one.during()) == ("killed by SIGSEGV", THE_END)


def test_the_last_lines_are_the_last() -> None:
    one = Heard((), ended(said="\n".join(map(str, range(100)))))
    assert one.last_lines().splitlines() == [str(number) for number in range(70, 100)]
    assert len(Heard((), ended(said="x" * 9000)).last_lines()) == hearing.MOST_CHARACTERS


STAGE = {"event": "phase", "name": "context", "within_s": 0.5}


@pytest.mark.parametrize(
    ("how", "fate"),
    [("watched", "no answer in 0 s"), ("dies", "killed by SIGSEGV"), ("exits", "exit status 3"),
     ("ends", "it ended without telling all it was to tell")],
)  # fmt: skip
def test_real_ends(tmp_path: Path, how: str, fate: str) -> None:
    found = heard(tmp_path, {"event": "phase", "name": "context"}, how=how)
    assert (found.fate(15.0), found.during()) == (fate, "context")


@pytest.mark.parametrize("how", ["stopped", "hangs"])
def test_a_stage_that_is_over_ends_a_worker_that_cannot_end_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(running, "STAGE_GRACE_S", 0.3)
    found = heard(tmp_path, {**STAGE, "within_s": 1.4}, {"event": "phase", "name": "allocation"}, how=how)
    assert found.fate(15.0) == "no answer in 1 s"
    assert found.during() == "allocation"
    assert found.ended.late
    assert found.ended.seconds < 60


def test_a_stage_never_gives_more_time_than_the_deadline(tmp_path: Path) -> None:
    found = heard(tmp_path, {**STAGE, "within_s": 9e9}, how="hangs", deadline_s=1.0)
    assert found.ended.late
    assert found.ended.seconds < 60
