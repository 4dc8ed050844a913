"""What is no text is told by its start; a text in any encoding, with all that logs hold, is not taken for it."""

from __future__ import annotations

import gzip
import io
import random
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.facts import need
from envdoctor.sources import pasted
from envdoctor.sources.pasted.binary import SAMPLE, no_text
from tests.factory import MATRIX

REPORTS = sorted((Path(__file__).resolve().parents[2] / "stories" / "reports").glob("*/report.txt"))
ERROR = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
CHINESE = "运行时错误:显卡驱动程序版本太旧,请更新驱动程序。\n" * 40


def noise(size: int) -> bytes:
    """Bytes as compressed or enciphered data has them."""
    return random.Random(1).randbytes(size)  # noqa: S311 - only noise


def archive() -> bytes:
    """A zip file of real text."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for path in REPORTS[:20]:
            file.write(path, path.parent.name)
    return written.getvalue()


def picture() -> bytes:
    """The head of a PNG and compressed noise, as a picture is."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\4\0\0\0\4\0" + zlib.compress(noise(4000))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (noise(1000), "% of its first 1000 bytes are NUL or control characters"),
        (noise(200_000), f"% of its first {SAMPLE} bytes are NUL or control characters"),
        (Path(sys.executable).resolve().read_bytes()[:1_000_000], "it begins as a compiled program or library does, and "),
        (gzip.compress(b"".join(path.read_bytes() for path in REPORTS)), "it begins as a compressed file does, and "),
        (archive(), "it begins as an archive does, and "),
        (picture(), "it begins as a picture does, and "),
        (b"\0" * 1000, "all of it is NUL"),
        (bytes(range(32)) * 100, "are NUL or control characters"),
    ],
    ids=("noise", "more noise", "program", "gzip", "zip", "picture", "zeros", "controls"),
)
def test_what_is_no_text_is_told_with_how_it_is_known(document: bytes, why: str) -> None:
    told = no_text(document)
    assert told is not None
    assert why in told


@pytest.mark.parametrize(
    "document",
    [
        b"",
        ERROR.encode("utf-16"),
        b"\xfe\xff" + ERROR.encode("utf-16-be"),
        (ERROR * 3000).encode("utf-16-le"),
        (ERROR * 3000).encode("utf-16-be"),
        CHINESE.encode("gbk"),
        CHINESE.encode("utf-8"),
        CHINESE.encode("utf-16"),
        ("Échec : périphérique déjà utilisé\n" * 50).encode("latin-1"),
        ("エラー:ドライバーが古すぎます\n" * 50).encode("shift_jis"),
        ("ошибка: драйвер слишком стар\n" * 50).encode("koi8-r"),
        ("ошибка: драйвер слишком стар\n" * 50).encode("cp1251"),
        ("오류: 드라이버가 너무 오래되었습니다\n" * 50).encode("euc-kr"),
        b"\0" * 500_000 + ERROR.encode() * 30,
        (ERROR + "\0\1\2").encode() * 20,
        b"short\0\1\2\3",
        b"\x1b[31m\x1b[1;91mE\x1b[0m\b\a\r 37%|###" * 400,
    ],
    ids=range(17),
)
def test_a_text_in_any_encoding_with_what_logs_hold_is_read(document: bytes, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_bytes(document)
    assert pasted.read(str(tmp_path / "report.txt")) == document


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.parent.name)
def test_no_report_that_is_known_is_refused(path: Path) -> None:
    assert no_text(path.read_bytes()) is None
    assert no_text(path.read_text("utf-8").encode("utf-16-le")) is None


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=2000), st.sampled_from(["utf-8", "gb18030", "utf-16"]))
def test_no_text_without_control_characters_is_refused(text: str, encoding: str) -> None:
    assert no_text(text.encode(encoding)) is None


def test_a_powershell_file_is_read_for_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_bytes(ERROR.encode("utf-16"))
    report = need(pasted.facts_at(str(tmp_path / "report.txt"), "x", MATRIX).pasted)
    assert report is not None
    assert [quote.line for quote in report.quotes] == [1]


def test_a_hundred_megabytes_cost_no_more_than_their_start() -> None:
    document = b"a line as any other\n" * 5_000_000
    began = time.process_time()
    assert no_text(document) is None
    assert time.process_time() - began < 0.1
