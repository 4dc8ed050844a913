"""What a hung run's output tells: NCCL's last words and the ranks that fell silent."""

from __future__ import annotations

import pytest

from envdoctor.proving.hanging import MAX_LINES, nccl_lines, silent_ranks


def init(rank: int, ranks: int, what: str) -> str:
    return f"node:{rank}:9 [{rank}] NCCL INFO comm 0x55f9 rank {rank} nranks {ranks} cudaDev {rank} busId 30 commId 0x7 - Init {what}"


STARTED = [init(0, 2, "START"), init(1, 2, "START")]
READY = [init(0, 2, "COMPLETE"), init(1, 2, "COMPLETE")]
COMPLAINT = "[rank0]:[E1 ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], None),
        (["nothing of it", "[Rank 0] Watchdog caught collective"], None),
        (STARTED + READY, None),
        (STARTED[:1], "rank 1 of 2 never began to set NCCL up"),
        (STARTED + READY[:1], "rank 1 of 2 never got ready in NCCL"),
        (STARTED, "ranks 0, 1 of 2 never got ready in NCCL"),
        ([*STARTED, *READY, COMPLAINT], "the others waited for rank 1 of 2"),
        ([*STARTED, *READY, COMPLAINT, COMPLAINT.replace("Rank 0", "Rank 1")], None),
        ([init(0, 16, "START")], "ranks 1, 2, 3, 4, 5, 6, 7, 8, ... of 16 never began to set NCCL up"),
    ],
)
def test_the_ranks_that_did_not_come_along_are_named(lines: list[str], says: str | None) -> None:
    assert silent_ranks("\n".join(lines)) == says


def test_a_hostile_count_of_ranks_costs_nothing() -> None:
    said = silent_ranks(init(0, 999_999, "START"))
    assert said is not None
    assert said.endswith("... of 4096 never began to set NCCL up")


def test_warnings_are_its_last_words_and_without_any_its_last_lines() -> None:
    plain = [f"NCCL INFO line {number}" for number in range(9)]
    assert nccl_lines("\n".join([*plain, "other"])) == plain[-MAX_LINES:]
    warning = "misc/socket.cc:71 NCCL WARN socketProgress: Connection closed by remote peer"
    assert nccl_lines("\n".join([warning, *plain])) == [warning]
    assert nccl_lines("") == []
