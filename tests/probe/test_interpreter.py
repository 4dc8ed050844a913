"""Section python: the search path worked out from files, against what real interpreters say."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import envdoctor.probe
from envdoctor.facts import Interpreter, Known, Unknown
from envdoctor.probe import interpreter
from envdoctor.probe.machine import Machine
from tests.probe.samples import put

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE = Path(envdoctor.probe.__file__).parent
LIBRARY = f"python{sys.version_info[0]}.{sys.version_info[1]}"
# as the doctor runs it: site.py has not run, and the package is found beside it
UNDER_S = """
import json, sys
sys.path.insert(0, sys.argv[1])
from probe import interpreter, machine
out = {}
interpreter.probe(out, machine.Machine(), json.loads(sys.argv[2]))
print(json.dumps(out["interpreter"]))
"""
PLAIN = """
import json, site, sys
user = site.getusersitepackages() if site.ENABLE_USER_SITE else None
print(json.dumps({"path": sys.path[1:], "user": user, "prefix": sys.prefix, "base": sys.base_prefix}))
"""


def environment(**more: str) -> dict[str, str]:
    """This environment without what changes sys.path, and with ``more``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | more


def probed(python: Path | str, ask: dict[str, Any] | None = None, cwd: Path | None = None, **env: str) -> Interpreter:
    """The facts that the probe finds under that interpreter."""
    command = [str(python), "-I", "-S", "-c", UNDER_S, str(PROBE.parent), json.dumps(ask or {})]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(**env), cwd=cwd)
    return typed(json.loads(done.stdout))


def typed(leaf: Any) -> Interpreter:
    known: Known[Interpreter] = msgspec.convert(leaf, Known[Interpreter])
    return known.value


