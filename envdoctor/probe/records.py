"""Section ``records``, on request only: which build of each release is installed, and whether its files are as they were installed.

A wheel's RECORD lists its files with their hashes. Installers add rows of their own (INSTALLER, compiled .pyc, scripts) and move
others (the ``.data`` folders); what is left is the same before and after, so one digest over it says which wheel lies here, and
tells a CPU build of torch from a CUDA build of the same version.
Source: the wheel and RECORD formats, https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import base64
import csv
import hashlib
import os
import posixpath
import re

from .machine import Missing, Trouble, fill, known, unknown
from .numpy_abi import record

LEAVES = ("checked",)

# what an installer writes beside METADATA: pip, uv, and signatures, which cannot be listed in what they sign
INSTALLERS_OWN = frozenset(
    (
        "RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json",
        "provenance_url.json",
    )
)  # fmt: skip
# of the folders in NAME-VERSION.data only these land among the modules; the others go elsewhere under the prefix
AMONG_MODULES = ("purelib", "platlib")
SHA256 = re.compile(r"sha256=([A-Za-z0-9_-]{43})=?$")
MAX_ROWS = 300000
MAX_SHOWN = 20
MAX_HASHED_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 1024 * 1024


def rows(text):
    """[(path, sha256 in RECORD's base64, size or None)] of the files that a wheel brings, as they are listed once installed.

    ``text`` is a RECORD of a wheel or of an installed distribution. Raises ValueError for what is none.
    """
    found = []
    try:
        for number, row in enumerate(csv.reader(text.splitlines())):
            if number >= MAX_ROWS:
                raise ValueError("more than %d rows" % MAX_ROWS)
            if len(row) < 2 or not row[0]:
                continue
            path, digest = placed(row[0]), SHA256.match(row[1])
            if path is not None and digest is not None:
                size = row[2] if len(row) > 2 else ""
                found.append((path, digest.group(1), int(size) if re.match(r"[0-9]{1,15}$", size) else None))
    except csv.Error as error:
        raise ValueError(str(error))
    return found


def placed(path):
    """Where a listed file lies once installed, relative to the site folder; None for what is not the wheel's or not there."""
    path = posixpath.normpath(path.replace("\\", "/"))
    parts = path.split("/")
    if len(parts) > 2 and parts[0].endswith(".data"):
        if parts[1] not in AMONG_MODULES:
            return None
        parts = parts[2:]
    if parts[0] in ("..", "") or "__pycache__" in parts:
        return None
    if parts[0].endswith(".dist-info") and len(parts) == 2 and parts[1] in INSTALLERS_OWN:
        return None
    return "/".join(parts)


def digest(text):
    """Digest ("sha256:...") over the files of a RECORD; the same for the wheel and for what pip or uv installed from it. Raises ValueError."""
    found = sorted({(path, content) for path, content, _size in rows(text)})
    if not found:
        raise ValueError("RECORD lists no file with its hash")  # all such wheels would look the same
    whole = hashlib.sha256()
    for path, content in found:
        whole.update(("%s\0%s\n" % (path, content)).encode("utf-8", "surrogateescape"))
    return "sha256:" + whole.hexdigest()


def probe(out, machine, ask):
    """Fill the section from the distributions that an earlier section found."""
    distributions = ask["sections"]["packages"]["distributions"]
    if distributions["is"] != "known":
        out["checked"] = unknown(distributions["why"])
        return
    fill(
        out, "checked", lambda: known([checked(machine, one) for one in distributions["value"]], "RECORD and the files it lists")
    )


def checked(machine, distribution):
    """The RecordCheck of one distribution."""
    found = {"name": distribution["name"], "version": distribution["version"], "digest": None, "problem": None}
    found.update({"files": 0, "missing": [], "missing_count": 0, "altered": [], "altered_count": 0, "by_size_only": 0})
    try:
        text = record(machine, distribution).decode("utf-8", "surrogateescape")
        listed = rows(text)
        found["digest"] = digest(text)
    except (Missing, Trouble, ValueError) as error:
        found["problem"] = str(error)
        return found
    found["files"] = len(listed)
    for path, content, size in listed:
        verdict = compared(machine, "%s/%s" % (distribution["location"], path), content, size)
        if verdict in ("missing", "altered"):
            found[verdict + "_count"] += 1
            if len(found[verdict]) < MAX_SHOWN:
                found[verdict].append(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        elif verdict == "size":
            found["by_size_only"] += 1
    return found


def compared(machine, path, content, size):
    """One of "same", "size" (too large to be hashed, the size is right), "missing" or "altered"."""
    try:
        inside = machine.at(path)
        on_disk = os.stat(inside).st_size
    except OSError:
        return "missing"
    if size is not None and on_disk != size:
        return "altered"
    if on_disk > MAX_HASHED_BYTES:
        return "size"
    try:
        data = machine.read(path, MAX_HASHED_BYTES + 1)
    except (Missing, Trouble):
        return "missing"
    made = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
    return "same" if made == content else "altered"
