"""What the machine of a lock must have for the torch that came of it: CUDA, driver, image. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

if TYPE_CHECKING:
    from envdoctor.matrix import Matrix
    from envdoctor.targets import Profile

_FLAVOUR = re.compile(r"cu(\d{2,3})(\d)")


class Machine(NamedTuple):
    """The fields of a lock that follow from torch."""

    cuda: str | None
    driver_floor: str | None
    base_image: str
    notes: tuple[str, ...] = ()


def machine(profile: Profile, torch: str | None, backend: str | None, matrix: Matrix) -> Machine:
    """What the profile says, unless the torch of the lock is built with another CUDA than the profile's.

    The image is then the one of the data with that CUDA and the profile's glibc, if there is one.
    """
    cuda = profile.cuda if torch is None else cuda_of(torch, backend, matrix)
    if cuda == profile.cuda or torch is None:
        return Machine(profile.cuda, profile.driver_floor, profile.base_image)
    floor = next((row.floor_driver for row in matrix.cuda_releases() if row.cuda == cuda), None)
    images = [row.image for row in matrix.cuda_images() if row.cuda == cuda and row.glibc == profile.glibc]
    fitting = [*(one for one in images if "-base-" in one), *(one for one in images if "-runtime-" in one), *images]
    if profile.gpu is None:
        return Machine(cuda, None, profile.base_image)
    if fitting:
        return Machine(cuda, floor, fitting[0])
    note = (
        f"no base image with CUDA {cuda} and glibc {profile.glibc} is in the data, so {profile.base_image} stays; it may ask for "
        f"a newer driver than the {floor} on which the locked stack starts"
    )
    return Machine(cuda, floor, profile.base_image, (note,))


def cuda_of(torch: str, backend: str | None, matrix: Matrix) -> str | None:
    """The CUDA that a torch is built with: its local version says so, else the data about the default index; None: without."""
    local = Version(torch).local or backend or ""
    found = _FLAVOUR.fullmatch(local)
    if found is not None:
        return f"{found[1]}.{found[2]}"
    if local == "cpu":
        return None
    return next((row.cuda for row in matrix.torch_releases() if row.torch == Version(torch).public), None)
