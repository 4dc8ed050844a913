"""image.toml: what may stand in it, and that the committed ones do."""

from __future__ import annotations

from pathlib import Path

import pytest

from envdoctor.errors import UserError
from envdoctor.images import asked
from envdoctor.locks import files

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("a100", "b200", "cpu", "h100", "h200", "l40s", "rtx4090")
GOOD = """
target = "mine"
says = "Mine."
lock = "mine"
python = "python3.12"
strip = ["/usr/share/doc/*"]
[base]
image = "ubuntu:24.04"
[why]
"""


def written(folder: Path, text: str) -> str:
    place = folder / "mine"
    place.mkdir()
    (place / "image.toml").write_text(text, encoding="utf-8")
    return str(place)


def test_every_target_has_an_image() -> None:
    assert asked.names(str(ROOT / "images")) == TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_the_committed_ones_fit_their_locks(name: str) -> None:
    wanted = asked.read(name, str(ROOT / "images")).asked
    lock = files.read(str(ROOT / "lockfiles" / f"{wanted.lock}.toml"))
    assert (wanted.target, lock.target, wanted.python) == (name, name, f"python{lock.python}")
    if lock.compute_capability:
        assert wanted.environment["TORCH_CUDA_ARCH_LIST"] == lock.compute_capability
        assert wanted.base.image == lock.base_image
    assert wanted.base.digest and wanted.base.source  # noqa: PT018 - one thought


@pytest.mark.parametrize("name", TARGETS)
def test_every_package_and_choice_has_its_why(name: str) -> None:
    wanted = asked.read(name, str(ROOT / "images")).asked
    unsaid = {*wanted.apt.packages, "base", "digest", "snapshot", "user", "apart", "bytecode"} - set(wanted.why) - {"python3.12"}
    assert not unsaid


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ubuntu:24.04", "ubuntu:24.04 AS x"),
        ("Mine.", 'a\\"\\nRUN false'),
        ("python3.12", "python3.12; false"),
        ("/usr/share/doc/*", "/*"),
        ("/usr/share/doc/*", "/usr/*"),
        ("/usr/share/doc/*", "/opt/venv/lib"),
        ("/usr/share/doc/*", "/usr/share/../../opt"),
        ("[why]", '[why]\n[user]\nname = "root"'),
        ("[why]", "[why]\n[user]\nid = 0"),
        ("[why]", '[why]\n[environment]\nA = "$(false)"'),
        ("[why]", '[why]\n[apt]\npackages = ["gcc; false"]'),
        ("[why]", "[why]\n[more]\nx = 1"),
    ],
)
def test_what_would_become_a_command_or_too_much_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(UserError):
        asked.read(written(tmp_path, GOOD.replace(old, new)))


def test_what_is_meant_is_taken(tmp_path: Path) -> None:
    assert asked.read(written(tmp_path, GOOD)).asked.strip == ("/usr/share/doc/*",)
