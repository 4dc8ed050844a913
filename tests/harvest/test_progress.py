"""How a refresh shows that it goes on: lines in a log, a bar at a terminal."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest

from envdoctor.harvest.progress import Progress

if TYPE_CHECKING:
    from typing import TextIO


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def work(stream: TextIO, every_s: float) -> None:
    with Progress(stream, every_s) as tell:
        tell.begin("reading [2] packages")
        tell.page("vllm", 2, 5)
        tell.page("numpy", 0, 9)
        tell.unpacked(1_500_000_000)
        tell.release("vllm", "0.7.0")
        tell.release("vllm", "0.7.1")


def test_a_log_has_a_line_for_each_page_with_something_to_read_and_one_now_and_then() -> None:
    out = io.StringIO()
    work(out, 60)
    assert out.getvalue() == "reading [2] packages\nvllm: 2 to read, 5 known\n"
    out = io.StringIO()
    work(out, 0)
    assert out.getvalue().splitlines()[-1] == "2 of 2 releases read, 1.5 GB of compiled code"
    assert "\x1b" not in out.getvalue()


def test_a_terminal_has_a_bar_and_the_same_lines() -> None:
    out = Terminal()
    work(out, 60)
    assert "reading [2] packages" in out.getvalue()
    assert "vllm: 2 to read, 5 known" in out.getvalue()
    assert "2/2" in out.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_an_interruption_says_that_it_goes_on_from_here(stream: type[io.StringIO]) -> None:
    out = stream()
    tell = Progress(out)
    tell.release("vllm", "0.7.0")
    with pytest.raises(KeyboardInterrupt), tell:
        raise KeyboardInterrupt
    assert out.getvalue().endswith("interrupted after 1 release; the same command goes on from here\n")


def test_another_failure_says_nothing_of_going_on() -> None:
    out = io.StringIO()
    with pytest.raises(ZeroDivisionError), Progress(out):
        raise ZeroDivisionError
    assert out.getvalue() == ""


def hundred(tell: Progress) -> None:
    for _ in range(100):
        tell.release("vllm", "1")


def test_several_threads_may_tell_at_once() -> None:
    out = io.StringIO()
    with Progress(out, 0) as tell:
        tell.page("vllm", 400, 0)
        threads = [threading.Thread(target=hundred, args=(tell,)) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert "400 of 400 releases read" in out.getvalue()
