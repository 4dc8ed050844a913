"""Bills of materials (CycloneDX JSON) of a lock, a list of releases or an environment. Pure, and the same bytes each time."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import uuid
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import BY_SCHEMA_VERSION
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL

from envdoctor import __version__
from envdoctor.facts import Known, NotObserved
from envdoctor.views import distributions, driver_version, gpus, torch_cuda
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.facts import Facts
    from envdoctor.locks.document import Listed, Lock

SCHEMA = max(SchemaVersion, key=lambda one: one.to_version())
"""The newest that the library writes."""
PREFIX = "envdoctor:"
"""Of our own properties' names."""


class _Entry(NamedTuple):
    """One release, the hash of its file where exactly one is meant, and what else is known of it."""

    name: str
    version: str
    sha256: str | None = None
    about: tuple[tuple[str, str], ...] = ()


def of_lock(lock: Lock) -> str:
    """The bill of a lock. Serial number and time are the lock's own, so that the same lock gives the same document."""
    entries = [
        _Entry(one.name, one.version, one.sha256, (("file", one.file), *_given({"size-bytes": one.size_bytes})))
        for one in lock.packages
    ]
    assumed = {
        "gpu": lock.gpu or "none",
        "compute-capability": lock.compute_capability,
        "driver-floor": lock.driver_floor,
        "cuda": lock.cuda,
        "glibc": lock.glibc,
        "python": lock.python,
        "base-image": lock.base_image,
        "requirements-sha256": lock.requirements_sha256,
        "verdict": lock.verdict,
    }
    return _document(lock.target, lock.made, entries, assumed, msgspec.json.encode(lock), lock.envdoctor)


def of_listed(listed: Listed) -> str:
    """The bill of a list of releases, which has no date.

    A package with several admitted files has no hash, since which one is meant is open.
    """
    entries = [_Entry(one.name, one.version, one.sha256[0] if len(one.sha256) == 1 else None) for one in listed.packages]
    return _document(os.path.basename(listed.path), None, entries, {}, msgspec.json.encode(listed), __version__)


def of_facts(facts: Facts) -> str:
    """The bill of an environment: what is installed, without hashes, for the files that were installed are not there any more.

    Raises:
        NotObserved: what is installed could not be read.
    """
    entries = [_Entry(name, one.version) for name, one in sorted(distributions(facts).items())]
    driver, cuda, libc = driver_version(facts), torch_cuda(facts), facts.host.libc
    try:
        devices = [one.name.value for one in gpus(facts) if isinstance(one.name, Known)]
    except NotObserved:
        devices = []
    seen = {
        "gpu": ", ".join(devices) or None,
        "driver": driver.value if isinstance(driver, Known) else None,
        "cuda": cuda.value if isinstance(cuda, Known) else None,
        "glibc": libc.value.version if isinstance(libc, Known) and libc.value.name == "glibc" else None,
        "python": facts.python.value.version if isinstance(facts.python, Known) else None,
    }
    identity = msgspec.json.encode([facts.target.spec, facts.taken_at, *entries])
    return _document(facts.target.spec, facts.taken_at, entries, seen, identity, __version__)


def _document(
    name: str, made: str | None, entries: Iterable[_Entry], about: Mapping[str, str | None], identity: bytes, version: str
) -> str:
    """The document; ``identity`` are bytes that no other bill has, ``made`` its ISO day or moment if it has one."""
    target = Component(
        name=harmless(name), version=made, type=ComponentType.PLATFORM, bom_ref="target", properties=_properties(_given(about))
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(identity).hexdigest()))
    bom.metadata.timestamp = _moment(made or "")
    bom.metadata.component = target
    tool = Component(name="envdoctor", version=version, type=ComponentType.APPLICATION, bom_ref="envdoctor")
    bom.metadata.tools = ToolRepository(components=[tool])
    for one in entries:
        purl = PackageURL("pypi", name=one.name, version=harmless(one.version))
        component = Component(
            name=one.name,
            version=harmless(one.version),
            purl=purl,
            bom_ref=purl.to_string(),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)] if one.sha256 else [],
            properties=_properties(one.about),
        )
        bom.components.add(component)
    bom.register_dependency(target, bom.components)
    return f"{BY_SCHEMA_VERSION[SCHEMA](bom).output_as_string(indent=2)}\n"


def _given(values: Mapping[str, str | int | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in values.items() if value is not None)


def _properties(values: Iterable[tuple[str, str]]) -> list[Property]:
    return [Property(name=f"{PREFIX}{name}", value=harmless(value)) for name, value in values]


def _moment(text: str) -> dt.datetime:
    """An ISO day or moment in UTC; of what is neither, the beginning of time, so that the document stays the same."""
    try:
        return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=dt.timezone.utc)
    except ValueError:
        return dt.datetime.fromtimestamp(0, tz=dt.timezone.utc)
