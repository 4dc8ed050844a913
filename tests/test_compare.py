"""Two targets compared: what only one of them suffers from leads, and what is unknown is neither equal nor different."""

from __future__ import annotations

import time

import pytest

from envdoctor.compare import How, compare, direction
from envdoctor.facts import DirectUrl, Known, Unknown, need
from envdoctor.findings import Severity
from envdoctor.sources.lock import facts_of_lock
from envdoctor.traits import Area
from tests.factory import MATRIX, SITE, blind, dist, drop, edit, gpu, healthy, put, torch_build, with_driver, with_torch
from tests.locks.sample import h100
from tests.stories.stories import STORIES

BY_NAME = {story.name: story.facts for story in STORIES}


def test_a_target_compared_with_itself_is_the_same_and_keeps_its_findings_as_shared() -> None:
    found = compare(healthy(), healthy(), MATRIX)
    assert found.same
    assert not found.untold
    broken = BY_NAME["trl-1.16-over-vllm-0.33"]
    found = compare(broken, broken, MATRIX)
    assert found.same
    assert found.shared >= 1


@pytest.mark.parametrize(
    ("before", "after", "how"),
    [
        ("0.31.0", "0.33.0", How.NEWER),
        ("0.9.0", "0.10.0", How.NEWER),
        ("2.0", "1.0", How.OLDER),
        ("1.0", "1.0.0", None),
        ("2.13.0+cpu", "2.13.0+cu126", How.BUILD),
        ("2.13.0", "2.13.0+cpu", How.BUILD),
        ("1.0.0+a", "1.0+b", How.BUILD),
        ("nightly", "1.0", How.OTHER),
        ("nightly", "nightly", None),
    ],
)
def test_a_version_is_newer_older_another_build_or_of_no_order(before: str, after: str, how: How | None) -> None:
    assert direction(before, after) is how


def test_a_finding_that_only_b_has_leads_with_the_packages_it_is_about() -> None:
    before = BY_NAME["trl-1.16-over-vllm-0.33"]
    fits = put(before, dist("vllm", "0.31.0", "torch==2.14.0"))
    found = compare(fits, before, MATRIX)
    first = found.clashes[0]
    assert (first.only, first.finding.code) == ("b", "ED401")
    assert [(one.name, one.before, one.after, one.how) for one in first.packages] == [("vllm", "0.31.0", "0.33.0", How.NEWER)]
    assert first.same == (("trl", "1.16.0"),)
    assert first.newest is not None
    assert first.untold is None
    assert [one.finding.code for one in compare(before, fits, MATRIX).clashes if one.only == "a"] == ["ED401"]


def test_errors_lead_and_among_them_the_newest_pair() -> None:
    found = compare(BY_NAME["healthy"], BY_NAME["cuda-13-torch-on-driver-550"], MATRIX)
    grave = [one for one in found.clashes if one.finding.severity is Severity.ERROR]
    assert {one.finding.code for one in grave} >= {"ED102", "ED401"}
    days = [one.newest or "" for one in grave]
    assert days == sorted(days, reverse=True)
    assert all(days)
    assert found.clashes[: len(grave)] == tuple(grave)


def test_a_symptom_is_folded_under_its_root_cause() -> None:
    found = compare(healthy(), BY_NAME["b200-under-torch-2.5"], MATRIX)
    (one,) = found.clashes
    assert one.finding.code == "ED107"
    assert [each.code for each in one.follows] == ["ED109"]
    assert {trait.name for trait in one.traits} == {"GPUs", "compute capability"}


def test_packages_added_gone_and_changed_are_told_with_the_stack_first() -> None:
    b = put(drop(healthy(), "xformers", "filelock"), dist("trl", "0.12.0"), dist("aardvark", "1.0"), dist("numpy", "1.26.3"))
    found = {one.name: (one.before, one.after, one.how) for one in compare(healthy(), b, MATRIX).packages}
    assert found == {
        "trl": (None, "0.12.0", How.ADDED),
        "numpy": ("1.26.4", "1.26.3", How.OLDER),
        "xformers": ("0.0.28.post3", None, How.GONE),
        "aardvark": (None, "1.0", How.ADDED),
        "filelock": ("3.16.1", None, How.GONE),
    }
    assert list(found) == ["trl", "numpy", "xformers", "aardvark", "filelock"]


def test_names_are_normalized_and_the_first_on_the_path_wins() -> None:
    one = edit(healthy(), packages__distributions=Known((dist("My_Package", "1.0"), dist("filelock", "1.0")), SITE))
    two = edit(
        healthy(),
        packages__distributions=Known(
            (dist("my.package", "1.0"), dist("filelock", "1.0"), dist("FileLock", "9.0", location="/x")), SITE
        ),
    )
    assert compare(one, two, MATRIX).packages == ()


def test_another_commit_of_the_same_version_is_another_source() -> None:
    def checkout(commit: str | None, *, editable: bool = False) -> DirectUrl:
        return DirectUrl(kind="vcs", editable=editable, commit=commit)

    one = put(healthy(), dist("trl", "0.12.0", direct_url=checkout("a" * 40)))
    two = put(healthy(), dist("trl", "0.12.0", direct_url=checkout("b" * 40, editable=True)))
    (change,) = compare(one, two, MATRIX).packages
    assert change.how is How.SOURCE
    assert (change.before, change.after) == (f"0.12.0 (commit {'a' * 12})", f"0.12.0 (commit {'b' * 12}, editable)")


