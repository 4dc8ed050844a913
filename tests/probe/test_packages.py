"""Section packages: installed distributions, whole and broken ones."""

from __future__ import annotations

import importlib.metadata
import os
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.facts import DirectUrl, Distribution, Known, Leftover, Packages, Unknown
from envdoctor.probe import packages
from envdoctor.probe.machine import Machine
from tests.probe.machines import WAITS_S
from tests.probe.samples import install, put

if TYPE_CHECKING:
    from collections.abc import Iterator


def probed(*site_dirs: Path | str) -> Packages:
    """The section for these site folders."""
    leaf = {"is": "known", "value": {"site_dirs": {"is": "known", "value": [str(one) for one in site_dirs]}}}
    out: dict[str, Any] = {}
    packages.probe(out, Machine(), {"sections": {"python": {"interpreter": leaf}}})
    return msgspec.convert(out, Packages)


def listed(*site_dirs: Path | str) -> tuple[Distribution, ...]:
    leaf = probed(*site_dirs).distributions
    assert isinstance(leaf, Known)
    return leaf.value


def test_what_importlib_metadata_says_of_this_environment_is_found_as_well() -> None:
    site = sysconfig.get_path("purelib")
    ours = {one.metadata_dir: one for one in listed(site)}
    theirs = {Path(str(one._path)).name: one for one in importlib.metadata.distributions(path=[site])}  # type: ignore[attr-defined]
    assert len(theirs) > 5
    assert ours.keys() == theirs.keys()
    for entry, one in ours.items():
        other = theirs[entry]
        assert (one.name, one.version) == (other.metadata["Name"], other.version)
        assert one.requires == tuple(other.metadata.get_all("Requires-Dist") or ()), entry
        assert one.requires_python == other.metadata.json.get("requires_python")
        assert one.wheel_tags, entry
        assert one.problem is None


def test_all_fields_of_an_installed_wheel(tmp_path: Path) -> None:
    folder = install(
        tmp_path, "torch", "2.6.0+cu124", "filelock", 'triton==3.2.0; platform_system == "Linux"', tag="cp311-cp311-linux_x86_64"
    )
    put(folder / "INSTALLER", "uv")
    assert listed(tmp_path) == (
        Distribution(
            name="torch", version="2.6.0+cu124", location=str(tmp_path), metadata_dir="torch-2.6.0+cu124.dist-info", installer="uv",
            requires_python=None, requires=("filelock", 'triton==3.2.0; platform_system == "Linux"'),
            wheel_tags=("cp311-cp311-linux_x86_64",), direct_url=None, problem=None,
        ),
    )  # fmt: skip


def test_headers_may_be_folded_and_the_description_is_not_read(tmp_path: Path) -> None:
    text = "Metadata-Version: 2.1\r\nname: x\r\nVersion: 1\r\nRequires-Dist: a>=1;\r\n   python_version < '3.9'\r\n\r\nRequires-Dist: not-this\r\n"
    put(tmp_path / "x-1.dist-info" / "METADATA", text)
    (one,) = listed(tmp_path)
    assert one.requires == ("a>=1; python_version < '3.9'",)


def test_headers_longer_than_one_read_are_read_to_their_end(tmp_path: Path) -> None:
    wanted = tuple(f"package-number-{number}>=1.0" for number in range(2000))
    assert len("".join(wanted)) > packages.HEADER_BYTES
    install(tmp_path, "many", "1", *wanted)
    (one,) = listed(tmp_path)
    assert (one.requires, one.problem) == (wanted, None)


def test_more_than_2000_requirements_are_cut_and_it_is_said(tmp_path: Path) -> None:
    wanted = tuple(f"p{number}" for number in range(2001))
    install(tmp_path, "many", "1", *wanted)
    (one,) = listed(tmp_path)
    assert one.requires == wanted[:2000]
    assert one.problem == "METADATA lists more than 2000 requirements"


def test_more_than_20000_requirements_in_all_are_cut_and_it_is_said(tmp_path: Path) -> None:
    for number in range(11):
        install(tmp_path, f"many{number:02}", "1", *(f"p{one}" for one in range(1990)))
    *whole, last = listed(tmp_path)
    assert {(len(one.requires), one.problem) for one in whole} == {(1990, None)}
    assert len(last.requires) == 100
    assert last.problem is not None
    assert "more than 20000 in all" in last.problem


