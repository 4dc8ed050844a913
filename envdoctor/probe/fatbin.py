"""Which GPU architectures a library was compiled for: a walk over the headers of its fat binaries, nothing is unpacked.

A fat binary is a container (magic, version, header size, size of all entries) of entries, each with a header that tells its
kind, architecture and size. nvcc puts them into the sections below. The layout is that of NVIDIA's fatbinary.h as cuobjdump
reads it; counts of entries were compared with cuobjdump's on vLLM 0.7.0 and 0.33.0 and on torch 2.5.1.
"""

import struct

SECTIONS = (b".nv_fatbin", b"__nv_relfatbin", b".nv_relfatbin")
MAGIC = b"\x50\xed\x55\xba"
CONTAINER = "<IHHQ"
CONTAINER_SIZE = 16
ENTRY = "<HHIQIIHHIIIQ"
ENTRY_SIZE = 64
PTX, SASS = 1, 2
MIN_HEADER, MAX_HEADER = 48, 4096
ARCHITECTURE_SPECIFIC = 0x100000
"""Flag of an entry for exactly one architecture, sm_90a. Confirmed by cuobjdump on vLLM's wheels."""
FAMILY_SPECIFIC = 0x200000
"""Flag of an entry for a family of architectures, sm_100f. Confirmed by the -arch option that nvcc leaves in the unpacked code."""
MAX_ENTRIES = 2000000


def architectures(library):
    """{"sm_90a": 57, "compute_80": 19}: how many entries of an open Elf are for which architecture; empty without GPU code.

    Names are nvcc's: sm_ is machine code (SASS), compute_ is PTX. A damaged container ends the walk of its section.
    """
    found = {}
    left = MAX_ENTRIES
    for name in SECTIONS:
        place = library.section(name)
        if place is None:
            continue
        at, end = place[0], place[0] + place[1]
        while left > 0:
            at = library.data.find(MAGIC, at, end)
            if at < 0 or at + CONTAINER_SIZE > end:
                break
            _magic, _version, header, size = struct.unpack_from(CONTAINER, library.data, at)
            if header < CONTAINER_SIZE or at + header + size > end:
                at += len(MAGIC)  # the bytes of the magic by chance
                continue
            left -= _entries(library.data, at + header, at + header + size, found, left)
            at += header + size
    return found


def _entries(data, at, end, found, most):
    """Count the entries of one container into ``found``; gives how many there were."""
    count = 0
    while at + ENTRY_SIZE <= end and count < most:
        fields = struct.unpack_from(ENTRY, data, at)
        kind, header, size, architecture, flags = fields[0], fields[2], fields[3], fields[8], fields[11]
        if not MIN_HEADER <= header <= MAX_HEADER:
            break
        if kind in (PTX, SASS):
            suffix = "a" if flags & ARCHITECTURE_SPECIFIC else "f" if flags & FAMILY_SPECIFIC else ""
            name = "%s_%d%s" % ("compute" if kind == PTX else "sm", architecture, suffix)
            found[name] = found.get(name, 0) + 1
        count += 1
        at += header + size
    return count
