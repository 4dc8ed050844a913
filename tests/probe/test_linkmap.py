"""The simulated loader against the real one: the same small libraries are opened by both, and both must say the same."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from envdoctor.probe.ldso import NoLoader, System
from envdoctor.probe.linkmap import Process
from envdoctor.probe.machine import Machine
from tests.probe.samples import put
from tests.probe.shared_objects import (
    AARCH64,
    DF_1_NODEFLIB,
    DF_1_NOOPEN,
    DF_1_PIE,
    DF_STATIC_TLS,
    DF_SYMBOLIC,
    MACHINE,
    UNIQUE,
    WEAK,
    X86_64,
    Asks,
    Gives,
    shared_object,
)

if TYPE_CHECKING:
    from pathlib import Path

OPEN = """
import ctypes, json, os, sys
ctypes.CDLL(None)
dl = ctypes.PyDLL(None)
dl.dlopen.restype, dl.dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
dl.dlerror.restype = ctypes.c_char_p
said = []
for path, everywhere in json.loads(sys.argv[1]):
    opened = dl.dlopen(path.encode(), os.RTLD_NOW | (os.RTLD_GLOBAL if everywhere else 0))
    said.append("" if opened else dl.dlerror().decode())
print(json.dumps(said))
"""


class Scene(NamedTuple):
    """Files by their name under the test's folder, what is opened in turn (a leading "+" is RTLD_GLOBAL), what the last says."""

    files: dict[str, bytes]
    opens: tuple[str, ...]
    kind: str | None
    wants: str = ""
    environ: dict[str, str] = {}  # noqa: RUF012 - never changed


def needing(*names: str, **more: Any) -> bytes:
    return shared_object(needs=names, **more)


