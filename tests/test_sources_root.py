"""``root:DIR`` from the word on the command line to the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor import session
from envdoctor.errors import UserError
from envdoctor.facts import Facts, Unknown, encode, need
from envdoctor.findings import Change, Finding, Kind
from envdoctor.prescribe import commands
from envdoctor.rules import load
from envdoctor.sources import interpreter, parse_target, root
from envdoctor.views import elsewhere, in_root
from tests.cli.test_cli import run
from tests.factory import dist, edit, healthy, put
from tests.probe.images import base, image, metadata, venv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LINKS = {"/opt/venv/bin/python3": "/usr/bin/python3.11"}


def facts(target: str) -> Facts:
    return session.facts_of(session.start(target))


def small(folder: Path, home: str = "/opt/venv") -> str:
    return image(folder, base(), venv(home, packages={"torch": "2.6.0"}), links={f"{home}/bin/python3": "/usr/bin/python3.11"})


def copied(path: str, folder: Path) -> None:
    """A file of this machine at its own place in the root."""
    place = folder / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(path), place)


@pytest.mark.parametrize(
    ("word", "folder", "inside"),
    [
        ("root:{}", "{}", ""),
        ("root:{}::/opt/venv", "{}", "/opt/venv"),
        ("root:{}/::/usr/bin/python3", "{}", "/usr/bin/python3"),
        ("root:{}/a::b", "{}/a::b", ""),
        ("root:{}/a::b::/opt", "{}/a", "b::/opt"),
    ],
)
def test_a_root_folder_and_the_python_in_it_are_told_apart(tmp_path: Path, word: str, folder: str, inside: str) -> None:
    (tmp_path / "a::b").mkdir()
    (tmp_path / "a").mkdir()
    spec = parse_target(word.format(tmp_path), {})
    assert (spec.scheme, spec.path, spec.inside) == ("root", folder.format(tmp_path), inside)


def test_a_real_environment_is_the_same_from_outside_as_from_inside(tmp_path: Path) -> None:
    """This Python's own program, library and standard library at their places in a root, and an environment made by it."""
    python = os.path.realpath(sys.executable)
    prefix, library = os.path.dirname(os.path.dirname(python)), f"python3.{sys.version_info.minor}"
    copied(python, tmp_path)
    stdlib = sysconfig.get_path("stdlib")
    copied(f"{stdlib}/os.py", tmp_path)
    for name in os.listdir(f"{stdlib}/lib-dynload"):
        copied(f"{stdlib}/lib-dynload/{name}", tmp_path)
    shared = f"{prefix}/lib/lib{library}.so.1.0"
    if os.path.exists(shared):
        copied(shared, tmp_path)
    (tmp_path / "opt").mkdir()
    inside = tmp_path / "opt" / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", str(inside)], check=True)
    site = inside / "lib" / library / "site-packages"
    (site / "torch-2.6.0.dist-info").mkdir()
    (site / "torch-2.6.0.dist-info" / "METADATA").write_text(metadata("torch", "2.6.0"))
    outside, own = facts(f"root:{tmp_path}"), facts(str(inside))
    assert outside.target.broken is None
    assert outside.target.spec == f"root:{tmp_path}::/opt/venv"
    here, there = need(own.python), need(outside.python)
    for name in ("version", "implementation", "abi", "free_threaded", "bits", "kind", "include_system_site"):
        assert getattr(there, name) == getattr(here, name), name
    # either may be written without the name of the home folder
    assert os.path.basename(there.base_prefix) == os.path.basename(here.base_prefix)
    assert there.prefix == here.prefix.replace(str(tmp_path), "")
    assert there.site_dirs.value == (f"/opt/venv/lib/{library}/site-packages",)  # type: ignore[union-attr]
    assert [msgspec.structs.replace(one, location="") for one in need(outside.packages.distributions)] == [
        msgspec.structs.replace(one, location="") for one in need(own.packages.distributions)
    ]


def test_the_page_says_which_python_was_chosen_and_what_cannot_be_told(tmp_path: Path) -> None:
    done = run("check", f"root:{small(tmp_path)}")
    words = " ".join(done.stdout.split())
    assert "::/opt/venv (it holds torch; also in it: /usr/bin/python3.11, to be named as root:DIR::PATH)" in words
    assert "driver ? unknown; GPUs unknown" in words
    assert "say --suppose gpu=h100 and --suppose driver=VERSION" in words
    assert "ERROR ED1" not in words
    assert run("check", f"root:{tmp_path}", "--strict").returncode == 3


def test_a_supposed_driver_is_judged(tmp_path: Path) -> None:
    torch = {
        "/opt/venv/lib/python3.11/site-packages/torch/version.py": "__version__ = '2.11.0+cu130'\ncuda = '13.0'\n",
        "/opt/venv/lib/python3.11/site-packages/torch/__init__.py": "",
    }
    folder = image(tmp_path, base(), venv(packages={"torch": "2.11.0+cu130"}), torch, links=LINKS)
    done = run("check", f"root:{folder}", "--suppose", "gpu=h100", "--suppose", "driver=535.161.08")
    assert done.returncode == 1
    assert "ERROR ED102" in done.stdout


def test_a_base_python_that_is_missing_is_an_error_and_no_command_empties_the_folder(tmp_path: Path) -> None:
    folder = image(tmp_path, venv(home="/usr/local/bin"), links={"/opt/venv/bin/python3": "/usr/local/bin/python3.11"})
    done = run("check", f"root:{folder}")
    assert done.returncode == 1
    assert "ED207 the interpreter of /opt/venv does not start" in done.stdout
    assert "--clear" not in done.stdout