def test_long_values_are_cut(tmp_path: Path) -> None:
    install(tmp_path, "x", "1", "y" * 5000)
    (one,) = listed(tmp_path)
    assert one.requires == ("y" * 4096,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("uv\n", "uv"), ("pip-24.0", "pip-24.0"), ("https://u:p@x", None), ("a b", None), ("x" * 41, None), ("\n", None)],
)
def test_an_installer_is_a_plain_word_or_nothing(tmp_path: Path, text: str, expected: str | None) -> None:
    put(install(tmp_path, "x", "1") / "INSTALLER", text)
    (one,) = listed(tmp_path)
    assert one.installer == expected


def test_fifos_in_the_place_of_metadata_cost_no_time_and_are_named(tmp_path: Path) -> None:
    folder = install(tmp_path, "x", "1")
    for name in ("METADATA", "WHEEL", "INSTALLER", "direct_url.json"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
    os.mkfifo(tmp_path / "y-2.egg-info")
    started = time.monotonic()
    found = {one.name: one for one in listed(tmp_path)}
    assert time.monotonic() - started < WAITS_S
    assert found["x"].problem == f"METADATA cannot be read: {folder}/METADATA is not a regular file"
    assert found["y"].problem == f"PKG-INFO cannot be read: {tmp_path}/y-2.egg-info is not a regular file"
    assert (found["x"].installer, found["x"].wheel_tags, found["x"].direct_url) == (None, (), None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "METADATA has no Name and Version"),
        (bytes(range(256)) * 40, "METADATA has no Name and Version"),
        (b"Name: torch\n\n", "METADATA has no Version"),
        (b"\nName: torch\nVersion: 9\n", "METADATA has no Name and Version"),
        (None, "METADATA is missing"),
    ],
)
def test_broken_metadata_keeps_the_distribution_with_the_name_of_its_folder(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    folder = tmp_path / "torch-2.5.1+cu124.dist-info"
    folder.mkdir()
    if content is not None:
        put(folder / "METADATA", content)
    (one,) = listed(tmp_path)
    assert (one.name, one.version, one.problem) == ("torch", "2.5.1+cu124", problem)


def test_bytes_that_are_not_utf_8_are_replaced(tmp_path: Path) -> None:
    put(tmp_path / "x-1.dist-info" / "METADATA", b"Name: x\nVersion: 1\nRequires-Dist: caf\xe9\n\n")
    (one,) = listed(tmp_path)
    assert one.requires == ("caf�",)


def test_metadata_that_cannot_be_read_gives_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a-1.dist-info" / "METADATA").mkdir(parents=True)
    put(tmp_path / "b-2.dist-info" / "WHEEL")
    (tmp_path / "b-2.dist-info" / "METADATA").symlink_to("METADATA")
    assert [(one.name, one.problem) for one in listed(tmp_path)] == [
        ("a", "METADATA cannot be read: Is a directory"),
        ("b", "METADATA cannot be read: Too many levels of symbolic links"),
    ]


def test_two_dist_infos_of_one_name_are_both_listed(tmp_path: Path) -> None:
    install(tmp_path, "torch", "2.5.1")
    install(tmp_path, "torch", "2.6.0")
    assert [one.version for one in listed(tmp_path)] == ["2.5.1", "2.6.0"]


def test_folders_count_in_the_order_of_the_path(tmp_path: Path) -> None:
    install(tmp_path / "b", "x", "1")
    install(tmp_path / "a", "x", "2")
    assert [one.version for one in listed(tmp_path / "b", tmp_path / "a", tmp_path / "gone")] == ["1", "2"]


def test_interrupted_installs_are_leftovers_and_no_distributions(tmp_path: Path) -> None:
    (tmp_path / "~orch").mkdir()
    install(tmp_path, "~orch", "2.5.1")
    found = probed(tmp_path)
    assert isinstance(found.leftovers, Known)
    assert found.leftovers.value == (
        Leftover(location=str(tmp_path), entry="~orch"),
        Leftover(location=str(tmp_path), entry="~orch-2.5.1.dist-info"),
    )
    assert isinstance(found.distributions, Known)
    assert found.distributions.value == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"url": "file:///home/me/x", "dir_info": {"editable": true}}', DirectUrl(kind="file", editable=True, commit=None)),
        ('{"url": "https://u:secret@x/y.whl", "archive_info": {}}', DirectUrl(kind="archive", editable=False, commit=None)),
        (
            '{"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "a8d6afb"}}',
            DirectUrl(kind="vcs", editable=False, commit="a8d6afb"),
        ),
        ('{"vcs_info": {"commit_id": "ghp_SECRET"}}', DirectUrl(kind="vcs", editable=False, commit=None)),
        ('{"dir_info": 1, "vcs_info": {"commit_id": 2}}', DirectUrl(kind="vcs", editable=False, commit=None)),
        ("[]", None),
        ("[" * 20000, None),
        ("{", None),
    ],
)
def test_direct_url_tells_the_kind_but_never_the_address(tmp_path: Path, text: str, expected: DirectUrl | None) -> None:
    put(install(tmp_path, "x", "1") / "direct_url.json", text)
    (one,) = listed(tmp_path)
    assert one.direct_url == expected