RUNPATH = "$ORIGIN"
NO_FILE = ": No such file or directory"
F, G = Gives("f"), Gives("g")
ASKS_F, ASKS_G = Asks("f"), Asks("g")
OTHER = AARCH64 if MACHINE == X86_64 else X86_64
SCENES = {
    "a library beside it is found by its run path": Scene(
        {"a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH), "b.so": shared_object("b.so", gives=(F,))}, ("a.so",), None
    ),
    "a library that is nowhere": Scene({"a.so": needing("libnowhere.so.7")}, ("a.so",), "missing-library", "libnowhere.so.7"),
    "the first of two that are missing is named": Scene(
        {"a.so": needing("b.so", "libsecond.so", runpath=RUNPATH), "b.so": shared_object("b.so", needs=("libthird.so",))},
        ("a.so",), "missing-library", "libsecond.so",
    ),
    "a symbol that nobody defines": Scene({"a.so": shared_object(asks=(ASKS_F,))}, ("a.so",), "undefined-symbol", "f"),
    "a weak symbol may stay undefined": Scene({"a.so": shared_object(asks=(Asks("f", weak=True),))}, ("a.so",), None),
    "a symbol that no relocation uses is never looked up": Scene(
        {"a.so": shared_object(asks=(Asks("f", used=False),))}, ("a.so",), None
    ),
    "of two missing symbols the one that is bound first is named": Scene(
        {"a.so": shared_object(asks=(ASKS_G, ASKS_F))}, ("a.so",), "undefined-symbol", "g"
    ),
    "dependencies are bound before those that need them": Scene(
        {"a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH), "b.so": shared_object("b.so", asks=(ASKS_G,))},
        ("a.so",), "undefined-symbol", "g",
    ),
    "of two dependencies the last is bound first": Scene(
        {
            "a.so": needing("b.so", "c.so", runpath=RUNPATH),
            "b.so": shared_object("b.so", asks=(ASKS_F,)),
            "c.so": shared_object("c.so", asks=(ASKS_G,)),
        },
        ("a.so",), "undefined-symbol", "g",
    ),
    "versions are checked before symbols": Scene(
        {
            "a.so": needing("b.so", asks=(Asks("f", "V_2", "b.so"), ASKS_G), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("f", "V_1"),)),
        },
        ("a.so",), "missing-version", "V_2",
    ),
    "a weak need for a version is no failure, its symbol is": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_G,), needs_versions=(("b.so", "V_2", True),), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("f", "V_1"), G)),
        },
        ("a.so",), None,
    ),
    "a symbol of the right version": Scene(
        {
            "a.so": needing("b.so", asks=(Asks("f", "V_1", "b.so"),), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("f", "V_1", default=False), Gives("f", "V_2"))),
        },
        ("a.so",), None,
    ),
    "a symbol of another version only": Scene(
        {
            "a.so": needing("b.so", asks=(Asks("f", "V_1", "b.so"),), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("f", "V_2"), Gives("g", "V_1"))),
        },
        ("a.so",), "undefined-symbol", "f",
    ),
    "a symbol without version binds to a default version": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("g", "V_1"), Gives("f", "V_2"))),
        },
        ("a.so",), None,
    ),
    "a symbol without version does not bind to a hidden version": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("g", "V_1"), Gives("f", "V_2", default=False))),
        },
        ("a.so",), "undefined-symbol", "f",
    ),
    "a library without versions serves any version": Scene(
        {
            "a.so": needing("b.so", "c.so", asks=(Asks("f", "V_1", "c.so"),), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(F,)),
            "c.so": shared_object("c.so", gives=(Gives("g", "V_1"),)),
        },
        ("a.so",), None,
    ),
    "a library with the older hash table only": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F, ASKS_G), runpath=RUNPATH, hashed="sysv"),
            "b.so": shared_object("b.so", gives=(G, F, Gives("h")), hashed="sysv"),
        },
        ("a.so",), None,
    ),
    "a unique and a weak definition count": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F, ASKS_G), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("f", binding=UNIQUE), Gives("g", binding=WEAK))),
        },
        ("a.so",), None,
    ),
    "a hidden definition does not count": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(Gives("f", visibility=2), G)),
        },
        ("a.so",), "undefined-symbol", "f",
    ),
    "many definitions are found by their hash": Scene(
        {
            "a.so": needing("b.so", asks=tuple(Asks(f"symbol_{n}") for n in range(60)), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=tuple(Gives(f"symbol_{n}") for n in range(60))),
        },
        ("a.so",), None,
    ),
    "what was opened for itself is not seen by others": Scene(
        {"a.so": shared_object(asks=(ASKS_F,)), "b.so": shared_object("b.so", gives=(F,))},
        ("b.so", "a.so"), "undefined-symbol", "f",
    ),
    "what was opened for all is seen by others": Scene(
        {"a.so": shared_object(asks=(ASKS_F,)), "b.so": shared_object("b.so", gives=(F,))}, ("+b.so", "a.so"), None
    ),
    "what was opened for all later is seen as well": Scene(
        {"a.so": shared_object(asks=(ASKS_F,)), "b.so": shared_object("b.so", gives=(F,))}, ("b.so", "+b.so", "a.so"), None
    ),
    "what the library opened for all needs is seen as well": Scene(
        {"a.so": shared_object(asks=(ASKS_F,)), "b.so": needing("c.so", runpath=RUNPATH), "c.so": shared_object("c.so", gives=(F,))},
        ("+b.so", "a.so"), None,
    ),
    "a mapped library serves its SONAME, wherever it lies": Scene(
        {"a.so": needing("libx.so.1", asks=(ASKS_F,)), "far/anything.so": shared_object("libx.so.1", gives=(F,))},
        ("far/anything.so", "a.so"), None,
    ),
    "a mapped library does not serve its file name": Scene(
        {"a.so": needing("anything.so"), "far/anything.so": shared_object("libx.so.1", gives=(F,))},
        ("far/anything.so", "a.so"), "missing-library", "anything.so",
    ),
    "the mapped copy wins over the one that a search would find": Scene(
        {
            "a.so": needing("libx.so.1", asks=(ASKS_F,), runpath=RUNPATH),
            "libx.so.1": shared_object("libx.so.1", gives=(F,)),
            "old/libx.so.1": shared_object("libx.so.1", gives=(G,)),
        },
        ("old/libx.so.1", "a.so"), "undefined-symbol", "f",
    ),
    "a failed library leaves nothing behind": Scene(
        {
            "a.so": needing("libx.so.1"),
            "b.so": needing("libx.so.1", asks=(ASKS_G,), runpath=RUNPATH),
            "libx.so.1": shared_object("libx.so.1"),
        },
        ("b.so", "a.so"), "missing-library", "libx.so.1",
    ),
    "DT_RPATH is inherited by what it brings in": Scene(
        {
            "a.so": needing("b.so", rpath="$ORIGIN:$ORIGIN/sub"),
            "b.so": shared_object("b.so", needs=("c.so",)),
            "sub/c.so": shared_object("c.so"),
        },
        ("a.so",), None,
    ),
    "DT_RUNPATH is not inherited": Scene(
        {
            "a.so": needing("b.so", runpath="${ORIGIN}:${ORIGIN}/sub"),
            "b.so": shared_object("b.so", needs=("c.so",)),
            "sub/c.so": shared_object("c.so"),
        },
        ("a.so",), "missing-library", "c.so",
    ),
    "DT_RPATH does not count beside DT_RUNPATH": Scene(
        {"a.so": needing("c.so", rpath="$ORIGIN/sub", runpath="$ORIGIN/none"), "sub/c.so": shared_object("c.so")},
        ("a.so",), "missing-library", "c.so",
    ),
    "LD_LIBRARY_PATH comes before DT_RUNPATH": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(F,)),
            "env/b.so": shared_object("b.so"),
        },
        ("a.so",), "undefined-symbol", "f", {"LD_LIBRARY_PATH": "/none:{}/env"},
    ),
    "LD_LIBRARY_PATH comes behind DT_RPATH": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F,), rpath=RUNPATH),
            "b.so": shared_object("b.so", gives=(F,)),
            "env/b.so": shared_object("b.so"),
        },
        ("a.so",), None, "", {"LD_LIBRARY_PATH": "{}/env"},
    ),
    "LD_PRELOAD is seen by all": Scene(
        {"a.so": shared_object(asks=(ASKS_F,)), "b.so": shared_object("b.so", gives=(F,))},
        ("a.so",), None, "", {"LD_PRELOAD": "{}/b.so"},
    ),
    "a library for another machine is passed over": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_F,), runpath="$ORIGIN/other:$ORIGIN"),
            "b.so": shared_object("b.so", gives=(F,)),
            "other/b.so": shared_object("b.so", machine=OTHER),
        },
        ("a.so",), None,
    ),
    "a 32-bit library is passed over": Scene(
        {
            "a.so": needing("b.so", runpath="$ORIGIN/other:$ORIGIN"),
            "b.so": shared_object("b.so"),
            "other/b.so": b"\x7fELF\x01\x01\x01" + shared_object("b.so")[7:],
        },
        ("a.so",), None,
    ),
    "a library for another machine that is opened": Scene({"a.so": shared_object(machine=OTHER)}, ("a.so",), "wrong-machine"),
    "a 32-bit library that is opened": Scene(
        {"a.so": b"\x7fELF\x01\x01\x01" + shared_object()[7:]}, ("a.so",), "wrong-machine"
    ),
    "a text in the place of a library": Scene(
        {"a.so": needing("b.so", runpath=RUNPATH), "b.so": b"INPUT(-lb) " * 40}, ("a.so",), "not-elf"
    ),
    "an empty file": Scene({"a.so": b""}, ("a.so",), "not-elf"),
    "a program is no library": Scene({"a.so": shared_object(flags_1=DF_1_PIE)}, ("a.so",), "not-elf"),
    "a library that may not be opened": Scene({"a.so": shared_object(flags_1=DF_1_NOOPEN)}, ("a.so",), "not-elf"),
    "a large thread-local block that must be static": Scene(
        {"a.so": shared_object(flags=DF_STATIC_TLS, tls=4096)}, ("a.so",), "static-tls", "4096 bytes"
    ),
    "a small one": Scene({"a.so": shared_object(flags=DF_STATIC_TLS, tls=1024)}, ("a.so",), None),
    "two small ones that do not fit together": Scene(
        {"a.so": shared_object(flags=DF_STATIC_TLS, tls=1024), "b.so": shared_object(flags=DF_STATIC_TLS, tls=1024)},
        ("a.so", "b.so"), "static-tls", "1024 bytes",
    ),
    "GLIBC_TUNABLES makes room for a large one": Scene(
        {"a.so": shared_object(flags=DF_STATIC_TLS, tls=4096)},
        ("a.so",), None, "", {"GLIBC_TUNABLES": "glibc.malloc.check=0:glibc.rtld.optional_static_tls=4096"},
    ),
    "a large thread-local block that need not be static": Scene({"a.so": shared_object(tls=4096)}, ("a.so",), None),
    "symbolic binding finds what is outside all the same": Scene(
        {"a.so": needing("b.so", asks=(ASKS_F,), runpath=RUNPATH, flags=DF_SYMBOLIC), "b.so": shared_object("b.so", gives=(F,))},
        ("a.so",), None,
    ),
    "without default folders the C library is still the mapped one": Scene(
        {"a.so": needing("libc.so.6", flags_1=DF_1_NODEFLIB)}, ("a.so",), None
    ),
    "without default folders no other library of the system is found": Scene(
        {"a.so": needing("libBrokenLocale.so.1", flags_1=DF_1_NODEFLIB)}, ("a.so",), "missing-library", "libBrokenLocale.so.1"
    ),
    "a library of the system": Scene({"a.so": needing("libBrokenLocale.so.1")}, ("a.so",), None),
    "libraries that need each other": Scene(
        {
            "a.so": needing("b.so", asks=(ASKS_G,), runpath=RUNPATH),
            "b.so": shared_object("b.so", needs=("c.so",), asks=(ASKS_F,), gives=(G,), runpath=RUNPATH),
            "c.so": shared_object("c.so", needs=("b.so",), asks=(ASKS_G,), gives=(F,), runpath=RUNPATH),
        },
        ("a.so",), None,
    ),
    "a needed path may begin at the origin of the one that needs it": Scene(
        {"a.so": needing("$ORIGIN/sub/b.so", asks=(ASKS_F,)), "sub/b.so": shared_object("b.so", gives=(F,))}, ("a.so",), None
    ),
    "a needed path that leads nowhere": Scene({"a.so": needing("/nowhere/b.so")}, ("a.so",), "missing-library", "/nowhere/b.so"),
    "a library is the same one under two names": Scene(
        {"a.so": needing("b.so", "./link.so", asks=(ASKS_F,), runpath=RUNPATH), "b.so": shared_object("b.so", gives=(F,))},
        ("a.so",), "missing-library", "./link.so",
    ),
    "a glibc version that no release has": Scene(
        {"a.so": needing("libc.so.6", needs_versions=(("libc.so.6", "GLIBC_9.99", False),))}, ("a.so",), "missing-version", "GLIBC_9.99"
    ),
    "a symbol of the C library by version": Scene(
        {"a.so": needing("libc.so.6", asks=(Asks("stdout", "GLIBC_2.2.5" if MACHINE == X86_64 else "GLIBC_2.17", "libc.so.6"),))},
        ("a.so",), None,
    ),
    "a symbol of the interpreter": Scene({"a.so": shared_object(asks=(Asks("PyExc_ValueError"),))}, ("a.so",), None),
    "a symbol of another Python": Scene(
        {"a.so": shared_object(asks=(Asks("PyString_FromString"),))}, ("a.so",), "undefined-symbol", "PyString_FromString"
    ),
}  # fmt: skip


