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
EXTENSION_OFFSET = 32  # in the header: where the table of extensions begins, 0 if there is none
EXTENSION_MAGIC = 0xEAA42174
EXTENSION_HWCAPS = 1
HWCAP_EXTENSION = 1 << 30  # bit 62 of an entry's hwcap: the low half is an index into that extension
MAX_EXTENSIONS = 16
MAX_HWCAPS_BYTES = 256
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
    entries = {}
    for soname, path, _hwcap in parsed(data):
        entries.setdefault(soname, []).append(path)
    return entries


def cache_list(machine):
    """(SONAME, path, glibc-hwcaps folder or None) of the 64-bit libraries in /etc/ld.so.cache. Raises Missing or Trouble."""
    return list(parsed(machine.read(CACHE, MAX_CACHE_BYTES)))


def parsed(data):
    """The same of these bytes, one by one. Raises Trouble."""
    start = new_format_start(data)
    if len(data) < start + HEADER_BYTES:
        raise Trouble("%s is cut short" % CACHE)
    (count,) = struct.unpack_from("<I", data, start + len(MAGIC_NEW))
    if start + HEADER_BYTES + count * ENTRY_BYTES > len(data):
        raise Trouble("%s is cut short: it announces %d libraries" % (CACHE, count))
    table = data[start + HEADER_BYTES : start + HEADER_BYTES + count * ENTRY_BYTES]
    folders = None
    for flags, key, value, _osversion, hwcap in struct.iter_unpack(ENTRY, table):
        if flags & ARCH_MASK in ARCH_32_BIT:
            continue
        folder = None
        if hwcap:
            folders = hwcaps_folders(data, start) if folders is None else folders
            index = hwcap & 0xFFFFFFFF
            # the older kind, a bit mask of CPU features, was last written by glibc 2.32
            folder = folders[index] if hwcap >> 32 == HWCAP_EXTENSION and index < len(folders) else "legacy"
        yield string_at(data, start + key), string_at(data, start + value), folder


def hwcaps_folders(data, start):
    """Names of the glibc-hwcaps folders that entries refer to; empty if the cache has no such list (glibc before 2.33)."""
    (offset,) = struct.unpack_from("<I", data, start + EXTENSION_OFFSET)
    if offset == 0 or start + offset + 8 > len(data):
        return []
    magic, sections = struct.unpack_from("<II", data, start + offset)
    if magic != EXTENSION_MAGIC:
        return []
    table = data[start + offset + 8 : start + offset + 8 + 16 * min(sections, MAX_EXTENSIONS)]
    for tag, _flags, place, size in struct.iter_unpack("<IIII", table[: len(table) // 16 * 16]):
        if tag == EXTENSION_HWCAPS:
            names = data[start + place : start + place + min(size, MAX_HWCAPS_BYTES)]
            return [string_at(data, start + name) for (name,) in struct.iter_unpack("<I", names[: len(names) // 4 * 4])]
    return []


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