def test_egg_info_is_read_as_a_folder_and_as_a_file(tmp_path: Path) -> None:
    put(tmp_path / "deb-1.2.egg-info", "Metadata-Version: 1.1\nName: Deb\nVersion: 1.2\n")
    put(tmp_path / "dev.egg-info" / "PKG-INFO", "Name: dev\nVersion: 0.1\n")
    put(
        tmp_path / "dev.egg-info" / "requires.txt",
        'numpy>=1.20\n\n[:python_version < "3.9"]\ntyping\n\n[gpu]\ntorch\n\n[gpu:sys_platform == "linux"]\nx @ https://y/z\n',
    )
    put(tmp_path / "half-3.0-py3.11.egg-info" / "requires.txt", "")
    put(tmp_path / "old.egg-link", "/somewhere\n")
    dev, deb, half = sorted(listed(tmp_path), key=lambda one: one.version)
    assert (deb.name, deb.version, deb.requires, deb.problem) == ("Deb", "1.2", (), None)
    assert dev.requires == (
        "numpy>=1.20",
        'typing; python_version < "3.9"',
        'torch; extra == "gpu"',
        'x @ https://y/z ; (sys_platform == "linux") and extra == "gpu"',
    )
    assert (half.name, half.version, half.problem) == ("half", "3.0", "PKG-INFO is missing")


@pytest.fixture
def unreadable() -> Iterator[Path]:
    """A folder that this process may not list."""
    with tempfile.TemporaryDirectory() as name:
        locked = Path(name) / "locked"
        locked.mkdir(mode=0)
        Path(name).chmod(0o755)
        was_root = os.geteuid() == 0
        if was_root:  # root may list everything
            os.seteuid(65534)
        try:
            yield locked
        finally:
            if was_root:
                os.seteuid(0)
            locked.chmod(0o755)


def test_an_unreadable_site_folder_is_the_reason_when_there_is_no_other(unreadable: Path) -> None:
    found = probed(unreadable)
    assert found.distributions == found.leftovers == Unknown(f"{unreadable}: Permission denied")


def test_an_unreadable_site_folder_among_others_leaves_the_installed_packages_unknown(unreadable: Path) -> None:
    readable = unreadable.parent
    assert isinstance(probed(readable).distributions, Known)
    for order in ((readable, unreadable), (unreadable, readable)):
        found = probed(*order)
        assert found.distributions == found.leftovers == Unknown(f"{unreadable}: Permission denied")


def test_without_an_interpreter_the_reason_is_handed_on() -> None:
    out: dict[str, Any] = {}
    packages.probe(out, Machine(), {"sections": {"python": {"interpreter": {"is": "unknown", "why": "no answer in 5 s"}}}})
    assert msgspec.convert(out, Packages) == Packages(
        distributions=Unknown("no answer in 5 s"), leftovers=Unknown("no answer in 5 s")
    )