def test_the_same_version_of_torch_for_the_cpu_is_told_from_its_bytes() -> None:
    cpu = edit(healthy(), builds__torch=Known(torch_build("2.5.1", None, ()), "torch/version.py"))
    found = compare(healthy(), cpu, MATRIX)
    assert {(one.name, one.before, one.after) for one in found.traits} >= {("torch built for", "CUDA 12.4", "the CPU")}
    assert found.packages == ()
    newer = compare(healthy(), with_torch(healthy(), "2.11.0+cu130", "13.0", ("sm_90",)), MATRIX)
    assert ("torch built for", How.NEWER) in {(one.name, one.how) for one in newer.traits}


def test_machine_interpreter_variables_and_limits_are_compared() -> None:
    b = edit(
        with_driver(healthy(), "535.161.08", "12.2"),
        host__libc__version="2.31",
        python__version="3.12.1",
        gpus__devices=Known(tuple(gpu(index) for index in range(8)), "NVML"),
        environ=Known({"NCCL_DEBUG": "INFO", "VIRTUAL_ENV": "/x"}, "the environment"),
        container__memlock_bytes=Known(64 * 1024, "RLIMIT_MEMLOCK"),
    )
    found = {one.name: (one.area, one.before, one.after, one.how) for one in compare(healthy(), b, MATRIX).traits}
    assert found["driver"] == (Area.MACHINE, "550.54.15", "535.161.08", How.OLDER)
    assert found["C library"] == (Area.MACHINE, "glibc 2.35", "glibc 2.31", How.OLDER)
    assert found["Python"] == (Area.PYTHON, "3.11.10", "3.12.1", How.NEWER)
    assert found["GPUs"][2] == "8 x NVIDIA H100 80GB HBM3 (sm_90, 80 GiB)"
    assert found["NCCL_DEBUG"] == (Area.VARIABLE, None, "INFO", How.ADDED)
    assert found["locked memory"] == (Area.LIMIT, "no limit", "64 KiB", How.OTHER)
    assert "VIRTUAL_ENV" not in found
    assert "compute capability" not in found


def test_what_is_unknown_on_a_side_is_said_and_is_neither_equal_nor_different() -> None:
    blinded = blind(healthy(), "packages__distributions", "gpus__devices", "environ")
    found = compare(edit(healthy(), environ=Known({"A": "b"}, "x")), blinded, MATRIX)
    assert found.packages == ()
    assert found.traits == ()
    told = {one.name: (one.why_a, one.why_b) for one in found.untold}
    for name in ("packages", "GPUs", "compute capability", "A"):
        assert told[name] == (None, "no answer in 5 s")
    both = compare(blinded, blinded, MATRIX)
    assert {one.name: (one.why_a, one.why_b) for one in both.untold}["packages"] == ("no answer in 5 s", "no answer in 5 s")
    assert both.same


def test_a_finding_of_b_is_not_said_to_be_absent_from_a_side_that_could_not_tell() -> None:
    first = compare(BY_NAME["nothing-can-be-told"], BY_NAME["b200-under-torch-2.5"], MATRIX).clashes[0]
    assert first.finding.code == "ED107"
    assert first.untold == "no answer in 5 s"


def test_a_gpu_that_did_not_answer_leaves_the_gpus_untold() -> None:
    silent = edit(healthy(), gpus__devices=Known((edit_gpu(Unknown("no answer in 5 s")),), "NVML"))
    found = compare(healthy(), silent, MATRIX)
    assert "GPUs" in {one.name for one in found.untold}
    assert "GPUs" not in {one.name for one in found.traits}


def edit_gpu(name: Unknown) -> object:
    return edit(gpu(), name=name)  # type: ignore[arg-type]


def test_a_lock_claims_a_least_driver_and_a_minor_python_and_nothing_that_it_does_not_say() -> None:
    lock = facts_of_lock(h100(), MATRIX)
    fits = edit(
        with_driver(healthy(), "590.44.01", "13.1"),
        host__libc__version="2.39",
        python__version="3.12.7",
        environ=Known({"NCCL_DEBUG": "INFO"}, "the environment"),
        packages__distributions=Known(need(lock.packages.distributions), SITE),
    )
    found = compare(lock, fits, MATRIX)
    assert found.packages == ()
    assert {one.area for one in found.traits} <= {Area.BUILD}
    assert {one.name for one in found.untold} >= {"GPUs", "CUDA toolkits", "NCCL_DEBUG", "kernel", "container"}
    below = compare(lock, edit(with_driver(fits, "570.10", "12.8"), host__libc__version="2.31", python__version="3.11.2"), MATRIX)
    told = {one.name: (one.before, one.after, one.how) for one in below.traits}
    assert told["driver"] == ("580.65.06 or newer", "570.10", How.OLDER)
    assert told["C library"] == ("glibc 2.35 or newer", "glibc 2.31", How.OLDER)
    assert told["Python"] == ("3.12", "3.11.2", How.OLDER)


def test_two_locks_for_different_drivers_and_pythons_differ() -> None:
    one, two = (
        facts_of_lock(h100(driver_floor=floor, python=python), MATRIX)
        for floor, python in (("580.65.06", "3.12"), ("590.44.01", "3.13"))
    )
    told = {one.name: (one.before, one.after, one.how) for one in compare(one, two, MATRIX).traits}
    assert told["driver"] == ("580.65.06 or newer", "590.44.01 or newer", How.NEWER)
    assert told["Python"] == ("3.12", "3.13", How.NEWER)


def test_a_hundred_thousand_distributions_are_compared_in_seconds() -> None:
    many = tuple(dist(f"p{number}", "1.0") for number in range(100_000))
    one = edit(healthy(), packages__distributions=Known(many, SITE))
    two = edit(healthy(), packages__distributions=Known(many[1:], SITE))
    started = time.monotonic()
    assert [change.name for change in compare(one, two, MATRIX).packages] == ["p0"]
    assert time.monotonic() - started < 60
