"""uv as a resolver: what comes back of a question, and what a user is told when nothing does."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor import resolver
from envdoctor.errors import UserError
from envdoctor.resolver import Question, Unresolvable, resolve
from tests.wheelhouse import Wheelhouse, wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["wheelhouse"]
PLATFORM = "x86_64-manylinux_2_35"


def versions(house: Wheelhouse, *lines: str, **more: object) -> dict[str, str]:
    question = Question(requirements=lines, python="3.12", platform=PLATFORM, index=house.asked)
    return {one.name: one.version for one in resolve(msgspec.structs.replace(question, **more))}


def test_the_newest_is_taken_with_name_normalized_and_files_with_hash_and_day(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "2.0", "lib>=1", day="2025-06-01")
    wheelhouse.add("lib", "1.0")
    question = Question(requirements=("Engine",), python="3.12", platform=PLATFORM, index=wheelhouse.asked)
    engine, lib = resolve(question)
    assert (engine.name, engine.version, lib.name, lib.version) == ("engine", "2.0", "lib", "1.0")
    (file,) = engine.files
    assert file.name == "engine-2.0-py3-none-any.whl"
    assert file.is_wheel
    assert file.sha256 is not None
    assert len(file.sha256) == 64
    assert file.uploaded == "2025-06-01"


def test_preferred_versions_are_kept_where_nothing_speaks_against_them(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "2.0", "lib>=1")
    for version in ("1.0", "1.5", "2.0"):
        wheelhouse.add("lib", version)
    assert versions(wheelhouse, "engine", preferences={"lib": "1.5"}) == {"engine": "2.0", "lib": "1.5"}
    assert versions(wheelhouse, "engine", "lib>1.5", preferences={"lib": "1.5"}) == {"engine": "2.0", "lib": "2.0"}


def test_constraints_count_only_for_what_is_needed(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "2.0", "lib>=1")
    for version in ("1.0", "2.0"):
        wheelhouse.add("lib", version)
    found = versions(wheelhouse, "engine", constraints=("lib<2", "nowhere<1"))
    assert found == {"engine": "2.0", "lib": "1.0"}


def test_overrides_replace_what_packages_ask_for(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "2.0", "lib==1.0")
    for version in ("1.0", "2.0"):
        wheelhouse.add("lib", version)
    assert versions(wheelhouse, "engine", overrides=("lib==2.0",))["lib"] == "2.0"


def test_files_of_after_the_moment_do_not_count(wheelhouse: Wheelhouse) -> None:
    for version, day in (("1.0", "2024-12-01"), ("2.0", "2025-09-01")):
        wheelhouse.add("lib", version, day=day)
    assert versions(wheelhouse, "lib")["lib"] == "2.0"
    assert versions(wheelhouse, "lib", exclude_newer="2025-02-01T00:00:00Z")["lib"] == "1.0"


def test_only_the_question_is_answered_without_dependencies(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "2.0", "lib>=1")
    assert versions(wheelhouse, "engine", with_dependencies=False) == {"engine": "2.0"}


def test_the_platform_and_python_are_those_of_the_question(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("lib", "1.0", tag="cp312-cp312-manylinux_2_28_x86_64")
    wheelhouse.add("lib", "2.0", tag="cp312-cp312-manylinux_2_39_x86_64")
    wheelhouse.add("lib", "3.0", tag="cp313-cp313-manylinux_2_28_x86_64")
    assert versions(wheelhouse, "lib")["lib"] == "1.0"
    assert versions(wheelhouse, "lib", platform="x86_64-manylinux_2_39")["lib"] == "2.0"


def test_no_solution_is_told_in_the_solvers_words_without_addresses(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "2.0", "lib<1")
    wheelhouse.add("lib", "1.0")
    with pytest.raises(Unresolvable) as caught:
        versions(wheelhouse, "engine", "lib>=1")
    assert "engine" in caught.value.says
    assert "lib" in caught.value.says
    assert "127.0.0.1" not in caught.value.says


def test_a_source_distribution_is_refused_unless_it_was_allowed(wheelhouse: Wheelhouse) -> None:
    file = wheelhouse.add_source("lib", "1.0")
    with pytest.raises(Unresolvable):
        versions(wheelhouse, "lib")
    question = Question(requirements=("lib",), python="3.12", platform=PLATFORM, index=wheelhouse.asked, may_build=("lib",))
    (pin,) = resolve(question)
    assert [(one.name, one.is_wheel) for one in pin.files] == [(file, False)]


def test_builds_of_another_cuda_come_from_the_extra_index(wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("engine", "1.0", "torch==2.7.0")
    wheelhouse.add("torch", "2.7.0", tag="cp312-cp312-manylinux_2_28_x86_64")
    other = Wheelhouse(type(wheelhouse.index)())
    other.index.thread.start()
    try:
        other.add("torch", "2.7.0+cu126", tag="cp312-cp312-manylinux_2_28_x86_64")
        both = resolver.Index(default=wheelhouse.index.url, extra=(other.index.url,))
        found = versions(wheelhouse, "engine", index=both)
    finally:
        other.index.close()
    assert found == {"engine": "1.0", "torch": "2.7.0+cu126"}


def test_a_password_is_sent_to_the_index_and_stands_in_no_command_and_no_message(
    wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, ...]] = []
    run = resolver._run

    def overheard(command: tuple[str, ...], index: resolver.Index) -> tuple[int, str]:
        commands.append(command)
        return run(command, index)

    monkeypatch.setattr(resolver, "_run", overheard)
    wheelhouse.add("engine", "2.0", "lib<1")
    wheelhouse.add("lib", "1.0")
    secret = resolver.Index(default=wheelhouse.index.url.replace("://", "://me:hunter2@"))
    with pytest.raises(Unresolvable) as caught:
        versions(wheelhouse, "engine", index=secret)
    assert "hunter2" not in f"{caught.value.what} {caught.value.hint} {' '.join(commands[0])}"
    assert any(one is not None and one.startswith("Basic ") for one in wheelhouse.index.authorizations)


def test_an_index_that_does_not_answer_is_no_question_of_versions(
    wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    gone = resolver.Index(default="http://127.0.0.1:9/simple")
    with pytest.raises(UserError) as caught:
        versions(wheelhouse, "engine", index=gone)
    assert not isinstance(caught.value, Unresolvable)
    assert "127.0.0.1" not in caught.value.what
    assert "\n" not in caught.value.what
    assert "reachable" in caught.value.hint


def test_a_wedged_uv_is_ended_with_its_children(wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake, mark = tmp_path / "uv", tmp_path / "child"
    fake.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {mark}\nwait\n")
    fake.chmod(0o755)
    monkeypatch.setattr(resolver, "uv_program", lambda: str(fake))
    monkeypatch.setattr(resolver, "TIMEOUT_S", 0.5)
    with pytest.raises(UserError, match=r"no answer in 0\.5 s"):
        versions(wheelhouse, "engine")
    child = int(mark.read_text())
    until = time.monotonic() + 60
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_answer_that_is_no_lock_is_refused(wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "uv"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != --output-file ]; do shift; done\necho "packages = 3" > "$2"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(resolver, "uv_program", lambda: str(fake))
    with pytest.raises(UserError, match="could not be read"):
        versions(wheelhouse, "engine")


def test_without_uv_the_user_is_told_how_to_get_it(wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "uv_program", lambda: os.devnull + "/uv")
    with pytest.raises(UserError) as caught:
        versions(wheelhouse, "engine")
    assert "pip install uv" in caught.value.hint
