"""The doors to the world: reading, listing, running; on the live machine and on recorded ones."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from envdoctor.probe.machine import Machine, Missing, Trouble, fill
from tests.probe.machines import WAITS_S
from tests.probe.recorded import written
from tests.processes import gone

LIVE = Machine()


def script(place: Path, text: str) -> str:
    place.write_text(text)
    place.chmod(0o755)
    return str(place)


def test_a_program_that_ignores_sigterm_is_killed_with_its_children_at_the_deadline(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hang = script(tmp_path / "hang", f'#!/bin/sh\ntrap "" TERM\nsleep 300 &\necho $$ $! > {pids}\nwhile :; do wait; done\n')
    started = time.monotonic()
    with pytest.raises(Trouble, match=r"hang: no answer in 0\.5 s"):
        LIVE.run([hang], seconds=0.5)
    assert time.monotonic() - started < WAITS_S
    for pid in pids.read_text().split():
        assert gone([int(pid)]), f"process {pid} still runs"


def test_a_daemon_that_holds_the_pipes_does_not_cost_the_answer_of_the_program_that_left_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    leaves = script(tmp_path / "leaves", f"#!/bin/sh\nsleep 300 &\necho $! > {pid}\necho answer\necho oops >&2\nexit 7\n")
    started = time.monotonic()
    assert LIVE.run([leaves], seconds=30) == (7, "answer\n", "oops\n")
    assert time.monotonic() - started < WAITS_S
    assert gone([int(pid.read_text())])


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_that_prints_without_end_is_stopped_at_one_mebibyte(tmp_path: Path, stream: str) -> None:
    pid = tmp_path / "pid"
    redirect = " >&2" if stream == "stderr" else ""
    flood = script(tmp_path / "flood", f"#!/bin/sh\ntrap '' TERM PIPE\necho $$ > {pid}\nexec yes nvidia-smi{redirect}\n")
    started = time.monotonic()
    with pytest.raises(Trouble, match=r"flood printed more than 1 MiB"):
        LIVE.run([flood], seconds=30)
    assert time.monotonic() - started < WAITS_S
    assert gone([int(pid.read_text())])


def test_one_mebibyte_on_each_stream_comes_back_whole() -> None:
    status, out, err = LIVE.run(["sh", "-c", "head -c 1048576 /dev/zero; head -c 1048576 /dev/zero >&2"], seconds=30)
    assert (status, len(out), len(err)) == (0, 1048576, 1048576)


def test_a_program_that_closes_its_streams_and_goes_on_is_killed_at_the_deadline(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    mute = script(tmp_path / "mute", f"#!/bin/sh\necho $$ > {pid}\nexec sleep 300 >&- 2>&-\n")
    with pytest.raises(Trouble, match=r"mute: no answer in 0\.5 s"):
        LIVE.run([mute], seconds=0.5)
    assert gone([int(pid.read_text())])


def test_input_that_nobody_reads_or_that_fills_the_pipe_costs_nothing() -> None:
    assert LIVE.run(["true"], stdin=b"x" * 6000)[0] == 0
    assert LIVE.run(["wc", "-c"], stdin=b"x" * 500_000)[1].strip() == "500000"
    with pytest.raises(Trouble, match="no answer"):
        LIVE.run(["sleep", "60"], seconds=0.3, stdin=b"x" * 500_000)


def test_running_programs_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for argv in (["true"], ["sleep", "60"], ["yes"]):
        try:
            LIVE.run(argv, seconds=0.2, stdin=b"x")
        except Trouble:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("root", ["live", "recorded"])
def test_what_is_no_regular_file_is_refused_at_once_and_named(tmp_path: Path, root: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    machine, path = (LIVE, str(tmp_path / "fifo")) if root == "live" else (Machine(str(tmp_path), {}, {}), "/fifo")
    before = len(os.listdir("/proc/self/fd"))
    started = time.monotonic()
    with pytest.raises(Trouble, match=f"^{path} is not a regular file$"):
        machine.read(path)
    assert time.monotonic() - started < WAITS_S
    assert len(os.listdir("/proc/self/fd")) == before


def test_files_of_the_kernel_are_regular_and_devices_are_not() -> None:
    assert LIVE.text("/proc/version").startswith("Linux")
    assert LIVE.read("/sys/kernel/mm/transparent_hugepage/enabled")
    with pytest.raises(Trouble, match="/dev/zero is not a regular file"):
        LIVE.read("/dev/zero")


@pytest.mark.parametrize("late_s", [0.0, 0.2], ids=["known", "not yet known"])
def test_kill_children_ends_what_still_runs_when_the_probe_is_out_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    class Late(subprocess.Popen[bytes]):
        """Runs before whoever started it hears of it, as on a busy machine."""

        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            time.sleep(late_s)

    monkeypatch.setattr(subprocess, "Popen", Late)
    machine = Machine()
    pid = tmp_path / "pid"
    slow = script(tmp_path / "slow", f"#!/bin/sh\necho $$ > {pid}\nexec sleep 300\n")
    thread = threading.Thread(target=fill, args=({}, "leaf", lambda: machine.run([slow], seconds=60)), daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not (pid.exists() and pid.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    machine.kill_children()
    assert gone([int(pid.read_text())])
    thread.join(WAITS_S)
    assert not thread.is_alive()


def test_when_the_probe_is_over_nothing_is_started_any_more(tmp_path: Path) -> None:
    machine = Machine()
    first, second = tmp_path / "first", tmp_path / "second"
    slow = script(tmp_path / "slow", f"#!/bin/sh\necho $$ > {first}\nexec sleep 300\n")
    next_one = script(tmp_path / "next", f"#!/bin/sh\necho $$ > {second}\nexec sleep 300\n")

    def section() -> None:
        for program in (slow, next_one):
            with contextlib.suppress(Trouble):
                machine.run([program], seconds=60)

    thread = threading.Thread(target=section, daemon=True)
    thread.start()
    until = time.monotonic() + WAITS_S
    while not (first.exists() and first.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    machine.kill_children()
    thread.join(WAITS_S)
    assert gone([int(first.read_text())])
    assert not second.exists()


def test_status_and_both_outputs_come_back_and_bytes_that_are_not_utf8_are_replaced() -> None:
    status, out, err = LIVE.run(["sh", "-c", "printf 'a\\377b'; echo oops >&2; exit 3"])
    assert (status, out, err) == (3, "a\ufffdb", "oops\n")


def test_standard_input_is_empty_unless_given() -> None:
    assert LIVE.run(["cat"])[1] == ""
    assert LIVE.run(["cat"], stdin=b"text")[1] == "text"


def test_a_missing_program_is_missing_and_one_that_cannot_start_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="no-such-program-here is not on PATH"):
        LIVE.run(["no-such-program-here"])
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(Trouble, match="plain could not be started: Permission denied"):
        LIVE.run([str(plain)])
    orphan = script(tmp_path / "orphan", "#!/no/such/interpreter\n")
    with pytest.raises(Trouble, match="orphan could not be started: the interpreter that its first line names is missing"):
        LIVE.run([orphan])


def test_reading_tells_a_missing_file_from_one_that_gives_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"/none does not exist"):
        LIVE.read(str(tmp_path / "none"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(Missing):
        LIVE.read(str(tmp_path / "file" / "below"))
    with pytest.raises(Trouble, match="Is a directory"):
        LIVE.read(str(tmp_path))
    with pytest.raises(Trouble, match=r"/proc/self/mem: Input/output error"):
        LIVE.read("/proc/self/mem")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_or_folder_without_permission_is_trouble(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("x")
    secret.chmod(0)
    try:
        with pytest.raises(Trouble, match="Permission denied"):
            LIVE.listdir(str(secret))
        with pytest.raises(Trouble, match="Permission denied"):
            LIVE.read(str(secret / "file"))
    finally:
        secret.chmod(0o700)


def test_a_loop_of_links_is_trouble_to_read_and_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for machine, path in ((LIVE, str(tmp_path / "a")), (Machine(str(tmp_path), {}, {}), "/a")):
        with pytest.raises(Trouble, match="Too many levels of symbolic links"):
            machine.read(path)
        assert not machine.exists(path)
        assert machine.realpath(path).startswith("/")


def test_binary_files_are_read_up_to_the_limit_and_as_text_with_marks_for_what_is_none(tmp_path: Path) -> None:
    data = bytes(range(256)) * 64
    (tmp_path / "binary").write_bytes(data)
    assert LIVE.read(str(tmp_path / "binary"), 100) == data[:100]
    assert len(LIVE.text(str(tmp_path / "binary"))) == len(data)
    assert "\ufffd" in LIVE.text(str(tmp_path / "binary"))


def test_listing_is_sorted_and_a_file_is_no_folder(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / name).touch()
    assert LIVE.listdir(str(tmp_path)) == ["a", "b", "c"]
    with pytest.raises(Missing):
        LIVE.listdir(str(tmp_path / "a"))


def test_links_of_a_recorded_machine_never_lead_out_of_its_folder(tmp_path: Path) -> None:
    machine = written(tmp_path, {"/usr/local/cuda-12.4/version.txt": "here", "/etc/other": "o"})
    (tmp_path / "root/usr/local/cuda").symlink_to("/usr/local/cuda-12.4")
    (tmp_path / "root/etc/up").symlink_to("../../../../../../../etc/other")
    (tmp_path / "root/etc/passwd").symlink_to("/etc/passwd.real")
    assert machine.realpath("/usr/local/cuda/version.txt") == "/usr/local/cuda-12.4/version.txt"
    assert machine.text("/usr/local/cuda/version.txt") == "here"
    assert machine.listdir("/usr/local/cuda") == ["version.txt"]
    assert machine.text("/etc/up") == "o"
    assert machine.realpath("/etc/up") == "/etc/other"
    assert not machine.exists("/etc/passwd")
    assert Path(machine.at("/usr/local/cuda/version.txt")).read_text() == "here"


def test_recorded_commands_answer_hang_or_are_missing(tmp_path: Path) -> None:
    machine = written(tmp_path, {}, commands={"gcc --version": {"stdout": "gcc 12\n"}, "nvidia-smi": {"hangs": True}})
    assert machine.run(["gcc", "--version"]) == (0, "gcc 12\n", "")
    with pytest.raises(Trouble, match="nvidia-smi: no answer in 5 s"):
        machine.run(["nvidia-smi"])
    with pytest.raises(Missing):
        machine.run(["clang", "--version"])


def test_space_is_the_file_systems_own_and_of_a_recorded_machine_the_recorded(tmp_path: Path) -> None:
    size, free = LIVE.space(str(tmp_path))
    stat = os.statvfs(tmp_path)
    assert size == stat.f_blocks * stat.f_frsize
    assert 0 <= free <= size
    with pytest.raises(Missing):
        LIVE.space(str(tmp_path / "none"))
    machine = written(tmp_path, {"/recorded/space.json": '{"/data": [67108864, 1024]}'})
    assert machine.space("/data") == (67108864, 1024)
    with pytest.raises(Missing):
        machine.space("/home")


def test_what_a_leaf_raises_becomes_the_reason() -> None:
    out: dict[str, object] = {}
    fill(out, "bug", lambda: 1 // 0)
    fill(out, "missing", lambda: LIVE.text("/no/such/file"))
    assert out == {
        "bug": {"is": "unknown", "why": "the probe failed here: ZeroDivisionError: integer division or modulo by zero"},
        "missing": {"is": "unknown", "why": "/no/such/file does not exist"},
    }
