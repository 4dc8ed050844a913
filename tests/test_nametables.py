"""The packed tables of Python names: what is packed comes out again, and what is damaged or made to hurt is refused."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor import nametables
from envdoctor.nametables import (
    Exports,
    ModuleRow,
    NamedRelease,
    NamesHeader,
    UseRow,
    Uses,
    covers,
    exports_of,
    indices,
    packed_rows,
    spans_of,
    uses_of,
)

RELEASES = tuple(
    NamedRelease(version=version, file=f"x-{version}-py3-none-any.whl", sha256="0" * 64, read="2026-11-25")
    for version in ("1.0", "1.1", "2.0")
)
HEADER = NamesHeader(package="x", imported_as="x", generator="a test", reader=1, releases=RELEASES)
ROWS = (
    ModuleRow(module="x", there=(0, 3), always="a b", names=(((0, 1, 2, 3), "c d"),)),
    ModuleRow(module="x.y", there=(1, 3), open=(2, 3), asked=(("K.m", (1, 2), (2, 3), ()),), unsure=(((1, 2), "u"),)),
)
USE = UseRow(
    exporter="y", module="y.z", name="n", place="module", kind="name", file="x/a.py", line=3, at=(0, 2), when=(("y", ">=", "1"),)
)


def gz(data: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return machine.compress(data) + machine.flush()


@given(st.integers(min_value=0, max_value=2**200))
def test_the_bits_of_releases_are_their_ranges(mask: int) -> None:
    spans = spans_of(mask)
    assert sum(1 << one for one in indices(spans)) == mask
    assert list(spans) == sorted(set(spans)), "ranges that touch are one"
    for at in range(0, 201, 7):
        assert covers(spans, at) == bool(mask >> at & 1)


def test_what_is_packed_comes_out_again() -> None:
    found = exports_of(packed_rows(HEADER, ROWS))
    assert found == Exports("x", "x", 1, RELEASES, {row.module: row for row in ROWS})
    assert uses_of(packed_rows(HEADER, (USE,))) == Uses("x", "x", 1, RELEASES, (USE,))


def test_the_same_rows_are_the_same_bytes_whatever_the_time() -> None:
    data = packed_rows(HEADER, ROWS)
    assert data == packed_rows(HEADER, ROWS)
    assert data[4:8] == bytes(4), "the time in a gzip header"


def test_a_table_knows_its_names_by_release() -> None:
    table = exports_of(packed_rows(HEADER, ROWS))
    assert table.spans("x", "a") == (0, 3)
    assert table.spans("x", "d") == (0, 1, 2, 3)
    assert table.spans("x", "e") == table.spans("nowhere", "a") == ()
    assert (table.has_module("x.y", 0), table.has_module("x.y", 1), table.has_module("x.z", 1)) == (False, True, False)
    assert [table.unsure("x.y", "u", at) for at in range(3)] == [False, True, True], "a condition, then a module that is open"
    assert table.asked("x.y", "K.m") == ((1, 2), (2, 3), ())
    assert table.asked("x.y", "K.n") is table.asked("nowhere", "K.m") is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (ModuleRow(module="x", there=(0, 4)), "not in its first line"),
        (ModuleRow(module="x", there=(0,)), "not in its first line"),
        (ModuleRow(module="x", there=(2, 1)), "not in order"),
        (ModuleRow(module="x", there=(-1, 1)), "not in order"),
        (ModuleRow(module="x", there=(0, 3), open=(0, 9)), "not in its first line"),
        (ModuleRow(module="x", there=(0, 3), names=(((3, 4), "a"),)), "not in its first line"),
        (ModuleRow(module="x", there=(0, 3), unsure=(((0, 7), "a"),)), "not in its first line"),
        (ModuleRow(module="x", there=(0, 3), asked=(("a.b", (), (0, 7), ()),)), "not in its first line"),
    ],
)
def test_ranges_that_mean_no_releases_are_refused(row: ModuleRow, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        exports_of(packed_rows(HEADER, (row,)))


def test_a_use_in_releases_that_are_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="not in its first line"):
        uses_of(packed_rows(HEADER, (msgspec.structs.replace(USE, at=(0, 4)),)))


def test_a_table_that_unpacks_without_end_is_refused_before_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nametables, "MAX_UNPACKED_BYTES", 1024 * 1024)
    with pytest.raises(ValueError, match="more than 1 MiB"):
        exports_of(gz(bytes(50_000_000)))


@pytest.mark.parametrize("data", [b"", b"no gzip", packed_rows(HEADER, ROWS)[:-9], gz(b""), gz(b"{}"), gz(b"[1]\n[2]\n")])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        exports_of(data)


GOOD = packed_rows(HEADER, ROWS)


@given(at=st.integers(min_value=0, max_value=len(GOOD) - 1), bit=st.integers(min_value=0, max_value=7))
@settings(max_examples=300)
def test_a_flipped_bit_gives_a_table_or_a_refusal(at: int, bit: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= 1 << bit
    try:
        found = exports_of(bytes(data))
    except (ValueError, msgspec.DecodeError):
        return
    assert isinstance(found, Exports)
