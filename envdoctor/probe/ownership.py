"""Section ``ownership``: module files that two installed distributions both list, with different contents.

RECORD is compared with RECORD, as bytes: an environment of 200 distributions lists 57,000 files, and only what lies under
a top-level name that several of them use can be shared. Of what differs, a few files are hashed to see whose are there.
"""

import ast
import base64
import hashlib
import os
import re

from .machine import Missing, Trouble, fill, known, unknown
from .numpy_abi import record
from .packages import normalized

LEAVES = ("overwritten",)

TOP = re.compile(rb"^([^/,\"\n\0]+)[/,]", re.M)
FILE = re.compile(rb"\.(?:py|so(?:\.\d+)*)$")
INSIDE = rb"/[^,\"\n\0]+\.(?:py|so(?:\.\d+)*)"
MODULE = rb"^(%s%s),sha256=([\w-]{43}),(\d{0,19})\r?$"
MAX_BYTES = 64 * 1024 * 1024
"""Of all RECORDs; those of a full vLLM environment have 7 MB."""
MAX_FILES = 200000
MAX_FOUND = 200
# what wheels bring to the top level by mistake: nothing imports it from there
BY_MISTAKE = frozenset(
    (
        b"test", b"tests", b"testing", b"docs", b"doc", b"examples", b"example", b"benchmarks", b"scripts", b"bin", b"..",
        b"build_backend.py", b"setup.py", b"conftest.py", b"versioneer.py", b"noxfile.py",
    )
)  # fmt: skip
# what makes a folder a namespace of several distributions (PEP 420's predecessors); each may bring its own wording of it
NAMESPACE = (b"pkgutil", b"pkg_resources", b"extend_path", b"declare_namespace")
MAX_NAMESPACE_BYTES = 2048  # a licence and a declaration
MAX_SAMPLES = 4
MAX_SAMPLE_BYTES = 4 * 1024 * 1024


def probe(out, machine, ask):
    """Fill the section from the distributions that an earlier section found."""
    distributions = ask["sections"]["packages"]["distributions"]
    if distributions["is"] != "known":
        out["overwritten"] = unknown(distributions["why"])
        return
    fill(out, "overwritten", lambda: overwritten(machine, distributions["value"]))


def overwritten(machine, distributions):
    """Leaf: an Overwritten for each set of distributions that list the same module files with different hashes."""
    found, cut, read = [], False, 0
    for site in sorted({one["location"] for one in distributions}):
        records, size = {}, 0
        for one in distributions:
            name = normalized(one["name"])
            # of a distribution that is recorded twice nobody knows what was written: another rule's finding
            if one["location"] != site or name in records:
                continue
            try:
                listing = record(machine, one)
            except (Missing, Trouble):
                continue
            size += len(listing)
            if size > MAX_BYTES:
                cut = True
                break
            records[name] = listing
        read += len(records)
        found += clashes(machine, site, records)
    via = "RECORD of %d distributions" % read + (", the rest is too long" if cut else "")
    return known(found[:MAX_FOUND], via)


def clashes(machine, site, records):
    """[Overwritten] of one site folder; ``records`` maps normalized names to the bytes of their RECORD."""
    users = {}
    for name, listing in records.items():
        for top in set(TOP.findall(listing)):
            users.setdefault(top, []).append(name)
    files = {}
    for top, names in users.items():
        if len(names) < 2 or top in BY_MISTAKE:
            continue
        pattern = re.compile(MODULE % (re.escape(top), b"" if FILE.search(top) else INSIDE), re.M)
        for name in names:
            for path, digest, size in pattern.findall(records[name]):
                if path in files or len(files) < MAX_FILES:
                    files.setdefault(path, {})[name] = digest, size
    pairs = {}
    for path, listed in files.items():
        if len({digest for digest, _size in listed.values()}) > 1:
            pairs.setdefault(tuple(sorted(listed)), []).append((path, listed))
    return [one for owners, differing in sorted(pairs.items()) for one in judged(machine, site, owners, differing)]


def judged(machine, site, owners, differing):
    """The Overwritten of one set of owners; none where they only word a namespace differently."""
    paths = [(path.decode("utf-8", "replace"), listed) for path, listed in sorted(differing)]
    real = [(path, listed) for path, listed in paths if "/../" not in path and not namespace(machine, site, path, listed)]
    if not real:
        return []
    winner, sampled = whose(machine, site, real)
    first = real[0][0]
    return [{"path": first, "count": len(real), "owners": list(owners), "winner": winner, "sampled": sampled}]


def namespace(machine, site, path, listed):
    """Whether the file only says that its folder is shared: nothing but a docstring, or one of the old declarations.

    What the other owners' file said cannot be seen any more, but one that does something has more bytes.
    """
    if not path.endswith("/__init__.py") or max(int(size or 0) for _digest, size in listed.values()) > MAX_NAMESPACE_BYTES:
        return False
    try:
        text = machine.read("%s/%s" % (site, path), MAX_NAMESPACE_BYTES)
        body = ast.parse(text).body
    except (Missing, Trouble, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    says = [one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return not says or any(word in text for word in NAMESPACE)


def whose(machine, site, differing):
    """(the distribution whose contents the files have or None, how many were hashed)."""
    # small files first: a hash of 200 MB costs what this whole section may
    ordered = sorted(differing, key=lambda item: (max(int(size or 0) for _digest, size in item[1].values()), item[0]))
    winners, sampled = set(), 0
    for path, listed in ordered:
        if sampled == MAX_SAMPLES:
            break
        largest = max(int(size or 0) for _digest, size in listed.values())
        if largest > MAX_SAMPLE_BYTES:
            if sampled == 0:
                winners.add(by_size(machine, site, path, listed))
            break
        try:
            content = machine.read("%s/%s" % (site, path), MAX_SAMPLE_BYTES + 1)
        except (Missing, Trouble):
            winners.add(None)
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        winners.add(next((name for name in sorted(listed) if listed[name][0] == digest), None))
        sampled += 1
    return (winners.pop() if len(winners) == 1 else None), sampled


def by_size(machine, site, path, listed):
    """The distribution whose file has the size of that on disk, where only one has; for files too large to hash."""
    try:
        found = os.path.getsize(machine.at("%s/%s" % (site, path)))
    except OSError:
        return None
    fitting = [name for name, (_digest, size) in listed.items() if size and int(size) == found]
    return fitting[0] if len(fitting) == 1 else None
