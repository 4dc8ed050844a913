"""A lock as PEP 751 (pylock.toml), for installers that read it. Pure.

PEP 751 wants an address or a path for every file, and a lock names no host. So a file lies in the folder ``wheels`` beside the
document unless an address is given for it, which only an export that the user asked for does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import tomlkit
from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.locks.document import Lock, LockedPackage

WHEELS = "wheels"
"""Folder beside the document that holds the files without an address: `pip download --no-deps -r h100.txt -d wheels` fills it."""
NO_ADDRESSES: Mapping[str, str] = {}
_SCHEMES = ("http", "https", "file")


def file_name(lock: Lock) -> str:
    """What the document must be called: installers know it by its name."""
    return f"pylock.{lock.target}.toml"


def pylock(lock: Lock, addresses: Mapping[str, str] = NO_ADDRESSES) -> str:
    """The PEP 751 document of exactly this lock: each package once, with one file, for this platform and Python.

    Args:
        lock: what is exported.
        addresses: where files are, by name ("torch-2.13.0-....whl" -> "https://..."). User names, passwords, queries and
            fragments are left out. Without one, the file is taken to lie in ``wheels/`` beside the document.

    Raises:
        ValueError: an address that is none.
        packaging.pylock.PylockValidationError: the lock names a file that is not its package's.
    """
    short = ".".join(lock.python.split(".")[:2])
    document = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(f"sys_platform == 'linux' and platform_machine == 'x86_64' and python_version == '{short}'")],
        requires_python=SpecifierSet(f"=={short}.*"),
        created_by="envdoctor",
        packages=[_package(one, addresses.get(one.file)) for one in lock.packages],
    )
    document.validate()
    return _text(document.to_dict())


def _package(one: LockedPackage, address: str | None) -> Package:
    place: dict[str, Any] = {"path": f"{WHEELS}/{one.file}"} if address is None else {"url": _plain(address)}
    said: dict[str, Any] = {"name": one.file, "size": one.size_bytes, "hashes": {"sha256": one.sha256}, **place}
    wheel = one.file.endswith(".whl")
    return Package(
        name=canonicalize_name(one.name),
        version=Version(one.version),
        wheels=[PackageWheel(**said)] if wheel else None,
        sdist=None if wheel else PackageSdist(**said),
    )


def _plain(address: str) -> str:
    """The address without what may be a secret. Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme not in _SCHEMES or re.search(r"[\x00-\x20\x7f]", address):
        raise ValueError("an address of a file is no http, https or file address")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _text(document: Mapping[str, Any]) -> str:
    """TOML in the order of the specification, a file as one line."""
    made = tomlkit.document()
    for key, value in document.items():
        if key != "packages":
            made.add(key, tomlkit.item(value))
    packages = tomlkit.aot()
    for one in document["packages"]:
        table = tomlkit.table()
        for key, value in one.items():
            table.add(key, _item(value))
        packages.append(table)
    made.add("packages", packages)
    return tomlkit.dumps(made)


def _item(value: Any) -> Any:  # noqa: ANN401 - what TOML can say
    if isinstance(value, dict):
        made = tomlkit.inline_table()
        for key, one in value.items():
            made[key] = _item(one)
        return made
    if isinstance(value, (list, tuple)):
        array = tomlkit.array()
        for one in value:
            array.append(_item(one))
        return array
    return value
