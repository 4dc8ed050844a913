"""manifest.json: written whole, read strictly, and silent about the machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.errors import UserError
from envdoctor.images import manifest
from envdoctor.images.manifest import (
    BaseUsed,
    EngineUsed,
    LayerBuilt,
    LockUsed,
    Manifest,
    Smoke,
    Verdict,
    Verdicts,
    read,
    text,
    write,
)

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "envdoctor" / "data" / "schema" / "image-1.json").read_text(encoding="utf-8"))
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
SAID = Verdict(word="clean", counts={"errors": 0, "warnings": 1}, says="0 errors, 1 warning")


def made(**changed: Any) -> Manifest:
    whole = Manifest(
        target="h100",
        references=("envdoctor/h100:2026-11-25",),
        digest=A,
        config_digest=B,
        diff_ids=(C,),
        layers=(LayerBuilt(digest=B, diff_id=C, size_bytes=10, unpacked_bytes=20, says="ADD rootfs.tar /"),),
        base=BaseUsed(image="nvidia/cuda:13.0.1-base-ubuntu24.04", digest=A, how="pinned in image.toml"),
        lock=LockUsed(name="h100", requirements_sha256="d" * 64, made="2026-11-25"),
        dockerfile_sha256="e" * 64,
        source_date_epoch=1764028800,
        sbom="sbom.json",
        engine=EngineUsed(version="26.1.5", buildx="0.13.1", store="containerd"),
        envdoctor="0.1.0",
        data_as_of="2026-11-24",
        verdicts=Verdicts(
            lock=SAID,
            build=SAID,
            image=SAID,
            drift=Verdict(word="no drift", counts={"departures": 0, "locked": 183, "proven": 183}),
        ),
        smoke=Smoke(state="not run", says="no GPU is on this machine"),
        reproducible=True,
        differences=(),
        seconds={"build": 611.25, "judge the lock": 0.4},
        made="2026-11-26",
    )
    return msgspec.structs.replace(whole, **changed)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = write(str(tmp_path / "new"), made())
    assert read(str(tmp_path / "new")) == made()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert os.listdir(tmp_path / "new") == ["manifest.json"]


def test_the_file_has_sorted_keys_and_ends_with_a_line(tmp_path: Path) -> None:
    body = text(made())
    assert body == json.dumps(json.loads(body), indent=2, sort_keys=True) + "\n"


def test_the_same_image_built_again_leaves_the_file_alone(tmp_path: Path) -> None:
    path = write(str(tmp_path), made())
    before = os.stat(path)
    write(str(tmp_path), made(made="2027-01-01", seconds={"build": 1.0}))
    assert os.stat(path).st_ino == before.st_ino
    assert read(str(tmp_path)).made == "2026-11-26"


def test_anything_else_that_changed_is_written_with_its_day(tmp_path: Path) -> None:
    write(str(tmp_path), made())
    write(str(tmp_path), made(made="2027-01-01", references=("mine:1",)))
    found = read(str(tmp_path))
    assert (found.made, found.references) == ("2027-01-01", ("mine:1",))


def test_a_file_that_is_damaged_or_was_reformatted_is_replaced(tmp_path: Path) -> None:
    for body in ("{", json.dumps(json.loads(text(made())))):
        (tmp_path / "manifest.json").write_text(body, encoding="utf-8")
        write(str(tmp_path), made())
        assert (tmp_path / "manifest.json").read_text(encoding="utf-8") == text(made())


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(str(tmp_path), made())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="cannot be written: No space left") as refused:
        write(str(tmp_path), made(target="a100"))
    assert "room" in refused.value.hint
    assert read(str(tmp_path)) == made()
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        write(str(tmp_path / "file"), made())


def test_there_is_none_before_it_was_built(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="was not built yet") as refused:
        read(str(tmp_path / "h100"))
    assert refused.value.hint == "envdoctor build-image h100 writes it."


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": 2}, "has format 2, and this envdoctor knows 1"),
        ({"digest": "sha256:xyz"}, "no manifest of an image"),
        ({"made": "2026-13-45"}, "no manifest of an image"),
        ({"made": "yesterday"}, "no manifest of an image"),
        ({"diff_ids": [A]}, "its layers have other diff_ids"),
        ({"reproducible": False}, "it is reproducible, or there are differences"),
        ({"differences": ["layer 1: content"]}, "it is reproducible, or there are differences"),
        ({"sbom": "/home/me/sbom.json"}, "leads out of its folder"),
        ({"sbom": "../../sbom.json"}, "leads out of its folder"),
        ({"base": {"image": "oci-layout:///home/me/base", "digest": A, "how": ""}}, "named by a place of one machine"),
        ({"base": {"image": "/home/me/base", "digest": A, "how": ""}}, "named by a place of one machine"),
        ({"source_date_epoch": -1}, "no manifest of an image"),
        ({"host": "mine"}, "unknown field `host`"),
        ({"smoke": {"state": "great", "says": ""}}, "no manifest of an image"),
        ({"seconds": {"build": "long"}}, "no manifest of an image"),
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, Any], match: str, tmp_path: Path) -> None:
    whole = {**msgspec.to_builtins(made()), **change}
    (tmp_path / "manifest.json").write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(UserError, match=match) as refused:
        read(str(tmp_path))
    assert refused.value.hint


def test_a_file_larger_than_any_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b" " * (manifest.MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than 4 MiB"):
        read(str(tmp_path))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.just(b"[" * 100_000)
    | st.just(b'{"format": 1' + b"0" * 400)
)
def test_bytes_of_any_kind_are_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(body)
    with pytest.raises(UserError):
        read(str(tmp_path))


@pytest.mark.parametrize(
    "one",
    [
        made(),
        made(layers=(), config_digest=None, data_as_of=None, sbom=None, reproducible=None),
        made(reproducible=False, differences=("layer 1: /a: content",)),
    ],
    ids=["whole", "without what some engines do not tell", "not reproducible"],
)
def test_it_is_what_its_schema_says(one: Manifest) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text(one)))


def test_the_schema_refuses_what_reading_refuses() -> None:
    whole = json.loads(text(made()))
    for change in ({"host": "mine"}, {"digest": "latest"}, {"format": 2}, {"seconds": {"build": -1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(SCHEMA).validate({**whole, **change})
