"""The images that are committed: every target has one, and its Dockerfile is what our own rules ask of Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from envdoctor import targets
from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import lint
from envdoctor.images import asked, context
from envdoctor.locks import files
from envdoctor.matrix import Matrix

ROOT = Path(__file__).parents[2]
TARGETS = targets.names()


def test_every_target_that_can_be_locked_can_be_built() -> None:
    assert asked.names(str(ROOT / "images")) == TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_committed_dockerfile_is_clean_under_our_own_rules(name: str, tmp_path: Path) -> None:
    place = asked.read(name, str(ROOT / "images"))
    context.write(str(tmp_path / "context"), place.asked, files.read(str(ROOT / "lockfiles" / f"{name}.toml")))
    path = ROOT / "images" / name / "Dockerfile"
    assert path.read_bytes() == (tmp_path / "context" / "Dockerfile").read_bytes()
    found = lint(str(path), path.read_bytes(), str(tmp_path / "context"), Matrix(), [code_of(one) for one in REGISTRY])
    assert (found.findings, found.ignored, found.doubts, found.crashes) == ((), (), (), ())


@pytest.mark.parametrize("name", TARGETS)
def test_a_committed_image_is_for_the_machine_of_its_lock(name: str) -> None:
    image, profile = asked.read(name, str(ROOT / "images")).asked, targets.profile(name)
    lock = files.read(str(ROOT / "lockfiles" / f"{name}.toml"))
    assert image.python == f"python{lock.python}"
    if profile.gpu:
        assert image.base.image == lock.base_image == profile.base_image
    assert image.base.digest is not None
    assert image.base.source
