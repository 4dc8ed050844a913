"""What the wheels of a lock weigh, and which builds they are: read from their ends on the index, without downloading them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.remote import Client, Unreadable
from envdoctor.probe import records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envdoctor.resolver import File

CONNECTIONS = 4
MAX_INSTALLED_BYTES = 1 << 50
"""A lock holds no larger number; an archive may announce any."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Of one file. None: the index does not tell, or it is no wheel; ``trouble`` says why."""

    size_bytes: int | None = None
    installed_bytes: int | None = None
    """Sum of its files as they are unpacked."""
    record: str | None = None
    """Digest of its RECORD, see ``envdoctor.probe.records``."""
    mislisted: int = 0
    """Files of which its RECORD lists another size than it holds: makers change files after RECORD was written."""
    trouble: str | None = None


def measured(files: Mapping[str, File], tell: Callable[[int, int], None] = lambda _done, _all: None) -> dict[str, Measured]:
    """Measure the chosen file of each package, four at a time.

    Args:
        files: the file that will be installed, by package name.
        tell: hears how many of how many are done.
    """
    client = Client()
    found: dict[str, Measured] = {}
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for name, one in zip(files, pool.map(lambda file: measure(client, file), files.values()), strict=True):
            found[name] = one
            tell(len(found), len(files))
    return found


def measure(client: Client, file: File) -> Measured:
    """Measure one file. A file that cannot be read is a result too: its size may still be known."""
    if not file.is_wheel:
        return Measured(
            size_bytes=_size(client, file), trouble="it is a source distribution, which is built before it is installed"
        )
    try:
        wheel = Wheel(client, file.url)
        listing = wheel.read(_record(wheel)).decode("utf-8", "surrogateescape")
        digest, listed = records.digest(listing), records.rows(listing)
    except (Unreadable, ValueError) as error:
        return Measured(size_bytes=_size(client, file), trouble=str(error))
    held = {records.placed(name): one.file_size for name, one in wheel.members.items()}
    installed = sum(one.file_size for one in wheel.members.values())
    if installed > MAX_INSTALLED_BYTES:
        return Measured(size_bytes=wheel.file.size, trouble=f"its files would take {installed} bytes, more than a disk holds")
    return Measured(
        size_bytes=file.size_bytes or wheel.file.size,
        installed_bytes=installed,
        record=digest,
        mislisted=sum(size is not None and held.get(path, size) != size for path, _, size in listed),
    )


def _size(client: Client, file: File) -> int | None:
    """What the index's page says, else what the file itself answers; not every index tells sizes."""
    if file.size_bytes is not None:
        return file.size_bytes
    try:
        return client.part(file.url, -1, 0)[1]
    except Unreadable:
        return None


def _record(wheel: Wheel) -> str:
    """The member that is its RECORD. Raises Unreadable."""
    found = [name for name in wheel.members if name.count("/") == 1 and name.endswith(".dist-info/RECORD")]
    if len(found) != 1:
        raise Unreadable(f"it holds {len(found) or 'no'} RECORD")
    return found[0]
