"""What is written down of a build, and when it may be believed again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.images import manifest as form
from envdoctor.images.noting import known, written
from envdoctor.images.trying import Tried
from envdoctor.matrix import Matrix
from tests.images.made import DIGEST, DRIFTED, ENGINE, built, digest, outside

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = {"build": 123.456}


def test_a_build_is_written_down_with_its_sbom(tmp_path: Path) -> None:
    one = built()
    paths = written(str(tmp_path), one, ENGINE, "0.13.1", Matrix(), SECONDS)
    assert [path.rpartition("/")[2] for path in paths] == ["manifest.json", "sbom.cdx.json"]
    there = form.read(str(tmp_path))
    assert there == one.manifest
    assert (there.digest, there.size_bytes, there.seconds) == (DIGEST, 2_030_000_000, {"build": 123.5})
    assert (there.verdicts.drift.word, there.smoke.state, there.reproducible) == ("no drift", "not run", True)
    components = json.loads((tmp_path / "sbom.cdx.json").read_text())["components"]
    assert len(components) == len(one.lock.packages)


def test_the_same_bytes_are_believed_by_the_same_envdoctor_on_the_same_data(tmp_path: Path) -> None:
    one = built()
    written(str(tmp_path), one, ENGINE, "0.13.1", Matrix(), SECONDS)
    assert known(str(tmp_path), DIGEST, one.lock, Matrix()) == one.manifest
    assert known(str(tmp_path), digest("9"), one.lock, Matrix()) is None
    other = msgspec.structs.replace(one.lock, requirements_sha256="0" * 64)
    assert known(str(tmp_path), DIGEST, other, Matrix()) is None


@pytest.mark.parametrize("field", ["envdoctor", "data_as_of"])
def test_what_an_older_envdoctor_or_older_data_found_is_not_believed(tmp_path: Path, field: str) -> None:
    one = built()
    written(str(tmp_path), one, ENGINE, "0.13.1", Matrix(), SECONDS)
    there = form.read(str(tmp_path))
    older = {"envdoctor": "0.0.9", "data_as_of": "2026-01-01"}[field]
    form.write(str(tmp_path), msgspec.structs.replace(there, **{field: older}))
    assert known(str(tmp_path), DIGEST, one.lock, Matrix()) is None


def test_an_image_that_drifted_is_never_believed(tmp_path: Path) -> None:
    one = built()
    one.outside = outside(DRIFTED)
    written(str(tmp_path), one, ENGINE, "0.13.1", Matrix(), SECONDS)
    assert form.read(str(tmp_path)).verdicts.drift.counts["departures"] == 1
    assert known(str(tmp_path), DIGEST, one.lock, Matrix()) is None


def test_a_folder_with_a_damaged_manifest_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    assert known(str(tmp_path), DIGEST, built().lock, Matrix()) is None


def test_bytes_that_have_run_on_a_gpu_have_run_there(tmp_path: Path) -> None:
    one = built()
    one.tried = Tried("passed", "inside the container: 1 GPU", ("NVIDIA H100 80GB HBM3",))
    written(str(tmp_path), one, ENGINE, "0.13.1", Matrix(), SECONDS)
    again = built()
    again.before, again.outside = one.manifest, None
    written(str(tmp_path), again, ENGINE, "0.13.1", Matrix(), SECONDS)
    assert form.read(str(tmp_path)).smoke.state == "passed"


def test_bytes_that_were_known_keep_their_verdicts_and_their_proof(tmp_path: Path) -> None:
    one = built()
    written(str(tmp_path), one, ENGINE, "0.13.1", Matrix(), SECONDS)
    again = built()
    again.before, again.outside, again.reproducible = one.manifest, None, None
    written(str(tmp_path), again, ENGINE, "0.13.1", Matrix(), SECONDS)
    assert again.manifest is not None
    assert one.manifest is not None
    assert (again.manifest.verdicts, again.manifest.reproducible) == (one.manifest.verdicts, True)
