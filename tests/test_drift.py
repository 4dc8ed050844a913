"""Whether an environment is what its lock says: each way to depart from it, and what cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.departures import What
from envdoctor.drift import Drift, drift, packages_of
from envdoctor.facts import DirectUrl, Facts, Known, Libc, Unknown
from envdoctor.linkage import RecordCheck
from envdoctor.locks.document import Listed, ListedPackage, Lock, LockedPackage
from tests.factory import SITE, blind, dist, drop, edit, gpu, healthy, put, with_driver
from tests.locks.sample import h100

if TYPE_CHECKING:
    from envdoctor.leaf import Leaf

VIA = "RECORD of 4 distributions"


def checked(name: str, digest: str | None, **changes: Any) -> RecordCheck:
    """What the probe tells of one RECORD; by default every file is as installed."""
    values: dict[str, Any] = {
        "name": name, "version": "", "digest": digest, "problem": None, "files": 10,
        "missing": (), "missing_count": 0, "altered": (), "altered_count": 0, "by_size_only": 0,
    }  # fmt: skip
    return RecordCheck(**(values | changes))


def locked(name: str, version: str, record: str | None = "") -> LockedPackage:
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return LockedPackage(
        name=name, version=version, file=file, sha256="0" * 64, record=f"{name} {version}" if record == "" else record
    )


def lock(*packages: LockedPackage, **changes: Any) -> Lock:
    few = packages or (locked("filelock", "3.16.1"), locked("torch", "2.5.1"), locked("vllm", "0.6.6.post1"))
    values: dict[str, Any] = {"packages": few, "python": "3.11", "driver_floor": "550.54.14", "glibc": "2.28", **changes}
    return h100(**values)


def installed(facts: Facts | None = None) -> Facts:
    """The healthy node with three packages."""
    kept = {"filelock", "torch", "vllm"}
    here = facts or healthy()
    assert isinstance(here.packages.distributions, Known)
    return drop(here, *(one.name for one in here.packages.distributions.value if one.name not in kept))


def records(**changes: RecordCheck) -> Known[tuple[RecordCheck, ...]]:
    told = {
        name: checked(name=name, digest=f"{name} {version}")
        for name, version in (("filelock", "3.16.1"), ("torch", "2.5.1"), ("vllm", "0.6.6.post1"))
    }
    return Known(tuple((told | changes).values()), VIA)


def with_records(facts: Facts, read: Leaf[tuple[RecordCheck, ...]]) -> Facts:
    return edit(facts, records=read)


def found(facts: Facts, sought: Lock | Listed | None = None, **changes: RecordCheck) -> Drift:
    return drift(sought or lock(), with_records(facts, records(**changes)))


def kinds(one: Drift) -> list[tuple[str, str]]:
    return [(each.what.value, each.name) for each in one.departures]


def test_an_environment_that_is_as_locked_has_no_drift_and_every_package_is_proven() -> None:
    told = found(installed())
    assert told.departures == ()
    assert told.mild == ()
    assert told.untold == ()
    assert (told.locked, told.as_locked, told.proven) == (3, 3, 3)


def test_missing_other_version_and_extra_packages_are_told_the_stack_first() -> None:
    here = put(
        drop(installed(), "vllm"),
        dist("torch", "2.6.0"),
        dist("filelock", "3.17.0"),
        dist("Trl", "0.12.0"),
        dist("zstandard", "1.0"),
    )
    told = found(here)
    assert kinds(told) == [
        ("version", "torch"), ("version", "filelock"), ("missing", "vllm"), ("extra", "trl"), ("extra", "zstandard"),
    ]  # fmt: skip
    torch = told.departures[0]
    assert (torch.locked, torch.found, torch.says) == ("2.5.1", "2.6.0", "newer")
    assert torch.via == f"{SITE}/torch-2.6.0.dist-info"
    assert packages_of(told, What.EXTRA) == ("trl", "zstandard")
    assert (told.as_locked, told.proven) == (0, 0)


def test_names_are_normalized_and_the_copy_that_wins_on_the_path_counts() -> None:
    here = edit(
        installed(),
        packages__distributions=Known((dist("My.Package", "1.0"), dist("my_package", "2.0", location="/usr/lib")), SITE),
    )
    told = drift(
        lock(locked("my-package", "1.0")), with_records(here, Known((checked(name="My.Package", digest="my-package 1.0"),), VIA))
    )
    assert told.departures == ()
    assert told.proven == 1


@pytest.mark.parametrize("here", ["2.5.1+cpu", "2.5.1+cu121"])
def test_a_local_version_is_another_build_of_the_same_version(here: str) -> None:
    assert kinds(found(put(installed(), dist("torch", here)))) == [("build", "torch")]


def test_another_record_digest_is_another_build_of_the_same_version() -> None:
    told = found(installed(), torch=checked(name="torch", digest="f" * 64))
    (one,) = told.departures
    assert (one.what, one.name) == (What.BUILD, "torch")
    assert one.locked == "2.5.1 (RECORD torch 2.5.1)"
    assert one.found == "2.5.1 (RECORD ffffffffffff)"
    assert "torch-2.5.1-py3-none-any.whl" in one.says
    assert told.proven == 2


def test_edited_and_deleted_files_are_told_with_their_paths_and_not_proven() -> None:
    edited = checked(
        name="vllm",
        digest="vllm 0.6.6.post1",
        altered=("vllm/a.py", "vllm/b.py"),
        altered_count=9,
        missing=("vllm/c.py",),
        missing_count=1,
    )
    told = found(installed(), vllm=edited)
    (one,) = told.departures
    assert one.what is What.FILES
    assert one.says == "9 edited: vllm/a.py, vllm/b.py and 7 more; 1 deleted: vllm/c.py"
    assert told.proven == 2


def test_files_that_differ_from_record_in_the_wheel_already_are_an_open_question_and_more_of_them_an_edit() -> None:
    sought = lock(
        locked("filelock", "3.16.1"),
        locked("torch", "2.5.1"),
        msgspec.structs.replace(locked("vllm", "0.6.6.post1"), mislisted=2),
    )
    as_made = checked(name="vllm", digest="vllm 0.6.6.post1", altered=("vllm/a.so", "vllm/b.so"), altered_count=2)
    told = found(installed(), sought, vllm=as_made)
    assert (told.departures, told.proven) == ((), 2)
    (one,) = told.untold
    assert one.question == "whether 2 files of vllm are as installed"
    assert one.why == "the RECORD of vllm-0.6.6.post1-py3-none-any.whl lists other sizes for them than it holds"
    edited = msgspec.structs.replace(as_made, altered=("vllm/a.so", "vllm/b.so", "vllm/c.py"), altered_count=3)
    assert kinds(found(installed(), sought, vllm=edited)) == [("files", "vllm")]
    elsewhere = msgspec.structs.replace(as_made, digest="another build")
    assert kinds(found(installed(), sought, vllm=elsewhere)) == [("build", "vllm"), ("files", "vllm")]


def test_files_that_could_not_be_read_are_an_open_question_and_not_deleted() -> None:
    told = found(installed(), vllm=checked(name="vllm", digest="vllm 0.6.6.post1", unread_count=1))
    assert (told.departures, told.proven) == ((), 2)
    (one,) = told.untold
    assert (one.question, one.why) == (
        "whether 1 file of vllm is as installed",
        "reading failed: no permission, or a failing disk",
    )


def test_a_file_that_another_package_wrote_over_is_no_drift() -> None:
    told = found(installed(), vllm=checked(name="vllm", digest="vllm 0.6.6.post1", overwritten_count=1))
    assert (told.departures, told.untold, told.proven) == ((), (), 3)


def test_installers_envdoctor_with_what_it_needs_and_working_copies_are_no_drift() -> None:
    mine = dist("my-trainer", "0.1", direct_url=DirectUrl(kind="file", editable=True, commit=None))
    here = put(
        installed(), dist("pip", "25.0"), dist("setuptools", "80.0"), dist("wheel", "0.45"), mine,
        dist("envdoctor", "0.1.0", "msgspec>=0.19", "click", 'pytest; extra == "dev"'), dist("click", "8.2", 'colorama; platform_system == "Windows"'),
        dist("msgspec", "0.19"), dist("pytest", "8.0"),
    )  # fmt: skip
    told = found(here)
    assert kinds(told) == [("extra", "pytest")]
    assert {one.name for one in told.mild} == {"pip", "setuptools", "wheel", "my-trainer", "envdoctor", "click", "msgspec"}
    assert all(one.says for one in told.mild)


def test_packages_that_need_each_other_in_a_circle_end() -> None:
    here = put(installed(), dist("envdoctor", "0.1.0", "a"), dist("a", "1.0", "b"), dist("b", "1.0", "a", "envdoctor"))
    assert {one.name for one in found(here).mild} == {"envdoctor", "a", "b"}


def test_a_python_of_another_minor_is_drift_and_a_patch_is_not() -> None:
    assert kinds(found(edit(installed(), python__version="3.11.2"))) == []
    (one,) = found(edit(installed(), python__version="3.12.1")).departures
    assert (one.what, one.locked, one.found) == (What.PYTHON, "3.11", "3.12.1")


@pytest.mark.parametrize(
    ("changes", "kind", "value"),
    [
        ({"host__libc": Known(Libc(name="glibc", version="2.17"), "x")}, "glibc", "glibc 2.17"),
        ({"host__libc": Known(Libc(name="musl", version="1.2.4"), "x")}, "glibc", "musl 1.2.4"),
        ({"gpus__devices": Known((gpu(name="NVIDIA A100", sm="8.0"),), "NVML")}, "gpu", "compute capability 8.0"),
        ({"gpus__devices": Known((), "NVML")}, "gpu", None),
    ],
)
def test_a_machine_below_the_locks_is_drift(changes: dict[str, Any], kind: str, value: str | None) -> None:
    (one,) = found(edit(installed(), **changes)).departures
    assert (one.what.value, one.found) == (kind, value)


def test_a_driver_below_the_floor_is_drift_and_one_above_is_not() -> None:
    (one,) = found(with_driver(installed(), "535.161.08", "12.2")).departures
    assert (one.what, one.locked, one.found) == (What.DRIVER, "550.54.14", "535.161.08")
    assert found(with_driver(installed(), "590.44.01", "13.1")).departures == ()


def test_a_gpu_above_the_locks_is_said_and_left_to_the_rules() -> None:
    told = found(edit(installed(), gpus__devices=Known((gpu(name="NVIDIA B200", sm="10.0", pci="0x2901"),), "NVML")))
    assert told.departures == ()
    (one,) = told.mild
    assert one.what is What.GPU
    assert "envdoctor check" in one.says


def test_a_lock_for_a_machine_without_gpu_asks_for_none() -> None:
    none = edit(with_driver(installed(), "535.161.08", "12.2"), gpus__devices=Known((), "NVML"))
    assert found(none, lock(gpu=None, compute_capability=None, driver_floor=None)).departures == ()


@pytest.mark.parametrize(
    ("leaf", "question"),
    [
        ("packages__distributions", "which packages are installed"),
        ("python", "whether the interpreter is Python 3.11"),
        ("host__libc", "whether the C library is glibc 2.28 or newer"),
        ("gpus__devices", "whether the GPU is of compute capability 9.0"),
    ],
)
def test_what_is_unknown_is_an_open_question_and_no_drift(leaf: str, question: str) -> None:
    told = found(blind(installed(), leaf))
    assert told.departures == ()
    assert (question, "no answer in 5 s") in [(one.question, one.why) for one in told.untold]


def test_without_records_builds_and_files_are_open_questions() -> None:
    told = drift(lock(), with_records(installed(), Unknown("no answer in 8 s")))
    assert [(one.question, one.why) for one in told.untold] == [
        ("whether files were edited or deleted, and which builds are installed", "no answer in 8 s")
    ]
    assert (told.departures, told.as_locked, told.proven) == ((), 3, 0)


def test_a_lock_without_digests_and_a_record_without_one_leave_the_build_open() -> None:
    sought = lock(locked("filelock", "3.16.1", None), locked("torch", "2.5.1"), locked("vllm", "0.6.6.post1"))
    told = found(installed(), sought, torch=checked(name="torch", digest=None))
    assert [one.question for one in told.untold] == [
        "whether filelock is the locked build",
        "whether torch is the locked build",
    ]
    assert told.proven == 1


def test_packages_without_a_record_are_open_questions_by_reason() -> None:
    only = drift(lock(), with_records(installed(), Known((), VIA)))
    assert [(one.question, one.why) for one in only.untold] == [
        ("whether the files of filelock, torch, vllm are as installed", "no RECORD of it was read")
    ]
    told = found(installed(), torch=checked(name="torch", digest=None, problem="RECORD: no such file"))
    assert [(one.question, one.why) for one in told.untold] == [
        ("whether the files of torch are as installed", "RECORD: no such file")
    ]
    assert told.proven == 2


def test_files_of_which_only_the_size_was_compared_are_counted() -> None:
    told = found(installed(), torch=checked(name="torch", digest="torch 2.5.1", by_size_only=3))
    assert (told.by_size_only, told.proven) == (3, 3)


def test_a_plain_list_is_compared_by_version_and_assumes_no_machine() -> None:
    listed = Listed(
        path="r.txt",
        packages=tuple(ListedPackage(name=name, version=version) for name, version in (("torch", "2.5.1"), ("vllm", "0.7.0"))),
    )
    told = found(edit(installed(), python__version="3.8.1", gpus__devices=Known((), "NVML")), listed)
    assert kinds(told) == [("version", "vllm"), ("extra", "filelock")]
    assert [one.question for one in told.untold] == ["whether 1 package is the build that was meant"]


def test_versions_of_a_hostile_record_are_compared_as_text() -> None:
    told = found(put(installed(), dist("torch", "9" * 5000)))
    assert kinds(told) == [("version", "torch")]
