"""A small reader of ELF64 little-endian files: what a shared library needs, and where its sections lie.

Files are mapped, not read, so a library of 2 GB costs its headers only. Everything in the file is hostile: each offset is
checked before it is used, each loop is bounded, and whatever does not fit raises NotElf.
"""

import mmap
import os
import struct

from .machine import open_file

HEADER_SIZE = 64
PROGRAM_HEADER_SIZE = 56
SECTION_HEADER_SIZE = 64
DYNAMIC_ENTRY_SIZE = 16
PT_LOAD = 1
PT_DYNAMIC = 2
PT_INTERP = 3
PT_TLS = 7
SHT_NOBITS = 8
DT_NULL = 0
DT_NEEDED = 1
DT_STRTAB = 5
DT_VERNEED = 0x6FFFFFFE
DT_VERNEEDNUM = 0x6FFFFFFF
# real libraries have under 100 dynamic entries and 70 sections
MAX_DYNAMIC_ENTRIES = 4096
MAX_VERSION_NEEDS = 4096
MAX_NAME_BYTES = 4096


class NotElf(Exception):
    """Not an ELF64 little-endian file, or a damaged one; the message says what does not fit."""


class Elf:
    """One mapped file. Use it in a ``with`` statement; ``data`` is the mapping.

    ``type`` and ``machine`` are the header's e_type and e_machine, ``tls`` is (bytes, alignment) of its thread-local block.
    """

    def __init__(self, path):
        """Map the file. Raises NotElf, or OSError when it cannot be opened."""
        descriptor = open_file(path)
        try:
            if os.fstat(descriptor).st_size < HEADER_SIZE:
                raise NotElf("it is shorter than an ELF header")
            try:
                self.data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise NotElf("it cannot be mapped: %s" % error)
        finally:
            os.close(descriptor)
        try:
            self._read_header()
        except NotElf:
            self.data.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.data.close()

    def needed(self):
        """SONAMEs of the libraries it needs (DT_NEEDED), in file order; empty for a static file."""
        offsets, string_table = [], None
        for tag, value in self._dynamic():
            if tag == DT_NEEDED:
                offsets.append(value)
            elif tag == DT_STRTAB:
                string_table = self._file_offset(value)
        if not offsets:
            return []
        if string_table is None:
            raise NotElf("its dynamic section has no string table")
        return [self._name(string_table + offset).decode("utf-8", "replace") for offset in offsets]

    def version_needs(self):
        """(SONAME, version) pairs that its symbols ask for, ("libc.so.6", "GLIBC_2.34"); System V ABI, GNU extension verneed."""
        values = dict(self._dynamic())
        if DT_VERNEED not in values:
            return []
        if DT_STRTAB not in values:
            raise NotElf("its dynamic section has no string table")
        strings, place = self._file_offset(values[DT_STRTAB]), self._file_offset(values[DT_VERNEED])
        found = []
        for _ in range(min(values.get(DT_VERNEEDNUM, 0), MAX_VERSION_NEEDS)):
            _version, count, file, auxiliary, following = self._unpack("<HHIII", place)
            library, entry = self._name(strings + file).decode("utf-8", "replace"), place + auxiliary
            for _ in range(min(count, MAX_VERSION_NEEDS - len(found))):
                _hash, _flags, _other, name, next_entry = self._unpack("<IHHII", entry)
                found.append((library, self._name(strings + name).decode("utf-8", "replace")))
                if next_entry == 0:
                    break
                entry += next_entry
            if following == 0:
                break
            place += following
        return found

    def section(self, name):
        """(offset, size) in bytes of the first section of that name (bytes); None if there is none or it has no bytes."""
        headers, count, names_index = self._sections
        if names_index >= count:
            return None
        _name, _type, names_offset, _size = self._section_header(headers, names_index)
        for index in range(count):
            name_offset, kind, offset, size = self._section_header(headers, index)
            if self.data[names_offset + name_offset : names_offset + name_offset + len(name) + 1] == name + b"\0":
                if kind == SHT_NOBITS:
                    return None
                if offset + size > len(self.data):
                    raise NotElf("section %s ends behind the end of the file" % name.decode("ascii", "replace"))
                return offset, size
        return None

    def _read_header(self):
        if self.data[:4] != b"\x7fELF":
            raise NotElf("it does not start as an ELF file")
        if self.data[4:6] != b"\x02\x01":
            raise NotElf("it is not 64-bit little-endian")
        fields = self._unpack("<HHIQQQIHHHHHH", 16)
        self.type, self.machine = fields[0], fields[1]
        program_headers, section_headers = fields[4], fields[5]
        program_size, program_count, section_size, section_count, names_index = fields[8:13]
        self._sections = section_headers, section_count if section_size == SECTION_HEADER_SIZE else 0, names_index
        if program_count and program_size != PROGRAM_HEADER_SIZE:
            raise NotElf("its program headers have an odd size")
        self._loads, self._dynamic_segment, self._interpreter, self.tls = [], None, None, (0, 1)
        if program_headers + program_count * PROGRAM_HEADER_SIZE > len(self.data):
            raise NotElf("its program headers lie behind the end of the file")
        table = self.data[program_headers : program_headers + program_count * PROGRAM_HEADER_SIZE]
        for kind, _flags, offset, address, _physical, size, memory, align in struct.iter_unpack("<IIQQQQQQ", table):
            if kind == PT_LOAD:
                self._loads.append((address, address + size, offset))
            elif kind == PT_DYNAMIC:
                self._dynamic_segment = offset, size
            elif kind == PT_INTERP:
                self._interpreter = offset
            elif kind == PT_TLS:
                self.tls = memory, align

    def interpreter(self):
        """The dynamic loader that a program asks for (PT_INTERP), "/lib64/ld-linux-x86-64.so.2"; None for a library."""
        return None if self._interpreter is None else self._name(self._interpreter).decode("utf-8", "surrogateescape")

    def _unpack(self, layout, offset):
        if offset + struct.calcsize(layout) > len(self.data):
            raise NotElf("offset %d is behind the end of the file" % offset)
        return struct.unpack_from(layout, self.data, offset)

    def _dynamic(self):
        """(tag, value) pairs of the dynamic section, up to its DT_NULL."""
        if self._dynamic_segment is None:
            return
        offset, size = self._dynamic_segment
        for index in range(min(size // DYNAMIC_ENTRY_SIZE, MAX_DYNAMIC_ENTRIES)):
            tag, value = self._unpack("<qQ", offset + index * DYNAMIC_ENTRY_SIZE)
            if tag == DT_NULL:
                return
            yield tag, value

    def _section_header(self, headers, index):
        """(offset of its name, type, offset, size) of one section."""
        name, kind, _flags, _address, offset, size = self._unpack("<IIQQQQ", headers + index * SECTION_HEADER_SIZE)
        return name, kind, offset, size

    def _file_offset(self, address):
        """Where in the file the byte that is loaded at ``address`` lies."""
        for start, end, offset in self._loads:
            if start <= address < end:
                return address - start + offset
        raise NotElf("address 0x%x is in no loaded segment" % address)

    def _name(self, offset):
        """The C string at a file offset."""
        if offset >= len(self.data):
            raise NotElf("a name lies behind the end of the file")
        end = self.data.find(b"\0", offset, offset + MAX_NAME_BYTES)
        if end < 0:
            raise NotElf("a name has no end")
        return self.data[offset:end]


def needed(path):
    """SONAMEs that the file at ``path`` needs. Raises NotElf or OSError."""
    with Elf(path) as library:
        return library.needed()


def section(path, name):
    """(offset, size) in bytes of the section called ``name`` (bytes), or None. Raises NotElf or OSError."""
    with Elf(path) as library:
        return library.section(name)
