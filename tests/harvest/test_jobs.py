"""What there is to read of a package, and what its page says already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from envdoctor.harvest.jobs import jobs_of
from envdoctor.harvest.plan import PACKAGES, READINGS, TRAINERS, Reading
from tests.harvest.test_metadata import file

if TYPE_CHECKING:
    from envdoctor.harvest.index import File
    from envdoctor.harvest.jobs import Job

READING = Reading("x", "0")


def jobs(**releases: list[File]) -> list[Job]:
    """Jobs of releases: ``v1_0=[...]``."""
    return list(jobs_of(READING, {Version(name[1:].replace("_", ".")): of for name, of in releases.items()}))


def wheels(*tags: str, **more: Any) -> list[File]:
    return [file(f"x-1.0-{tag}.whl", **more) for tag in tags]


def test_releases_come_oldest_first_by_version() -> None:
    assert [one.row.version for one in jobs(v1_10=[file()], v1_9=[file()], v1_9_post1=[file()])] == ["1.9", "1.9.post1", "1.10"]


def test_a_row_says_what_the_page_says_of_all_files_of_the_release() -> None:
    of = [
        *wheels(
            "cp310-cp310-manylinux_2_28_x86_64", sha256="a" * 64, uploaded="2026-02-03", requires_python=">=3.9", yanked=True
        ),
        *wheels("cp311-cp311-manylinux_2_17_x86_64", sha256="b" * 64, uploaded="2026-02-01", requires_python=">=3.10"),
        *wheels("cp312-cp312-win_amd64"),
        file("x-1.0.tar.gz"),
    ]
    (job,) = jobs(v1_0=of)
    assert job.file is of[1]
    row = job.row
    assert (row.file, row.sha256, row.requires_python) == (of[1].name, "b" * 64, ">=3.10")
    assert (row.uploaded, row.python, row.glibc, row.yanked) == ("2026-02-01", ("cp310", "cp311"), "2.17", False)
    assert job.python == ">=3.10,<3.12"


def test_a_release_is_yanked_when_all_its_files_are() -> None:
    (job,) = jobs(v1_0=wheels("py3-none-any", "cp311-cp311-manylinux1_x86_64", yanked=True))
    assert job.row.yanked


def test_an_sdist_alone_has_neither_pythons_nor_a_glibc() -> None:
    (job,) = jobs(v1_0=[file("x-1.0.tar.gz")])
    assert (job.row.python, job.row.glibc, job.python, job.row.file) == ((), None, "", "x-1.0.tar.gz")


def test_a_release_without_files_is_no_job() -> None:
    assert jobs(v1_0=[]) == []


@pytest.mark.parametrize(
    "tag",
    ["cp3-none-any", "cp3x-abi3-any", "cp3-abi3-any", "cp31_1-none-any", "cp3\u0663-none-any", "cp" + "3" * 200 + "-none-any"],
)
def test_tags_that_name_no_python_make_no_range(tag: str) -> None:
    (job,) = jobs(v1_0=wheels(tag))
    assert job.python == ""


@given(
    st.lists(
        st.sampled_from(["cp39", "cp310", "cp3", "cp313t", "py3", "abi3", "none", "any", "manylinux_2_5_x86_64", "cp"]),
        min_size=3,
        max_size=3,
    )
)
def test_no_tags_make_an_error(parts: list[str]) -> None:
    (job,) = jobs(v1_0=wheels("-".join(parts)))
    assert job.row.version == "1.0"


def test_the_plan_names_each_package_once_and_wants_releases_from_one_on() -> None:
    assert len(set(PACKAGES)) == len(PACKAGES)
    assert set(TRAINERS) < set(PACKAGES)
    trl = next(one for one in READINGS if one.package == "trl")
    assert trl.wants(Version("0.12.0"))
    assert not trl.wants(Version("0.11.4"))
