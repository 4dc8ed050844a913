"""Packages that wrote the same file, found in their RECORDs by the script that runs inside a build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import envdoctor

SCRIPT = Path(envdoctor.__file__).parent / "data" / "image" / "collisions"


def found(site: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-I", "-S", str(SCRIPT), str(site)], capture_output=True, check=True, text=True)
    return done.stdout.split()


def record(site: Path, name: str, *paths: str) -> None:
    folder = site / f"{name}.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text("".join(f"{path},sha256=x,1\n" for path in (*paths, f"{name}.dist-info/RECORD")))


def test_those_that_list_a_file_which_another_lists_too_are_named_in_order(tmp_path: Path) -> None:
    record(tmp_path, "zeta-1.0", "build_backend.py", "zeta/__init__.py")
    record(tmp_path, "alpha_b-2.0", '"a, b.txt"', "./build_backend.py")
    record(tmp_path, "other-3", "other/__init__.py")
    assert found(tmp_path) == ["alpha_b", "zeta"]


def test_what_is_compiled_and_what_describes_a_package_is_no_collision(tmp_path: Path) -> None:
    record(tmp_path, "one-1.0", "__pycache__/x.cpython-312.pyc", "one/__init__.py")
    record(tmp_path, "two-1.0", "__pycache__/x.cpython-312.pyc", "one-1.0.dist-info/METADATA")
    (tmp_path / "three-1.0.dist-info").mkdir()
    assert found(tmp_path) == []
