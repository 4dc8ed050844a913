"""Which data lies over the shipped one, file by file, and what becomes of damaged data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor import overlay
from envdoctor.claims import Claim
from envdoctor.errors import UserError
from envdoctor.matrix import MANIFEST, DataError, Matrix, Overlay
from envdoctor.overlay import home, opened
from envdoctor.rows import CudaRelease, Manifest, Release, ReleasesHeader, TorchRelease
from tests.probe.samples import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLDER, DAY, NEWER = "2026-10-01", "2026-11-01", "2026-12-01"


def lines(*rows: msgspec.Struct) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def claim(package: str, mark: str, read: str = DAY) -> Claim:
    return Claim(
        id=mark, topic="pins", when={package: ">=0"}, then={"x": "==1"}, basis="wheel-metadata", says="x", source="x", read=read
    )


def folder(path: Path, mark: str, day: str = DAY, *packages: str) -> str:
    """A folder of data whose every row carries the mark."""
    names = packages or ("vllm", "torch")
    put(path / MANIFEST, lines(Manifest(generator="x", read=dict.fromkeys(names, day))))
    for name in names:
        put(path / "claims" / "derived" / f"{name}.jsonl", lines(claim(name, f"{mark}-{name}", day)))
        header = ReleasesHeader(package=name, generator="x", read=day, requirements=())
        put(
            path / "claims" / "derived" / "releases" / f"{name}.jsonl",
            lines(header, Release(version="1.0", file=mark, sha256=None)),
        )
    torch = TorchRelease(torch="2.5.1", cuda="12.4", archs=(), cxx11_abi=False, python="", glibc="2.28", source=mark, read=day)
    put(path / "claims" / "derived" / "builds" / "torch.jsonl", lines(torch))
    put(path / "claims" / "curated" / "vllm.jsonl", lines(claim("vllm", f"{mark}-curated", day)))
    cuda = CudaRelease(cuda="12.4", full_driver=None, floor_driver="525", source=mark, read=day)
    put(path / "tables" / "cuda_releases.jsonl", lines(cuda))
    return str(path)


def marks(matrix: Matrix) -> dict[str, str]:
    """Whose rows are in force."""
    package = matrix.package("vllm")
    return {
        "claims": " ".join(one.id for one in matrix.claims("vllm", "pins")),
        "builds": " ".join(one.source for one in matrix.torch_releases()),
        "releases": "" if package is None else package.releases[0].file,
        "table": " ".join(one.source for one in matrix.cuda_releases()),
    }


def over(tmp_path: Path, day: str, *, chosen: bool, packages: tuple[str, ...] = ()) -> Matrix:
    """Shipped data of DAY and an overlay of another."""
    return Matrix(folder(tmp_path / "shipped", "ours"), Overlay(folder(tmp_path / "over", "theirs", day, *packages), chosen))


OURS = {"claims": "ours-curated ours-vllm", "builds": "ours", "releases": "ours", "table": "ours"}


# --- what counts


@pytest.mark.parametrize("day", [DAY, NEWER])
def test_the_users_own_refreshed_data_counts_where_it_is_derived_and_not_older(tmp_path: Path, day: str) -> None:
    matrix = over(tmp_path, day, chosen=False)
    assert marks(matrix) == {"claims": "ours-curated theirs-vllm", "builds": "theirs", "releases": "theirs", "table": "ours"}
    assert matrix.packages() == {"torch": day, "vllm": day}
    assert matrix.passed_over == []


def test_the_users_own_data_that_is_older_than_the_shipped_one_does_not_count(tmp_path: Path) -> None:
    matrix = over(tmp_path, OLDER, chosen=False)
    assert marks(matrix) == OURS
    assert matrix.packages() == {"torch": DAY, "vllm": DAY}


@pytest.mark.parametrize("day", [OLDER, DAY, NEWER])
def test_data_that_the_user_names_counts_in_every_file_whatever_its_age(tmp_path: Path, day: str) -> None:
    matrix = over(tmp_path, day, chosen=True)
    assert marks(matrix) == {"claims": "theirs-curated theirs-vllm", "builds": "theirs", "releases": "theirs", "table": "theirs"}


@pytest.mark.parametrize("chosen", [True, False])
def test_packages_that_the_overlay_does_not_know_stay_the_shipped_ones(tmp_path: Path, *, chosen: bool) -> None:
    matrix = over(tmp_path, NEWER, chosen=chosen, packages=("numpy",))
    assert matrix.packages() == {"numpy": NEWER, "torch": DAY, "vllm": DAY}
    found = marks(matrix)
    assert (found["builds"], found["releases"]) == ("ours", "ours")
    assert "numpy" in matrix.subjects()
    assert [one.id for one in matrix.claims("numpy", "pins")] == ["theirs-numpy"]


def test_a_file_that_newer_derived_data_does_not_have_is_not_taken_from_the_shipped_one_if_the_user_named_it(
    tmp_path: Path,
) -> None:
    matrix = over(tmp_path, NEWER, chosen=True)
    (tmp_path / "over" / "claims" / "derived" / "vllm.jsonl").unlink()
    (tmp_path / "over" / "tables" / "cuda_releases.jsonl").unlink()
    found = marks(matrix)
    assert found["claims"] == "theirs-curated", "a refresh that found no claim says that there is none"
    assert found["table"] == "ours"


def test_without_an_overlay_the_shipped_data_counts(tmp_path: Path) -> None:
    assert marks(Matrix(folder(tmp_path, "ours"))) == OURS


# --- its age


def test_data_is_as_old_as_the_oldest_file_asked_for(tmp_path: Path) -> None:
    matrix = over(tmp_path, NEWER, chosen=False)
    assert matrix.as_of() is None
    matrix.torch_releases()
    assert matrix.as_of() == NEWER
    matrix.cuda_releases()
    assert matrix.as_of() == DAY
    matrix.consulted.clear()
    assert matrix.as_of() is None
    assert matrix.package("vllm") is not None
    assert matrix.as_of() == NEWER
    matrix.consulted.clear()
    matrix.claims("nothing", "pins")
    assert matrix.package("nothing") is None
    assert matrix.gpu_products() == ()
    assert matrix.as_of() is None


# --- damage

BREAK: dict[str, Callable[[Path], object]] = {
    "manifest": lambda path: put(path / MANIFEST, b"{"),
    "a day that is none": lambda path: put(
        path / MANIFEST, b'{"generator":"x","read":{"vllm":"2026-13-99","torch":"zzzz-zz-zz"}}'
    ),
    "claims": lambda path: put(path / "claims" / "derived" / "vllm.jsonl", b"damaged"),
    "claims of another shape": lambda path: put(path / "claims" / "derived" / "vllm.jsonl", b'{"id":"x"}\n'),
    "builds": lambda path: put(path / "claims" / "derived" / "builds" / "torch.jsonl", b"\xff\xfe"),
    "releases": lambda path: put(path / "claims" / "derived" / "releases" / "vllm.jsonl", b""),
    "releases of another": lambda path: put(
        path / "claims" / "derived" / "releases" / "vllm.jsonl",
        lines(ReleasesHeader(package="../x", generator="x", read=NEWER, requirements=())),
    ),
    "a folder": lambda path: replaced(path / "claims" / "derived" / "vllm.jsonl", os.mkdir),
    "a fifo": lambda path: replaced(path / "claims" / "derived" / "vllm.jsonl", os.mkfifo),
    "manifest that is a folder": lambda path: replaced(path / MANIFEST, os.mkdir),
}


def replaced(path: Path, make: Callable[[Path], None]) -> None:
    """Something else in the place of a file."""
    path.unlink()
    make(path)


@pytest.mark.parametrize("how", BREAK)
def test_damaged_data_of_the_users_own_is_passed_over_and_told_and_the_shipped_one_counts(tmp_path: Path, how: str) -> None:
    matrix = over(tmp_path, NEWER, chosen=False)
    BREAK[how](tmp_path / "over")
    found = marks(matrix)
    assert matrix.passed_over
    assert all(str(tmp_path / "over") in why for why in matrix.passed_over)
    hurt = {name for name in OURS if found[name] == OURS[name]} - {"table"}
    whole = how.startswith("manifest") or "day" in how
    assert hurt == ({"claims", "builds", "releases"} if whole else {how.split(" ", maxsplit=1)[0]} & set(OURS) or {"claims"})
    matrix.as_of()


@pytest.mark.parametrize("how", BREAK)
def test_damaged_data_that_the_user_named_is_an_error_that_names_the_file(tmp_path: Path, how: str) -> None:
    matrix = over(tmp_path, NEWER, chosen=True)
    BREAK[how](tmp_path / "over")
    with pytest.raises(DataError, match=str(tmp_path / "over")) as wrong:
        marks(matrix)
    assert "--data" in wrong.value.hint


@pytest.mark.parametrize("how", BREAK)
def test_damaged_shipped_data_is_an_error(tmp_path: Path, how: str) -> None:
    matrix = Matrix(folder(tmp_path, "ours"))
    BREAK[how](tmp_path)
    with pytest.raises(DataError):
        marks(matrix)


@pytest.mark.parametrize("chosen", [True, False])
def test_a_folder_that_may_not_be_listed_is_damaged_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, chosen: bool
) -> None:
    matrix = over(tmp_path, NEWER, chosen=chosen)
    real = os.listdir

    def forbidden(path: str) -> list[str]:
        if "/over/" in path:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", forbidden)
    if chosen:
        with pytest.raises(DataError, match="Permission denied"):
            matrix.subjects()
    else:
        assert matrix.subjects() == ("torch", "vllm")
        assert len(matrix.passed_over) == 2


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envdoctor.matrix.MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match="it is larger than 0 MiB"):
        Matrix(folder(tmp_path, "ours")).torch_releases()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(st.binary(max_size=120) | st.sampled_from([b"[" * 50_000, b'{"generator":"x","read":' + b'{"a":' * 20_000]), st.sampled_from([MANIFEST, "claims/derived/vllm.jsonl", "claims/derived/releases/vllm.jsonl", "claims/derived/builds/torch.jsonl"]))  # fmt: skip
def test_random_bytes_in_any_file_are_data_or_damaged_data(tmp_path: Path, content: bytes, name: str) -> None:
    for chosen in (False, True):
        matrix = over(tmp_path, NEWER, chosen=chosen)
        put(tmp_path / "over" / name, content)
        try:
            marks(matrix)
            matrix.as_of()
        except DataError:
            assert chosen


# --- which folder


def test_the_users_own_folder_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", "/home/me"))
    assert home({"XDG_DATA_HOME": "/data"}) == "/data/envdoctor/data"
    assert (
        home({"XDG_DATA_HOME": "relative"}) == home({}) == home({"XDG_DATA_HOME": ""}) == "/home/me/.local/share/envdoctor/data"
    )


def test_what_a_refresh_has_written_for_the_user_is_used_by_itself(tmp_path: Path) -> None:
    environ = {"XDG_DATA_HOME": str(tmp_path)}
    assert opened(None, environ).overlay is None
    folder(tmp_path / "envdoctor" / "data", "theirs", "2999-01-01")
    matrix = opened(None, environ)
    assert matrix.overlay == Overlay(str(tmp_path / "envdoctor" / "data"), chosen=False)
    assert matrix.packages()["vllm"] == "2999-01-01"


def test_a_folder_that_the_user_names_is_used_in_its_place(tmp_path: Path) -> None:
    folder(tmp_path / "own" / "envdoctor" / "data", "own", "2999-01-01")
    named = folder(tmp_path / "named", "named", OLDER)
    matrix = opened(named, {"XDG_DATA_HOME": str(tmp_path / "own")})
    assert matrix.overlay == Overlay(named, chosen=True)
    assert matrix.packages()["vllm"] == OLDER
    (tmp_path / "tables-only" / "tables").mkdir(parents=True)
    assert opened(str(tmp_path / "tables-only"), {}).overlay == Overlay(str(tmp_path / "tables-only"), chosen=True)


@pytest.mark.parametrize(
    ("make", "says"),
    [("", "there is no such folder"), ("file", "there is no such folder"), ("empty", "it holds neither claims nor tables")],
)
def test_a_folder_without_data_is_refused_with_the_way_to_make_one(tmp_path: Path, make: str, says: str) -> None:
    path = tmp_path / "data"
    if make == "file":
        put(path)
    elif make:
        path.mkdir()
    with pytest.raises(UserError, match=says) as wrong:
        opened(str(path), {})
    assert wrong.value.hint == overlay.HINT