def said_by(python: Path, cwd: Path | None = None, **env: str) -> dict[str, Any]:
    """What a plain start of that interpreter says of itself."""
    done = subprocess.run([python, "-c", PLAIN], capture_output=True, text=True, check=True, env=environment(**env), cwd=cwd)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def made_venv(folder: Path, *options: str) -> Path:
    """A new venv of the running Python without packages; its python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", *options, folder], check=True, env=environment())
    return folder / "bin" / "python"


def path_of(found: Interpreter) -> list[str]:
    assert isinstance(found.sys_path, Known)
    return list(found.sys_path.value)


def sites_of(found: Interpreter) -> list[str]:
    assert isinstance(found.site_dirs, Known)
    return list(found.site_dirs.value)


def test_a_venv_has_the_path_that_its_own_python_says(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    found, said = probed(python), said_by(python)
    assert path_of(found) == said["path"]
    assert (found.prefix, found.base_prefix) == (said["prefix"], said["base"])
    assert (found.kind, found.include_system_site, found.externally_managed) == ("venv", False, False)
    assert found.executable == str(python)
    assert (found.version, found.implementation) == (sys.version.split()[0], sys.implementation.name)
    assert isinstance(found.user_site, Known)
    assert found.user_site.value is None
    assert sites_of(found) == [f"{tmp_path}/venv/lib/{LIBRARY}/site-packages"]


def test_a_pth_file_adds_its_plain_lines_and_its_import_lines_are_never_executed(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    site = tmp_path / "venv" / "lib" / LIBRARY / "site-packages"
    (tmp_path / "source").mkdir()
    (site / "inside").mkdir()
    put(site / "a.pth", "\ufeff# a comment\ninside\n\nnot-there\n")
    put(site / "b.pth", f"import pathlib; pathlib.Path({str(tmp_path / 'executed')!r}).touch()\n{tmp_path}/source\n")
    put(site / ".hidden.pth", f"{tmp_path}\n")
    found = probed(python)
    assert not (tmp_path / "executed").exists()
    assert sites_of(found) == [str(site), str(site / "inside"), str(tmp_path / "source")]
    if sys.version_info >= (3, 12, 4):  # older ones read hidden .pth files, and know no byte order mark
        assert path_of(found) == said_by(python)["path"]


def test_pythonpath_comes_first_and_its_pth_files_do_not_count(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    for name in ("one", "here"):
        (tmp_path / name).mkdir()
    put(tmp_path / "one" / "x.pth", f"{tmp_path}\n")
    # the colon at the end is the current folder
    wanted = f"{tmp_path}/one:{tmp_path}/missing:{tmp_path}/one:"
    found = probed(python, cwd=tmp_path / "here", PYTHONPATH=wanted)
    assert path_of(found) == said_by(python, cwd=tmp_path / "here", PYTHONPATH=wanted)["path"]
    assert found.pythonpath == (f"{tmp_path}/one", f"{tmp_path}/missing", f"{tmp_path}/one", f"{tmp_path}/here")
    assert sites_of(found) == [f"{tmp_path}/one", f"{tmp_path}/here", f"{tmp_path}/venv/lib/{LIBRARY}/site-packages"]


@pytest.mark.parametrize("option", ["", "no user site"])
def test_a_venv_with_system_site_sees_the_user_site_and_the_base_python(tmp_path: Path, option: str) -> None:
    python = made_venv(tmp_path / "venv", "--system-site-packages")
    user = tmp_path / "user" / "lib" / LIBRARY / "site-packages"
    user.mkdir(parents=True)
    env: dict[str, Any] = {"PYTHONUSERBASE": str(tmp_path / "user")} | ({"PYTHONNOUSERSITE": "1"} if option else {})
    found, said = probed(python, **env), said_by(python, **env)
    assert path_of(found) == said["path"]
    assert found.include_system_site
    assert isinstance(found.user_site, Known)
    assert found.user_site.value == (None if option else str(user))


def test_the_user_site_does_not_leak_into_a_closed_venv(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    (tmp_path / ".local" / "lib" / LIBRARY / "site-packages").mkdir(parents=True)
    found = probed(python, HOME=str(tmp_path))
    assert isinstance(found.user_site, Known)
    assert found.user_site.value is None


def test_the_base_python_has_the_path_that_it_says_itself(tmp_path: Path) -> None:
    base = Path(sys.base_prefix) / "bin" / LIBRARY
    if not base.exists():
        pytest.skip("the base Python of this one is gone")
    (tmp_path / ".local" / "lib" / LIBRARY / "site-packages").mkdir(parents=True)
    found, said = probed(base, HOME=str(tmp_path)), said_by(base, HOME=str(tmp_path))
    assert path_of(found) == said["path"]
    assert isinstance(found.user_site, Known)
    assert found.user_site.value == said["user"] == str(tmp_path / ".local" / "lib" / LIBRARY / "site-packages")
    assert found.kind in {"system", "conda"}


def test_a_venv_whose_base_python_is_gone_is_described_from_its_files(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    for link in (tmp_path / "venv" / "bin").glob("python*"):
        link.unlink()
    python.symlink_to("/gone/bin/python3")
    put(
        tmp_path / "venv" / "pyvenv.cfg",
        "home = /gone/bin\ninclude-system-site-packages = false\nversion_info = 3.9.18.final.0\n",
    )
    (tmp_path / "venv" / "lib" / "python3.9" / "site-packages").mkdir(parents=True)
    found = probed(sys.executable, {"venv": str(tmp_path / "venv")})
    assert (found.version, found.abi, found.kind) == ("3.9.18", "", "venv")
    assert (found.executable, found.base_prefix) == (str(python), "/gone")
    assert sites_of(found) == [f"{tmp_path}/venv/lib/python3.9/site-packages"], "and not those of the Python that runs the probe"


def test_without_pyvenv_cfg_the_version_comes_from_the_folder_name(tmp_path: Path) -> None:
    for name in ("python3.9", "python3.10"):
        (tmp_path / "env" / "lib" / name / "site-packages").mkdir(parents=True)
    (tmp_path / "env" / "conda-meta").mkdir()
    found = probed(sys.executable, {"venv": str(tmp_path / "env")})
    assert (found.version, found.kind) == ("3.10", "conda")


def test_a_folder_without_python_is_unknown_and_says_so(tmp_path: Path) -> None:
    out: dict[str, Any] = {}
    interpreter.probe(out, Machine(), {"venv": str(tmp_path)})
    leaf: Unknown = msgspec.convert(out["interpreter"], Unknown)
    assert leaf.why == f"{tmp_path}/lib holds no python folder: this is not a Python environment, or it is empty"


def test_a_fifo_in_the_place_of_a_pth_file_costs_no_time_and_is_named(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    site = tmp_path / "venv" / "lib" / LIBRARY / "site-packages"
    os.mkfifo(site / "x.pth")
    leaf = probed(python).site_dirs
    assert isinstance(leaf, Known)
    assert leaf.via.endswith(f"; not read: {site}/x.pth is not a regular file")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    python = made_venv(tmp_path / "venv")
    site = tmp_path / "venv" / "lib" / LIBRARY / "site-packages"
    (site / "circle").symlink_to(site / "circle")
    put(site / "x.pth", "circle\n../site-packages\n")
    (site / "y.pth").symlink_to(site / "y.pth")
    assert sites_of(probed(python)) == [str(site)]


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Interpreter]:
    """The facts of a recorded machine: the folders it has, and what its interpreter knew of itself."""

    def look(*folders: str, base_prefix: str, stdlib: str, **more: Any) -> Interpreter:
        for folder in folders:
            (tmp_path / "root" / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        said = {
            "executable": f"{base_prefix}/bin/python3", "version": "3.11.2", "implementation": "cpython",
            "abi": "cpython-311-x86_64-linux-gnu", "free_threaded": False, "bits": 64, "base_prefix": base_prefix,
            "stdlib": stdlib, "stdlib_path": [stdlib], "same_user": True,
        }  # fmt: skip
        put(tmp_path / "root" / "recorded" / "python.json", json.dumps(said | more))
        out: dict[str, Any] = {}
        interpreter.probe(out, Machine(str(tmp_path / "root"), environ={"HOME": "/home/u"}, commands={}), {})
        return typed(out["interpreter"])

    return look


def test_debian_keeps_its_packages_in_dist_packages(recorded: Callable[..., Interpreter], tmp_path: Path) -> None:
    put(tmp_path / "root/usr/lib/python3.11/EXTERNALLY-MANAGED")
    found = recorded(
        "/usr/local/lib/python3.11/dist-packages", "/usr/local/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages",
        "/usr/lib/python3.11/site-packages", base_prefix="/usr", stdlib="/usr/lib/python3.11",
    )  # fmt: skip
    # sys.path of /usr/bin/python3 on Debian 12
    assert sites_of(found) == ["/usr/local/lib/python3.11/dist-packages", "/usr/lib/python3/dist-packages"]
    assert (found.kind, found.externally_managed) == ("system", True)


def test_lib64_and_lib_both_count_and_one_that_links_to_the_other_counts_once(
    recorded: Callable[..., Interpreter], tmp_path: Path
) -> None:
    folders = ("/usr/lib64/python3.11/site-packages", "/usr/lib/python3.11/site-packages")
    found = recorded(*folders, "/usr/local/lib/python3.11/site-packages", base_prefix="/usr", stdlib="/usr/lib64/python3.11")
    assert sites_of(found) == list(folders), "/usr/local only where site.py itself adds it"
    put(tmp_path / "root/usr/lib64/python3.11/site.py", 'PREFIXES.insert(0, "/usr/local")\n')
    found = recorded(*folders, base_prefix="/usr", stdlib="/usr/lib64/python3.11")
    assert sites_of(found) == ["/usr/local/lib/python3.11/site-packages", *folders]
    (tmp_path / "root/env/lib/python3.11/site-packages").mkdir(parents=True)
    (tmp_path / "root/env/lib64").symlink_to("lib")
    put(tmp_path / "root/env/pyvenv.cfg", "home = /usr/bin\n")
    found = recorded(base_prefix="/usr", stdlib="/usr/lib64/python3.11", executable="/env/bin/python")
    assert len(sites_of(found)) == 1


def test_conda_is_told_by_its_conda_meta_folder(recorded: Callable[..., Interpreter]) -> None:
    found = recorded(
        "/miniconda/conda-meta",
        "/miniconda/lib/python3.11/site-packages",
        base_prefix="/miniconda",
        stdlib="/miniconda/lib/python3.11",
    )
    assert (found.kind, sites_of(found)) == ("conda", ["/miniconda/lib/python3.11/site-packages"])


def test_free_threaded_python_has_its_own_folder_name(recorded: Callable[..., Interpreter]) -> None:
    found = recorded(
        "/python/lib/python3.13t/site-packages", "/python/lib/python3.13/site-packages", base_prefix="/python",
        stdlib="/python/lib/python3.13t", free_threaded=True,
    )  # fmt: skip
    assert sites_of(found) == ["/python/lib/python3.13t/site-packages"]


@pytest.mark.parametrize("name", ["interpreter", "packages", "builds", "numpy_abi", "elf"])
def test_the_source_is_python_3_8(name: str) -> None:
    ast.parse((PROBE / f"{name}.py").read_text(), feature_version=(3, 8))
