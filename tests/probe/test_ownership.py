"""Files that two distributions list: which are reported, whose bytes are on disk, and what is harmless."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import TYPE_CHECKING, Any

from envdoctor.probe import ownership, packages
from envdoctor.probe.machine import Machine, known, unknown
from tests.probe.samples import install, put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


def row(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


def wheel(site: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Install as pip does: later ones write over earlier ones."""
    for path, content in files.items():
        put(site / path, content)
    install(site, name, "1.0", record="".join(row(path, content) for path, content in files.items()))


def found(*sites: Path) -> list[dict[str, Any]]:
    """The section's leaf on this machine, the dist-info folders in the order of their names."""
    sections: dict[str, Any] = {
        "python": {"interpreter": known({"site_dirs": known([str(site) for site in sites], "test")}, "test")}, "packages": {},
    }  # fmt: skip
    packages.probe(sections["packages"], Machine(), {"sections": sections})
    out: dict[str, Any] = {}
    ownership.probe(out, Machine(), {"sections": sections})
    assert out["overwritten"]["is"] == "known"
    return list(out["overwritten"]["value"])


def test_two_packages_with_other_contents_at_one_path_are_reported_with_the_last_writer(tmp_path: Path) -> None:
    wheel(
        tmp_path, "cuda-bindings", {"cuda/bindings/driver.so": b"13", "cuda/bindings/_version.py": b"v = 13", "cuda/a.py": b"a"}
    )
    wheel(tmp_path, "cuda-python", {"cuda/bindings/driver.so": b"12", "cuda/bindings/_version.py": b"v = 12", "cuda/b.py": b"b"})
    assert found(tmp_path) == [
        {
            "path": "cuda/bindings/_version.py", "count": 2, "owners": ["cuda-bindings", "cuda-python"], "winner": "cuda-python",
            "sampled": 2,
        }
    ]  # fmt: skip


def test_equal_files_and_files_that_are_no_modules_are_not_reported(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"shared/__init__.py": b"x = 1", "shared/readme.txt": b"one"})
    wheel(tmp_path, "two", {"shared/__init__.py": b"x = 1", "shared/readme.txt": b"two"})
    assert found(tmp_path) == []


def test_namespace_packages_may_word_their_init_differently(tmp_path: Path) -> None:
    old = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    wheel(tmp_path, "one", {"nvidia/__init__.py": b"# Copyright one\n", "google/__init__.py": old})
    wheel(tmp_path, "two", {"nvidia/__init__.py": b"", "google/__init__.py": b"import pkg_resources\n" + old})
    wheel(tmp_path, "three", {"nvidia/__init__.py": b'"""NVIDIA\'s packages."""\n'})
    assert found(tmp_path) == []


def test_an_empty_init_over_one_of_some_size_is_no_namespace(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"pkg/__init__.py": b"from .core import load\n" * 200})
    wheel(tmp_path, "two", {"pkg/__init__.py": b""})
    assert [one["winner"] for one in found(tmp_path)] == ["two"]


def test_an_init_that_is_no_python_is_compared_like_any_file(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"pkg/__init__.py": b"pkgutil = (" * 100})
    wheel(tmp_path, "two", {"pkg/__init__.py": b"\0"})
    assert [one["path"] for one in found(tmp_path)] == ["pkg/__init__.py"]


def test_an_init_that_does_something_is_no_namespace(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"serial/__init__.py": b"from .core import load\n"})
    wheel(tmp_path, "two", {"serial/__init__.py": b"from .port import Serial\n"})
    assert [one["path"] for one in found(tmp_path)] == ["serial/__init__.py"]


def test_tests_and_build_files_at_the_top_are_there_by_mistake(tmp_path: Path) -> None:
    """flashinfer-python 0.7.0.post1 and torch-c-dlpack-ext both bring a build_backend.py."""
    wheel(tmp_path, "one", {"build_backend.py": b"one", "tests/__init__.py": b"one = 1"})
    wheel(tmp_path, "two", {"build_backend.py": b"two", "tests/__init__.py": b"two = 2"})
    assert found(tmp_path) == []


