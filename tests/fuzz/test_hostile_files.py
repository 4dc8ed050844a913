"""The short form of ``make fuzz``, and the faults that were found: no exception but refusals, no hang, bounded memory."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.probe.elf import NotElf
from envdoctor.probe.symbols import Library
from tests.fuzz.targets import put_through, seeds, stage
from tests.probe.samples import put

SEEDS = seeds()
WAYS = 5
ROOT = Path(__file__).resolve().parent.parent.parent
NUMBERS = st.one_of(
    st.sampled_from((0, 1, 0x7F, 0xFF, 0xFFFF, 1 << 31, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)), st.integers(0, 70000)
)
WRITES = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(("<B", "<H", "<I", "<Q")), NUMBERS, st.booleans()), min_size=1, max_size=8
)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file goes that is put through."""
    return stage(tmp_path_factory.mktemp("root"))


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_is_in_order_and_every_way_that_is_for_it_takes_it(module: Path, name: str) -> None:
    """One way is for programs alone, and one asks for a section .rodata, which not all have."""
    without_rodata = name in {"torch", "linked", "older", "program", "threads"}
    assert put_through(module, SEEDS[name]) == WAYS - without_rodata - (name != "program")


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SEEDS)), writes=WRITES, cut=st.floats(0, 1) | st.just(1.0))
def test_a_damaged_file_is_read_or_refused_and_never_slow(
    module: Path, name: str, writes: list[tuple[float, str, int, bool]], cut: float
) -> None:
    data = bytearray(SEEDS[name])
    for where, layout, number, early in writes:
        size = struct.calcsize(layout)
        # what is parsed stands in the first 400 bytes and, of the small files, anywhere
        place = int(where * (min(len(data), 400 if early else len(data)) - size))
        struct.pack_into(layout, data, place, number % (1 << 8 * size))
    started = time.process_time()
    assert 0 <= put_through(module, bytes(data[: int(cut * len(data))])) <= WAYS
    assert time.process_time() - started < 2


def long_names(symbols: int, hashed: int = 4) -> bytes:
    """A library whose every symbol is called by one name of 65,000 bytes: 550 KB that were 1.2 GB when they were read."""
    strings = b"\0" + b"a" * 65000 + b"\0"
    strings_at = 64 + 2 * 56
    symbols_at = -(-(strings_at + len(strings)) // 8) * 8
    table = b"".join(struct.pack("<IBBHQQ", 1 + number % 500, 0x10, 0, 0, 0, 0) for number in range(symbols))
    dynamic_at = symbols_at + len(table)
    hash_at = dynamic_at + 4 * 16
    tags = ((5, strings_at), (6, symbols_at), (hashed, hash_at), (0, 0))
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags)
    total = hash_at + 8
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, total, total, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, dynamic_at, dynamic_at, len(dynamic), len(dynamic), 8)
    return (header + load + segment + strings).ljust(symbols_at, b"\0") + table + dynamic + struct.pack("<II", 1, symbols)


def test_one_long_name_for_every_symbol_costs_no_more_than_the_bound(tmp_path: Path) -> None:
    path = put(tmp_path / "x.so", long_names(20_000))
    script = (
        "import sys\n"
        "from envdoctor.probe.elf import NotElf\n"
        "from envdoctor.probe.symbols import Library\n"
        "with Library(sys.argv[1]) as library:\n"
        "    try:\n"
        "        library.undefined()\n"
        "    except NotElf as error:\n"
        "        print(error)\n"
        # not ru_maxrss: it keeps what the process that started this one had at its peak
        "print(next(int(line.split()[1]) // 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], cwd=ROOT, capture_output=True, text=True, check=True)
    said, peak = done.stdout.splitlines()
    assert said == "the names of its symbols have more than 67108864 bytes"
    assert int(peak) < 200


def test_as_many_names_as_real_libraries_have_are_read(tmp_path: Path) -> None:
    with Library(put(tmp_path / "x.so", long_names(1000))) as library:
        assert len(library.undefined()) == 1000


def test_the_bound_of_versions_holds_inside_one_library_too(tmp_path: Path) -> None:
    """65,535 entries are asked of one library, which only a bound on libraries would let pass."""
    data = bytearray(SEEDS["linked"].ljust(200_000, b"\0"))
    struct.pack_into("<QQ", data, 64 + 32, len(data), len(data))  # the loaded segment reaches as far
    (dynamic,) = struct.unpack_from("<Q", data, 64 + 56 + 8)
    values = dict(struct.iter_unpack("<qQ", data[dynamic : dynamic + 16 * 20]))
    need = values[0x6FFFFFFE]
    struct.pack_into("<HHIII", data, need, 1, 0xFFFF, 1, 10_000 - need, 0)
    for place in range(10_000, len(data) - 16, 16):
        struct.pack_into("<IHHII", data, place, 0, 0, 0, 1, 16)
    with Library(put(tmp_path / "x.so", bytes(data))) as library:
        with pytest.raises(NotElf, match="it needs more than 8192 symbol versions"):
            library.undefined()
        assert len(library.versions_needed) == 8193
