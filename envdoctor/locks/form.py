"""The TOML form of a lock: its shape, how it is read (as hostile input), and how it is written over an edited one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from envdoctor.facts import Part
from envdoctor.locks.document import FORMAT, Bound, Lock, LockedPackage
from envdoctor.views import parsed

if TYPE_CHECKING:
    from packaging.version import Version

SHA256 = r"^[0-9a-f]{64}\Z"
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=80)]
Target = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*\Z", max_length=80)]
Release = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z", max_length=100)]
Dotted = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)*\Z", max_length=40)]
Image = Annotated[str, Meta(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*\Z", max_length=300)]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9:]+)?)?\Z", max_length=40)]
Hash = Annotated[str, Meta(pattern=SHA256)]
Digest = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9:=_-]*\Z", max_length=140)]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z", max_length=300)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 50)]
Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*\Z", max_length=3000)]
MAX_LINE = 4096
"""Bytes of a line: the time that the parser takes for a key of many parts grows with their square."""


class _Assumes(Part, frozen=True, kw_only=True):
    gpu: Word | None = None
    compute_capability: Dotted | None = None
    driver_floor: Dotted | None = None
    cuda: Dotted | None = None
    glibc: Dotted
    python: Dotted
    base_image: Image
    torch_backend: Word | None = None


class _Asked(Part, frozen=True, kw_only=True):
    requirements: tuple[Text, ...]
    exclude_newer: Moment | None = None


class _Size(Part, frozen=True, kw_only=True):
    packages: Bytes
    download_bytes: Bytes | None = None
    installed_bytes: Bytes | None = None


class _Made(Part, frozen=True, kw_only=True):
    day: Day
    data_as_of: Day | None = None
    envdoctor: Release
    requirements_sha256: Hash


class _Bound(Part, frozen=True, kw_only=True):
    package: Word
    specifier: Text
    why: Text
    source: Text
    basis: Text


class _Package(Part, frozen=True, kw_only=True):
    version: Release
    file: FileName
    sha256: Hash
    size_bytes: Bytes | None = None
    installed_bytes: Bytes | None = None
    record: Digest | None = None
    mislisted: Bytes | None = None


class _Form(Part, frozen=True, kw_only=True):
    """The document, in the order in which it is written."""

    format: int
    target: Target
    verdict: Text
    assumes: _Assumes
    stack: dict[Word, Release]
    asked: _Asked
    size: _Size
    made: _Made
    bounds: tuple[_Bound, ...] = ()
    packages: dict[Word, _Package]


def read(document: bytes) -> Lock:
    """The lock that a TOML document describes; what the requirements file says is not asked here.

    Raises:
        ValueError: it is not TOML, not of this format, or a value in it is not what it must be; the message says where.
    """
    longest = max(map(len, document.split(b"\n")))
    if longest > MAX_LINE:
        raise ValueError(f"a line of it is {longest} bytes long, more than {MAX_LINE}")
    try:
        form = msgspec.toml.decode(document, type=_Form)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    if form.format != FORMAT:
        raise ValueError(f"its format is {form.format}, this envdoctor reads {FORMAT}")
    packages = tuple(_package(name, form.packages[name]) for name in sorted(form.packages))
    for name, version in form.stack.items():
        if name not in form.packages or form.packages[name].version != version:
            raise ValueError(f"[stack] says {name} {version}, [packages] does not")
    for number, line in enumerate(form.asked.requirements, start=1):
        _check_asked(line, number)
    lock = Lock(
        target=form.target,
        **msgspec.structs.asdict(form.assumes),
        asked=form.asked.requirements,
        stack=form.stack,
        bounds=tuple(Bound(**msgspec.structs.asdict(one)) for one in form.bounds),
        exclude_newer=form.asked.exclude_newer,
        made=form.made.day,
        data_as_of=form.made.data_as_of,
        envdoctor=form.made.envdoctor,
        verdict=form.verdict,
        requirements_sha256=form.made.requirements_sha256,
        packages=packages,
    )
    if form.size != _size(lock):
        raise ValueError("[size] is not the sum of [packages]")
    return lock


def _package(name: str, one: _Package) -> LockedPackage:
    version = parsed(one.version)
    if canonicalize_name(name) != name:
        raise ValueError(f"[packages] {name}: its normalized name is {canonicalize_name(name)}")
    if version is None:
        raise ValueError(f"[packages] {name}: {one.version!r} is not a version")
    if _release(one.file) != (name, version):
        raise ValueError(f"[packages] {name}: {one.file} is no file of {name} {one.version}")
    return LockedPackage(name=name, **msgspec.structs.asdict(one))


def _release(file: str) -> tuple[str, Version] | None:
    """Whose file it is, by its name."""
    try:
        return parse_wheel_filename(file)[:2] if file.endswith(".whl") else parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def _check_asked(line: str, number: int) -> None:
    """Refuse what could become an option or an address of an installer; the line may hold a password and is not shown."""
    try:
        address = Requirement(line).url
    except InvalidRequirement:
        raise ValueError(f"[asked] requirements: entry {number} is no requirement") from None
    if address is not None or "\n" in line:
        raise ValueError(f"[asked] requirements: entry {number} has an address or more than one line")


def _size(lock: Lock) -> _Size:
    return _Size(packages=len(lock.packages), download_bytes=lock.download_bytes, installed_bytes=lock.installed_bytes)


def tables(lock: Lock) -> dict[str, Any]:
    """The lock as the plain values of its document, in order, without those that are None."""
    form = _Form(
        format=FORMAT,
        target=lock.target,
        verdict=lock.verdict,
        assumes=_Assumes(
            gpu=lock.gpu,
            compute_capability=lock.compute_capability,
            driver_floor=lock.driver_floor,
            cuda=lock.cuda,
            glibc=lock.glibc,
            python=lock.python,
            base_image=lock.base_image,
            torch_backend=lock.torch_backend,
        ),
        stack=dict(lock.stack),
        asked=_Asked(requirements=lock.asked, exclude_newer=lock.exclude_newer),
        size=_size(lock),
        made=_Made(
            day=lock.made, data_as_of=lock.data_as_of, envdoctor=lock.envdoctor, requirements_sha256=lock.requirements_sha256
        ),
        bounds=tuple(_Bound(**msgspec.structs.asdict(one)) for one in lock.bounds),
        packages={one.name: _Package(**_without_name(one)) for one in lock.packages},
    )
    found: dict[str, Any] = _plain(msgspec.to_builtins(form))
    return found


def _without_name(one: LockedPackage) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(one).items() if key != "name"}


def _plain(value: Any) -> Any:  # noqa: ANN401 - what TOML can say
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