@pytest.mark.parametrize(
    ("word", "what", "hint"),
    [
        ("root:{}/none", "does not exist", "root:DIR"),
        ("root:{}/file.tar", "is not a folder", "docker export"),
        ("root:{}/empty", "is not a root folder", "unpacked image"),
        ("root:{}/root::/opt/other", "/opt/other in", "/opt/venv"),
        ("root:/", "this machine itself", "envdoctor check PATH"),
        ("root:", "does not exist", "root:DIR"),
        ("rot:{}", '"rot:" is not a kind of target', 'Did you mean "root"?'),
    ],
)
def test_what_cannot_be_judged_is_refused_with_what_to_do(tmp_path: Path, word: str, what: str, hint: str) -> None:
    (tmp_path / "file.tar").touch()
    (tmp_path / "empty").mkdir()
    small(tmp_path / "root")
    with pytest.raises(UserError, match=what) as caught:
        facts(word.format(tmp_path))
    assert hint in caught.value.hint


def test_a_refusal_with_a_hostile_name_is_harmless_on_the_terminal(tmp_path: Path) -> None:
    small(tmp_path, "/opt/\x1b[31mvenv")
    done = run("check", f"root:{tmp_path}::/no")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\\x1b[31mvenv" in done.stderr
    page = run("check", f"root:{tmp_path}")
    assert "\x1b" not in page.stdout


def test_a_probe_that_ends_without_an_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = root.start(str(tmp_path), "")
    monkeypatch.setattr(interpreter, "collect", lambda _: (b"", b"oops\nlast words\n", False))
    with pytest.raises(UserError, match="ended without an answer: last words"):
        root.finish(running, str(tmp_path))
    monkeypatch.setattr(interpreter, "collect", lambda _: (b"", b"", True))
    with pytest.raises(UserError, match=r"no answer in 9\.5 s"):
        root.finish(running, str(tmp_path))
    ended(running)


def ended(running: interpreter.Running) -> None:
    running.child.communicate(timeout=60)


def test_commands_are_lines_of_its_dockerfile() -> None:
    inside = edit(healthy(), target__spec="root:/mnt::/opt/venv", python__executable="/opt/venv/bin/python")
    install = Change(kind=Kind.INSTALL, says="x", install={"torch": "==2.6.0"})
    python = ("/opt/venv/bin/python", "-m", "pip")
    assert commands(install, inside) == (("RUN", "uv", "pip", "install", "--python", python[0], "torch==2.6.0"),)
    swap = Change(kind=Kind.UNINSTALL, says="x", remove=("pynvml",), install={"nvidia-ml-py": ">=12"})
    lines: Sequence[tuple[str, ...]] = commands(swap, put(inside, dist("pip", "24.0")))
    assert [line[:4] for line in lines] == [("RUN", *python), ("RUN", *python)]
    variables = Change(kind=Kind.SET_ENV, says="x", env={"PYTHONPATH": None, "LD_LIBRARY_PATH": "/usr/lib"})
    assert commands(variables, inside) == (("ENV", "PYTHONPATH="), ("ENV", "LD_LIBRARY_PATH=/usr/lib"))


@pytest.mark.parametrize(
    ("spec", "chosen", "root_folder", "far"),
    [
        ("root:/mnt::/opt/venv", "it holds torch", True, True),
        ("saved:rec", "a record of root:/mnt::/opt/venv", True, True),
        ("saved:rec", "a record of ~/venv", False, True),
        ("~/venv", "named on the command line", False, False),
    ],
)
def test_paths_of_a_root_folder_are_not_those_of_this_machine(spec: str, chosen: str, root_folder: bool, far: bool) -> None:
    one = edit(healthy(), target__spec=spec, target__chosen=chosen)
    assert (in_root(one), elsewhere(one)) == (root_folder, far)


def test_leftovers_in_a_root_folder_are_not_deleted_by_a_command_for_this_machine(tmp_path: Path) -> None:
    folder = image(
        tmp_path, base(), venv(packages={"torch": "2.6.0"}), {"/opt/venv/lib/python3.11/site-packages/~orch/x": ""}, links=LINKS
    )
    done = run("check", f"root:{folder}", "--select", "ED204")
    assert "~orch" in done.stdout
    assert "rm -r" not in done.stdout


def test_a_home_in_the_image_is_whole_in_commands_and_hidden_in_records(tmp_path: Path) -> None:
    folder = small(tmp_path / "root", "/home/ray/.venv")
    with session.start(f"root:{folder}") as pending:
        found = session.facts_of(pending)
    assert need(session.pasteable(found, pending).python).executable == "/home/ray/.venv/bin/python3"
    assert b"/home/ray" not in encode(session.anonymous(found))
    with session.start(f"root:{folder}::/usr/bin/python3.11") as pending:
        system = session.facts_of(pending)
    assert need(session.pasteable(system, pending).python).executable == "/usr/bin/python3.11"


def test_a_record_of_a_root_folder_gives_the_same_commands(tmp_path: Path) -> None:
    folder = small(tmp_path / "root")
    assert run("check", f"root:{folder}", "--record", str(tmp_path / "record")).returncode == 0
    again = facts(f"saved:{tmp_path / 'record'}")
    assert in_root(again)
    assert isinstance(again.driver.kernel_module, Unknown)


def test_a_gone_interpreter_of_a_root_folder_was_read_and_not_started() -> None:
    rule = load("ed207_interpreter_gone")
    for spec, layer in (("root:/mnt::/opt/venv", "linked"), ("~/venv", "loaded")):
        (finding,) = rule.check(edit(healthy(), target__spec=spec, target__broken="x links to y"), None)  # type: ignore[arg-type]
        assert isinstance(finding, Finding)
        assert finding.layer.value == layer
