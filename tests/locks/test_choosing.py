"""Which file of a release a machine installs, beside what pip's own rules (packaging.tags) say of it."""

from __future__ import annotations

import pytest

from envdoctor.errors import UserError
from envdoctor.locks.choosing import chosen, ranks
from envdoctor.resolver import File, Pinned


def pin(*names: str, sha256: str | None = "0" * 64) -> Pinned:
    files = tuple(File(name=name, sha256=sha256, size_bytes=None, uploaded=None, url="") for name in names)
    return Pinned(name="lib", version="1.0", files=files)


def taken(*names: str, python: str = "3.12", glibc: str = "2.35") -> str:
    return chosen(pin(*names), python, glibc).name


def test_the_most_special_wheel_is_taken() -> None:
    pure, abi3 = "lib-1.0-py3-none-any.whl", "lib-1.0-cp38-abi3-manylinux_2_28_x86_64.whl"
    exact = "lib-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    assert taken(pure, abi3, exact) == exact
    assert taken(pure, abi3) == abi3
    assert taken(pure) == pure


def test_of_two_platforms_the_newer_glibc_that_the_machine_has_is_taken() -> None:
    old, new = "lib-1.0-cp312-cp312-manylinux2014_x86_64.whl", "lib-1.0-cp312-cp312-manylinux_2_34_x86_64.whl"
    assert taken(old, new, glibc="2.35") == new
    assert taken(old, new, glibc="2.31") == old


def test_wheels_of_other_pythons_and_machines_are_not_taken() -> None:
    fits = "lib-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    others = (
        "lib-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
        "lib-1.0-cp312-cp312-manylinux_2_28_aarch64.whl",
        "lib-1.0-cp312-cp312t-manylinux_2_28_x86_64.whl",
        "lib-1.0-cp312-cp312-musllinux_1_2_x86_64.whl",
        "lib-1.0-cp312-cp312-win_amd64.whl",
    )
    assert taken(*others, fits) == fits
    with pytest.raises(UserError, match=r"has no file for Python 3\.12"):
        taken(*others)


def test_of_two_builds_the_higher_number_is_taken() -> None:
    names = [f"lib-1.0-{build}cp38-abi3-manylinux_2_28_x86_64.whl" for build in ("", "2-", "10-")]
    assert taken(*names) == names[2]


def test_the_source_is_taken_where_no_wheel_fits() -> None:
    assert taken("lib-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", "lib-1.0.tar.gz") == "lib-1.0.tar.gz"


def test_a_file_without_a_hash_cannot_be_locked() -> None:
    with pytest.raises(UserError, match="states no sha256"):
        chosen(pin("lib-1.0-py3-none-any.whl", sha256=None), "3.12", "2.35")


def test_manylinux_aliases_stand_beside_their_number() -> None:
    order = {str(tag): place for tag, place in ranks("3.12", "2.35").items()}
    for alias, number in (("manylinux2014", "2_17"), ("manylinux2010", "2_12"), ("manylinux1", "2_5")):
        assert order[f"cp312-cp312-{alias}_x86_64"] == order[f"cp312-cp312-manylinux_{number}_x86_64"] + 1
