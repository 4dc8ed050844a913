"""Releases as the data knows them, as empty wheels on an index of our own: the real requirements, none of the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.locks.stated import release_of, stated
from envdoctor.prescribe import representative

if TYPE_CHECKING:
    from envdoctor.matrix import Matrix
    from tests.wheelhouse import Wheelhouse

PYTHON = "3.12"
COMPILED = dict.fromkeys(("vllm", "torch"), "cp38-abi3-manylinux_2_28_x86_64")
ANY = "1.0"


class Shop:
    """Fills an index with releases and everything that they require, each in one version that fits who asked first."""

    def __init__(self, house: Wheelhouse, matrix: Matrix) -> None:
        self.house = house
        self.matrix = matrix
        self.there: set[tuple[str, Version]] = set()

    def stock(self, name: str, version: str, *, day: str = "2025-01-01", local: str = "") -> None:
        """A release with its real requirements, and what they need; ``local`` makes it a build (+cu126)."""
        if (name, Version(version + local)) in self.there:
            return
        self.there.add((name, Version(version + local)))
        package = self.matrix.package(name)
        release = None if package is None else release_of(package, Version(version))
        lines = () if package is None or release is None else package.requires(release)
        counts = {} if package is None or release is None else stated(package, release, PYTHON)
        kept = [line for line in lines if canonicalize_name(Requirement(line).name) in counts and "extra ==" not in line]
        self.house.add(name, version + local, *kept, tag=COMPILED.get(name, "py3-none-any"), day=day)
        for other, spec in counts.items():
            self._stock_one(other, str(spec))

    def _stock_one(self, name: str, spec: str) -> None:
        if any(other == name and admits(spec, version) for other, version in self.there):
            return
        package = self.matrix.package(name)
        known = [] if package is None else [Version(one.version) for one in package.releases if not one.yanked]
        fitting = [one for one in known if admits(spec, one) and not one.is_prerelease]
        self.stock(name, str(max(fitting)) if fitting else representative(spec) or ANY)
