"""The command as a user meets it: exit status, formats, options, wrong words, a hostile record, a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
import pytest

from envdoctor import dockerfiles
from envdoctor.cli import check
from envdoctor.cli.complete import targets
from envdoctor.facts import Facts, Known, Unknown, encode
from envdoctor.rules import REGISTRY
from tests.factory import dist, drop, edit, healthy, put, with_torch

Save: TypeAlias = Callable[[Facts], str]


def run(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run envdoctor in a process of its own; output is read as UTF-8."""
    variables = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "CONDA_PREFIX"}}
    return subprocess.run(
        [sys.executable, "-m", "envdoctor", *words], capture_output=True, check=False, cwd=cwd, env=variables | env, text=True, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write facts to a file and give the target that names it."""

    def write(facts: Facts) -> str:
        path = tmp_path / "saved.json"
        path.write_bytes(encode(facts))
        return f"saved:{path}"

    return write


def broken() -> Facts:
    """CUDA 13 torch on driver 550."""
    return with_torch(healthy(), "2.11.0+cu130", "13.0", ("sm_80", "sm_90"))


def test_a_healthy_environment_exits_with_0_and_says_so_in_its_last_line(save: Save) -> None:
    done = run("check", save(healthy()))
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("healthy: 0 errors, 0 warnings")
    assert done.stderr == ""


def test_problems_exit_with_1_and_json_holds_the_root_cause_first(save: Save) -> None:
    done = run("check", save(broken()), "--format", "json", "--select", "ED102")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["diagnoses"][0]["code"] == "ED102"
    assert report["diagnoses"][0]["cause"] == "driver-too-old-for-cuda"


def test_a_warning_fails_only_when_asked_to(save: Save) -> None:
    facts = edit(
        healthy(), container__runtime=Known("docker", "/.dockerenv"), container__shm_bytes=Known(64 << 20, "statvfs /dev/shm")
    )
    target = save(facts)
    assert run("check", target).returncode == 0
    assert run("check", target, "--fail-on", "warning").returncode == 1


def test_an_open_question_exits_with_3_only_when_strict(save: Save) -> None:
    target = save(edit(healthy(), builds__torch=Unknown("torch/version.py: Permission denied")))
    assert run("check", target, "--select", "ED102").returncode == 0
    done = run("check", target, "--select", "ED102", "--strict")
    assert done.returncode == 3
    assert "Permission denied" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "/no/such/place"], "does not exist"),
        (["check", "saved:/no/such/file"], "does not exist"),
        (["check", "--select", "ED9"], "no rule is called 'ED9'"),
        (["check", "--suppose", "gpu=h1000"], "Did you mean"),
        (["check", "--suppose", "driver"], "is not NAME=VALUE"),
        (["check", "--format", "xml"], "'xml' is not one of"),
        (["chekc"], "No such command 'chekc'"),
        (["explain", "ED99"], "no rule is called"),
        (["explain"], "Missing argument"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_do_on_standard_error(words: list[str], says: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_supposed_driver_is_judged_and_said(save: Save) -> None:
    target = save(broken())
    done = run("check", target, "--suppose", "driver=580.95.05", "--select", "ED102")
    assert done.returncode == 0
    assert "Judged as if driver=580.95.05." in done.stdout
    assert run("check", target, "--suppose", "driver=470.57.02", "--select", "ED102").returncode == 1


def test_a_record_can_be_replayed_with_the_command_it_prints(save: Save, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    first = run("check", save(broken()), "--select", "ED102", "--record", str(folder))
    assert f"envdoctor check saved:{folder} --select ED102" in first.stdout.replace("\n  ", " ")
    assert sorted(path.name for path in folder.iterdir()) == ["README.txt", "facts.json", "report.json"]
    again = run("check", f"saved:{folder}", "--select", "ED102", "--format", "json")
    recorded = json.loads((folder / "report.json").read_text())
    replayed = json.loads(again.stdout)
    assert replayed["diagnoses"] == recorded["diagnoses"]
    assert again.returncode == first.returncode == 1


def test_the_configuration_of_the_working_folder_counts(save: Save, tmp_path: Path) -> None:
    target = save(broken())
    config = '[tool.envdoctor]\n[[tool.envdoctor.ignore]]\ncode = "ED102"\nreason = "the node is updated on Monday"\nuntil = {}\n'
    (tmp_path / "pyproject.toml").write_text(config.format("2999-01-01"))
    done = run("check", target, "--select", "ED102", cwd=tmp_path)
    assert done.returncode == 0
    assert "the reason given: the node is updated on Monday" in done.stdout.replace("\n  ", " ")
    (tmp_path / "pyproject.toml").write_text(config.format("2020-01-01"))
    done = run("check", target, "--select", "ED102", cwd=tmp_path)
    assert done.returncode == 1
    assert "expired on 2020-01-01" in done.stdout.replace("\n  ", " ")


def test_a_profile_supposes_its_gpu_where_none_is(save: Save, tmp_path: Path) -> None:
    target = save(edit(healthy(), gpus__devices=Known((), "NVML")))
    (tmp_path / "envdoctor.toml").write_text('profile = "b200"\n')
    done = run("check", target, "--format", "json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert report["notes"][-1] == "no GPU is here, so the one of the profile, b200, was supposed"
    assert "ED107" in {one["code"] for one in report["diagnoses"]}


def test_a_hostile_record_moves_no_cursor_and_forges_no_line(save: Save) -> None:
    evil = "2.6.0\x1b[2J\x1b]0;owned\x07\nhealthy: 0 errors\u202e"
    done = run("check", save(put(healthy(), dist("torch", evil), dist("vllm", evil))), "-v")
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "\u202e" not in done.stdout
    assert done.stdout.count("\nhealthy: ") <= 1


def test_a_record_never_covers_other_files_and_its_command_can_be_pasted(save: Save, tmp_path: Path) -> None:
    target = save(broken())
    assert "holds other files" in run("check", target, "--record", str(tmp_path)).stderr
    assert "has no folder" in run("check", target, "--record", "").stderr
    done = run("check", target, "--record", str(tmp_path / "my record"))
    assert f"saved:{tmp_path}/my record'" in done.stdout.replace("\n  ", " ")


def test_json_stays_json_in_every_locale(save: Save, tmp_path: Path) -> None:
    odd = tmp_path / "ünï-環境"
    odd.mkdir()
    (odd / "facts.json").write_bytes(encode(edit(healthy(), host__os_name=Known("Köche", "x"))))
    words = ("check", f"saved:{odd}", "--format", "json")
    done = run(*words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["target"]["spec"] == f"saved:{odd}"


def test_a_closed_standard_output_is_a_clear_line(save: Save) -> None:
    words = f"exec {sys.executable} -m envdoctor check {save(healthy())} >&-"
    done = subprocess.run(["bash", "-c", words], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


def test_no_rule_left_is_wrong_usage_and_rules_left_out_are_counted(save: Save) -> None:
    target = save(healthy())
    assert run("check", target, "--skip", "ED").returncode == 2
    assert "1 rule left out: ED504" in run("check", target, "--skip", "ED504").stdout


def test_a_deleted_working_folder_is_no_bug(save: Save, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    words = f"mkdir {gone}; cd {gone}; rmdir {gone}; exec {sys.executable} -m envdoctor check {save(healthy())}"
    done = subprocess.run(["bash", "-c", words], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


def test_an_environment_without_a_gpu_stack_is_said_to_be_one(save: Save) -> None:
    bare = drop(healthy(), "torch", "vllm", "xformers", "torchvision", "torchaudio")
    assert "neither torch nor vLLM nor a trainer is installed" in run("check", save(bare)).stdout.replace("\n  ", " ")


def test_output_goes_to_a_file_or_fails_with_a_clear_line(save: Save, tmp_path: Path) -> None:
    target = save(healthy())
    done = run("check", target, "--format", "json", "-o", str(tmp_path / "report.json"))
    assert done.stdout == ""
    assert json.loads((tmp_path / "report.json").read_text())["schema_version"] == 1
    done = run("check", target, "-o", str(tmp_path / "no" / "folder"))
    assert done.returncode == 2
    assert "cannot be written: No such file or directory" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_clear_line(save: Save) -> None:
    done = run("check", save(healthy()), "-o", "/dev/full")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "envdoctor", "check", save(healthy())],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_failure(save: Save) -> None:
    words = f"{sys.executable} -m envdoctor check {save(broken())} -v | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", words], capture_output=True, check=False, text=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_locale_that_is_not_utf_8_prints_escapes_and_does_not_fail(save: Save) -> None:
    facts = edit(healthy(), host__os_name=Known("Linux für Köche", "/etc/os-release"))
    done = run("check", save(facts), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "Linux f\\xfcr K\\xf6che" in done.stdout


def test_rules_lists_every_rule_and_explain_shows_its_page() -> None:
    listed = run("rules").stdout.splitlines()
    assert len(listed) == len(REGISTRY) + len(dockerfiles.REGISTRY)
    page = run("explain", "ed102").stdout
    assert page.startswith("# ED102: The NVIDIA driver is too old")
    assert "## What to do" in page


def test_facts_prints_the_document_that_check_reads(tmp_path: Path) -> None:
    done = run("facts", sys.executable, "-o", str(tmp_path / "facts.json"))
    assert done.returncode == 0, done.stderr
    assert run("check", f"saved:{tmp_path}/facts.json").returncode in {0, 1}


def test_neither_facts_nor_records_name_another_person(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "alicesecret" / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    mine = str(tmp_path / "home" / "bobsecret")
    assert "alicesecret" not in run("facts", str(folder), USER="bobsecret", HOME=mine).stdout
    assert "alicesecret" not in run("facts", str(folder), "--format", "issue", USER="bobsecret", HOME=mine).stdout
    page = run("check", str(folder), "--record", str(tmp_path / "record"), USER="bobsecret", HOME=mine)
    assert page.returncode == 0, page.stderr
    assert "alicesecret" not in "".join(path.read_text() for path in (tmp_path / "record").iterdir())
    # the page is for who typed the path
    assert str(folder) in page.stdout


def test_the_issue_block_names_no_home_folder() -> None:
    done = run("facts", sys.executable, "--format", "issue")
    assert done.returncode == 0, done.stderr
    assert str(Path.home()) not in done.stdout.replace(str(Path.home()) + "x", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_ENVDOCTOR_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "position", "offered"),
    [
        ("envdoctor explain ED30", "2", "ED301"),
        ("envdoctor check --suppose gpu=h1", "3", "gpu=h100"),
        ("envdoctor check --skip ed1", "3", "ED102"),
    ],
)
def test_completion_completes_codes_and_gpus(words: str, position: str, offered: str) -> None:
    done = run(_ENVDOCTOR_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=position)
    assert offered in done.stdout


def test_completion_completes_commands() -> None:
    done = run(_ENVDOCTOR_COMPLETE="bash_complete", COMP_WORDS="envdoctor che", COMP_CWORD="1")
    assert "check" in done.stdout


def test_a_bug_of_ours_exits_with_4_and_asks_for_a_report(save: Save) -> None:
    code = "import envdoctor.examine as e, sys; e.examine = lambda *_, **__: 1 / 0; sys.argv[1:] = ['check', %r]; import envdoctor.cli as c; c.main()"
    done = subprocess.run([sys.executable, "-c", code % save(healthy())], capture_output=True, check=False, text=True)
    assert done.returncode == 4
    assert "This is a bug of envdoctor" in done.stderr
    assert "ZeroDivisionError" in done.stderr


INTERRUPTED = """
import sys, signal
def interrupted(*_, **__):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as end:
        raise RuntimeError("a library makes its own error of it") from end
import envdoctor.examine as e
e.examine = interrupted
sys.argv[1:] = ["check", %r]
import envdoctor.cli as c
c.main()
"""


def test_an_interrupt_that_a_library_made_another_error_of_is_an_interrupt(save: Save) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED % save(healthy())], capture_output=True, check=False, text=True)
    assert done.returncode == 130
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_no_probe_and_names_the_exit_status() -> None:
    for words in (["--help"], ["check", "--help"]):
        done = run(*words)
        assert done.returncode == 0
        assert "3 something could not be told" in done.stdout


def test_the_shell_offers_kinds_of_targets_where_no_file_begins_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context, parameter = click.Context(check.command), check.command.params[0]

    def offered(word: str) -> list[tuple[str, str]]:
        return [(item.value, item.type) for item in targets(context, parameter, word)]

    assert offered("ro") == [("root:", "plain")]
    assert offered("im") == [("image:", "plain")]
    assert offered("image:mi") == []
    assert offered("") == [("", "file")]
    assert offered("re") == [("report:", "plain")]
    (tmp_path / "rollouts").mkdir()
    assert offered("ro") == [("ro", "file")]


def test_the_shell_offers_files_after_a_kind_of_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "issue.txt").write_text("")
    (tmp_path / "issues").mkdir()
    context, parameter = click.Context(check.command), check.command.params[0]
    assert [item.value for item in targets(context, parameter, "report:is")] == ["report:issue.txt", "report:issues/"]
    assert targets(context, parameter, "saved:none") == []
