"""The files for other programs against those programs' own schemas.

GitHub's and GitLab's are SchemaStore's and GitLab's, as check-jsonschema ships them; Kubernetes' is its OpenAPI document, as
kubernetes-validate ships it, with unknown fields refused.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.commands import DEPLOY
from tests.deploy.programs import ROOT

pytestmark = pytest.mark.deploy
GITLAB = ("vendor.gitlab-ci", "--data-transform", "gitlab-ci")
FILES = {
    ROOT / "action.yml": ("vendor.github-actions",),
    DEPLOY / "github" / "preflight.yml": ("vendor.github-workflows",),
    DEPLOY / "github" / "smallest.yml": ("vendor.github-workflows",),
    DEPLOY / "gitlab" / "envdoctor.gitlab-ci.yml": GITLAB,
}


def bin_of(program: str) -> str:
    """A program of the environment that ``make deploy`` makes."""
    return str(Path(os.environ["ENVDOCTOR_DEPLOY_BIN"], program))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_valid(path: Path) -> None:
    check(path, 0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_schema_would_say_what_is_not(path: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    old, new = {
        "action.yml": ("shell: bash", "shel: bash"),
        "preflight.yml": ("runs-on:", "run-on:"),
        "smallest.yml": ("runs-on:", "run-on:"),
    }.get(path.name, ("when: always", "when: sometimes"))
    assert old in text
    spoiled.write_text(text.replace(old, new), encoding="utf-8")
    check(spoiled, 1, like=path)


def check(path: Path, status: int, like: Path | None = None) -> None:
    """Hold it against its schema."""
    argv = [bin_of("check-jsonschema"), "--builtin-schema", *FILES[like or path], str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("path", sorted((DEPLOY / "kubernetes").glob("*.yaml")), ids=lambda path: path.name)
def test_kubernetes_knows_every_field(path: Path, version: str, tmp_path: Path) -> None:
    argv = [bin_of("kubernetes-validate"), "--strict", "--kubernetes-version", version]
    done = subprocess.run([*argv, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    spoiled = tmp_path / path.name
    spoiled.write_text(path.read_text(encoding="utf-8").replace("restartPolicy:", "restartPolice:"), encoding="utf-8")
    assert subprocess.run([*argv, str(spoiled)], capture_output=True, check=False).returncode != 0
