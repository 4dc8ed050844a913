"""What brings an environment back to its lock: exact commands, for this interpreter, and nothing that a record could turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.drift import drift
from envdoctor.facts import DirectUrl, Facts, Known
from envdoctor.locks.document import Listed, ListedPackage, Lock
from envdoctor.realign import MANY, Step, steps
from tests.factory import SITE, dist, drop, edit, put, with_driver
from tests.test_drift import VIA, checked, installed, lock, locked, records, with_records

if TYPE_CHECKING:
    from envdoctor.linkage import RecordCheck

FILE = "lockfiles/h100.txt"
PYTHON = "~/venv/bin/python"
FROM_LOCK = ("--no-deps", "--require-hashes", "-r", FILE)
INSTALL = ("uv", "pip", "install", "--python", PYTHON)


def todo(facts: Facts, sought: Lock | Listed | None = None, file: str = FILE, **changes: RecordCheck) -> tuple[Step, ...]:
    wanted = sought or lock()
    return steps(drift(wanted, with_records(facts, records(**changes))), wanted, facts, file)


def commands(made: tuple[Step, ...]) -> list[tuple[str, ...]]:
    return [argv for step in made for argv in step.commands]


def test_nothing_is_to_be_done_where_nothing_drifted() -> None:
    assert todo(installed()) == ()


def test_missing_and_other_versions_are_installed_from_the_hashed_file() -> None:
    assert commands(todo(put(drop(installed(), "vllm"), dist("torch", "2.6.0")))) == [(*INSTALL, *FROM_LOCK)]


def test_another_build_and_edited_files_are_installed_again_by_name() -> None:
    made = todo(
        installed(),
        torch=checked(name="torch", digest="f" * 64),
        vllm=checked(name="vllm", digest="vllm 0.6.6.post1", altered=("vllm/a.py",), altered_count=1),
    )
    assert commands(made) == [(*INSTALL, "--reinstall-package", "torch", "--reinstall-package", "vllm", *FROM_LOCK)]


def test_of_many_all_are_installed_again() -> None:
    names = [f"p{number}" for number in range(MANY + 1)]
    sought = lock(*(locked(name, "1.0") for name in sorted(names)))
    facts = edit(installed(), packages__distributions=Known(tuple(dist(name, "1.0") for name in names), SITE))
    read = Known(tuple(checked(name=name, digest="other") for name in names), VIA)
    assert commands(steps(drift(sought, with_records(facts, read)), sought, facts, FILE)) == [
        (*INSTALL, "--reinstall", *FROM_LOCK)
    ]


def test_extra_packages_are_uninstalled_only_from_the_environments_own_folder() -> None:
    made = todo(put(installed(), dist("aardvark", "1.0"), dist("zebra", "1.0", location="/usr/lib/python3/dist-packages")))
    assert commands(made) == [("uv", "pip", "uninstall", "--python", PYTHON, "aardvark")]
    assert "outside" in made[1].says


def test_edited_files_of_what_is_not_locked_are_no_reason_to_install_the_lock() -> None:
    made = todo(
        put(installed(), dist("pip", "25.0")), pip=checked(name="pip", digest=None, altered=("pip/a.py",), altered_count=1)
    )
    assert commands(made) == []


def test_another_python_asks_for_a_new_environment_beside_this_one() -> None:
    made = todo(edit(put(installed(), dist("aardvark", "1.0")), python__version="3.12.1"))
    assert commands(made) == [
        ("uv", "venv", "--python", "3.11", "~/venv-python3.11"),
        ("uv", "pip", "install", "--python", "~/venv-python3.11/bin/python", *FROM_LOCK),
    ]


def test_driver_gpu_and_c_library_name_who_must_act() -> None:
    made = todo(edit(with_driver(installed(), "535.161.08", "12.2"), host__libc__version="2.17"))
    says = " ".join(step.says for step in made)
    assert commands(made) == []
    assert "administrator installs 550.54.14 or newer" in says
    assert "glibc 2.28 or newer, for instance nvidia/cuda" in says
    assert "--suppose gpu=h100 --suppose driver=550.54.14" in says


def test_a_lock_of_another_torch_backend_says_so_to_uv() -> None:
    (argv,) = commands(todo(drop(installed(), "vllm"), lock(torch_backend="cu126")))
    assert argv == (*INSTALL, "--torch-backend=cu126", *FROM_LOCK)


@pytest.mark.parametrize(("hashes", "option"), [(("0" * 64,), ("--require-hashes",)), ((), ())])
def test_a_plain_list_is_installed_with_hashes_where_it_has_them(hashes: tuple[str, ...], option: tuple[str, ...]) -> None:
    listed = Listed(path="r.txt", packages=(ListedPackage(name="filelock", version="9.0", sha256=hashes),))
    kept = drop(installed(), "torch", "vllm")
    assert commands(todo(kept, listed, "r.txt")) == [(*INSTALL, "--no-deps", *option, "-r", "r.txt")]


def test_commands_for_a_root_folder_are_lines_of_a_dockerfile() -> None:
    inside = edit(drop(installed(), "vllm"), target__spec="root:/image::/opt/venv")
    assert commands(todo(inside))[0][:4] == ("RUN", "uv", "pip", "install")


def test_no_word_of_a_hostile_record_becomes_an_option_or_another_program() -> None:
    evil = put(
        drop(installed(), "vllm"), dist("--index-url=x", "1.0"), dist("../../etc", "1.0"), dist("ok", "1.0"),
        dist("a\n; rm -rf ~", "1.0", direct_url=DirectUrl(kind="file", editable=False, commit=None)),
    )  # fmt: skip
    made = commands(todo(edit(evil, python__executable="--exec"), file="-evil.txt"))
    assert made == [
        ("uv", "pip", "install", "--python", "python3", "--no-deps", "--require-hashes", "-r", "./-evil.txt"),
        ("uv", "pip", "uninstall", "--python", "python3", "ok"),
    ]
