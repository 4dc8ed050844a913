"""Pasted bytes as lines: without fences, tags, colours and what loggers put before them."""

from __future__ import annotations

import pytest

from envdoctor.sources.pasted import text
from envdoctor.sources.pasted.text import Line, bare, cleaned


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("```Collecting environment information...", "Collecting environment information..."),
        ("```text", ""),
        ("<details><summary>Output of <code>collect_env</code></summary>", "Output of collect_env"),
        ("\x1b[1;31mError\x1b[0m: bad", "Error: bad"),
        ("(EngineCore_DP0 pid=93) ERROR 01-05 12:12:01 [core.py:842] RuntimeError: x", "ERROR: RuntimeError: x"),
        ("[rank3]: ImportError: y", "ImportError: y"),
        ("2026-01-05T08:15:08.168Z - worker.vllm - INFO - Starting", "INFO - Starting"),
        ("vllm-1  | WARNING: z", "WARNING: z"),
        ("> > quoted", "quoted"),
        ('<!-- see the FAQ: "operator torchvision::nms does not exist" --> text', " text"),
        ("<!-- paste the error below", "<!-- paste the error below"),
        (">>> import torch", ">>> import torch"),
        ("torch&gt;=2.0", "torch>=2.0"),
        ("10%\r50%\r100% done\r", "100% done"),
        ("│ ImportError: boxed │", "ImportError: boxed"),
        ("cannot import name \u2018A\u2019 from \u201cb\u201d", "cannot import name 'A' from \"b\""),
    ],
)
def test_what_is_put_around_a_line_is_taken_away(raw: str, said: str) -> None:
    assert bare(raw) == said


def test_lines_keep_their_numbers_and_empty_ones_go() -> None:
    assert cleaned(b"a\r\n\r\n\x00b\xff\n") == (Line(1, "a"), Line(3, "b\ufffd"))
    assert cleaned("PyTorch version: 2.6.0".encode("utf-16"))[0].text == "PyTorch version: 2.6.0"
    assert cleaned(b"") == ()


def test_of_a_very_long_text_the_beginning_and_the_end_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_LINES", 4)
    assert [line.number for line in cleaned(b"\n".join(b"%d" % number for number in range(10)))] == [1, 2, 9, 10]
    assert len(bare("x" * 100_000)) == text.MAX_LINE
