"""Both hooks by a real pre-commit, in a scratch repository, from a commit of this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.commands import DEPLOY
from tests.deploy.programs import ROOT
from tests.deploy.test_schemas import bin_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.deploy
CLEAN = "FROM python:3.12.12-slim@sha256:{}\nRUN echo hello\n".format("1" * 64)
BROKEN = "FROM python:3.12.12-slim@sha256:{}\nCOPY --form=x /a /b\nRUN pip install --no-such-option torch==2.13.0\n".format(
    "1" * 64
)


@pytest.fixture(name="source", scope="module")
def _source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This work tree as it is now, as a repository with one commit."""
    folder = tmp_path_factory.mktemp("source")
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    committed(folder)
    return folder


@pytest.fixture(name="repository")
def _repository(source: Path, tmp_path: Path) -> Path:
    """A repository with a lock, a plain list and a Dockerfile, all clean, that uses both hooks."""
    (tmp_path / "lockfiles").mkdir()
    for name in ("h100.txt", "h100.toml"):
        shutil.copy(ROOT / "lockfiles" / name, tmp_path / "lockfiles")
    (tmp_path / "lockfiles" / "plain.txt").write_text("packaging==26.3\n", encoding="utf-8")
    (tmp_path / "Dockerfile").write_text(CLEAN, encoding="utf-8")
    rev = git(source, "rev-parse", "HEAD").strip()
    shown = (DEPLOY / "pre-commit" / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert "ADDRESS-OF-THIS-REPOSITORY" in shown
    config = shown.replace("ADDRESS-OF-THIS-REPOSITORY", str(source)).replace("COMMIT", rev)
    (tmp_path / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    committed(tmp_path)
    return tmp_path


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps its environments: made once."""
    return tmp_path_factory.mktemp("home")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout


def committed(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "-c", "user.name=tests", "-c", "user.email=tests@localhost", "commit", "--quiet", "--message", "all")


def hooks(repository: Path, home: Path, *words: str) -> tuple[int, str]:
    """Run pre-commit on what is staged, or as ``words`` say."""
    env = {**os.environ, "PRE_COMMIT_HOME": str(home)}
    env.pop("PYTHONPATH", None)
    git(repository, "add", "--all")
    argv = [bin_of("pre-commit"), "run", "--color=never", *words]
    done = subprocess.run(argv, cwd=repository, env=env, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout


def test_a_clean_repository_passes(repository: Path, home: Path) -> None:
    status, out = hooks(repository, home, "--all-files")
    assert status == 0, out
    assert out.count("Passed") == 2


def test_what_did_not_change_is_not_judged(repository: Path, home: Path) -> None:
    (repository / "readme.md").write_text("text", encoding="utf-8")
    status, out = hooks(repository, home)
    assert status == 0
    assert out.count("Skipped") == 2


def test_faults_fail_their_hook_with_the_page(repository: Path, home: Path) -> None:
    (repository / "lockfiles" / "plain.txt").write_text("torch==2.6.0\nvllm==0.6.6\n", encoding="utf-8")
    (repository / "Dockerfile").write_text(BROKEN, encoding="utf-8")
    status, out = hooks(repository, home)
    assert status == 1
    assert out.count("Failed") == 2
    assert "lock:lockfiles/plain.txt" in out
    assert "ED606" in out


def test_a_lock_of_which_one_file_was_edited_is_refused(repository: Path, home: Path) -> None:
    path = repository / "lockfiles" / "h100.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("\ntrl==1.", "\ntrl==0.", 1), encoding="utf-8")
    status, out = hooks(repository, home)
    assert status == 1
    assert "judge the locks that change" in out
    assert out.count("Failed") == 1
