"""A lock as PEP 751: valid, exactly the lock, and without a host unless addresses were given."""

from __future__ import annotations

import pytest
import tomlkit
from packaging.pylock import Pylock, PylockValidationError

from envdoctor.locks import pylock as exported
from envdoctor.locks.document import LockedPackage
from tests.locks.sample import h100, packages, small

SDIST = LockedPackage(name="pyairports", version="2.1.1", file="pyairports-2.1.1.tar.gz", sha256="a" * 64, size_bytes=7)


def read(text: str) -> Pylock:
    return Pylock.from_dict(tomlkit.parse(text).unwrap())


def test_every_package_is_there_once_with_its_one_file_hash_and_size() -> None:
    document = read(exported.pylock(h100()))
    found = []
    for one in document.packages:
        assert one.wheels is not None
        (wheel,) = one.wheels
        found.append((one.name, str(one.version), wheel.filename, wheel.hashes["sha256"], wheel.size))
    assert found == [(one.name, one.version, one.file, one.sha256, one.size_bytes) for one in packages()]


def test_it_is_for_the_python_and_the_platform_of_the_lock() -> None:
    document = read(exported.pylock(small(python="3.11.4")))
    assert str(document.requires_python) == "==3.11.*"
    (environment,) = document.environments or ()
    here = {"sys_platform": "linux", "platform_machine": "x86_64", "python_version": "3.11"}
    assert environment.evaluate(here)
    for name, other in (("sys_platform", "darwin"), ("platform_machine", "aarch64"), ("python_version", "3.12")):
        assert not environment.evaluate({**here, name: other})


def test_without_addresses_it_names_no_host_and_files_lie_beside_it() -> None:
    text = exported.pylock(h100())
    assert "://" not in text
    (wheel,) = read(text).packages[0].wheels or ()
    assert wheel.path == "wheels/accelerate-1.15.0-py3-none-any.whl"


def test_an_address_is_written_without_what_may_be_secret() -> None:
    file = next(one.file for one in packages() if one.name == "trl")
    text = exported.pylock(small(), {file: f"https://user:secret@example.invalid:8443/a/{file}?token=secret#sha256=secret"})
    (wheel,) = next(one for one in read(text).packages if one.name == "trl").wheels or ()
    assert (wheel.url, wheel.path) == (f"https://example.invalid:8443/a/{file}", None)
    assert "secret" not in text
    assert "user" not in text


@pytest.mark.parametrize("address", ["ftp://example.invalid/x", "x", "https://example.invalid/\nx", "javascript:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no http, https or file address"):
        exported.pylock(small(), {one.file: address for one in small().packages})


def test_a_source_distribution_is_one() -> None:
    (one,) = read(exported.pylock(small(packages=(SDIST,), stack={}))).packages
    assert one.wheels is None
    assert one.sdist is not None
    assert one.sdist.filename == SDIST.file


def test_a_file_of_another_package_is_not_exported() -> None:
    wrong = LockedPackage(name="trl", version="1.16.0", file="vllm-0.31.0-py3-none-any.whl", sha256="a" * 64)
    with pytest.raises(PylockValidationError, match="not consistent"):
        exported.pylock(small(packages=(wrong,), stack={}))


def test_the_same_lock_gives_the_same_bytes_and_a_name_that_installers_know() -> None:
    assert exported.pylock(h100()) == exported.pylock(h100())
    assert exported.file_name(h100()) == "pylock.h100.toml"