def process_of(environ: dict[str, str]) -> Process:
    return Process(System(Machine(environ=environ), sys.executable))


def supported() -> bool:
    try:
        System(Machine(), sys.executable)
    except NoLoader:
        return False
    return sys.platform == "linux" and struct.calcsize("P") == 8


pytestmark = pytest.mark.skipif(not supported(), reason="this Python is not started by glibc's loader")


@pytest.mark.parametrize("name", SCENES)
def test_both_loaders_say_the_same_of(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]
    for file, content in scene.files.items():
        put(tmp_path / file, content)
    environ = {key: value.replace("{}", str(tmp_path)) for key, value in scene.environ.items()}
    process, said = process_of(environ), []
    for one in scene.opens:
        problems = process.open(str(tmp_path / one.lstrip("+")), everywhere=one.startswith("+"))
        said.append(problems[0].message if problems else "")
    assert (problems[0].kind if problems else None) == scene.kind
    assert not scene.wants or problems[0].wants == scene.wants

    really = opened(tmp_path, scene.opens, environ)
    # where there was no folder to look into, ld.so has no error number to put into words
    assert [one.removesuffix(NO_FILE) for one in said] == [one.removesuffix(NO_FILE) for one in really]


def opened(folder: Path, opens: tuple[str, ...], environ: dict[str, str]) -> list[str]:
    """What dlerror() says of each, in one process; "" for what loads."""
    words = json.dumps([(str(folder / one.lstrip("+")), one.startswith("+")) for one in opens])
    own = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", OPEN, words], capture_output=True, text=True, check=True, timeout=30, env=own | environ
    )
    found: list[str] = json.loads(done.stdout)
    return found
