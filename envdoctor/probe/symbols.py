"""What the dynamic loader reads of a library beyond its headers: run paths, flags, symbol versions, symbols.

The rules are those of the System V ABI with the GNU extensions, as glibc follows them (elf/dl-lookup.c, dl-version.c).
Definitions are looked up by hash, never listed: libtorch_cpu.so has more than 100,000. Every byte is hostile, as in elf.py.
"""

import struct
from operator import mul

from .elf import DT_NEEDED, DT_NULL, DT_STRTAB, DT_VERNEED, DT_VERNEEDNUM, DYNAMIC_ENTRY_SIZE, MAX_DYNAMIC_ENTRIES, Elf, NotElf

DT_PLTRELSZ, DT_HASH, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_SONAME, DT_RPATH = 2, 4, 6, 7, 8, 14, 15
DT_SYMBOLIC, DT_JMPREL, DT_RUNPATH, DT_FLAGS = 16, 23, 29, 30
DT_GNU_HASH, DT_VERSYM, DT_RELACOUNT, DT_FLAGS_1, DT_VERDEF, DT_VERDEFNUM = (
    0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFF9, 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD,
)  # fmt: skip
DF_SYMBOLIC, DF_STATIC_TLS = 0x2, 0x10
DF_1_NOOPEN, DF_1_NODEFLIB, DF_1_PIE = 0x40, 0x800, 0x8000000
VER_FLG_BASE, VER_FLG_WEAK, VERSYM_HIDDEN, VERSYM_VERSION = 0x1, 0x2, 0x8000, 0x7FFF
FIRST_VERSION = 3  # indices below are local, global and, by convention, the oldest version
SYMBOL, SYMBOL_BYTES, RELOCATION_BYTES = "<IBBHQQ", 24, 24
STB_LOCAL, STB_WEAK, SHN_UNDEF, SHN_ABS, STT_TLS = 0, 2, 0, 0xFFF1, 6
# NOTYPE, OBJECT, FUNC, COMMON, TLS and GNU_IFUNC: what glibc takes for code or data
DEFINING_TYPES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 10
LOCAL_VISIBILITY = (1, 2)  # internal and hidden
# the most that was met: 33,000 undefined symbols, 1,600 version entries, chains of 20, 3 million relocations
MAX_UNDEFINED = 1 << 20
MAX_SYMBOLS = 1 << 22
MAX_VERSIONS = 8192
MAX_CHAIN = 1024
MAX_RELOCATIONS = 1 << 24
MAX_SYMBOL_NAME = 1 << 16
MAX_NAME_BYTES_IN_ALL = 1 << 26  # a small file can give one long name to each of its symbols; 0.4 MB was the most that was met
TOO_LONG = "the names of its symbols have more than %d bytes" % MAX_NAME_BYTES_IN_ALL
POWERS = [1]
while len(POWERS) < 1024:
    POWERS.append(POWERS[-1] * 33 & 0xFFFFFFFF)


def gnu_hash(name):
    """The hash of DT_GNU_HASH: h = h * 33 + c from 5381 on, in 32 bits; as a sum of products it runs in C."""
    size = len(name)
    if size >= len(POWERS):
        value = 5381
        for byte in name:
            value = value * 33 + byte & 0xFFFFFFFF
        return value
    return sum(map(mul, reversed(name), POWERS), 5381 * POWERS[size]) & 0xFFFFFFFF


