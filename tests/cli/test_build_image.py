"""``envdoctor build-image`` as far as no engine is needed: the Dockerfile, the context, and what is wrong with the words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_cli import run

ROOT = Path(__file__).parents[2]
NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """images/cpu with its lock beside it, in a folder that may be written."""
    folder = tmp_path / "cpu"
    folder.mkdir()
    text = (ROOT / "images" / "cpu" / "image.toml").read_text().replace('lock = "cpu"', 'lock = "./cpu.toml"')
    (folder / "image.toml").write_text(text)
    for name in ("cpu.toml", "cpu.txt"):
        (folder / name).write_bytes((ROOT / "lockfiles" / name).read_bytes())
    return folder


def test_the_dockerfile_is_written_once_and_its_age_is_told(target: Path) -> None:
    assert run("build-image", str(target), "--check").returncode == 1
    first = run("build-image", str(target), "--write-only")
    assert (first.returncode, first.stdout) == (0, f"written: {target}/Dockerfile\n")
    assert run("build-image", str(target), "--check").returncode == 0
    assert run("build-image", str(target), "--write-only").stdout.startswith("unchanged:")
    assert run("build-image", str(target), "--print").stdout == (target / "Dockerfile").read_text()


def test_the_context_holds_all_that_the_dockerfile_copies_and_the_command_to_build_it(target: Path, tmp_path: Path) -> None:
    done = run("build-image", str(target), "--context", str(tmp_path / "context"))
    assert done.returncode == 0, done.stderr
    assert "SOURCE_DATE_EPOCH=" in done.stdout
    assert {"Dockerfile", "lock", "requirements", "envdoctor", "sbom"} <= {path.name for path in (tmp_path / "context").iterdir()}


def test_a_target_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    done = run("build-image", "h10", "--print", cwd=ROOT)
    assert done.returncode == 2
    assert 'Did you mean "h100"?' in done.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('colour = "blue"\n', "colour"),
        ('target = "cpu"\n', "image.toml"),
    ],
)
def test_a_mistake_in_image_toml_is_named(target: Path, line: str, says: str) -> None:
    path = target / "image.toml"
    path.write_text(line + path.read_text())
    done = run("build-image", str(target), "--print")
    assert done.returncode == 2
    assert says in done.stderr


def test_a_lock_that_is_not_there_is_said(target: Path) -> None:
    (target / "cpu.toml").unlink()
    done = run("build-image", str(target), "--print")
    assert done.returncode == 2
    assert "cpu.toml" in done.stderr


def test_no_engine_is_said_before_anything_is_made(target: Path) -> None:
    done = run("build-image", str(target), DOCKER_HOST=NOWHERE)
    assert done.returncode == 2
    assert "ok      judge the lock" in done.stderr
    assert not (target / "manifest.json").exists()


def test_words_that_do_not_go_together_are_refused(target: Path) -> None:
    for words in (("--print", "--base", "debian:12.1"), ("--print", "--write-only"), ("--check", "--push")):
        done = run("build-image", str(target), *words)
        assert done.returncode == 2
        assert "does not go with" in done.stderr
