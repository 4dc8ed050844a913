"""Small shared objects that the real dynamic loader accepts, made byte by byte: no compiler is needed to test the linker.

Each is one loaded segment that holds its tables, a word for each definition and a relocated word for each reference.
"""

from __future__ import annotations

import platform
import struct
from typing import NamedTuple

X86_64, AARCH64 = 62, 183
MACHINE = {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine(), X86_64)
ABSOLUTE = {X86_64: 1, AARCH64: 257}  # R_X86_64_64, R_AARCH64_ABS64
THREAD_OFFSET = {X86_64: 18, AARCH64: 1030}  # R_X86_64_TPOFF64, R_AARCH64_TLS_TPREL
GLOBAL, WEAK, UNIQUE = 1, 2, 10
OBJECT, FUNCTION, TLS, IFUNC = 1, 2, 6, 10
DF_SYMBOLIC, DF_STATIC_TLS = 0x2, 0x10
DF_1_NOOPEN, DF_1_NODEFLIB, DF_1_PIE = 0x40, 0x800, 0x8000000


class Gives(NamedTuple):
    """A definition. A version that is not ``default`` is hidden, the name@VERSION of linkers."""

    name: str
    version: str | None = None
    default: bool = True
    binding: int = GLOBAL
    kind: int = OBJECT
    visibility: int = 0


class Asks(NamedTuple):
    """A reference; one that is not ``used`` stands in the symbol table only."""

    name: str
    version: str | None = None
    of: str = ""
    weak: bool = False
    used: bool = True


def elf_hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def gnu_hash(name: str) -> int:
    value = 5381
    for byte in name.encode():
        value = value * 33 + byte & 0xFFFFFFFF
    return value


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        self.data += text.encode() + b"\0"
        return len(self.data) - len(text.encode()) - 1


