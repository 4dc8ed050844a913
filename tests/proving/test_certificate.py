"""A certificate is what was measured, and a verification is what is still so."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.facts import Facts, Known, Unknown
from envdoctor.proving.certificate import (
    ALL_PACKAGES,
    IMAGE,
    MAX_CERTIFICATE_BYTES,
    Certificate,
    Fact,
    Verified,
    certify,
    compared,
    decode,
    encode,
    resting_on,
)
from envdoctor.proving.proof import Proof, State
from tests.factory import dist, edit, gpu, healthy, put, with_driver
from tests.proving import recorded
from tests.proving.made import not_started

LOCK = Fact(name="lock", value="h100, sha256:" + 64 * "a", via="lockfiles/h100.toml")


def rests(facts: Facts, *, lock: Fact = LOCK, image: str | None = None) -> tuple[Fact, ...]:
    return resting_on(facts, lock=lock, image=image)


def made(facts: Facts | None = None) -> Certificate:
    proof = recorded.proof("bare-cpu")
    told = rests(healthy() if facts is None else facts)
    return certify(proof, told, target="h100", given="2026-11-26T12:00:00Z", envdoctor="0.1.0", data_as_of="2026-11-24")


def differing(found: Verified) -> dict[str, tuple[str | None, str | None]]:
    return {one.name: (one.was, one.now) for one in found.lines if one.how == "differs"}


def test_it_holds_what_was_proven_and_every_invariant_with_its_value() -> None:
    proof, found = recorded.proof("bare-cpu"), made()
    assert [(one.key, one.value) for one in found.invariants] == [(one.key, one.value) for one in proof.invariants]
    assert proof.measured is not None
    assert found.steps == len(proof.measured.steps)
    assert found.reward_trained == proof.measured.trained.mean
    assert found.settings["learning_rate"] == proof.measured.asked.learning_rate


def test_what_was_not_measured_says_why() -> None:
    proof = recorded.proof("bare-cpu")
    one = msgspec.structs.replace(proof.invariants[5], state=State.UNMEASURED, value="not measured", why="TRL keeps it")
    proof = msgspec.structs.replace(proof, invariants=(*proof.invariants[:5], one, *proof.invariants[6:]))
    found = certify(proof, rests(healthy()), target="h100", given="", envdoctor="0.1.0", data_as_of=None)
    assert (found.invariants[5].state, found.invariants[5].value) == ("unmeasured", "TRL keeps it")


@pytest.mark.parametrize("proof", [recorded.proof("engine-stale"), not_started()], ids=["broken", "failed"])
def test_a_run_that_was_not_proven_has_none(proof: Proof) -> None:
    with pytest.raises(ValueError, match="only a proven run"):
        certify(proof, rests(healthy()), target="h100", given="", envdoctor="", data_as_of=None)


def test_it_reads_back_and_names_no_place() -> None:
    written = encode(made())
    assert decode(written) == made()
    assert written.endswith(b"}\n")
    assert b"~/" not in written, "where a fact was read may be somebody's home"
    assert b"/proc" not in written


def test_the_same_target_matches() -> None:
    found = compared(made(), rests(healthy()))
    assert found.matches
    assert differing(found) == {}


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (with_driver(healthy(), "590.44.01", "13.1"), {"driver"}),
        (edit(healthy(), gpus__devices=Known((gpu(0), gpu(1)), "NVML")), {"GPUs"}),
        (put(healthy(), dist("vllm", "0.7.0")), {"package vllm", ALL_PACKAGES}),
        (put(healthy(), dist("idna", "99")), {ALL_PACKAGES}),
    ],
    ids=["driver", "gpus", "vllm", "a package beside the stack"],
)
def test_what_the_proof_rests_on_voids_it_when_it_moves(facts: Facts, names: set[str]) -> None:
    found = compared(made(), rests(facts))
    assert not found.matches
    assert names <= set(differing(found))
    assert set(differing(found)) - names <= {"libcuda"}


def test_another_build_of_the_same_versions_is_another_environment() -> None:
    rebuilt = put(healthy(), dist("vllm", "0.6.6.post1", wheel_tags=("cp38-abi3-manylinux_2_28_x86_64",)))
    assert set(differing(compared(made(put(healthy(), dist("vllm", "0.6.6.post1"))), rests(rebuilt)))) == {ALL_PACKAGES}


def test_a_kernel_alone_does_not_void_it_and_is_told() -> None:
    found = compared(made(), rests(edit(healthy(), host__kernel=Known("6.12.0-1", "uname"))))
    assert found.matches
    assert "kernel" in differing(found)


def test_what_cannot_be_told_now_is_no_match() -> None:
    found = compared(made(), rests(edit(healthy(), gpus__devices=Unknown("no answer in 5 s"))))
    assert not found.matches
    assert {one.how for one in found.lines if one.name == "GPUs"} == {"cannot tell"}
    assert differing(found) == {}


def test_what_could_be_told_neither_then_nor_now_is_the_same() -> None:
    blind = edit(healthy(), gpus__devices=Unknown("no answer in 5 s"))
    assert compared(made(blind), rests(blind)).matches


def test_another_lock_or_image_voids_it() -> None:
    moved = Fact(name="lock", value="h100, sha256:" + 64 * "b", via="lockfiles/h100.toml")
    assert set(differing(compared(made(), rests(healthy(), lock=moved)))) == {"lock"}
    assert set(differing(compared(made(), rests(healthy(), image="sha256:" + 64 * "c")))) == {IMAGE}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field"),
        (b"[" * 100_000, "recursion|Expected `object`"),
        (b"\xff\xfe", "malformed|invalid"),
        (b" " * (MAX_CERTIFICATE_BYTES + 1), "larger than 1 MiB"),
        (encode(msgspec.structs.replace(made(), schema_version=2)), "its schema_version is 2"),
        (encode(msgspec.structs.replace(made(), facts=())), "names no facts"),
        (encode(msgspec.structs.replace(made(), facts=(LOCK, LOCK))), "one of them twice"),
        (encode(msgspec.structs.replace(made(), invariants=())), "no invariant"),
        (encode(made()).replace(b'"state": "held"', b'"state": "broken"', 1), "Invalid enum value 'broken'"),
        (encode(made()).replace(b'"target"', b'"signed_by"', 1), "unknown field `signed_by`"),
    ],
)
def test_what_is_no_certificate_is_refused(document: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode(document)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))  # fmt: skip
def test_hostile_documents_are_refused_and_never_crash(document: object) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        decode(data)
