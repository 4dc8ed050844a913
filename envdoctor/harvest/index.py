"""The package index that the user has configured for uv or pip, and the pages of its projects."""

from __future__ import annotations

import configparser
import json
import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pypi_simple import ACCEPT_ANY, PYPI_SIMPLE_ENDPOINT, ProjectPage

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.harvest.remote import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pypi_simple import DistributionPackage

    from envdoctor.harvest.remote import Client

MAX_PAGE_BYTES = 64 * 1024 * 1024
"""numpy's page, the longest of those we read, has 4,400 files and 4 MB."""
MAX_FILES = 50_000
MAX_NAME = 300
"""Characters of a file's name; file systems stop at 255."""
MAX_SPECIFIER = 1000
"""Characters of a Requires-Python."""
MAX_CONFIG_BYTES = 1024 * 1024
UV_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
PIP_VARIABLES = ("PIP_INDEX_URL",)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Index(NamedTuple):
    """An index: where it is, and who said so. The address may hold a password: it is never shown or stored."""

    url: str
    chosen: str


class File(NamedTuple):
    """One file of a release, as its page lists it. ``uploaded`` is YYYY-MM-DD; ``metadata`` is PEP 658's hash, "" without one."""

    name: str
    url: str
    kind: str
    sha256: str | None
    requires_python: str | None
    uploaded: str | None
    yanked: bool
    metadata: str | None


def configured(environ: Mapping[str, str], folder: str, given: str | None = None) -> Index:
    """The index to read: ``given``, else uv's, else pip's, else the default one.

    Args:
        environ: the process's environment variables.
        folder: where a uv.toml or pyproject.toml is looked for, upwards.
        given: --index.

    Raises:
        UserError: the address is not one of http or https.
    """
    if given is not None:
        return _usable(Index(given, "--index"))
    for name in UV_VARIABLES:
        if environ.get(name, "").strip():
            return _usable(Index(environ[name].strip(), name))
    for path, table in _uv_files(environ, folder):
        url = _uv_index(path, table)
        if url is not None:
            return _usable(Index(url, path))
    for name in PIP_VARIABLES:
        if environ.get(name, "").strip():
            return _usable(Index(environ[name].strip(), name))
    for path in _pip_files(environ):
        url = _pip_index(path)
        if url is not None:
            return _usable(Index(url, path))
    return Index(PYPI_SIMPLE_ENDPOINT, "the default")


def _usable(index: Index) -> Index:
    # uv takes NAME=URL
    name, sign, rest = index.url.partition("=")
    url = rest if sign and re.fullmatch(r"[\w-]+", name) else index.url
    try:
        usable = urlsplit(url).scheme in {"http", "https"} and bool(urlsplit(url).hostname)
    except ValueError:  # whose message has the address in it
        usable = False
    if not usable:
        raise UserError(
            f"the package index given by {index.chosen} is no http(s) address",
            "Give the address of a simple index (PEP 503), for instance with --index URL.",
        ) from None
    return Index(url, index.chosen)


def _uv_files(environ: Mapping[str, str], folder: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Uv's settings, strongest first: of the project, of the user, of the machine."""
    while True:
        yield os.path.join(folder, "uv.toml"), ()
        yield os.path.join(folder, "pyproject.toml"), ("tool", "uv")
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    yield os.path.join(home, "uv", "uv.toml"), ()
    yield "/etc/uv/uv.toml", ()


def _uv_index(path: str, table: tuple[str, ...]) -> str | None:
    try:
        found: Any = msgspec.toml.decode(read_file(path, MAX_CONFIG_BYTES))
        for name in table:
            found = found.get(name, {})
        for one in found.get("index", ()):
            if one.get("default") is True and isinstance(one.get("url"), str):
                return str(one["url"])
        url = found.get("index-url", found.get("pip", {}).get("index-url"))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError):
        return None
    return url if isinstance(url, str) else None


def _pip_files(environ: Mapping[str, str]) -> Iterator[str]:
    """Pip's configuration files, strongest first (https://pip.pypa.io/en/stable/topics/configuration)."""
    given = environ.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return
    if given:
        yield given
    alone = bool(given) and os.path.exists(given or "")  # then pip reads no file of the user's
    if environ.get("VIRTUAL_ENV"):
        yield os.path.join(environ["VIRTUAL_ENV"], "pip.conf")
    home = os.path.expanduser("~")
    if not alone:
        yield os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "pip", "pip.conf")
        yield os.path.join(home, ".pip", "pip.conf")
    yield "/etc/pip.conf"
    for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
        yield os.path.join(folder, "pip", "pip.conf")


def _pip_index(path: str) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_file(path, MAX_CONFIG_BYTES).decode())
    except (OSError, configparser.Error, UnicodeDecodeError):
        return None
    for section in ("install", "download", "global"):
        for name in ("index-url", "index_url"):
            if parser.has_option(section, name):
                return parser.get(section, name).strip() or None
    return None


def files(client: Client, index: Index, project: str) -> dict[Version, list[File]]:
    """The final releases of a project and their files; pre-releases and names that are no versions are left out.

    Raises:
        Unreadable: no such page, or one that is neither of the simple index's two formats.
    """
    url = f"{index.url.rstrip('/')}/{project}/"
    body, answer = client.whole(url, MAX_PAGE_BYTES, ACCEPT_ANY)
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        if kind.endswith("json"):
            page = ProjectPage.from_json_data(json.loads(body), answer.url)
        else:
            page = ProjectPage.from_html(project, body, answer.url)
    except Exception as error:  # a page is a stranger's: whatever the parsers raise means that it cannot be read
        raise Unreadable(f"its page cannot be read: {type(error).__name__}") from error
    return _by_release(project, page.packages[:MAX_FILES], answer.url)


def _with_password(url: str, page: str) -> str:
    """The address with the user and password of the page, if it is on the same server and has none itself, as pip does it."""
    file, (scheme, place, *_) = urlsplit(url), urlsplit(page)
    _, secret, server = place.rpartition("@")
    return urlunsplit(file._replace(netloc=place)) if secret and (file.scheme, file.netloc) == (scheme, server) else url


def _by_release(project: str, packages: Iterable[DistributionPackage], page: str) -> dict[Version, list[File]]:
    found: dict[Version, list[File]] = defaultdict(list)
    spelled: dict[Version, Version] = {}
    for one in packages:
        if one.package_type not in {"wheel", "sdist"} or one.version is None or len(one.filename) > MAX_NAME:
            continue
        if canonicalize_name(one.project or "") != project:
            continue  # a file of another project is no release of this one
        try:
            version = Version(one.version)
        except InvalidVersion:
            continue
        if version.is_prerelease or version.local:
            continue
        # 1.0 and 1.0.0 are one release, called the same whatever the order of the page: rows are found again by that name
        spelled[version] = min(version, spelled.get(version, version), key=str)
        sha256 = one.digests.get("sha256", "")
        found[version].append(
            File(
                name=one.filename,
                url=_with_password(urljoin(page, one.url), page),
                kind=one.package_type,
                sha256=sha256 if _SHA256.fullmatch(sha256) else None,
                requires_python=one.requires_python if len(one.requires_python or "") <= MAX_SPECIFIER else None,
                uploaded=None if one.upload_time is None else one.upload_time.date().isoformat(),
                yanked=bool(one.is_yanked),
                metadata=(one.metadata_digests or {}).get("sha256", "") if one.has_metadata else None,
            )
        )
    return {spelled[version]: of for version, of in found.items()}
