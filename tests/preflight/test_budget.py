"""Time: what is left of the budget, and a context that is broken off when its time is over."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import pytest

from envdoctor.preflight.budget import AGAIN_S, Budget, OutOfTime, within


def test_a_budget_runs_out() -> None:
    budget = Budget(0.02)
    assert 0 < budget.left_s() <= 0.02
    time.sleep(0.03)
    assert budget.left_s() == 0
    assert budget.spent_s() >= 0.03


def test_what_takes_longer_is_broken_off_even_where_every_error_is_caught() -> None:
    def stubborn() -> None:
        while True:
            with contextlib.suppress(Exception):
                time.sleep(60)

    began = time.monotonic()
    with pytest.raises(OutOfTime), within(0.05):
        stubborn()
    assert time.monotonic() - began < 30


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_end_that_python_drops_comes_again() -> None:
    class Last:
        def __del__(self) -> None:
            time.sleep(0.1)  # the alarm rings in here, where nothing can be raised

    def work() -> None:
        Last()
        time.sleep(5)

    with pytest.raises(OutOfTime), within(0.05):
        work()


def test_what_tidies_up_after_the_end_is_not_broken_off() -> None:
    tidied = []

    def tidying() -> None:
        try:
            time.sleep(5)
        finally:
            try:
                int("no number")
            except ValueError:
                time.sleep(3 * AGAIN_S)
            time.sleep(2 * AGAIN_S)
            tidied.append(True)

    with pytest.raises(OutOfTime), within(0.05):
        tidying()
    assert tidied == [True]


def test_after_it_no_alarm_is_left_and_the_handler_is_the_old_one() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with within(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_in_another_thread_nothing_is_broken_off() -> None:
    done = []

    def work() -> None:
        with within(0.01):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