def test_a_module_of_one_file_is_compared_too(tmp_path: Path) -> None:
    wheel(tmp_path, "nvidia-ml-py", {"pynvml.py": b"new"})
    wheel(tmp_path, "nvidia-ml-py3", {"pynvml.py": b"old"})
    assert [(one["path"], one["winner"]) for one in found(tmp_path)] == [("pynvml.py", "nvidia-ml-py3")]


def test_a_mixture_and_foreign_contents_have_no_winner(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"pkg/a.py": b"one", "pkg/b.py": b"one"})
    wheel(tmp_path, "two", {"pkg/a.py": b"two", "pkg/b.py": b"two"})
    put(tmp_path / "pkg/a.py", b"one")
    assert [(one["winner"], one["sampled"]) for one in found(tmp_path)] == [(None, 2)]
    for name in ("a", "b"):
        put(tmp_path / f"pkg/{name}.py", b"edited by hand")
    assert [one["winner"] for one in found(tmp_path)] == [None]


def test_a_file_that_is_gone_has_no_winner(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"pkg/a.py": b"one"})
    wheel(tmp_path, "two", {"pkg/a.py": b"two"})
    (tmp_path / "pkg/a.py").unlink()
    assert [(one["winner"], one["sampled"]) for one in found(tmp_path)] == [(None, 0)]


def test_a_file_too_large_to_hash_is_told_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "MAX_SAMPLE_BYTES", 10)
    wheel(tmp_path, "nvidia-nccl-cu12", {"nvidia/nccl/lib/libnccl.so.2": b"2" * 30})
    wheel(tmp_path, "nvidia-nccl-cu13", {"nvidia/nccl/lib/libnccl.so.2": b"3" * 40})
    assert [(one["winner"], one["sampled"]) for one in found(tmp_path)] == [("nvidia-nccl-cu13", 0)]


def test_three_owners_are_one_finding_and_other_sets_others(tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two", "three")):
        wheel(tmp_path, name, {"pkg/a.py": name.encode(), **({"pkg/b.py": name.encode()} if number else {})})
    assert [(one["owners"], one["count"]) for one in found(tmp_path)] == [
        (["one", "three", "two"], 1), (["three", "two"], 1),
    ]  # fmt: skip


def test_folders_of_the_path_do_not_touch_each_other(tmp_path: Path) -> None:
    wheel(tmp_path / "a", "one", {"pkg/a.py": b"one"})
    wheel(tmp_path / "b", "two", {"pkg/a.py": b"two"})
    assert found(tmp_path / "a", tmp_path / "b") == []


def test_a_package_that_is_recorded_twice_is_not_compared_with_itself(tmp_path: Path) -> None:
    wheel(tmp_path, "one", {"pkg/a.py": b"new"})
    install(tmp_path, "one", "0.9", record=row("pkg/a.py", b"old"))
    assert found(tmp_path) == []


def test_hostile_records_are_read_quickly_and_never_lead_outside(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.py", b"secret")
    lines = [
        row("pkg/../../secret.py", b"x"), "pkg/" + "a" * 200_000 + ".so" + ".1" * 50_000 + ",", "pkg/\0.py,sha256=" + "A" * 43 + ",1\n",
        "pkg/a.py,sha256=" + "A" * 43 + "," + "9" * 19 + "\n", "\n" * 1000, '"pkg/a,b.py",sha256=x,1\n', "a/" * 100_000,
    ]  # fmt: skip
    site = tmp_path / "site"
    install(site, "one", "1.0", record="".join(lines))
    install(site, "two", "1.0", record="".join(lines).replace("A", "B"))
    started = time.process_time()
    assert [one["path"] for one in found(site)] == ["pkg/a.py"]
    assert time.process_time() - started < 2
    assert secret.read_bytes() == b"secret"


def test_records_are_bounded_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "one", {"pkg/a.py": b"one"})
    wheel(tmp_path, "two", {"pkg/a.py": b"two"})
    monkeypatch.setattr(ownership, "MAX_BYTES", 100)
    assert found(tmp_path) == []


def test_without_the_distributions_it_is_not_known() -> None:
    out: dict[str, Any] = {}
    ownership.probe(out, Machine(), {"sections": {"packages": {"distributions": unknown("no answer")}}})
    assert out == {"overwritten": unknown("no answer")}
