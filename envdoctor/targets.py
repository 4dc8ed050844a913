"""Target profiles: the machine that a lock or an image is for, and which stack it gets (data/targets/<name>.toml)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.rows import NonEmpty
from envdoctor.wording import harmless, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = os.path.join(os.path.dirname(__file__), "data", "targets")
MAX_PROFILE_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")


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
    """One target's profile: one of ours by its name, or the user's own by the path of its file ("./gh200.toml").

    Raises:
        UserError: there is no such target (names the nearest one), or the file is no profile.
    """
    if "/" in name:
        return _own(os.path.expanduser(name))
    if name not in names():
        hint = f"{nearest(name, names())} A profile of your own is named by its path: ./{name.removesuffix('.toml')}.toml"
        raise UserError(f"there is no target {name!r}", hint)
    return _profile(os.path.join(FOLDER, f"{name}.toml"), "Install envdoctor again; its files are damaged.")


def _own(path: str) -> Profile:
    hint = f"It has the fields of {os.path.join(FOLDER, 'h100.toml')}, and stands in the file NAME.toml."
    found = _profile(path, hint)
    if found.name in names():
        raise UserError(
            f"{path} is called like our own target {found.name}", "Give it another name, in the file and for the file."
        )
    if not _NAME.fullmatch(found.name) or os.path.basename(path) != f"{found.name}.toml":
        raise UserError(
            f"{path} is the profile of {harmless(found.name)!r}", f"Call file and target alike: name.toml and name. {hint}"
        )
    return found


def _profile(path: str, hint: str) -> Profile:
    try:
        return msgspec.toml.decode(read_file(path, MAX_PROFILE_BYTES), type=Profile)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}", hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no target profile: {harmless(str(error))}", hint) from error


def every() -> Mapping[str, Profile]:
    """All profiles by name."""
    return {name: profile(name) for name in names()}
