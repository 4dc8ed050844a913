"""Damaged locks: whatever is done to the bytes, the answer is a lock or an error of the user."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.errors import UserError
from envdoctor.locks import edited, files, form
from envdoctor.locks.text import listed
from tests.locks.sample import small

TOML = edited.document(form.tables(small()), None).encode()
TXT = files.requirements(small()).encode()
PIECES = [
    b'"',
    b"'",
    b"[",
    b"]",
    b"\n",
    b"=",
    b"{",
    b"}",
    b"#",
    b"\\",
    b"\x00",
    b"\xff",
    b"1e9",
    b"true",
    b"--hash=",
    b";",
    b"@",
    b"==",
    b"..",
]


@st.composite
def damaged(draw: st.DrawFn, document: bytes) -> bytes:
    """The document with a few pieces put in, cut out or doubled."""
    for _ in range(draw(st.integers(1, 4))):
        at, until = sorted(draw(st.tuples(st.integers(0, len(document)), st.integers(0, len(document)))))
        kind = draw(st.sampled_from(["in", "out", "twice", "byte"]))
        if kind == "in":
            document = document[:at] + draw(st.sampled_from(PIECES)) + document[at:]
        elif kind == "out":
            document = document[:at] + document[min(until, at + 40) :]
        elif kind == "twice":
            document = document[:until] + document[at:until][:200] + document[until:]
        else:
            document = document[:at] + draw(st.binary(min_size=1, max_size=3)) + document[at + 1 :]
    return document


@settings(max_examples=300, deadline=None)
@given(damaged(TOML))
def test_a_damaged_toml_is_a_lock_or_refused(document: bytes) -> None:
    with contextlib.suppress(ValueError):
        lock = form.read(document)
        assert form.read(edited.document(form.tables(lock), None).encode()) == lock


@settings(max_examples=300, deadline=None)
@given(damaged(TXT))
def test_damaged_requirements_are_a_list_or_refused_in_one_line(document: bytes) -> None:
    try:
        packages = listed(document, "r.txt")
    except UserError as error:
        assert error.what.isprintable()  # noqa: PT017 - refusing is right, too
    else:
        assert len({one.name for one in packages}) == len(packages)


@settings(max_examples=150, deadline=None)
@given(damaged(TOML))
def test_a_damaged_toml_is_written_over_right_or_not_at_all(document: bytes) -> None:
    with contextlib.suppress(ValueError, UnicodeDecodeError):
        text = edited.document(form.tables(small()), document.decode())
        assert form.read(text.encode()) == small()
