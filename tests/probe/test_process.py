"""The simulated process beyond single scenes: real libraries of this machine, forks, the driver, damaged files."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from envdoctor.probe.ldso import System
from envdoctor.probe.machine import Machine
from tests.probe.samples import put
from tests.probe.shared_objects import DF_STATIC_TLS, Asks, Gives, shared_object
from tests.probe.test_linkmap import ASKS_F, ASKS_G, RUNPATH, F, process_of, supported

pytestmark = pytest.mark.skipif(not supported(), reason="this Python is not started by glibc's loader")

FORKED = """
import ctypes, json, os, sys
dl = ctypes.PyDLL(None)
dl.dlopen.restype, dl.dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
dl.dlerror.restype = ctypes.c_char_p
said = {}
for path in json.loads(sys.stdin.read()):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, b"" if dl.dlopen(path.encode(), os.RTLD_NOW) else dl.dlerror())
        os._exit(0)
    os.close(writing)
    said[path] = os.read(reading, 65536).decode()
    os.close(reading)
    os.wait()
print(json.dumps(said))
"""


def libraries_of_this_machine() -> list[str]:
    """The modules of this Python and of what is installed beside it."""
    folders = [Path(one) for one in {sysconfig.get_path("platlib"), sysconfig.get_config_var("DESTSHARED")} if one]
    return sorted(str(path) for folder in folders for path in folder.rglob("*.so") if not path.is_symlink())


def test_what_really_loads_on_this_machine_is_said_to_load_and_nothing_else() -> None:
    paths = libraries_of_this_machine()
    assert len(paths) > 5
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", FORKED],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    process = process_of({})
    predicted = {path: next((one.message for one in process.fork().open(path)), "") for path in paths}
    assert predicted == json.loads(done.stdout)


def test_the_order_of_problems_and_their_neighbours(tmp_path: Path) -> None:
    put(tmp_path / "b.so", shared_object("libneighbour.so.1", gives=(Gives("_ZN3lib4initEv"),)))
    asks = tuple(map(Asks, ("_ZN3lib4stopEv", "_ZN3lib4initEv", "_ZN5other4initEv")))
    put(tmp_path / "a.so", shared_object(needs=("b.so",), runpath=RUNPATH, asks=asks))
    problems = process_of({}).open(str(tmp_path / "a.so"))
    assert [(one.wants, one.of, one.file) for one in problems] == [
        ("_ZN3lib4stopEv", "libneighbour.so.1", str(tmp_path / "a.so")),
        ("_ZN5other4initEv", None, str(tmp_path / "a.so")),
    ]


def test_a_fork_has_no_effect_on_the_process_it_came_from(tmp_path: Path) -> None:
    put(tmp_path / "a.so", shared_object(needs=("b.so",), runpath=RUNPATH))
    put(tmp_path / "b.so", shared_object("b.so", gives=(F,)))
    put(tmp_path / "c.so", shared_object(needs=("b.so",)))
    process = process_of({})
    assert process.fork().open(str(tmp_path / "a.so"), everywhere=True) == []
    assert [one.kind for one in process.fork().open(str(tmp_path / "c.so"))] == ["missing-library"]
    assert process.open(str(tmp_path / "a.so")) == []
    assert process.fork().open(str(tmp_path / "c.so")) == []


def test_a_library_bound_in_one_fork_is_bound_anew_where_its_helpers_cannot_be_seen(tmp_path: Path) -> None:
    """What was learnt of a library in one process must not vouch for it in another."""
    put(tmp_path / "dep.so", shared_object("dep.so", asks=(ASKS_F,)))
    put(tmp_path / "helper.so", shared_object("helper.so", gives=(F,)))
    put(tmp_path / "with.so", shared_object(needs=("helper.so", "dep.so"), runpath=RUNPATH))
    put(tmp_path / "without.so", shared_object(needs=("dep.so",), runpath=RUNPATH))
    process = process_of({})
    assert process.fork().open(str(tmp_path / "with.so")) == []
    assert [one.wants for one in process.fork().open(str(tmp_path / "without.so"))] == ["f"]
    assert process.fork().open(str(tmp_path / "with.so")) == []


def test_what_is_kept_goes_on_as_if_its_problems_were_solved(tmp_path: Path) -> None:
    put(tmp_path / "torch.so", shared_object("torch.so", needs=("libnowhere.so",), gives=(F,), asks=(ASKS_G,)))
    put(tmp_path / "user.so", shared_object(needs=("torch.so",), asks=(ASKS_F,)))
    process = process_of({})
    assert [one.wants for one in process.open(str(tmp_path / "torch.so"), keep=True)] == ["libnowhere.so"]
    assert process.fork().open(str(tmp_path / "user.so")) == []


def test_the_driver_is_taken_for_present_only_where_there_is_none(tmp_path: Path) -> None:
    calls = tuple(map(Asks, ("cuInit", "cuMemCreate", "nvmlInit_v2")))
    user = str(put(tmp_path / "a.so", shared_object(needs=("libcuda.so.1", "libnvidia-ml.so.1"), asks=calls)))
    stranger = str(put(tmp_path / "b.so", shared_object(needs=("libcuda.so.1",), asks=(ASKS_F,))))
    old = put(tmp_path / "driver/libcuda.so.1", shared_object("libcuda.so.1", gives=(Gives("cuInit"),)))
    put(tmp_path / "driver/libnvidia-ml.so.1", shared_object("libnvidia-ml.so.1", gives=(Gives("nvmlInit_v2"),)))
    process = process_of({"LD_LIBRARY_PATH": str(old.parent)})
    assert process.assume_driver() == ()
    assert [one.wants for one in process.fork().open(user)] == ["cuMemCreate"], "a driver that is too old for the call"
    if System(Machine(environ={}), sys.executable).search("libcuda.so.1", ((), (), False)) is not None:
        pytest.skip("this machine has a driver")
    process = process_of({})
    assert "libcuda.so.1" in process.assume_driver()
    assert process.fork().open(user) == []
    assert [one.wants for one in process.fork().open(stranger)] == ["f"]


@pytest.mark.parametrize("hashed", ["gnu", "sysv"])
def test_damage_gives_problems_but_never_an_exception_and_is_never_slow(tmp_path: Path, hashed: str) -> None:
    whole = shared_object(
        "b.so", needs=("libc.so.6",), gives=(Gives("f", "V_1"), Gives("g", "V_2"), Gives("h")), runpath=RUNPATH, hashed=hashed,
        asks=(Asks("x", weak=True), Asks("stdout"), Asks("k", "V_9", "libc.so.6")), flags=DF_STATIC_TLS, tls=16,
    )  # fmt: skip
    put(tmp_path / "a.so", shared_object(needs=("b.so",), asks=(Asks("f", "V_1", "b.so"), ASKS_G, Asks("h")), runpath=RUNPATH))
    dice = random.Random(20261125)  # noqa: S311 - reproducible damage, not a secret
    process, slowest, found = process_of({}), 0.0, 0
    for number in range(600):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        folder = tmp_path / str(number)
        put(folder / "b.so", bytes(data))
        put(folder / "a.so", (tmp_path / "a.so").read_bytes())
        started = time.process_time()
        found += bool(process.fork().open(str(folder / "a.so")))
        slowest = max(slowest, time.process_time() - started)
    assert found > 200, "the damage reached what is parsed"
    assert slowest < 1.0