class Library(Elf):
    """One ELF file as ld.so sees it. Names and versions are bytes or None, folders and SONAMEs are text."""

    def __init__(self, path):
        """Map it and read its dynamic section. Raises NotElf or OSError."""
        super().__init__(path)
        try:
            self._read_dynamic()
        except NotElf:
            self.data.close()
            raise
        self._undefined = self._gnu = self._by_name = self._views = self._versyms = self._symbols = self._damage = None
        self.versions_needed, self.versions_defined, self._version_by_index = [], None, {}

    def close(self):
        """Give the mapping back."""
        for view in self._views or ():
            view.release()
        self._views = self._gnu = self._versyms = None
        self.data.close()

    def __exit__(self, *error):
        self.close()

    def _read_dynamic(self):
        values, needed = {}, []
        if self._dynamic_segment is not None:
            offset, size = self._dynamic_segment
            size = min(size // DYNAMIC_ENTRY_SIZE, MAX_DYNAMIC_ENTRIES) * DYNAMIC_ENTRY_SIZE
            table = self.data[offset : offset + size]
            if len(table) != size:
                raise NotElf("its dynamic section ends behind the end of the file")
            for tag, value in struct.iter_unpack("<qQ", table):
                if tag == DT_NULL:
                    break
                if tag == DT_NEEDED:
                    needed.append(value)
                else:
                    values[tag] = value
        self._values = values
        self._strings = self._file_offset(values[DT_STRTAB]) if DT_STRTAB in values else len(self.data)
        if self._strings > len(self.data):
            raise NotElf("its string table lies behind the end of the file")
        self.needs = [self._text(value) for value in needed]
        self.soname, self.rpath, self.runpath = (
            self._text(values[tag]) if tag in values else None for tag in (DT_SONAME, DT_RPATH, DT_RUNPATH)
        )
        if self.runpath is not None:
            self.rpath = None  # as ld.so: the older one does not count beside it
        flags, flags_1 = values.get(DT_FLAGS, 0), values.get(DT_FLAGS_1, 0)
        self.static_tls = bool(flags & DF_STATIC_TLS)
        self.symbolic = bool(flags & DF_SYMBOLIC) or DT_SYMBOLIC in values
        self.no_default_folders, self.no_open, self.is_program = (
            bool(flags_1 & flag) for flag in (DF_1_NODEFLIB, DF_1_NOOPEN, DF_1_PIE)
        )

    def _text(self, offset):
        return self._name(self._strings + offset).decode("utf-8", "surrogateescape")

    def _open_tables(self):
        """Read the version tables and find the symbol and hash tables; once. Damage is said each time."""
        if self._damage is not None:
            raise NotElf(self._damage)
        if self._views is None:
            self._views = []
            try:
                self._read_tables()
            except NotElf as error:
                self._damage = str(error)
                raise

    def _read_tables(self):
        values = self._values
        if DT_SYMTAB not in values:
            self.versions_defined = frozenset()
            return
        self._symbols = self._file_offset(values[DT_SYMTAB])
        self._read_versions_needed()
        self._read_versions_defined()
        if DT_VERSYM in values:
            start = self._file_offset(values[DT_VERSYM])
            self._versyms = self._view(start, (len(self.data) - start) // 2, 2, "H")
        if DT_GNU_HASH in values:
            start = self._file_offset(values[DT_GNU_HASH])
            buckets, first, bloom, shift = self._unpack("<IIII", start)
            if not buckets or not bloom:
                raise NotElf("its hash table has no buckets")
            words, at = start + 16, start + 16 + 8 * bloom
            chains = at + 4 * buckets
            self._gnu = (
                self._view(words, bloom, 8, "Q"), bloom, shift & 31, self._view(at, buckets, 4, "I"), buckets, first,
                self._view(chains, (len(self.data) - chains) // 4, 4, "I"),
            )  # fmt: skip

    def _view(self, start, count, size, kind):
        """``count`` numbers at a file offset, without a copy."""
        if count < 0 or start + count * size > len(self.data):
            raise NotElf("a table of its symbols ends behind the end of the file")
        whole = memoryview(self.data)
        part = whole[start : start + count * size]
        numbers = part.cast(kind)
        self._views += [numbers, part, whole]
        return numbers

    def _read_versions_needed(self):
        """``versions_needed``: (SONAME, version, weak) triples; ``_version_by_index``: (version, SONAME, hidden)."""
        place = self._file_offset(self._values[DT_VERNEED]) if DT_VERNEED in self._values else None
        for _ in range(min(self._values.get(DT_VERNEEDNUM, 0), MAX_VERSIONS) if place is not None else 0):
            _version, count, file, auxiliary, following = self._unpack("<HHIII", place)
            library, entry = self._text(file), place + auxiliary
            for _ in range(count):
                _hash, flags, other, name, next_entry = self._unpack("<IHHII", entry)
                version = self._name(self._strings + name)
                self.versions_needed.append((library, version, bool(flags & VER_FLG_WEAK)))
                self._version_by_index[other & VERSYM_VERSION] = version, library, bool(other & VERSYM_HIDDEN)
                if len(self.versions_needed) > MAX_VERSIONS:
                    raise NotElf("it needs more than %d symbol versions" % MAX_VERSIONS)
                if next_entry == 0:
                    break
                entry += next_entry
            if following == 0:
                break
            place += following

    def _read_versions_defined(self):
        """``versions_defined``: names; empty for a file without symbol versions."""
        names, place = set(), self._file_offset(self._values[DT_VERDEF]) if DT_VERDEF in self._values else None
        for _ in range(min(self._values.get(DT_VERDEFNUM, 0), MAX_VERSIONS) if place is not None else 0):
            _version, flags, index, _count, _hash, auxiliary, following = self._unpack("<HHHHIII", place)
            (name,) = self._unpack("<I", place + auxiliary)
            version = self._name(self._strings + name)
            names.add(version)
            if not flags & VER_FLG_BASE:
                self._version_by_index[index & VERSYM_VERSION] = version, None, False
            if following == 0:
                break
            place += following
        self.versions_defined = frozenset(names)

    def undefined(self, weak=False):
        """(name, version, SONAME it is asked of, hidden, index) of each symbol that must be found elsewhere, in table order.

        With ``weak``, those that may stay undefined instead.
        """
        if self._undefined is None:
            self._open_tables()
            strong, lax = [], []
            for found in self._read_undefined() if self._symbols is not None else ():
                (lax if found[0] == STB_WEAK else strong).append(found[1:])
            self._undefined = strong, lax
        return self._undefined[weak]

    def _read_undefined(self):
        versyms, versions, find, data, strings = self._versyms, self._version_by_index, self.data.find, self.data, self._strings
        none, room = (None, None, False), MAX_NAME_BYTES_IN_ALL
        for index, (name, info, _other, section, _value, _size) in self._unhashed():
            if section or not name or info < 16:
                continue
            start = strings + name
            end = find(b"\0", start, start + MAX_SYMBOL_NAME)
            if end < 0:
                raise NotElf("the name of a symbol has no end")
            room -= end - start
            if room < 0:
                raise NotElf(TOO_LONG)
            version, library, hidden = versions.get(versyms[index] & VERSYM_VERSION, none) if versyms is not None else none
            yield info >> 4, data[start:end], version, library, hidden, index

    def _unhashed(self):
        """(index, symbol) of the entries that may be undefined: those before the hashed ones, and strays among these."""
        total = self._count()
        first = self._gnu[5] if self._gnu is not None and any(self._gnu[3]) else total
        if first > MAX_UNDEFINED or total > MAX_SYMBOLS:
            raise NotElf("it has more than %d symbols" % (MAX_SYMBOLS if total > MAX_SYMBOLS else MAX_UNDEFINED))
        table = self.data[self._symbols : self._symbols + total * SYMBOL_BYTES]
        if len(table) != total * SYMBOL_BYTES or (self._versyms is not None and len(self._versyms) < total):
            raise NotElf("its symbol table ends behind the end of the file")
        yield from enumerate(struct.iter_unpack(SYMBOL, table[: first * SYMBOL_BYTES]))
        if first < total:
            # GNU ld leaves some weak ones there; the numbers of their sections alone are looked through, as bytes
            with memoryview(table) as whole, whole[first * SYMBOL_BYTES :] as hashed, hashed.cast("H") as halves:
                sections = halves[3::12].tobytes()
            at = sections.find(b"\0\0")
            while at >= 0:
                if at % 2 == 0:
                    index = first + at // 2
                    yield index, struct.unpack_from(SYMBOL, table, index * SYMBOL_BYTES)
                at = sections.find(b"\0\0", at + 1)

    def _count(self):
        """How many symbols there are; only the hash tables tell."""
        values = self._values
        if self._gnu is not None and any(self._gnu[3]):
            _bloom, _words, _shift, buckets, _count, first, chains = self._gnu
            last = max(buckets)
            if last >= first:
                for place in range(last - first, min(last - first + MAX_CHAIN, len(chains))):
                    if chains[place] & 1:
                        return first + place + 1
            raise NotElf("a chain of its hash table has no end")
        if DT_HASH in values:
            return self._unpack("<II", self._file_offset(values[DT_HASH]))[1]
        # a hash table with nothing in it does not tell; linkers put another table right behind the symbols
        behind = [
            values[tag]
            for tag in (DT_STRTAB, DT_VERSYM, DT_GNU_HASH, DT_RELA, DT_JMPREL, DT_VERNEED)
            if values.get(tag, 0) > values[DT_SYMTAB]
        ]
        return (min(behind) - values[DT_SYMTAB]) // SYMBOL_BYTES if behind else 0

    def defines(self, name, hashed, version=None, hidden=False):
        """Whether ld.so takes a symbol of this file for (name, version); ``hashed`` is gnu_hash(name)."""
        if self._views is None or self._damage is not None:
            self._open_tables()
        if self._gnu is None:
            found = self._listed().get(name, ())
        else:
            bloom, words, shift, buckets, count, first, chains = self._gnu
            word = bloom[(hashed >> 6) % words]
            if not (word >> (hashed & 63)) & (word >> ((hashed >> shift) & 63)) & 1:
                return False
            found = self._chain(name, hashed, buckets[hashed % count], first, chains)
        return self._accepted(found, version, hidden) if found else False

    def _chain(self, name, hashed, index, first, chains):
        """Indices of the definitions of ``name``."""
        found, size = [], len(name) + 1
        if index < first:
            return found
        hashed |= 1
        last = len(chains) + first
        for place in range(index, min(index + MAX_CHAIN, last)):
            entry = chains[place - first]
            if entry | 1 == hashed:
                offset, info, other, section, value, _size = self._unpack(SYMBOL, self._symbols + place * SYMBOL_BYTES)
                start = self._strings + offset
                if self.data[start : start + size] == name + b"\0" and defining(info, other, section, value):
                    found.append(place)
            if entry & 1:
                return found
        raise NotElf("a chain of its hash table has no end")

    def _listed(self):
        """{name: indices of its definitions}, for a file that has the older hash table only."""
        if self._by_name is None:
            found, count, room = {}, 0, MAX_NAME_BYTES_IN_ALL
            if self._symbols is not None and DT_HASH in self._values:
                count = self._unpack("<II", self._file_offset(self._values[DT_HASH]))[1]
            if count > MAX_UNDEFINED:
                raise NotElf("it has more than %d symbols" % MAX_UNDEFINED)
            table = self.data[self._symbols : self._symbols + count * SYMBOL_BYTES] if count else b""
            if len(table) != count * SYMBOL_BYTES:
                raise NotElf("its symbol table ends behind the end of the file")
            for index, (name, info, other, section, value, _size) in enumerate(struct.iter_unpack(SYMBOL, table)):
                if defining(info, other, section, value):
                    text = self._name(self._strings + name)
                    room -= len(text)
                    if room < 0:
                        raise NotElf(TOO_LONG)
                    found.setdefault(text, []).append(index)
            self._by_name = found
        return self._by_name

    def _accepted(self, indices, version, hidden):
        """The rules of check_match() in glibc's dl-lookup.c."""
        versyms = self._versyms
        if versyms is None:
            return True
        candidates = 0
        for index in indices:
            if index >= len(versyms):
                raise NotElf("its symbol versions end behind the end of the file")
            own = versyms[index]
            if version is not None:
                named = self._version_by_index.get(own & VERSYM_VERSION)
                if named is None:
                    # unversioned or of the base version: good for anyone unless hidden
                    if not hidden and not own & VERSYM_HIDDEN:
                        return True
                elif named[0] == version:
                    return True
            elif own & VERSYM_VERSION < FIRST_VERSION:
                return True
            elif not own & VERSYM_HIDDEN:
                candidates += 1
        return candidates == 1

    def relocation_order(self):
        """{symbol index: place} of the symbols in the order in which they are bound on loading (RTLD_NOW)."""
        order, values = {}, self._values
        relative = values.get(DT_RELACOUNT, 0)  # the first ones of the table, which name no symbol
        for table, size, skipped in ((DT_RELA, DT_RELASZ, relative), (DT_JMPREL, DT_PLTRELSZ, 0)):
            if table not in values:
                continue
            count = min(values.get(size, 0) // RELOCATION_BYTES, MAX_RELOCATIONS)
            first = min(skipped, count)
            start = self._file_offset(values[table])
            entries = memoryview(self.data)[start + first * RELOCATION_BYTES : start + count * RELOCATION_BYTES]
            with entries:
                if len(entries) % RELOCATION_BYTES:
                    raise NotElf("its relocations end behind the end of the file")
                for (info,) in struct.iter_unpack("<8xQ8x", entries):
                    if len(order) > MAX_UNDEFINED:
                        break
                    order.setdefault(info >> 32, len(order))
        return order


def defining(info, other, section, value):
    """Whether a symbol table entry is a definition that others may bind to."""
    kind = info & 15
    return (
        section != SHN_UNDEF
        and info >> 4 != STB_LOCAL
        and DEFINING_TYPES >> kind & 1 == 1
        and (value != 0 or section == SHN_ABS or kind == STT_TLS)
        and other & 3 not in LOCAL_VISIBILITY
    )
