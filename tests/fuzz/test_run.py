"""The fuzzer's processes run side by side and to their end, however much they say."""

from __future__ import annotations

import sys

from tests.fuzz.run import together

SAYS_MUCH = "import sys; sys.stdout.write('x' * 1_000_000); sys.exit({status})"


def test_a_process_that_says_much_does_not_wait_for_another_to_be_read() -> None:
    first, second = together([[sys.executable, "-c", SAYS_MUCH.format(status=status)] for status in (0, 3)])
    assert (first.status, second.status) == (0, 3)
    assert (len(first.text), len(second.text)) == (1_000_000, 1_000_000)
