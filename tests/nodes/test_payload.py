"""The program that travels: it is read by every Python, is ASCII, and brings NVML's module along in memory."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from envdoctor.nodes.hearing import Hearing
from envdoctor.nodes.payload import mark, program

if TYPE_CHECKING:
    from pathlib import Path

WANTED = {"deadline_s": "10"}


def document(out: bytes, once: str) -> dict[str, object]:
    _, _, rest = out.partition(b"\n" + mark(once) + b"\n")
    found: dict[str, object] = msgspec.json.decode(rest)
    return found


def test_it_is_ascii_and_may_be_parsed_by_pythons_that_are_too_old() -> None:
    text = program("abc", WANTED).decode("ascii")
    ast.parse(text, feature_version=(3, 4))
    assert text.index("sys.version_info") < text.index("TEXTS")


def test_the_mark_does_not_stand_in_it() -> None:
    assert mark("abc") not in program("abc", WANTED)


def test_it_runs_without_writing_anything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=program("abc", WANTED), capture_output=True, check=True, cwd=tmp_path, env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    )  # fmt: skip
    assert done.stderr == b""
    assert document(done.stdout, "abc")["schema_version"] == 1
    assert os.listdir(tmp_path) == []


def test_a_python_that_is_too_old_says_which_one_it_is() -> None:
    text = program("abc", WANTED)
    assert text.count(b"(3, 8)") == 1
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=text.replace(b"(3, 8)", b"(9, 9)"), capture_output=True, check=False
    )
    heard = Hearing(mark("abc"))
    heard.out(done.stdout)
    heard.err(done.stderr)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (
        heard.why_none(done.returncode, None, "ssh", "python3") == f"its python3 is Python {here}; the probe needs 3.8 or newer"
    )
