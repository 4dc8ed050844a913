"""An index with a little of everything, and a refresh of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor.harvest import index as indexes
from envdoctor.harvest import store
from envdoctor.harvest.refresh import Refresh
from envdoctor.harvest.remote import Client
from tests.harvest.samples import metadata, sdist, wheel
from tests.harvest.test_builds import torch_members, vllm_members

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.harvest.refresh import Outcome
    from envdoctor.harvest.store import Derived
    from envdoctor.rows import Release
    from tests.harvest.server import Index

NEXT = "2026-12-01"
DAY = "2026-11-25"
PACKAGES = ("vllm", "torch", "trl", "numpy")
TORCH = "torch-{}-cp311-cp311-manylinux_2_28_x86_64.whl"
VLLM = "vllm-{}-cp38-abi3-manylinux1_x86_64.whl"
TRL_CODE = """\
if not (Version("{}") <= Version(vllm_version) <= Version("{}")):
    warnings.warn("meant for others")
"""


def add_vllm(index: Index, version: str, *requires: str, **more: Any) -> str:
    """A vLLM wheel; gives its path."""
    said = metadata("vllm", version, *(requires or ("torch==2.5.1",)), python=">=3.9")
    return index.add("vllm", VLLM.format(version), wheel("vllm", version, said, vllm_members()), **more)


def add_torch(index: Index, version: str, **more: Any) -> str:
    """A torch wheel; gives its path."""
    return index.add("torch", TORCH.format(version), wheel("torch", version, metadata("torch", version), torch_members()), **more)


def add_trl(index: Index, version: str, code: str | None = None, *, beside: bool = True) -> str:
    """A TRL wheel, its metadata served beside it or not; gives its path."""
    said = metadata("trl", version, "accelerate>=1", 'vllm>=0.6; extra == "vllm"')
    members = {"trl/import_utils.py": (TRL_CODE.format("0.7.0", "0.7.1") if code is None else code).encode()}
    return index.add(
        "trl", f"trl-{version}-py3-none-any.whl", wheel("trl", version, said, members), metadata=said if beside else None
    )


def stock(index: Index) -> None:
    """Two vLLM, two torch, two TRL (one served by PEP 658), two numpy (one an sdist) and no other page."""
    for version in ("0.7.0", "0.7.1"):
        add_vllm(index, version)
    for version in ("2.5.1", "2.6.0"):
        add_torch(index, version)
    add_trl(index, "1.0")
    add_trl(index, "0.20.0", "x = 1\n", beside=False)
    index.add("numpy", "numpy-1.26.4.tar.gz", sdist("numpy", "1.26.4", metadata("numpy", "1.26.4", python=">=3.9")))
    index.add("numpy", "numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl", wheel("numpy", "2.0.0", metadata("numpy", "2.0.0")))


class Quiet:
    """Hears of the progress and keeps what it heard."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, int]] = {}
        self.releases: list[str] = []
        self.unpacked_bytes = 0

    def page(self, package: str, to_read: int, kept: int) -> None:
        """A page was read."""
        self.pages[package] = to_read, kept

    def release(self, package: str, version: str) -> None:
        """A release was read."""
        self.releases.append(f"{package} {version}")

    def unpacked(self, count: int) -> None:
        """Bytes were unpacked."""
        self.unpacked_bytes += count


def refreshed(
    index: Index,
    folder: Path,
    *packages: str,
    old: Derived | None = None,
    today: str = DAY,
    tell: Quiet | None = None,
    **more: bool,
) -> Outcome:
    """One refresh of a folder."""
    run = Refresh(Client(pause_s=0), indexes.Index(index.url, "--index"), str(folder), today, tell or Quiet())
    return run.run(store.load(str(folder)) if old is None else old, packages or PACKAGES, **more)


def contents(folder: Path, *, journal: bool = False) -> dict[str, bytes]:
    """Every file of a folder of data with its bytes; the journal too, if it is asked for."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if journal or not name.startswith(".refresh-journal")}


def release(folder: Path, name: str, version: str) -> Release:
    package = store.load(str(folder)).packages[name]
    return next(one for one in package.releases if one.version == version)


class Interrupting(Quiet):
    """Ctrl-C after so many releases."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def release(self, package: str, version: str) -> None:
        """Interrupt when it is time."""
        super().release(package, version)
        if len(self.releases) == self.after:
            raise KeyboardInterrupt
