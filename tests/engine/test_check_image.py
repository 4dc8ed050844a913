"""``image:REF`` on a real engine: the probe in a container, from outside, and that nothing of either is left."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor import session
from envdoctor.compare import compare
from envdoctor.errors import UserError
from envdoctor.facts import Facts, Known, Unknown, need
from envdoctor.findings import Outcome
from envdoctor.suppose import supposing
from tests.engine.small import PYTHON, imported, reachable, root_of
from tests.factory import MATRIX, judged
from tests.probe.images import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envdoctor.engine.client import Engine

pytestmark = pytest.mark.engine

LIBRARY = f"python3.{sys.version_info.minor}"
SITE = f"/opt/venv/lib/{LIBRARY}/site-packages"
VERSION = "__version__ = '2.9.1+cu128'\ncuda = '12.8'\n"
FILES = {
    "/opt/venv/pyvenv.cfg": f"home = {PYTHON.rpartition('/')[0]}\nversion = {sys.version.split()[0]}\n",
    f"{SITE}/torch/__init__.py": "",
    f"{SITE}/torch/version.py": VERSION,
    f"{SITE}/torch-2.9.1+cu128.dist-info/METADATA": metadata("torch", "2.9.1+cu128"),
    f"{SITE}/torch-2.9.1+cu128.dist-info/RECORD": (
        "torch/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
        f"torch/version.py,sha256={'A' * 43},{len(VERSION)}\n"
    ),
}
VARIABLES = {
    "PATH": "/opt/venv/bin:/usr/bin",
    "NVIDIA_REQUIRE_CUDA": "cuda>=12.8",
    "LD_LIBRARY_PATH": "/opt/compat",
    "A_TOKEN": "secret",
}
NAME = "envdoctor-test/check:1"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    yield from reachable()


@pytest.fixture(scope="module")
def reference(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that holds this Python and a venv with torch in it."""
    folder = root_of(tmp_path_factory.mktemp("root"), FILES, {"/opt/venv/bin/python3": PYTHON})
    yield imported(engine, folder, NAME, VARIABLES, "USER 1000", 'ENTRYPOINT ["/bin/false"]')
    engine.client.images.remove(NAME, force=True)


def facts(reference: str, **options: Any) -> Facts:
    return session.facts_of(session.start(f"image:{reference}", **options))


def containers(engine: Engine) -> set[str]:
    return {one.id for one in engine.client.containers.list(all=True)}


def test_the_container_and_the_exported_root_tell_the_same(engine: Engine, reference: str) -> None:
    before = containers(engine)
    inside, outside = facts(reference), facts(reference, run=False)
    assert "not run" not in inside.target.chosen
    assert "not run, as it was asked for" in outside.target.chosen
    for found in (inside, outside):
        assert [(one.name, one.version) for one in need(found.packages.distributions)] == [("torch", "2.9.1+cu128")]
        assert need(found.host.os_name) == "A small image"
        assert isinstance(found.driver.kernel_module, Unknown)
        assert need(found.environ)["NVIDIA_REQUIRE_CUDA"] == "cuda>=12.8"
        assert "A_TOKEN" not in need(found.environ)
    assert need(inside.image) == need(outside.image)
    assert compare(inside, outside, MATRIX).same
    assert containers(engine) == before


def test_the_image_is_judged_for_a_node(reference: str) -> None:
    on_h100 = supposing(facts(reference), {"gpu": "h100", "driver": "550.54.15"}, MATRIX)
    assert judged("ed505_image_refuses_driver", on_h100)[0] is Outcome.FAIL
    assert judged("ed102_driver_too_old", on_h100)[0] is Outcome.PASS


def test_an_edited_file_is_seen_in_the_container_and_from_outside(reference: str) -> None:
    for run in (True, False):
        found = facts(reference, records=True, run=run)
        assert isinstance(found.records, Known)
        (torch,) = found.records.value
        assert torch.altered == ("torch/version.py",)


def test_a_named_python_is_taken_and_one_that_is_not_there_is_said(reference: str) -> None:
    assert need(facts(f"{reference}::/opt/venv").python).prefix == "/opt/venv"
    with pytest.raises(UserError, match="is no Python environment"):
        facts(f"{reference}::/opt/other")


def test_an_image_without_a_python_says_so_and_leaves_no_container(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "nothing").write_text("")
    before = containers(engine)
    name = imported(engine, tmp_path, "envdoctor-test/empty:1", {})
    try:
        with pytest.raises(UserError, match="no Python was found in image:envdoctor-test/empty:1"):
            facts(name)
    finally:
        engine.client.images.remove(name, force=True)
    assert containers(engine) == before


def test_an_image_that_the_engine_does_not_have_is_refused_with_the_way_to_get_it() -> None:
    with pytest.raises(UserError) as caught:
        facts("envdoctor-test/nosuch:1")
    assert "envdoctor-test/nosuch:1" in caught.value.what
    assert "docker pull" in caught.value.hint


def test_the_page_of_the_command(reference: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "envdoctor", "check", f"image:{reference}", "--suppose", "gpu=h100", "--suppose", "driver=550"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ERROR ED505 this image refuses driver 550.54.14 (CUDA 12.4): it asks for" in done.stdout
