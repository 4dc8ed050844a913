"""Targets: how a word, or its absence, becomes facts; and every way an environment can be broken."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envdoctor import session
from envdoctor.errors import UserError
from envdoctor.facts import Facts, Known, Unknown, encode, need
from envdoctor.sources import interpreter, parse_target
from envdoctor.views import distributions
from tests.factory import healthy

PYTHON = Path(sys.executable)


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare environment made by the standard library."""
    folder = tmp_path_factory.mktemp("target") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def site(folder: Path) -> Path:
    return next((folder / "lib").glob("python3*")) / "site-packages"


def ended(pid: int) -> bool:
    """Whether the process is gone within ten seconds, or dead and only waiting for its parent to notice."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def copy_of(venv: Path, folder: Path) -> Path:
    subprocess.run(["cp", "-a", str(venv), str(folder)], check=True)
    return folder


def facts(target: str) -> Facts:
    return session.facts_of(session.start(target))


def test_the_active_environment_is_virtual_env_then_conda_then_path_and_the_reason_is_said(venv: Path, tmp_path: Path) -> None:
    both = {"VIRTUAL_ENV": str(venv), "CONDA_PREFIX": "/conda", "PATH": "/usr/bin"}
    assert parse_target(None, both)[1:3] == (str(venv), "VIRTUAL_ENV is set")
    assert parse_target(None, {"CONDA_PREFIX": str(venv)}).chosen == "CONDA_PREFIX is set"
    on_path = parse_target(None, {"PATH": str(venv / "bin")})
    assert on_path.path == str(venv / "bin" / "python3")
    assert "python3 on PATH" in on_path.chosen
    assert parse_target("python3", {"PATH": str(venv / "bin")}).path == str(venv / "bin" / "python3")
    assert parse_target(None, {"PATH": str(tmp_path / "none")}).path == sys.executable


def test_a_stale_virtual_env_is_an_error_that_says_how_to_unset_it(tmp_path: Path) -> None:
    for folder in (tmp_path / "gone", tmp_path):
        with pytest.raises(UserError, match="VIRTUAL_ENV is set to") as caught:
            parse_target(None, {"VIRTUAL_ENV": str(folder)})
        assert "unset VIRTUAL_ENV" in caught.value.hint


def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "facts.json")
    with pytest.raises(UserError, match="not a regular file"):
        facts(f"saved:{tmp_path / 'facts.json'}")
    os.mkfifo(tmp_path / "envdoctor.toml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not a regular file"):
        session.plan(session.Options())


def test_an_interpreter_that_prints_for_ever_costs_neither_memory_nor_time(tmp_path: Path) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nexec yes 'not a document' >&2\n")
    program.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(UserError, match="did not run the probe"):
        facts(str(program))
    assert time.monotonic() - began < 300


def test_what_an_interpreter_leaves_in_the_background_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    program, mark = tmp_path / "python3", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\nsleep 1235 & echo $! > {mark}\nexit 3\n")
    program.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(UserError, match="exit status 3"):
        facts(str(program))
    assert time.monotonic() - began < 300
    assert ended(int(mark.read_text()))


def test_a_wrong_option_ends_the_probe_that_was_started_already(tmp_path: Path) -> None:
    program, mark = tmp_path / "python3", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {mark}.new; mv {mark}.new {mark}\nwhile :; do sleep 1000; done\n")
    program.chmod(0o755)

    def wrong() -> None:
        with session.start(str(program)):
            while not mark.exists():
                time.sleep(0.01)
            session.plan(session.Options(suppose=("gpu=nope",)))

    with pytest.raises(UserError, match="not in the data"):
        wrong()
    assert ended(int(mark.read_text()))


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("imag:x", '"imag:" is not a kind'),
        ("/no/such", "does not exist"),
        ("venv:", "does not exist"),
        ("saved:/no", "does not exist"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(word: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        parse_target(word, {})


def test_a_folder_and_its_interpreter_are_the_same_environment(venv: Path) -> None:
    by_folder, by_file = facts(str(venv)), facts(f"venv:{venv}/bin/python3")
    assert need(by_folder.python).kind == "venv"
    assert need(by_folder.python).prefix == need(by_file.python).prefix
    assert by_folder.target.chosen == "named on the command line"


def test_nothing_of_the_target_runs_or_is_imported(venv: Path, tmp_path: Path) -> None:
    folder = copy_of(venv, tmp_path / "venv")
    trap, mark = site(folder), tmp_path / "mark"
    code = f"open({str(mark)!r}, 'w').close()"
    (trap / "sitecustomize.py").write_text(code)
    (trap / "trap.pth").write_text(f"import os; {code}\n")
    (trap / "torch").mkdir()
    (trap / "torch" / "__init__.py").write_text(code)
    (trap / "torch" / "version.py").write_text(f"{code}\n__version__ = '2.5.1+cu124'\ncuda = '12.4'\n")
    found = facts(str(folder))
    assert not mark.exists()
    build = need(found.builds.torch)
    assert build is not None
    assert build.cuda == "12.4"


def test_a_venv_whose_base_interpreter_is_gone_is_still_read(venv: Path, tmp_path: Path) -> None:
    folder = copy_of(venv, tmp_path / "venv")
    for name in ("python", "python3", PYTHON.name, f"python3.{sys.version_info.minor}"):
        (folder / "bin" / name).unlink(missing_ok=True)
    (folder / "bin" / "python3").symlink_to("/no/such/base/bin/python3")
    (site(folder) / "torch-2.5.1.dist-info").mkdir()
    (site(folder) / "torch-2.5.1.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.5.1\n\n")
    found = facts(str(folder))
    assert found.target.broken is not None
    assert "its base Python is gone" in found.target.broken
    assert distributions(found)["torch"].version == "2.5.1"


def test_an_interpreter_that_dies_at_start_is_named_with_its_last_words_and_the_folder_is_read(
    venv: Path, tmp_path: Path
) -> None:
    folder = copy_of(venv, tmp_path / "venv")
    (folder / "bin" / "python3").unlink()
    (folder / "bin" / "python3").write_text(
        "#!/bin/sh\necho 'error while loading shared libraries: libpython3.11.so.1.0' >&2\nexit 127\n"
    )
    (folder / "bin" / "python3").chmod(0o755)
    found = facts(str(folder))
    assert found.target.broken is not None
    assert "libpython3.11.so.1.0" in found.target.broken
    assert "127" in found.target.broken


def test_a_loop_of_links_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UserError, match="loop of links"):
        facts(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("#!/bin/sh\necho hello\n", "did not run the probe"),
        ("#!/bin/sh\nexit 3\n", r"exit status 3\): it printed nothing"),
        ("#!/bin/sh\necho '{}'\n", "printed something else than its document"),
        ("#!/no/such/interpreter\n", "cannot be started"),
    ],
)
def test_a_program_that_is_no_python_is_named(tmp_path: Path, script: str, what: str) -> None:
    program = tmp_path / "python3"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(UserError, match=what):
        facts(str(program))


def test_a_file_that_may_not_be_executed_points_to_saved(tmp_path: Path) -> None:
    document = tmp_path / "facts.json"
    document.write_bytes(encode(healthy()))
    with pytest.raises(UserError) as caught:
        facts(str(document))
    assert f"saved:{document}" in caught.value.hint


def test_a_folder_without_an_interpreter_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither bin/python3 nor bin/python"):
        facts(str(tmp_path))


def test_an_interpreter_that_never_answers_is_given_up_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, mark = tmp_path / "python3", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\ntrap '' TERM INT\necho $$ > {mark}\nwhile :; do sleep 1000; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(interpreter, "DEADLINE_S", 0.5)
    began = time.monotonic()
    with pytest.raises(UserError, match="gave no answer"):
        facts(str(program))
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_site_packages_is_named_as_user(venv: Path, tmp_path: Path) -> None:
    folder = copy_of(venv, tmp_path / "venv")
    site(folder).chmod(0)
    try:
        leaf = facts(str(folder)).packages.distributions
    finally:
        site(folder).chmod(0o755)
    assert isinstance(leaf, Unknown)
    assert "Permission denied" in leaf.why


def test_a_locale_that_is_not_utf_8_and_a_home_that_is_not_ascii_are_survived(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(venv, tmp_path / "vénv-環境")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    assert isinstance(facts(str(folder)).python, Known)


def test_a_python_3_8_target_is_probed_whole() -> None:
    old = next(
        (
            Path(root)
            for root in ("/usr/bin/python3.8", *map(str, Path.home().glob(".pyenv/versions/3.8.*/bin/python3.8")))
            if Path(root).exists()
        ),
        None,
    )
    if old is None:
        pytest.skip("no Python 3.8 on this machine")
    found = facts(str(old))
    assert need(found.python).version.startswith("3.8.")
    assert isinstance(found.packages.distributions, Known)


def test_saved_reads_a_file_or_a_recorded_folder_and_says_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_bytes(encode(healthy()))
    for word in (f"saved:{tmp_path}", f"saved:{tmp_path}/facts.json"):
        found = facts(word)
        assert found.target.chosen == "a record of ~/venv"
        assert found.driver == healthy().driver


def test_a_saved_file_that_is_no_document_is_refused_with_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text("Traceback (most recent call last):")
    with pytest.raises(UserError) as caught:
        facts(f"saved:{tmp_path}")
    assert "is not a probe document" in caught.value.what
    assert "envdoctor facts --output" in caught.value.hint
