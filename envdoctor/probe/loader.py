"""Where the dynamic loader looks for a library that is opened by its SONAME, and what it finds there.

The order is ld.so(8)'s for a dlopen from a program without a run path: LD_LIBRARY_PATH, /etc/ld.so.cache, the default
folders. The cache is read as bytes (the format of glibc's dl-cache.h), because ``ldconfig -p`` is often not on PATH.
"""

import struct

from .machine import Missing, Trouble

CACHE = "/etc/ld.so.cache"
DEFAULT_DIRS = (
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
    "/lib64", "/usr/lib64", "/lib", "/usr/lib",
)  # fmt: skip

MAGIC_OLD = b"ld.so-1.7.0"
MAGIC_NEW = b"glibc-ld.so.cache1.1"
MAX_CACHE_BYTES = 16 * 1024 * 1024
HEADER_BYTES = 48  # magic, two counts, five words unused or flags
ENTRY = "<iIIIQ"  # flags, key, value, osversion, hwcap; every machine with an NVIDIA driver is little-endian
ENTRY_BYTES = 24
ARCH_MASK = 0xFF00
ARCH_32_BIT = (0x0000, 0x0800, 0x0900, 0x0B00)  # i386 and the like, x32, 32-bit ARM hard and soft float


def library_path(machine):
    """The absolute folders of LD_LIBRARY_PATH; an empty or relative entry means the current folder, which is ours, not the user's."""
    entries = machine.environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
    return [entry.rstrip("/") for entry in entries if entry.startswith("/") and entry.rstrip("/")]


def find(machine, soname):
    """[(path, origin)] of every file of that name the loader could take, first the one it takes; each real file once.

    A 32-bit library is passed over, as the loader does.
    """
    candidates = [(folder + "/" + soname, "LD_LIBRARY_PATH") for folder in library_path(machine)]
    candidates.extend((path, "ld.so.cache") for path in cached(machine, soname))
    candidates.extend((folder + "/" + soname, "default") for folder in DEFAULT_DIRS)
    found = []
    real_files = set()
    for path, origin in candidates:
        if not machine.exists(path):
            continue
        real = machine.realpath(path)
        if real not in real_files and not is_32_bit(machine, path):
            real_files.add(real)
            found.append((path, origin))
    return found


def cached(machine, soname):
    """The paths the cache has for it; none if there is no usable cache."""
    try:
        data = machine.read(CACHE, MAX_CACHE_BYTES)
        # the name that is looked for is mostly not there: seen without decoding a thousand entries
        return parse_cache(data).get(soname, ()) if soname.encode() in data else ()
    except (Missing, Trouble):
        return ()


def is_32_bit(machine, path):
    """Whether it is an ELF file of class 32; one that cannot be read is not."""
    try:
        start = machine.read(path, 5)
    except (Missing, Trouble):
        return False
    return start == b"\x7fELF\x01"


def cache_entries(machine):
    """{SONAME: [paths]} of the 64-bit libraries in /etc/ld.so.cache, in its order.

    Raises Missing (there is no cache) or Trouble (it is not one, or it is cut short).
    """
    return parse_cache(machine.read(CACHE, MAX_CACHE_BYTES))


def parse_cache(data):
    """As cache_entries, of these bytes. Raises Trouble."""
    start = new_format_start(data)
    if len(data) < start + HEADER_BYTES:
        raise Trouble("%s is cut short" % CACHE)
    (count,) = struct.unpack_from("<I", data, start + len(MAGIC_NEW))
    if start + HEADER_BYTES + count * ENTRY_BYTES > len(data):
        raise Trouble("%s is cut short: it announces %d libraries" % (CACHE, count))
    entries = {}
    table = data[start + HEADER_BYTES : start + HEADER_BYTES + count * ENTRY_BYTES]
    for flags, key, value, _osversion, _hwcap in struct.iter_unpack(ENTRY, table):
        if flags & ARCH_MASK in ARCH_32_BIT:
            continue
        entries.setdefault(string_at(data, start + key), []).append(string_at(data, start + value))
    return entries


def new_format_start(data):
    """Offset of the new-format header; older ldconfig writes it behind a table in the old format."""
    if data.startswith(MAGIC_NEW):
        return 0
    start = data.find(MAGIC_NEW) if data.startswith(MAGIC_OLD) else -1
    if start < 0:
        raise Trouble("%s is not a loader cache in a format known here" % CACHE)
    return start


def string_at(data, offset):
    """The NUL-ended string there. Raises Trouble."""
    end = data.find(b"\0", offset) if offset < len(data) else -1
    if end < 0:
        raise Trouble("%s is damaged: a name lies outside it" % CACHE)
    return data[offset:end].decode("utf-8", "surrogateescape")
