"""One damaged file through every reader of compiled files, called as the probe calls them, and nothing but refusals allowed."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from envdoctor.probe import elf, fatbin, numpy_abi
from envdoctor.probe.elf import NotElf
from envdoctor.probe.ldso import NoLoader, Refused, System
from envdoctor.probe.linkmap import Process
from envdoctor.probe.machine import Machine, Missing, Trouble
from envdoctor.probe.symbols import Library, gnu_hash
from tests.probe.samples import BUILT_FOR_NUMPY_1, BUILT_FOR_NUMPY_2, TORCH_NEEDS_CUDA_12, container, elf_file, entry
from tests.probe.shared_objects import DF_STATIC_TLS, Asks, Gives, shared_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DECLARED = (NotElf, NoLoader, Refused, Missing, Trouble, OSError)
"""What a reader may raise for a file; everything else is a fault of ours."""
NAMES = (b"f", b"g", b"_ZN3c105ErrorC1Ev", b"")
LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
X86_64 = 62


def seeds() -> dict[str, bytes]:
    """Small files that are in order: real libraries of wheels, and made ones with each table that is read."""
    gives = (Gives("f", "V1"), Gives("g", "V2"), Gives("g", "V1", default=False), Gives("h"))
    asks = (Asks("f", "V1", "dep.so"), Asks("g"), Asks("w", weak=True))
    kernels = container(entry("sm_80"), entry("sm_90a"), entry("compute_90", b"ptx")) + bytes(8) + container(entry("sm_100f"))
    return {
        "torch": TORCH_NEEDS_CUDA_12.read_bytes(),
        "numpy": BUILT_FOR_NUMPY_2.read_bytes(),
        "pandas": BUILT_FOR_NUMPY_1.read_bytes(),
        "kernels": elf_file(("libcudart.so.12",), b"text\0", sections={".nv_fatbin": kernels, "__nv_relfatbin": kernels}),
        "versions": elf_file(("libc.so.6",), versions={"libc.so.6": ("GLIBC_2.2.5", "GLIBC_2.34"), "libm.so.6": ("GLIBC_2.29",)}),
        "linked": shared_object("mod.so", needs=("dep.so",), gives=gives, asks=asks, runpath="$ORIGIN/../lib", machine=X86_64),
        "older": shared_object("mod.so", needs=("dep.so",), gives=gives, rpath="$ORIGIN:/lib", hashed="sysv", machine=X86_64),
        "program": program(),
        "threads": shared_object("mod.so", gives=(Gives("f"),), flags=DF_STATIC_TLS, tls=64, machine=X86_64),
    }


def program() -> bytes:
    """A program that a dynamic loader starts and that needs a library."""
    data = bytearray(shared_object(needs=("dep.so",), asks=(Asks("g"),), machine=X86_64))
    # the header of the stack's rights becomes that of PT_INTERP
    struct.pack_into("<IIQQQQQQ", data, 64 + 2 * 56, 3, 4, len(data), 0, 0, len(LOADER), len(LOADER), 1)
    return bytes(data) + LOADER


def stage(folder: Path) -> Path:
    """A root with an interpreter, a library that a module needs and one that needs the module; gives where the module goes."""
    files = {
        "bin/python": program(),
        "lib/dep.so": shared_object("dep.so", gives=(Gives("f", "V1"), Gives("g")), machine=X86_64),
        "site/user.so": shared_object(
            needs=("mod.so",),
            asks=(Asks("f", "V1", "mod.so"), Asks("g"), Asks("h", weak=True)),
            runpath="$ORIGIN",
            machine=X86_64,
        ),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "site" / "mod.so"


def put_through(module: Path, content: bytes) -> int:
    """Write the file where :func:`stage` said and read it in every way; gives how many of the ways took it."""
    module.write_bytes(content)
    root = module.parent.parent
    ways: tuple[Callable[[], object], ...] = (
        lambda: headers(str(module)),
        lambda: kernels(str(module)),
        lambda: symbols(str(module)),
        lambda: loaded(str(root)),
        lambda: started(str(root)),
    )
    taken = 0
    for way in ways:
        try:
            way()
        except DECLARED:
            continue
        taken += 1
    return taken


def headers(path: str) -> None:
    """What builds.py and numpy_abi.py read."""
    with elf.Elf(path) as library:
        library.needed()
        library.version_needs()
        library.interpreter()
        numpy_abi.rodata(library, path)


def kernels(path: str) -> None:
    """What device_code.py and the harvest read."""
    with elf.Elf(path) as library:
        counted = fatbin.architectures(library)
        held = fatbin.containers(library)
    assert len(held) <= fatbin.MAX_SETS
    assert sum(held.values()) <= sum(counted.values()) <= fatbin.MAX_ENTRIES


def symbols(path: str) -> None:
    """What the linker reads of one library. Each table is read although another one is damaged."""
    with Library(path) as library:
        damage: NotElf | None = None
        tables: list[Callable[[], object]] = [library.undefined, lambda: library.undefined(weak=True), library.relocation_order]
        for name in NAMES:
            hashed = gnu_hash(name)
            tables += [
                lambda name=name, hashed=hashed: library.defines(name, hashed),  # type: ignore[misc]
                lambda name=name, hashed=hashed: library.defines(name, hashed, b"V1", hidden=True),  # type: ignore[misc]
            ]
        for read in tables:
            try:
                read()
            except NotElf as error:
                damage = error
        if damage is not None:
            raise damage


def loaded(root: str) -> None:
    """What ld.so would do with it as a library: preloaded, opened by itself, and needed by another one."""
    for preloaded in ("", "/site/mod.so"):
        process = Process(System(Machine(root, environ={"LD_PRELOAD": preloaded}), "/bin/python"))
        process.assume_driver()
        for path in ("/site/mod.so", "/site/user.so"):
            problems = process.fork().open(path)
            assert all(isinstance(one.message, str) for one in problems)
            process.mapped(path)


def started(root: str) -> None:
    """What ld.so would do with it as the interpreter."""
    Process(System(Machine(root, environ={}), "/site/mod.so")).open("/lib/dep.so")


def scratch() -> str:
    """A folder in memory where there is one: each input is written to a file."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else ""  # noqa: S108 - only the parent of a folder of our own
