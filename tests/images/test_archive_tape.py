"""The reader of tars sees what the standard library's sees, and nothing harms it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.images import tape
from envdoctor.images.tape import BadTar, contents, places
from tests.images.layouts import entry, tar


class Bytes(io.BytesIO):
    """A stream that gives a few bytes at a time, as a decompressor does."""

    def read(self, size: int | None = -1, /) -> bytes:
        """A few bytes."""
        return super().read(min(size if size is not None and size >= 0 else 700, 700))

    def skip(self, size: int, /) -> int:
        """All that was asked for."""
        return len(super().read(size))


def read(body: bytes) -> list[tape.Entry]:
    return list(contents(Bytes(body)))


LONG = "a/" * 120 + "b" * 120
CASES = {
    "a file": entry("a", b"x" * 1500, mode=0o4755, uid=7, gid=8, uname="me", gname="us"),
    "an empty file": entry("a"),
    "a long name": entry(LONG, b"x"),
    "a name that is not ASCII": entry("é/ü", b"x"),
    "a link": entry("a", type=b"2", linkname="../b"),
    "a long link": entry("a", type=b"2", linkname=LONG),
    "a hard link": entry("a", type=b"1", linkname="b"),
    "a folder": entry("a", type=b"5"),
    "a device": entry("a", type=b"3", devmajor=1, devminor=3),
    "a pipe": entry("a", type=b"6"),
    "a large owner": entry("a", uid=5_000_000, gid=1 << 31),
    "a time before 1970": entry("a", mtime=-5),
}
FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_it_sees_what_the_standard_library_sees(case: str, form: str) -> None:
    try:
        body = tar(CASES[case], entry("after", b"!"), form=FORMS[form])
    except ValueError:
        pytest.skip("that form cannot say it")
    first, after = read(body)
    with tarfile.open(fileobj=io.BytesIO(body)) as theirs:
        info = theirs.getmembers()[0]
        content = theirs.extractfile(info) if info.isreg() else None
        data = content.read() if content is not None else b""
    assert after.path == "after"
    assert first.path.rstrip("/") == info.name
    assert (first.kind, first.size, first.mode) == (info.type.decode(), info.size, info.mode)
    assert (first.owner, first.names) == ((info.uid, info.gid), (info.uname, info.gname))
    assert (float(first.mtime), first.link) == (info.mtime, info.linkname)
    if info.isdev():
        assert first.device == (info.devmajor, info.devminor)
    assert first.content == hashlib.sha256(data).digest()


def test_headers_that_nobody_has_asked_for_are_kept_beside_the_entry() -> None:
    one, two = entry("a", b"x"), entry("b")
    one[0].pax_headers = {"SCHILY.xattr.user.note": "hello", "mtime": "12.5"}
    first, second = read(tar(one, two))
    assert first.more == (("SCHILY.xattr.user.note", "hello"),)
    assert first.mtime == "12.5"
    assert second.more == ()


def test_a_global_header_speaks_of_all_entries() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}) as file:
        for name in ("a", "b"):
            file.addfile(tarfile.TarInfo(name))
    assert [one.more for one in read(out.getvalue())] == [(("comment", "all"),)] * 2


def test_an_old_sparse_file_does_not_hide_what_follows() -> None:
    sparse = bytearray(tar(entry("holes", bytes(512)), entry("after", b"!")))
    sparse[156:157] = b"S"
    sparse[257:265] = b"ustar  \0"
    sparse[482] = 1  # its map goes on in a block of its own
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse[:512])
    assert [one.path for one in read(bytes(sparse[:512]) + bytes(512) + bytes(sparse[512:]))] == ["holes", "after"]


def test_what_is_skipped_is_not_read_and_its_place_is_told() -> None:
    body = tar(entry("a", b"x" * 600), entry("b", b"y"))
    assert [(one.path, body[at : at + one.size]) for one, at in places(Bytes(body))] == [("a", b"x" * 600), ("b", b"y")]
    assert all(not one.content for one, _ in places(Bytes(body)))


def test_a_tar_without_its_last_blocks_is_read() -> None:
    body = tar(entry("a", b"x"))
    assert [one.path for one in read(body[:1024])] == ["a"]
    assert read(b"") == []


@pytest.mark.parametrize("length", [1, 511, 513, 600, 1023])
def test_a_tar_that_ends_inside_an_entry_is_refused(length: int) -> None:
    with pytest.raises(BadTar, match="it ends"):
        read(tar(entry("a", b"x"))[:length])


def _header(**fields: bytes) -> bytes:
    """A header with fields replaced, and its checksum right again."""
    where = {"mode": (100, 108), "size": (124, 136), "kind": (156, 157), "check": (148, 156)}
    header = bytearray(tar(entry("a"))[:512])
    for name, value in fields.items():
        start, end = where[name]
        header[start:end] = value.ljust(end - start, b"\0")
    if "check" not in fields:
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (_header(check=b"1"), "at byte 0 is no header"),
        (_header(mode=b"9"), "its mode is no number"),
        (_header(mode=b"1_0"), "its mode is no number"),
        (_header(mode=b"0o7"), "its mode is no number"),
        (_header(size=b"-1"), "its size is no number"),
        (_header(size=b"\xff" * 12), "its size is negative"),
        (_header(size=b"\x80" + b"\xff" * 11), "it ends inside a file"),
        (_header(kind=b"L", size=b"77777777777"), "a header of 8589934591 bytes"),
        (_header(kind=b"x", size=b"4") + b"abc=".ljust(512, b"\0"), "an extended header is damaged"),
        (_header(kind=b"x", size=b"13") + b"11 size=-1\n".ljust(512, b"\0") + _header(), "its size is no number"),
        (_header(kind=b"x", size=b"5") + b"0 a=\n".ljust(512, b"\0"), "an extended header is damaged"),
        (_header(kind=b"x", size=b"11") + b"9999 a=b\n".ljust(512, b"\0"), "an extended header is damaged"),
    ],
)
def test_what_no_writer_of_tars_writes_is_refused(header: bytes, says: str) -> None:
    with pytest.raises(BadTar, match=says):
        read(header)


@pytest.mark.parametrize("kind", [b"g", b"x"])
def test_extended_headers_cannot_fill_the_memory_together(kind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "MAX_EXTENDED", 600)
    bodies = []
    for letter in (b"a", b"b", b"c"):
        records = b"".join(b"30 key%s%d=%s\n" % (letter, number, b"v" * 20) for number in range(10))
        bodies.append(_header(kind=kind, size=b"%o" % len(records)) + records.ljust(512, b"\0"))
    read(b"".join([*bodies[:2], tar(entry("a"))]))
    with pytest.raises(BadTar, match="extended headers are too large"):
        read(b"".join([*bodies, tar(entry("a"))]))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2048) | st.binary(min_size=512, max_size=512).map(lambda body: body + bytes(512)))
def test_random_bytes_are_a_tar_or_are_refused(body: bytes) -> None:
    with contextlib.suppress(BadTar):
        read(body)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["mode", "size", "kind"]), st.binary(max_size=12)),
    st.binary(max_size=600),
)
def test_a_header_of_any_content_is_read_or_refused(fields: dict[str, bytes], body: bytes) -> None:
    fields = {name: value[: {"mode": 8, "size": 12, "kind": 1}[name]] for name, value in fields.items()}
    with contextlib.suppress(BadTar):
        read(_header(**fields) + body)
