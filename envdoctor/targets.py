"""Target profiles: the machine that a lock or an image is for, and which stack it gets (data/targets/<name>.toml)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.rows import NonEmpty
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = os.path.join(os.path.dirname(__file__), "data", "targets")
MAX_PROFILE_BYTES = 64 * 1024


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One target. Versions are as their vendors write them."""

    name: str
    """"h100"; the file's name."""
    says: str
    """What it is, in one line."""
    gpu: str | None = None
    """Key of the GPU in the data, as --suppose gpu= takes it; None for a machine without one."""
    compute_capability: str | None = None
    memory_gib: int | None = None
    """Of one GPU."""
    driver_floor: str | None = None
    """The oldest driver that the locked stack starts on."""
    cuda: str | None = None
    """CUDA of the torch build, "13.0"; None for CPU builds."""
    base_image: str
    """Repository and tag without a registry: "nvidia/cuda:13.0.2-runtime-ubuntu24.04"."""
    glibc: str
    """Of the base image."""
    python: str
    """"3.12"."""
    stack: Annotated[tuple[str, ...], NonEmpty]
    """What is asked for, as PEP 508 lines, most important first: ("vllm==0.31.0", "trl")."""
    torch_backend: str | None = None
    """PyTorch's own index of that name, for builds that the default index does not have; None for the default index."""
    why: Annotated[dict[str, str], NonEmpty]
    """Why each version was chosen, one line each, by the field or the package it is about."""

    @property
    def platform(self) -> str:
        """The platform as uv names it."""
        return f"x86_64-manylinux_{self.glibc.replace('.', '_')}"

    def suppositions(self) -> dict[str, str]:
        """The machine in the terms of --suppose."""
        said = {"gpu": self.gpu, "driver": self.driver_floor, "glibc": self.glibc, "python": self.python}
        return {name: value for name, value in said.items() if value is not None} | ({} if self.gpu else {"driver": "none"})


def names() -> tuple[str, ...]:
    """The targets that there are, by name."""
    return tuple(sorted(name.removesuffix(".toml") for name in os.listdir(FOLDER) if name.endswith(".toml")))


def profile(name: str) -> Profile:
    """One target's profile.

    Raises:
        UserError: there is no such target; names the nearest one.
    """
    if name not in names():
        raise UserError(f"there is no target {name!r}", nearest(name, names()))
    return _profile(os.path.join(FOLDER, f"{name}.toml"))


def _profile(path: str) -> Profile:
    try:
        found = msgspec.toml.decode(read_file(path, MAX_PROFILE_BYTES), type=Profile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no target profile: {error}", "Install envdoctor again; its files are damaged.") from error
    return found


def every() -> Mapping[str, Profile]:
    """All profiles by name."""
    return {name: profile(name) for name in names()}
