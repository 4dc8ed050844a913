"""Which environments are not changed in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.applying.guard import refusal
from envdoctor.facts import Interpreter, Known, Unknown
from tests.factory import healthy

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.facts import Facts


def of(prefix: Path | str, kind: str = "venv", *, managed: bool = False, sites: tuple[str, ...] = ()) -> Facts:
    made = healthy()
    assert isinstance(made.python, Known)
    python: Interpreter = msgspec.structs.replace(
        made.python.value, prefix=str(prefix), kind=kind, externally_managed=managed, site_dirs=Known(sites, "a test")
    )
    found: Facts = msgspec.structs.replace(made, python=Known(python, "a test"))
    return found


def said(made: Facts, *, told: bool = False) -> str:
    error = refusal(made, told)
    return "" if error is None else f"{error.what}\n{error.hint}"


def test_a_venv_of_ours_may_be_changed(tmp_path: Path) -> None:
    assert said(of(tmp_path)) == ""


@pytest.mark.parametrize(("kind", "managed", "word"), [("system", False, "whole Python"), ("system", True, "PEP 668")])
def test_a_whole_python_is_changed_only_when_told(tmp_path: Path, kind: str, managed: bool, word: str) -> None:
    made = of(tmp_path, kind, managed=managed)
    assert word in said(made)
    assert "--system" in said(made)
    assert "--into" in said(made)
    assert said(made, told=True) == ""


def test_the_base_of_conda_is_changed_only_when_told_and_an_environment_of_it_may_be(tmp_path: Path) -> None:
    assert said(of(tmp_path, "conda")) == ""
    (tmp_path / "condabin").mkdir()
    assert "base of a conda installation" in said(of(tmp_path, "conda"))
    assert said(of(tmp_path, "conda"), told=True) == ""


@pytest.mark.parametrize("prefix", ["/usr", "/"])
def test_the_operating_system_is_never_changed(prefix: str) -> None:
    assert "operating system" in said(of(prefix, "system"), told=True)
    assert "--system" not in said(of(prefix, "system"), told=True)


def test_what_is_not_known_or_not_here_is_not_changed(tmp_path: Path) -> None:
    assert "could not be told: no answer" in said(msgspec.structs.replace(healthy(), python=Unknown("no answer")))
    assert "not on this machine" in said(of(tmp_path / "nothing"))


def test_a_folder_of_packages_that_leads_out_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "env/lib").symlink_to(tmp_path / "elsewhere")
    assert "out of the environment" in said(of(tmp_path / "env", sites=(f"{tmp_path}/env/lib",)), told=True)
    # lib64 is mostly a link to lib: that stays inside
    (tmp_path / "env/lib").unlink()
    (tmp_path / "env/lib").mkdir()
    (tmp_path / "env/lib64").symlink_to("lib")
    assert said(of(tmp_path / "env", sites=(f"{tmp_path}/env/lib64", "/usr/lib/python3/dist-packages"))) == ""


def test_another_users_environment_is_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.stat(tmp_path).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"belongs to user {owner}" in said(of(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if owner != 0:
        assert "you are root" in said(of(tmp_path))
