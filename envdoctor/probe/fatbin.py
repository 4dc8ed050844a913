"""Which GPU architectures a library was compiled for: a walk over the headers of its fat binaries, nothing is unpacked.

A fat binary is a container (magic, version, header size, size of all entries) of entries, each with a header that tells its
kind, architecture and size. nvcc puts them into the sections below. The layout is that of NVIDIA's fatbinary.h as cuobjdump
reads it; counts of entries were compared with cuobjdump's on vLLM 0.7.0 and 0.33.0 and on torch 2.5.1.
"""

import mmap
import struct

SECTIONS = (b".nv_fatbin", b"__nv_relfatbin", b".nv_relfatbin")
MAGIC = b"\x50\xed\x55\xba"
CONTAINER = "<IHHQ"
CONTAINER_SIZE = 16
ENTRY = struct.Struct("<HxxIQ12xI8xQ")  # kind, size of this header, size of what follows it, architecture, flags
ENTRY_SIZE = 64
PTX, SASS = 1, 2
MIN_HEADER, MAX_HEADER = 48, 4096
ARCHITECTURE_SPECIFIC = 0x100000
"""Flag of an entry for exactly one architecture, sm_90a. Confirmed by cuobjdump on vLLM's wheels."""
FAMILY_SPECIFIC = 0x200000
"""Flag of an entry for a family of architectures, sm_100f. Confirmed by the -arch option that nvcc leaves in the unpacked code."""
SPECIFIC = ARCHITECTURE_SPECIFIC | FAMILY_SPECIFIC
# real libraries have under 7,000 entries, and a few bytes of padding between containers
MAX_ENTRIES = 2000000
MAX_CONTAINERS = 1000000
MAX_GAP = 1024 * 1024
MAX_IMAGES = 64
"""Different images in one container; nvcc knows some 40 architectures."""
MAX_SETS = 256


def architectures(library):
    """{"sm_90a": 57, "compute_80": 19}: how many entries of an open Elf are for which architecture; empty without GPU code.

    Names are nvcc's: sm_ is machine code (SASS), compute_ is PTX. A damaged container ends the walk of its section.
    """
    found = {}
    for images in _containers(library):
        for image in images:
            found[image] = found.get(image, 0) + 1
    return {_name(image): count for image, count in found.items()}


def containers(library):
    """{"sm_80 sm_90a compute_90": 340}: how many containers of an open Elf hold exactly these images; empty without GPU code.

    A kernel is in one container, with an image for each architecture. Names are in the order of their numbers, machine
    code first. A container with no image, or with more than any compiler makes, counts for nothing.
    """
    found = {}
    for images in _containers(library):
        key = frozenset(images)
        if 0 < len(key) <= MAX_IMAGES and (key in found or len(found) < MAX_SETS):
            found[key] = found.get(key, 0) + 1
    return {" ".join(map(_name, sorted(key, key=_order))): count for key, count in found.items()}


def _name(image):
    kind, architecture, flags = image
    suffix = "a" if flags & ARCHITECTURE_SPECIFIC else "f" if flags & FAMILY_SPECIFIC else ""
    return "%s_%d%s" % ("compute" if kind == PTX else "sm", architecture, suffix)


def _order(image):
    kind, architecture, flags = image
    return kind == PTX, architecture, flags


def _containers(library):
    """The images (kind, architecture, flags) of each container, one after another; bounded for each library."""
    data, entries, left = library.data, MAX_ENTRIES, MAX_CONTAINERS
    if hasattr(mmap, "MADV_RANDOM"):
        data.madvise(mmap.MADV_RANDOM)  # between two headers lie 100 KB of code: reading ahead would read all of it
    for name in SECTIONS:
        place = library.section(name)
        if place is None:
            continue
        at, end = place[0], place[0] + place[1]
        while left > 0 and entries > 0:
            at = data.find(MAGIC, at, min(end, at + MAX_GAP))
            if at < 0 or at + CONTAINER_SIZE > end:
                break
            left -= 1
            _magic, _version, header, size = struct.unpack_from(CONTAINER, data, at)
            if header < CONTAINER_SIZE or at + header + size > end:
                at += len(MAGIC)  # the bytes of the magic by chance
                continue
            images, count = _images(data, at + header, at + header + size, entries)
            entries -= count
            yield images
            at += header + size


def _images(data, at, end, most):
    """(images, how many entries were read) of one container."""
    found, count = [], 0
    while at + ENTRY_SIZE <= end and count < most:
        kind, header, size, architecture, flags = ENTRY.unpack_from(data, at)
        if not MIN_HEADER <= header <= MAX_HEADER:
            break
        if kind in (SASS, PTX):
            found.append((kind, architecture, flags & SPECIFIC))
        count += 1
        at += header + size
    return found, count
