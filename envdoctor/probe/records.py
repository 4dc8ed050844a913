"""Section ``records``, on request only: which build of each release is installed, and whether its files are as they were installed.

A wheel's RECORD lists its files with their hashes. Installers add rows of their own (INSTALLER, compiled .pyc, scripts) and move
others (the ``.data`` folders); what is left is the same before and after, so one digest over it says which wheel lies here, and
tells a CPU build of torch from a CUDA build of the same version. That does not hold for what ``uv pip install --target`` laid
down of a wheel with scripts or data: their rows then look like modules.
Source: the wheel and RECORD formats, https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import base64
import csv
import hashlib
import io
import os
import posixpath
import re
import time

from .machine import Missing, Trouble, fill, known, unknown

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
MAX_RECORD_BYTES = 8 * 1024 * 1024  # the largest of 296 wheels has 1.7 MB; half of one would look like another build
MAX_SHOWN = 20
MAX_HASHED_BYTES = 64 * 1024 * 1024
BUDGET_S = 8.0  # of the whole probe, when the request names none
HASHING_SHARE = 0.8  # of that time; then sizes only, so that a slow disk costs the hashes and not the answer


def rows(text):
    """[(path, sha256 in RECORD's base64, size or None)] of the files that a wheel brings, as they are listed once installed.

    ``text`` is a RECORD of a wheel or of an installed distribution. Raises ValueError for what is none.
    """
    found = []
    try:
        # not by splitlines, which also cuts at characters that a file name may hold
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""))):
            if number >= MAX_ROWS:
                raise ValueError("RECORD has more than %d rows" % MAX_ROWS)
            if len(row) < 2 or not row[0]:
                continue
            path, content = placed(row[0]), SHA256.match(row[1])
            if path is not None and content is not None:
                size = row[2] if len(row) > 2 else ""
                found.append((path, content.group(1), int(size) if re.match(r"[0-9]{1,15}$", size) else None))
    except csv.Error as error:
        raise ValueError("RECORD is no table: %s" % error)
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
    until = time.monotonic() + HASHING_SHARE * float(ask.get("deadline_s", BUDGET_S))
    distributions = ask["sections"]["packages"]["distributions"]
    if distributions["is"] != "known":
        out["checked"] = unknown(distributions["why"])
        return
    fill(out, "checked", lambda: known(all_checked(machine, distributions["value"], until), "RECORD and the files it lists"))


def all_checked(machine, distributions, until):
    """A RecordCheck of each distribution, in their order; after ``until`` (time.monotonic()) nothing more is hashed."""
    found, listings, owners = [], [], {}
    for distribution in distributions:
        one = {"name": distribution["name"], "version": distribution["version"], "digest": None, "problem": None, "files": 0}
        one.update({"missing": [], "missing_count": 0, "altered": [], "altered_count": 0})
        one.update({"overwritten_count": 0, "unread_count": 0, "by_size_only": 0})
        listing = {}
        try:
            text = listed(machine, distribution)
            one["digest"] = digest(text)
            for path, content, size in rows(text):
                listing[path] = content, size
                owners.setdefault("%s/%s" % (distribution["location"], path), set()).add(content)
        except (Missing, Trouble, ValueError) as error:
            one["problem"] = str(error)
        found.append(one)
        listings.append(listing)
    for number, listing in enumerate(listings):
        check(machine, found[number], distributions[number]["location"], listing, owners, until)
    return found


def listed(machine, distribution):
    """Text of its RECORD. Raises Missing, or Trouble: it cannot be read, or is longer than any."""
    path = "%s/%s/RECORD" % (distribution["location"], distribution["metadata_dir"])
    data = machine.read(path, MAX_RECORD_BYTES + 1)
    if len(data) > MAX_RECORD_BYTES:
        raise Trouble("%s is larger than %d MiB" % (path, MAX_RECORD_BYTES // 1024 // 1024))
    return data.decode("utf-8", "surrogateescape")


def check(machine, one, site, listing, owners, until):
    """Compare the files of ``listing`` ({path: (sha256, size)}) in the folder ``site`` and count in the RecordCheck ``one``."""
    one["files"] = len(listing)
    for path, (content, size) in listing.items():
        full = "%s/%s" % (site, path)
        verdict = compared(machine, full, content, size, owners[full], time.monotonic() < until)
        if verdict in ("missing", "altered"):
            one[verdict + "_count"] += 1
            if len(one[verdict]) < MAX_SHOWN:
                one[verdict].append(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        elif verdict != "same":
            one[verdict] += 1


def compared(machine, path, content, size, contents, hashing):
    """What became of one file.

    "same", "missing", "altered", "overwritten_count" (it is as another distribution lists it), "by_size_only" (too large, or not
    ``hashing``; its size is right) or "unread_count" (it is there and cannot be compared). ``contents`` are the hashes that any
    distribution lists for this path.
    """
    try:
        on_disk = os.stat(machine.at(path)).st_size
        differs, alone = size is not None and on_disk != size, len(contents) == 1
        if differs and alone:
            return "altered"
        if on_disk > MAX_HASHED_BYTES or not hashing:
            return "unread_count" if differs or size is None else "by_size_only"
        data = machine.read(path, on_disk + 1)  # one byte more, to notice one that grows
    except (Missing, FileNotFoundError, NotADirectoryError):
        return "missing"
    except (Trouble, OSError):
        return "unread_count"
    made = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
    if made == content:
        return "same"
    return "overwritten_count" if made in contents else "altered"