def shared_object(
    soname: str | None = None,
    *,
    needs: tuple[str, ...] = (),
    gives: tuple[Gives, ...] = (),
    asks: tuple[Asks, ...] = (),
    needs_versions: tuple[tuple[str, str, bool], ...] = (),
    rpath: str | None = None,
    runpath: str | None = None,
    flags: int = 0,
    flags_1: int = 0,
    tls: int = 0,
    hashed: str = "gnu",
    machine: int = MACHINE,
    kind: int = 3,
) -> bytes:
    """The bytes of one. ``needs_versions`` are (SONAME, version, weak) beside those of ``asks``; ``hashed`` is gnu or sysv."""
    strings = _Strings()
    buckets = max(1, len(gives) // 2)
    exported = sorted(gives, key=lambda one: gnu_hash(one.name) % buckets)
    defined = sorted({one.version for one in gives if one.version}, key=str)
    wanted = list(dict.fromkeys([*needs_versions, *((one.of, one.version, one.weak) for one in asks if one.version)]))
    index_of = {version: number for number, version in enumerate(defined, 2)}
    needed_at = {(of, version): number for number, (of, version, _weak) in enumerate(wanted, 2 + len(defined))}

    symbols, versyms = [bytes(24)], [0]
    for ask in asks:
        symbols.append(struct.pack("<IBBHQQ", strings.add(ask.name), (WEAK if ask.weak else GLOBAL) << 4, 0, 0, 0, 0))
        versyms.append(needed_at[ask.of, ask.version] if ask.version else 1)
    first = len(symbols)
    named_at = [strings.add(give.name) for give in exported]
    for give in exported:
        versyms.append((index_of[give.version] if give.version else 1) | (0 if give.default else 0x8000))
        symbols.append(b"")  # its address is known below

    verneed, verdef = _verneed(wanted, needed_at, strings), _verdef(soname or "", defined, index_of, strings)
    dynamic: list[tuple[int, int | str]] = [(1, strings.add(name)) for name in needs]
    dynamic += [(tag, strings.add(text)) for tag, text in ((14, soname), (15, rpath), (29, runpath)) if text is not None]
    dynamic += [(30, flags)] if flags else []
    dynamic += [(0x6FFFFFFB, flags_1)] if flags_1 else []
    relocations = sum(ask.used for ask in asks) + (1 if flags & DF_STATIC_TLS and tls else 0)
    tables = {
        "strings": strings.data,
        "symbols": bytes(24 * len(symbols)),
        "hash": _gnu_table(exported, first, buckets) if hashed == "gnu" else struct.pack(
            f"<{2 + 1 + len(symbols)}I", 1, len(symbols), len(symbols) - 1, *(max(0, number - 1) for number in range(len(symbols)))
        ),
        "versyms": struct.pack(f"<{len(versyms)}H", *versyms) if wanted or defined else b"",
        "verneed": verneed,
        "verdef": verdef,
        "relocations": bytes(24 * relocations),
        "tls": bytes(tls),
        "words": bytes(8 * (len(exported) + relocations)),
    }  # fmt: skip
    dynamic += [(5, "strings"), (6, "symbols"), (10, len(strings.data)), (11, 24)]
    dynamic += [(0x6FFFFEF5 if hashed == "gnu" else 4, "hash")]
    dynamic += [(0x6FFFFFF0, "versyms")] if tables["versyms"] else []
    dynamic += [(0x6FFFFFFE, "verneed"), (0x6FFFFFFF, len({of for of, _version, _weak in wanted}))] if verneed else []
    dynamic += [(0x6FFFFFFC, "verdef"), (0x6FFFFFFD, len(defined) + 1)] if verdef else []
    dynamic += [(7, "relocations"), (8, 24 * relocations), (9, 24)] if relocations else []
    tables["dynamic"] = bytes(16 * (len(dynamic) + 1))

    headers = 4 if tls else 3
    places, at = {}, 64 + 56 * headers
    for name, table in tables.items():
        at = -(-at // 16) * 16
        places[name] = at
        at += len(table)
    for number, give in enumerate(exported):
        # the value of a thread-local symbol is its offset in the block
        value = 0 if give.kind == TLS else places["words"] + 8 * number
        info = give.binding << 4 | give.kind
        symbols[first + number] = struct.pack("<IBBHQQ", named_at[number], info, give.visibility, 1, value, 8)
    tables["symbols"] = b"".join(symbols)
    targets = [(number, ABSOLUTE[machine]) for number, ask in enumerate(asks, 1) if ask.used]
    targets += [(0, THREAD_OFFSET[machine])] if flags & DF_STATIC_TLS and tls else []
    tables["relocations"] = b"".join(
        struct.pack("<QQq", places["words"] + 8 * (len(exported) + number), symbol << 32 | how, 0)
        for number, (symbol, how) in enumerate(targets)
    )
    tables["dynamic"] = b"".join(
        struct.pack("<qQ", tag, places[value] if isinstance(value, str) else value) for tag, value in [*dynamic, (0, 0)]
    )
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, headers, 64, 0, 0)
    segments = [
        (1, 6, 0, at, 0x1000),
        (2, 6, places["dynamic"], len(tables["dynamic"]), 8),
        (0x6474E551, 6, 0, 0, 16),  # PT_GNU_STACK: no executable stack is wanted
        *([(7, 4, places["tls"], tls, 8)] if tls else []),
    ]
    whole = bytearray(at)
    whole[:64] = header
    for number, (segment, access, offset, size, align) in enumerate(segments):
        whole[64 + 56 * number : 120 + 56 * number] = struct.pack(
            "<IIQQQQQQ", segment, access, offset, offset, offset, size, size, align
        )
    for name, table in tables.items():
        whole[places[name] : places[name] + len(table)] = table
    return bytes(whole)


def _gnu_table(exported: list[Gives], first: int, buckets: int) -> bytes:
    hashes = [gnu_hash(one.name) for one in exported]
    bloom, starts, chains = 0, [0] * buckets, []
    for number, value in enumerate(hashes):
        bloom |= 1 << (value & 63) | 1 << (value >> 6 & 63)
        bucket = value % buckets
        starts[bucket] = starts[bucket] or first + number
        last = number + 1 == len(hashes) or hashes[number + 1] % buckets != bucket
        chains.append(value & ~1 | last)
    return struct.pack(f"<IIIIQ{buckets}I{len(chains)}I", buckets, first, 1, 6, bloom, *starts, *chains)


def _verneed(wanted: list[tuple[str, str, bool]], index_of: dict[tuple[str, str], int], strings: _Strings) -> bytes:
    libraries = list(dict.fromkeys(of for of, _version, _weak in wanted))
    table = b""
    for place, library in enumerate(libraries, 1):
        versions = [(version, weak) for of, version, weak in wanted if of == library]
        following = 16 + 16 * len(versions) if place < len(libraries) else 0
        table += struct.pack("<HHIII", 1, len(versions), strings.add(library), 16, following)
        for number, (version, weak) in enumerate(versions, 1):
            table += struct.pack(
                "<IHHII", elf_hash(version), 2 if weak else 0, index_of[library, version], strings.add(version),
                16 if number < len(versions) else 0,
            )  # fmt: skip
    return table


def _verdef(soname: str, defined: list[str], index_of: dict[str, int], strings: _Strings) -> bytes:
    names = [(soname, 1, 1), *((version, 0, index_of[version]) for version in defined)] if defined else []
    table = b""
    for place, (name, flags, index) in enumerate(names, 1):
        following = 28 if place < len(names) else 0
        table += struct.pack("<HHHHIII", 1, flags, index, 1, elf_hash(name), 20, following)
        table += struct.pack("<II", strings.add(name), 0)
    return table
