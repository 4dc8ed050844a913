"""Remedies: made for the target, and offered only when they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.check import check
from envdoctor.claims import admits
from envdoctor.examine import Wishes, examine
from envdoctor.facts import Known
from envdoctor.findings import Change, Diagnosis, Finding, Kind, Layer, Safety, Severity
from envdoctor.prescribe import commands, prescribe, representative, supposition
from envdoctor.sources import pasted
from envdoctor.views import parsed
from tests.factory import MATRIX, dist, drop, edit, gpu, healthy, put, with_torch

if TYPE_CHECKING:
    from envdoctor.facts import Facts


def finding(*changes: Change, code: str = "ED102", subject: str = "__driver") -> Finding:
    return Finding(
        code=code, title="x", severity=Severity.ERROR, layer=Layer.LINKED, cause="x", subjects=(subject,), why="x", evidence=(),
        sources=(), changes=changes,
    )  # fmt: skip


def offered(facts: Facts, *changes: Change) -> list[tuple[str, bool]]:
    before = check(facts, MATRIX, select=["ED102"])
    (made,) = prescribe([Diagnosis(root=finding(*changes))], facts, MATRIX, before)
    return [(remedy.says, remedy.proven) for remedy in made.remedies]


def test_a_change_is_offered_as_proven_only_if_the_rules_come_back_clean() -> None:
    facts = with_torch(healthy(), "2.11.0+cu130", "13.0")
    enough = Change(kind=Kind.SYSTEM, says="driver 580", suppose={"driver": "580.65.06"})
    too_little = Change(kind=Kind.SYSTEM, says="driver 560", suppose={"driver": "560.28.03"})
    assert offered(facts, too_little, enough) == [("driver 580", True)]


def test_a_change_that_cannot_be_supposed_is_offered_as_not_proven() -> None:
    advice = Change(kind=Kind.HARDWARE, says="Use another GPU")
    assert offered(with_torch(healthy(), "2.11.0+cu130", "13.0"), advice) == [("Use another GPU", False)]


def test_an_install_is_closed_under_the_pins_that_the_data_knows() -> None:
    change = Change(kind=Kind.INSTALL, says="x", install={"vllm": "==0.8.5"})
    supposed = supposition(change, healthy(), MATRIX)
    assert supposed["torch"] == "2.6.0"
    assert supposed["torchvision"] == "0.21.0"


def test_commands_use_uv_where_the_environment_has_no_pip() -> None:
    change = Change(kind=Kind.INSTALL, says="x", install={"torch": "==2.6.0"})
    assert commands(change, healthy()) == (("uv", "pip", "install", "--python", "~/venv/bin/python", "torch==2.6.0"),)


def test_commands_use_the_environments_own_pip_where_it_has_one() -> None:
    change = Change(kind=Kind.UNINSTALL, says="x", remove=("pynvml",), install={"nvidia-ml-py": ">=12"})
    facts = put(healthy(), dist("pip", "24.0"))
    python = ("~/venv/bin/python", "-m", "pip")
    assert commands(change, facts) == (
        (*python, "uninstall", "-y", "pynvml", "nvidia-ml-py"),
        (*python, "install", "nvidia-ml-py>=12"),
    )


def test_a_build_that_already_satisfies_the_specifier_is_replaced_and_not_kept() -> None:
    change = Change(kind=Kind.INSTALL, says="x", install={"torch": "==2.5.1"})
    facts = with_torch(healthy(), "2.5.1+cpu", None)
    assert commands(change, facts) == (
        ("uv", "pip", "install", "--python", "~/venv/bin/python", "--reinstall-package=torch", "torch==2.5.1"),
    )
    assert commands(change, put(facts, dist("pip", "24.0")))[0][3:] == ("uninstall", "-y", "torch")


def test_environment_changes_become_lines_of_the_shell() -> None:
    change = Change(kind=Kind.SET_ENV, says="x", env={"PYTHONPATH": None, "LD_LIBRARY_PATH": "/usr/lib"})
    assert commands(change, healthy()) == (("unset", "PYTHONPATH"), ("export", "LD_LIBRARY_PATH=/usr/lib"))


def test_kinds_carry_their_safety() -> None:
    facts = healthy()
    changes = (
        Change(kind=Kind.SET_ENV, says="env", env={"A": "b"}),
        Change(kind=Kind.REBOOT, says="reboot"),
    )
    before = check(facts, MATRIX, select=["ED102"])
    (made,) = prescribe([Diagnosis(root=finding(*changes))], facts, MATRIX, before)
    assert [remedy.safety for remedy in made.remedies] == [Safety.SAFE, Safety.MANUAL]


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("==2.5.1", "2.5.1"),
        ("<5,>=4.45", "4.45"),
        ("<=0.31.0,>=0.22.0", "0.31.0"),
        ("<5", "4.9999"),
        ("==2.5.*", "2.5"),
        (">2", "2.0.1"),
    ],
)
def test_a_representative_is_the_bound_that_says_most(spec: str, version: str) -> None:
    assert representative(spec) == version


@given(
    st.lists(
        st.tuples(st.sampled_from([">=", "<=", "<", ">", "==", "!=", "~="]), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=4,
    )
)
def test_a_representative_lies_in_its_range(clauses: list[tuple[str, int, int]]) -> None:
    spec = ",".join(f"{operator}{major}.{minor}" for operator, major, minor in clauses)
    version = representative(spec)
    if version is not None:
        made = parsed(version)
        assert made is not None
        assert admits(spec, made)


def test_an_open_range_is_proven_and_installed_as_the_newest_known_release_that_holds() -> None:
    facts = put(with_torch(healthy(), "2.5.1+cu124", "12.4"), dist("transformers", "5.20.1"))
    facts = drop(facts, "vllm", "torchvision", "torchaudio", "xformers")
    change = Change(kind=Kind.INSTALL, says="x", install={"torch": ">=2.6"})
    before = check(facts, MATRIX)
    (made,) = prescribe([Diagnosis(root=finding(change, code="ED402", subject="torch"))], facts, MATRIX, before)
    (remedy,) = made.remedies
    # 2.11 and newer are CUDA 13, which driver 550 does not start
    assert remedy.commands[0][-1] == "torch==2.10.0"
    assert remedy.proven


def test_a_remedy_that_does_not_hold_is_named_with_what_would_be_wrong() -> None:
    facts = with_torch(healthy(), "2.11.0+cu130", "13.0")
    change = Change(kind=Kind.SYSTEM, says="Install driver 560.", suppose={"driver": "560.28.03"})
    before = check(facts, MATRIX, select=["ED102"])
    (made,) = prescribe([Diagnosis(root=finding(change))], facts, MATRIX, before)
    assert made.remedies == ()
    assert made.rejected[0].startswith("Install driver 560. (ED102 would remain: driver 560.28.03 is too old")


@pytest.mark.parametrize("name", ["-rhttp://evil/reqs", "git+https://evil/x", "--index-url=http://evil", "a b", "x\n", ""])
def test_a_hostile_name_never_reaches_a_command(name: str) -> None:
    change = Change(kind=Kind.INSTALL, says="x", install={name: "==2"})
    facts = healthy()
    (made,) = prescribe([Diagnosis(root=finding(change))], facts, MATRIX, check(facts, MATRIX, select=["ED102"]))
    assert made.remedies == ()


def test_an_executable_that_is_no_path_is_not_put_into_a_command() -> None:
    change = Change(kind=Kind.INSTALL, says="x", install={"torch": "==2.6.0"})
    facts = edit(healthy(), python__executable="--index-url=http://evil/simple")
    assert commands(change, facts)[0][:5] == ("uv", "pip", "install", "--python", "python3")


def test_a_python_that_the_system_manages_is_left_to_its_owner() -> None:
    facts = edit(with_torch(healthy(), "2.5.1+cpu", None), python__externally_managed=True)
    change = Change(kind=Kind.INSTALL, says="Install torch.", install={"torch": "==2.5.1"})
    (made,) = prescribe([Diagnosis(root=finding(change, code="ED301", subject="torch"))], facts, MATRIX, check(facts, MATRIX))
    (remedy,) = made.remedies
    assert remedy.commands == ()
    assert "PEP 668" in remedy.says
    assert remedy.safety is Safety.MANUAL


def test_builds_on_pytorchs_own_index_are_asked_for_by_name() -> None:
    change = Change(kind=Kind.INSTALL, says="x", install={"torchvision": "==0.20.1+cpu"}, torch_backend="cpu")
    facts = put(healthy(), dist("pip", "24.0"))
    assert commands(change, facts)[0] == (
        "uv", "pip", "install", "--python", "~/venv/bin/python", "--torch-backend=cpu", "torchvision==0.20.1+cpu",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("python__version", "3.14.0", "ED202 would be new"),  # torch 2.8 has no wheel for it
        ("host__arch", Known("aarch64", "uname"), "it could not be told"),
    ],
)
def test_a_release_that_this_python_or_machine_has_no_wheel_of_is_not_offered(field: str, value: object, why: str) -> None:
    facts = drop(with_torch(healthy(), "2.6.0", "12.4"), "vllm", "torchvision", "torchaudio", "xformers")
    facts = edit(facts, **{field: value}, gpus__devices=Known((gpu(name="NVIDIA B200", sm="10.0"),), "NVML"))
    before = check(facts, MATRIX)
    (root,) = [one for verdict in before for one in verdict.findings if one.code == "ED107"]
    (made,) = prescribe([Diagnosis(root=root)], facts, MATRIX, before)
    assert made.remedies == ()
    assert why in made.rejected[0]


WINDOWS = "OS: Microsoft Windows 11 Pro\nPyTorch version: 2.6.0+cpu\nPython version: 3.12.4\nGPU 0: NVIDIA GeForce RTX 4090\nAssertionError: Torch not compiled with CUDA enabled\n"


def test_for_windows_nothing_is_called_proven_and_no_wheels_of_linux_are_named() -> None:
    _, report = examine(pasted.facts_of(WINDOWS.encode(), "a test", MATRIX), MATRIX, Wishes(), 0.0)
    (remedy,) = (one for one in report.diagnoses[0].remedies if one.kind is Kind.INSTALL)
    assert not remedy.proven
    assert "Not proven for Windows" in remedy.says
    ((*_, last),) = remedy.commands
    assert last == "torch==2.6.0"
    assert "--torch-backend=auto" in remedy.commands[0]


def test_wsl_is_linux() -> None:
    text = WINDOWS.replace("OS: Microsoft Windows 11 Pro", "OS: Ubuntu 22.04\nPlatform: Linux-6.6.87.2-microsoft-standard-WSL2")
    _, report = examine(pasted.facts_of(text.encode(), "a test", MATRIX), MATRIX, Wishes(), 0.0)
    assert not any("Windows" in one.says for one in report.diagnoses[0].remedies)
