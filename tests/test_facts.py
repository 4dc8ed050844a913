"""The probe document: strict, hostile-proof, the same after a round trip."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor import facts as f
from envdoctor.facts import BadDocument, Known, NotObserved, Unknown, decode, encode, need
from tests.factory import healthy


def test_a_document_survives_the_round_trip() -> None:
    assert decode(encode(healthy())) == healthy()


def test_need_gives_the_value_or_raises_with_the_reason() -> None:
    assert need(Known(None, "x")) is None
    with pytest.raises(NotObserved, match="no answer in 5 s"):
        need(Unknown("no answer in 5 s"))


def test_a_wrong_type_is_refused_with_its_place() -> None:
    document = json.loads(encode(healthy()))
    document["driver"]["nvml"]["value"] = 550
    with pytest.raises(BadDocument, match=r"\$\.driver\.nvml\.value"):
        decode(json.dumps(document).encode())


def test_an_unknown_field_is_refused() -> None:
    document = json.loads(encode(healthy()))
    document["host"]["password"] = "x"  # noqa: S105
    with pytest.raises(BadDocument, match="password"):
        decode(json.dumps(document).encode())


def test_another_schema_version_is_refused() -> None:
    document = json.loads(encode(healthy()))
    document["schema_version"] = 2
    with pytest.raises(BadDocument, match="schema_version is 2"):
        decode(json.dumps(document).encode())


@pytest.mark.parametrize("hostile", [b"", b"\x00\xff", b"[]", b"null", b"{" * 5000, b"[" * 200_000, b'{"schema_version": 1e999}'])
def test_what_is_not_a_document_is_refused(hostile: bytes) -> None:
    with pytest.raises(BadDocument):
        decode(hostile)


def test_a_document_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(BadDocument, match="larger than"):
        decode(b" " * (f.MAX_DOCUMENT_BYTES + 1))


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_do_anything_but_refuse(data: bytes) -> None:
    with pytest.raises(BadDocument):
        decode(data)
