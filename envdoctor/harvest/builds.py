"""How torch and vLLM wheels were built, from the bytes of the few members that tell: the probe's own readers judge them.

What is read of a torch wheel: torch/version.py (CUDA version), libc10.so (C++ ABI, GLIBC_ versions) and libtorch_python.so
(the architecture list behind torch.cuda.get_arch_list(), GLIBC_ versions), 6 to 10 MB of a wheel of 500 to 900. Of a vLLM
wheel: every compiled module, since each has its own fat binaries.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import Version

from envdoctor.errors import UserError
from envdoctor.harvest.remote import Unreadable
from envdoctor.probe import builds as installed_builds
from envdoctor.probe.elf import Elf, NotElf
from envdoctor.probe.fatbin import architectures
from envdoctor.probe.machine import Machine, Missing, Trouble
from envdoctor.rows import TorchRelease, VllmRelease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from envdoctor.harvest.archive import Wheel
    from envdoctor.harvest.index import File

TORCH_MEMBERS = ("torch/version.py", "torch/lib/libc10.so", "torch/lib/libtorch_python.so")
CORE = "_C"
"""vLLM's core kernels are in modules whose names begin so: _C.abi3.so, from 0.19 on _C_stable_libtorch.abi3.so too."""
GLIBC = "GLIBC_"
NOT_CUDA = "it is not built for CUDA"
"""An index of one's own may have such a wheel under the plain version; a row without a CUDA version could not be read again."""
MAX_NAME = 200
"""Characters of a member's name in a message."""


class About(NamedTuple):
    """What a row says besides the bytes: the release, the Pythons it has wheels for, the day of reading."""

    version: str
    python: str
    read: str


def torch(wheel: Wheel, file: File, about: About, told: Callable[[int], None]) -> TorchRelease:
    """How a torch wheel was built. Raises Unreadable."""
    with _scratch() as folder:
        for member in TORCH_MEMBERS:
            _unpack(wheel, member, folder, told)
        found = _known(installed_builds.torch(Machine(), [folder], {}))
        if found["cuda"] is None:
            raise Unreadable(NOT_CUDA)
        return TorchRelease(
            torch=about.version,
            cuda=found["cuda"],
            archs=tuple(_known(found["gpu_archs"])),
            cxx11_abi=_known(found["cxx11_abi"]),
            python=about.python,
            glibc=_highest(_needs(folder, [one for one in TORCH_MEMBERS if one.endswith(".so")]).values()),
            source=source(file),
            read=about.read,
        )


def vllm(wheel: Wheel, file: File, about: About, told: Callable[[int], None]) -> VllmRelease:
    """What the compiled modules of a vLLM wheel hold. Raises Unreadable."""
    names = sorted(name for name in wheel.members if name.startswith("vllm/") and name.endswith(".so"))
    if not names:
        raise Unreadable("it holds no compiled module")
    modules: dict[str, dict[str, int]] = {}
    with _scratch() as folder:
        # in the order of the archive: each is one stream of it
        for name in sorted(names, key=lambda one: wheel.members[one].header_offset):
            _unpack(wheel, name, folder, told)
        for name in names:
            with Elf(os.path.join(folder, name)) as library:
                found = architectures(library)
            if found:
                modules[name.removeprefix("vllm/")] = dict(sorted(found.items()))
        needs = _needs(folder, names)
        glibc = _highest(need for name, need in needs.items() if name.startswith(CORE))
        major = _known(installed_builds.cuda_major(Machine(), folder))
        if major is None:
            raise Unreadable(NOT_CUDA)
        return VllmRelease(
            vllm=about.version,
            cuda_major=major,
            archs=core(modules),
            modules=modules,
            glibc=glibc,
            glibc_of_others={name: need for name, need in needs.items() if Version(need) > Version(glibc)},
            source=source(file),
            read=about.read,
        )


def source(file: File) -> str:
    """What stands under ``source``: the wheel and its hash, by which a later refresh knows that it need not be read again."""
    return f"bytes of the wheel {file.name}, sha256 {file.sha256}"


def core(modules: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """The architectures that every core module has code for, by number; machine code before PTX."""
    sets = [set(found) for name, found in modules.items() if name.startswith(CORE)]
    return tuple(sorted(set.intersection(*sets) if sets else (), key=_order))


def _order(name: str) -> tuple[bool, int, str]:
    kind, _, number = name.partition("_")
    return kind != "sm", int(number.rstrip("af")), name


@contextmanager
def _scratch() -> Iterator[str]:
    """A folder that is gone afterwards. What the readers raise about files in it comes out as Unreadable, without its name."""
    folder = tempfile.mkdtemp(prefix="envdoctor-")
    try:
        yield folder
    except (Missing, Trouble, NotElf, OSError) as error:
        raise Unreadable(str(error).replace(folder + "/", "")) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(wheel: Wheel, member: str, folder: str, told: Callable[[int], None]) -> None:
    if member not in wheel.members:
        raise Unreadable(f"it holds no {member}")
    path = os.path.normpath(os.path.join(folder, member))
    if not path.startswith(folder + os.sep):
        raise Unreadable("a member of it would be written outside its folder")
    try:
        wheel.unpack(member, path, told)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            what = f"{os.path.dirname(folder)} cannot hold what is unpacked there: {error.strerror}"
            raise UserError(what, "Make room for 4 GB, or set TMPDIR to a folder that has it.") from error
        raise Unreadable(f"{member[:MAX_NAME]} cannot be unpacked: {error.strerror}") from error  # "a.so" and "a.so/b.so"


def _known(leaf: dict[str, Any]) -> Any:  # noqa: ANN401 - the probe's untyped leaves
    if leaf["is"] != "known":
        raise Trouble(leaf["why"])
    return leaf["value"]


def _needs(folder: str, names: Iterable[str]) -> dict[str, str]:
    """The highest GLIBC_ version that each library asks for, by its name below the package's folder."""
    found = {}
    for name in names:
        with Elf(os.path.join(folder, name)) as library:
            asked = [one.removeprefix(GLIBC) for _, one in library.version_needs() if one.startswith(GLIBC + "2.")]
        if asked:
            found[name.partition("/")[2]] = _highest(asked)
    return found


def _highest(versions: Iterable[str]) -> str:
    found = max(versions, key=Version, default=None)
    if found is None:
        raise Unreadable("its libraries ask for no GLIBC_ version")
    return found
