"""What buildx 0.13.1 printed, read as steps."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from envdoctor.engine.progress import Json, Plain, Reader, Step, short
from envdoctor.engine.trouble import told

WORDS = Path(__file__).parent / "words"


def read(reader: Reader, text: str) -> list[Step]:
    return [step for line in text.splitlines(keepends=True) for step in reader.feed(line)]


def compact(text: str) -> str:
    """The recording as newer versions of buildx print it: one object a line. Edited: this machine has no newer one."""
    lines, block = [], ""
    for line in text.splitlines():
        block += line
        if line == "}" or not block.startswith("{"):
            lines.append(json.dumps(json.loads(block)) if line == "}" else block)
            block = ""
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", [str, compact])
def test_a_build_that_went_well(form: type[str]) -> None:
    reader = Json()
    steps = read(reader, form((WORDS / "made.rawjson").read_text()))
    assert [step.state for step in steps if "RUN" in step.name and step.log is None] == ["started", "done"]
    assert [step.log for step in steps if step.log] == ["hello\n", "err\n"]
    (rewritten,) = (step for step in steps if step.name.startswith("exporting") and step.state == "done")
    assert rewritten.seconds == pytest.approx(11.45, abs=0.01)
    assert (reader.steps, reader.cached) == (1, 0)
    assert not reader.text()


@pytest.mark.parametrize("form", [str, compact])
def test_a_run_line_that_failed(form: type[str]) -> None:
    reader = Json()
    steps = read(reader, form((WORDS / "failed.rawjson").read_text()))
    (failed,) = (step for step in steps if step.state == "failed")
    assert failed.name.startswith("[stage-0 2/3] RUN echo one;")
    error = told(reader.text(), doing="build the image")
    assert "RUN echo one; for i in 1 2 3; do echo line $i; done; exit 3 failed (exit status 3)" in error.what
    assert error.more == ("one", "line 1", "line 2", "line 3")


def test_a_step_that_was_stopped_because_another_failed_has_not_failed() -> None:
    reader = Json()
    steps = read(reader, (WORDS / "cancelled.rawjson").read_text())
    assert [step.name for step in steps if step.state == "failed"] == ['[a 1/2] RUN sleep 1; echo "from a"; exit 9']
    assert told(reader.text(), doing="x").more == ("from a",)


def test_each_step_ends_once() -> None:
    steps = read(Json(), (WORDS / "made.rawjson").read_text())
    ended = [step.id for step in steps if step.state in {"done", "cached", "failed"}]
    assert len(ended) == len(set(ended))


def test_plain_lines_of_older_versions() -> None:
    reader = Plain()
    steps = read(reader, (WORDS / "run_failed.txt").read_text())
    assert [(step.state, step.name[:12]) for step in steps if step.id == "5"] == [
        ("started", "[stage-0 1/3"),
        ("cached", "[stage-0 1/3"),
    ]
    assert [step.log for step in steps if step.log] == ["one\n", "line 1\n", "line 2\n", "line 3\n"]
    assert [step.id for step in steps if step.state == "failed"] == ["6"]
    assert (reader.steps, reader.cached) == (2, 1)
    assert told(reader.text(), doing="x").more == ("one", "line 1", "line 2", "line 3")


def test_plain_lines_with_a_stopped_step() -> None:
    steps = read(Plain(), (WORDS / "run_failed_beside_another.txt").read_text())
    assert [step.name for step in steps if step.state == "failed"] == ['[a 1/2] RUN sleep 1; echo "from a"; exit 9']


def test_bytes_of_a_download() -> None:
    reader = Plain()
    (first, second) = read(reader, "#3 [base 1/2] FROM x\n#3 sha256:abc 12.58MB / 29.13MB 0.4s\n")
    assert first.done_bytes is None
    assert (second.done_bytes, second.total_bytes) == (12_580_000, 29_130_000)
    news = {"statuses": [{"id": "sha256:abc", "vertex": "sha256:v", "current": 7, "total": 9}]}
    (one,) = read(Json(), json.dumps(news) + "\n")
    assert (one.done_bytes, one.total_bytes) == (7, 9)


@pytest.mark.parametrize(
    "line", ['{"vertexes": 7}', "{", "}", '{"logs": [{"vertex": "v", "data": "!"}]}', '{"vertexes": [{"digest": 5}]}', "\x00{"]
)
def test_what_is_no_progress_is_kept_as_words_and_breaks_nothing(line: str) -> None:
    reader = Json()
    read(reader, line + "\n")
    reader.text()
    assert not reader.steps


def test_a_hostile_stream_does_not_fill_the_memory() -> None:
    reader = Json()
    read(reader, "x" * 100_000 + "\n")
    assert len(reader.text()) < 3000
    read(reader, "{\n" + ("y" * 1_000_000 + "\n") * 40)
    assert sum(len(one) for one in reader._open) < 20_000_000


def test_output_that_comes_in_pieces_and_bars_that_overwrite_themselves() -> None:
    reader = Json()

    def printed(text: str) -> dict[str, list[dict[str, str]]]:
        return {"logs": [{"vertex": "v", "data": base64.b64encode(text.encode()).decode()}]}

    ended = {"digest": "v", "name": "[linux/amd64 build  2/12] RUN x", "error": "no"}
    times = {"started": "2026-11-26T02:07:47.059307611Z", "completed": "2026-11-26T02:07:48Z"}
    for news in (
        printed("hel"),
        printed("lo\n 10%\r 50%"),
        printed("\r100%\r\nlast wor"),
        printed("ds"),
        {"vertexes": [ended | times]},
    ):
        read(reader, json.dumps(news) + "\n")
    assert reader.text().splitlines()[2:-1] == ["hello", "100%", "last words"]
    assert reader.steps == 1


def test_short_names() -> None:
    assert short("[build 2/5] RUN make\x1b") == "RUN make\\x1b"
