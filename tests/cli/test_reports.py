"""``envdoctor check report:FILE``, ``< log`` and ``envdoctor triage``."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.sources import SCHEMES
from tests.cli.test_cli import run

BROKEN = "trl==0.25.0\nvllm==0.12.0\nImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params' (/x/vllm/sampling_params.py)\n"
HEALTHY = (
    "PyTorch version: 2.5.1+cu124\nNvidia driver version: 550.54.15\nGPU 0: NVIDIA H100 80GB HBM3\nIs CUDA available: True\n"
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "broken.txt").write_text(BROKEN)
    (tmp_path / "healthy.txt").write_text(HEALTHY)
    (tmp_path / "little.txt").write_text("it does not work\n")
    return tmp_path


def test_a_report_is_judged_and_its_cause_is_in_the_json(here: Path) -> None:
    done = run("check", "report:broken.txt", "--format", "json", cwd=here)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["diagnoses"][0]["cause"], report["diagnoses"][0]["code"]) == ("trl-vllm-unsupported", "ED401")
    page = run("check", "report:broken.txt", cwd=here).stdout
    assert page.startswith("envdoctor: report:broken.txt (a pasted report)\n"), "named as it was given, without the folders above"
    assert "What is not in the text is not judged." in page.replace("\n  ", " ")


@pytest.mark.parametrize(("name", "plain", "strict"), [("healthy", 0, 0), ("little", 0, 3), ("broken", 1, 1)])
def test_the_exit_status_says_what_the_report_shows(name: str, plain: int, strict: int, here: Path) -> None:
    assert run("check", f"report:{name}.txt", cwd=here).returncode == plain
    assert run("check", f"report:{name}.txt", "--strict", cwd=here).returncode == strict


def test_standard_input_is_read_where_it_is_named_or_a_file(here: Path) -> None:
    argv = [sys.executable, "-m", "envdoctor", "check"]
    piped = subprocess.run([*argv, "report:-"], input=BROKEN, capture_output=True, text=True, check=False, cwd=here)
    assert "report:standard input" in piped.stdout
    assert piped.returncode == 1
    with (here / "broken.txt").open() as log:
        given = subprocess.run(argv, stdin=log, capture_output=True, text=True, check=False, cwd=here)
    assert "report:standard input" in given.stdout


def test_an_empty_file_on_standard_input_is_an_empty_report_and_not_this_environment(here: Path) -> None:
    (here / "empty.txt").write_text("")
    for words, status in (((), 0), (("--strict",), 3)):
        with (here / "empty.txt").open() as log:
            argv = [sys.executable, "-m", "envdoctor", "check", *words]
            given = subprocess.run(argv, stdin=log, capture_output=True, text=True, check=False, cwd=here)
        assert given.stdout.startswith("envdoctor: report:standard input")
        assert "note: the text is empty" in given.stdout
        assert given.returncode == status
    assert "the text is empty" in run("check", "report:empty.txt", cwd=here).stdout
    assert run("triage", "empty.txt", cwd=here).stdout.startswith("This report is empty.")
    assert "the text is empty" not in run("check", "report:little.txt", cwd=here).stdout


def test_a_pipe_that_nobody_named_and_a_script_that_a_shell_reads_are_left_alone(here: Path) -> None:
    argv = [sys.executable, "-m", "envdoctor", "check"]
    piped = subprocess.run(argv, input=BROKEN, capture_output=True, text=True, check=False, cwd=here)
    assert "report:" not in piped.stdout.splitlines()[0]
    assert "note: text waits on standard input" in piped.stdout
    quiet = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=here)
    assert "standard input" not in quiet.stdout
    (here / "job.sh").write_text(f"{' '.join(argv)} | head -1\necho end\n")
    with (here / "job.sh").open() as script:
        shell = subprocess.run(["bash"], stdin=script, capture_output=True, text=True, check=False, cwd=here)
    assert "report:" not in shell.stdout
    assert shell.stdout.endswith("end\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report:none.txt",), "No such file or directory"),
        (("report:none.txt",), "Name a text file, or - for standard input"),
        (("report:",), "report:FILE"),
        (("-",), "report:-"),
        (("report:.",), "cannot be read"),
        (("report:broken.txt", "--deep"), "nothing of report:broken.txt is run from here"),
        (("report:broken.txt", "--names", "trl:vllm"), "a report has none"),
        (("report:broken.txt", "--no-run"), "--no-run is for images"),
    ],
)
def test_what_cannot_be_done_with_a_report_is_refused(words: tuple[str, ...], said: str, here: Path) -> None:
    done = run("check", *words, cwd=here)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "issue.txt",
            "For a text that somebody pasted, or a log, write report:issue.txt; for a list of versions or a lock write lock:issue.txt",
        ),
        ("run.LOG", "For a text that somebody pasted, or a log, write report:run.LOG; for a record"),
        ("issue", "report:issue; for a record"),
        ("facts.json", "For a record (what `envdoctor facts` wrote) write saved:facts.json; for a text"),
        (
            "h100.toml",
            "For a list of versions or a lock write lock:h100.toml; for a text that somebody pasted, or a log, write report:h100.toml",
        ),
    ],
)
@pytest.mark.parametrize("mode", [0o644, 0o777], ids=["no program", "on a disk of Windows"])
def test_a_text_that_is_given_as_an_environment_is_offered_as_what_it_may_be(
    name: str, said: str, mode: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(BROKEN)
    (tmp_path / name).chmod(mode)
    done = run("check", name, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{name} is not a program: " in done.stderr
    assert said in " ".join(done.stderr.split())


def test_every_kind_of_target_is_named_in_the_help_and_in_the_hint(here: Path) -> None:
    told = run("check", "--help").stdout
    hint = run("check", "none.txt", cwd=here).stderr
    for scheme in set(SCHEMES) - {"venv"}:
        assert f"{scheme}:" in told
        assert f"{scheme}:" in hint


def test_what_is_no_text_is_refused_with_the_reason_and_what_to_give_instead(here: Path) -> None:
    (here / "noise.txt").write_bytes(random.Random(3).randbytes(100_000))  # noqa: S311 - only noise
    for words in (("check", "report:noise.txt"), ("triage", "noise.txt")):
        done = run(*words, cwd=here)
        assert done.returncode == 2
        assert "noise.txt is not a text: " in done.stderr
        assert "of its first 65536 bytes are NUL or control characters" in done.stderr.replace("\n", " ")
        assert "2>&1 | tee report.txt" in done.stderr
    argv = [sys.executable, "-m", "envdoctor", "check", "report:-"]
    program = Path(sys.executable).resolve().read_bytes()[:50_000]
    piped = subprocess.run(argv, input=program, capture_output=True, check=False, cwd=here)
    assert piped.returncode == 2
    assert b"standard input is not a text: it begins as a compiled program or library does" in piped.stderr.replace(b"\n", b" ")
    many = run("triage", "noise.txt", "broken.txt", cwd=here)
    assert many.returncode == 2
    assert "| broken.txt | `trl-vllm-unsupported` |" in many.stdout
    assert "- noise.txt: noise.txt is not a text" in many.stdout


def test_triage_of_one_report_is_an_answer_to_post(here: Path) -> None:
    done = run("triage", "broken.txt", cwd=here)
    assert done.returncode == 1
    assert done.stdout.startswith("**trl 0.25.0 supports vllm")
    assert "(line 3)" in done.stdout
    assert "What to do: Install" in done.stdout
    assert "Nothing in this report" in run("triage", "healthy.txt", cwd=here).stdout
    little = run("triage", "little.txt", cwd=here)
    assert "too little in this report" in little.stdout
    assert little.returncode == 0


def test_nothing_of_this_machine_is_changed_by_the_word_of_a_report(here: Path) -> None:
    done = run("fix", "report:broken.txt", "--apply", "--yes", cwd=here)
    assert done.returncode == 2
    assert "needs an environment on this machine" in done.stderr


def test_a_report_without_python_or_packages_is_planned_once_they_are_given(here: Path) -> None:
    planless = run("fix", "report:little.txt", cwd=here)
    assert planless.returncode == 2
    said = " ".join(planless.stderr.split())
    assert "the report says neither Python's version nor the versions of packages" in said
    assert "--suppose python=3.12" in said
    assert "--suppose PACKAGE=VERSION" in said
    (here / "packages.txt").write_text("torch==2.7.0\nvllm==0.6.6\n")
    pythonless = run("fix", "report:packages.txt", cwd=here).stderr
    assert "does not say Python's version" in pythonless
    assert "PACKAGE=VERSION" not in pythonless
    for words in (("report:packages.txt",), ("report:little.txt", "--suppose", "torch=2.7.0", "--suppose", "vllm=0.6.6")):
        done = run("fix", *words, "--suppose", "python=3.12", "--offline", cwd=here)
        assert "nothing to plan with" not in done.stderr
        assert done.returncode in {1, 3}, done.stderr
        assert "torch-vllm-pin-mismatch" in run("check", *words, "--format", "json", cwd=here).stdout


def test_triage_says_what_failed_where_it_is_no_fault_of_the_environment(here: Path) -> None:
    memory = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 GiB of which 1.00 GiB is free.\n"
    (here / "memory.txt").write_text(f"[pip3] torch==2.7.0\n[pip3] vllm==0.6.6\n{memory}")
    text = run("triage", "memory.txt", cwd=here).stdout
    head, mark, rest = text.partition("Also wrong, but not what failed in the report:")
    assert head.startswith("**What failed is known, and no fault of the environment:")
    assert "- line 3: `torch.OutOfMemoryError" in head
    assert mark
    assert "`torch-vllm-pin-mismatch`), line 2 of the report" in rest
    page = run("check", "report:memory.txt", cwd=here)
    assert page.returncode == 0
    assert "What failed is known, and no fault of the environment" in page.stdout


def test_triage_does_not_say_that_too_little_is_there_where_it_said_what_failed(here: Path) -> None:
    (here / "crash.txt").write_text("Segmentation fault (core dumped)\n")
    text = run("triage", "crash.txt", cwd=here).stdout
    assert text.startswith("**What failed is known, and does not say which of its causes it has")
    assert "too little" not in text
    assert "To tell more, please add the whole traceback" in text


def test_triage_asks_for_what_would_make_it_sure(here: Path) -> None:
    (here / "symbol.txt").write_text(
        "ImportError: /x/site-packages/vllm/_C.abi3.so: undefined symbol: _ZN3c104cuda9SetDeviceEi\n"
    )
    text = run("triage", "symbol.txt", cwd=here).stdout
    assert "To be sure, please add:" in text
    assert "pip list" in text
    assert "To be sure" not in run("triage", "broken.txt", cwd=here).stdout


def test_a_file_that_cannot_be_read_takes_no_other_with_it(here: Path) -> None:
    done = run("triage", "broken.txt", "gone.txt", cwd=here)
    assert done.returncode == 2
    assert "| broken.txt | `trl-vllm-unsupported` |" in done.stdout
    assert "Not read:" in done.stdout
    found = json.loads(run("triage", "broken.txt", "gone.txt", "--format", "json", cwd=here).stdout)
    assert [one["name"] for one in found["unread"]] == ["gone.txt"]
    assert found["reports"][0]["diagnoses"][0]["evidence"][0]["via"] == "line 3"
    assert run("triage", "gone.txt", cwd=here).returncode == 2


def test_triage_of_a_folder_names_files_as_seen_from_it(here: Path) -> None:
    (here / "issues" / "deep").mkdir(parents=True)
    (here / "issues" / "deep" / "one.log").write_text(BROKEN)
    (here / "issues" / "two.md").write_text(HEALTHY)
    text = run("triage", "issues", cwd=here).stdout
    assert "| `trl-vllm-unsupported` | 1 | deep/one.log |" in text
    assert "| `healthy` | 1 | two.md |" in text


def test_triage_of_a_folder_says_what_it_did_not_read_and_keeps_that_out_of_the_answer(here: Path) -> None:
    assert "note:" not in run("triage", ".", cwd=here).stderr
    for name in ("shot.png", "facts.json", "more.JSON", "notes"):
        (here / name).write_text(BROKEN)
    done = run("triage", ".", cwd=here)
    said = "note: left out: 4 files of . (.json, .png, no ending); of a folder only .txt, .md, .log are read."
    assert done.stderr.startswith(said)
    assert "not read" not in done.stdout
    assert "`trl-vllm-unsupported` | 1 |" in done.stdout
    (here / "other").mkdir()
    (here / "other" / "a.json").write_text(BROKEN)
    none = run("triage", "other", cwd=here)
    assert none.returncode == 2
    assert "holds no report (.txt, .md, .log), but 1 file (.json)" in none.stderr
    (here / "other" / "B.LOG").write_text(BROKEN)
    assert run("triage", "other", cwd=here).stdout.startswith("**trl 0.25.0 supports")


def test_triage_reads_a_file_on_standard_input_as_check_does(here: Path) -> None:
    argv = [sys.executable, "-m", "envdoctor", "triage"]
    with (here / "broken.txt").open() as log:
        given = subprocess.run(argv, stdin=log, capture_output=True, text=True, check=False, cwd=here)
    assert given.stdout.startswith("**trl 0.25.0 supports vllm")
    assert given.returncode == 1
    piped = subprocess.run(argv, input=BROKEN, capture_output=True, text=True, check=False, cwd=here)
    assert piped.returncode == 2
    assert "or - for standard input" in piped.stderr


def test_triage_of_many_is_a_table_and_json(here: Path) -> None:
    done = run("triage", ".", cwd=here)
    assert "| `trl-vllm-unsupported` | 1 |" in done.stdout
    found = json.loads(run("triage", ".", "--format", "json", cwd=here).stdout)
    assert found["causes"] == {"trl-vllm-unsupported": 1, "healthy": 1, "too-little": 1}


def test_what_a_reporter_wrote_stays_text(here: Path) -> None:
    (here / "nasty.txt").write_text(
        "vllm==0.12.0\ntrl==0.25.0\n@everyone <script>x</script> ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params' `</details>\n"
    )
    text = run("triage", "nasty.txt", cwd=here).stdout
    outside = re.sub(r"(`+).+?\1", "", text)
    assert "<script>" not in outside
    assert "</details>" not in outside
    assert "@everyone" not in outside
    (here / "a @all [x](y).txt").write_text(BROKEN)
    names = run("triage", "a @all [x](y).txt", "healthy.txt", cwd=here).stdout
    assert "@all" not in names
    assert "[x](y)" not in names


def test_without_a_report_and_in_an_empty_folder_it_is_refused(here: Path) -> None:
    (here / "empty").mkdir()
    assert "no report is named" in run("triage", cwd=here).stderr
    assert "holds no report" in run("triage", "empty", cwd=here).stderr


def test_what_failed_comes_first_and_the_rest_is_marked_and_in_full_explained(here: Path) -> None:
    text = "trl==0.25.0\nvllm==0.12.0\nError 802: system not yet initialized\n"
    (here / "two.txt").write_text(f"RuntimeError: Unexpected error from cudaGetDeviceCount(). {text}")
    page = run("check", "report:two.txt", cwd=here).stdout
    first, mark, rest = page.partition("Also wrong, but not what failed in the report:")
    assert mark
    assert "ED801" in first
    assert "ED401" in rest
    assert "why here" not in page
    full = run("check", "report:two.txt", "-v", cwd=here).stdout.replace("\n  ", " ")
    assert "why here: Line 3 names it." in full
    assert "why here: By the versions and facts in the report alone: what failed is told before it." in full


def test_what_is_worth_knowing_is_no_diagnosis_of_a_report(here: Path) -> None:
    (here / "aside.txt").write_text(
        "Is CUDA available: True\n[pip3] torch==2.7.0\n[pip3] transformers==4.53.1\nvLLM Version: 0.9.2\n"
    )
    found = json.loads(run("check", "report:aside.txt", "--format", "json", cwd=here).stdout)
    assert found["diagnoses"] == []
    assert [one["code"] for one in found["asides"]] == ["ED404"]
    page = run("check", "report:aside.txt", cwd=here)
    assert "Worth knowing, though no error in the report names it:" in page.stdout
    assert page.returncode == 0


def test_for_windows_no_plan_is_made_and_it_says_why(here: Path) -> None:
    (here / "windows.txt").write_text("OS: Microsoft Windows 11 Pro\nPython version: 3.12.4\ntorch==2.6.0\nvllm==0.8.0\n")
    done = run("fix", "report:windows.txt", cwd=here)
    assert done.returncode == 2
    assert "no plan is made for Windows" in done.stderr
