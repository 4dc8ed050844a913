"""What the lines of a Dockerfile say of CUDA: the major of a base image, of a torch, of packages made for one. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.dockerfiles.installs import version
from envdoctor.dockerfiles.sheet import cuda_major, image
from envdoctor.dockerfiles.torches import Torch, base, torches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from envdoctor.dockerfiles.installs import Install, Wanted
    from envdoctor.dockerfiles.sheet import Placed, Sheet
    from envdoctor.dockerfiles.stages import Stage

INDEX = re.compile(r"/cu([0-9]{2})[0-9](?:/|$)|^cu([0-9]{2})[0-9]$")
TAGGED = re.compile(r"[+.-]cu([0-9]{2})[0-9]?(?:[0-9])?(?=$|[^0-9a-z]|torch)")
SIDE_BY_SIDE = re.compile(r"nvidia-cutlass-dsl-libs-cu[0-9]{2}")
"""Wheels for several majors that are meant to lie in one environment."""
MADE_FOR = re.compile(r"(?:.*-cu|cupy-cuda)(1[1-5])x?")


class Says(NamedTuple):
    """What one line says of CUDA."""

    major: int
    what: str
    line: int
    where: str = ""
    """The environment."""
    compiled: bool = False
    """Whether it is code that is bound to torch's own major."""


def base_says(stage: Stage) -> Says | None:
    """What the image at the bottom of a stage says by its name."""
    one = image(stage.root)
    major = None if one is None else cuda_major(one)
    return None if major is None else Says(major, f"the base image {stage.root}", stage.lineage()[0].line)


def torch_says(sheet: Sheet, stage: Stage, placed: list[Placed]) -> tuple[Says | None, Says | None]:
    """The CUDA of the torch that is in the image in the end, and of one from another index that it took the place of.

    It is that of the last install, else of a base image of PyTorch. An engine whose pin is there already leaves it alone.
    """
    brought: tuple[Placed, Torch] | None = None
    for one in reversed(placed):
        wanted = one.install.wants("torch")
        if wanted is None:
            pinned = [torch for torch in torches(sheet, one) if torch.by and torch.release is not None]
            if brought is None and pinned and (pinned[0].exact or by_index(one.install) is not None):
                brought = one, pinned[0]
            continue
        if one.install.tool == "conda install" or (brought is not None and brought[0].install.where != one.install.where):
            continue
        major = of_torch(sheet, one.install, wanted)
        line = sheet.line_of(one.step, one.install.run.line, wanted.text, "torch")
        named = None if major is None else Says(major, f"torch ({wanted.text})", line)
        exact = version(wanted.exact)
        if brought is None or (exact is not None and exact.public.split("+")[0] == brought[1].public):
            return named, None
        explicit = by_index(one.install) is not None and by_index(brought[0].install) is not None
        return _brought(sheet, *brought), named if explicit else None
    there = base(stage)
    says = base_says(stage) if there is not None and "pytorch/pytorch" in stage.root else None
    if brought is None or (says is not None and there is not None and there.public == brought[1].public):
        return says or (base_says(stage) if "pytorch/pytorch" in stage.root and brought is None else None), None
    return _brought(sheet, *brought), None


def _brought(sheet: Sheet, placed: Placed, torch: Torch) -> Says | None:
    """The CUDA of a torch that an engine pins and brings."""
    indexed = by_index(placed.install)
    major = by_data(sheet, torch.release) if indexed is None and torch.release is not None else indexed
    pins = f"{torch.by} pins torch {torch.release}" if torch.exact else f"{torch.package} brings it"
    return None if major is None else Says(major, f"torch ({pins})", torch.line)


def of_torch(sheet: Sheet, install: Install, wanted: Wanted) -> int | None:
    """The CUDA major of the torch that an install brings; None if the words do not tell."""
    tagged = TAGGED.search(wanted.url or wanted.spec)
    if tagged:
        return int(tagged[1])
    indexed = by_index(install)
    if indexed is not None or install.indexes or install.values("--torch-backend"):
        return indexed
    exact = version(wanted.exact)
    return None if exact is None else by_data(sheet, exact)


def by_index(install: Install) -> int | None:
    """The CUDA major in the name of an index of PyTorch or of a backend."""
    for place in (*install.values("--torch-backend"), install.run.env.get("UV_TORCH_BACKEND", ""), *install.indexes):
        found = INDEX.search(place)
        if found:
            return int(found[1] or found[2])
    return None


def by_data(sheet: Sheet, release: Version) -> int | None:
    """The CUDA major of a torch release on the usual index."""
    rows = [row for row in sheet.matrix.torch_releases() if version(row.torch) == release]
    return int(rows[0].cuda.split(".", maxsplit=1)[0]) if rows else None


def packages_say(sheet: Sheet, placed: list[Placed]) -> Iterator[Says]:
    """Packages that are made for one major, wheels that name one, and a pinned vLLM from the usual index."""
    for one in placed:
        where = one.install.where
        for wanted in one.install.wanted:
            if wanted.name == "torch" or SIDE_BY_SIDE.fullmatch(wanted.name):
                continue
            line = sheet.line_of(one.step, one.install.run.line, wanted.text, wanted.name)
            made = MADE_FOR.fullmatch(wanted.name)
            tagged = TAGGED.search(wanted.url or wanted.spec)
            if made:
                yield Says(int(made[1]), wanted.text, line, where)
            elif tagged:
                yield Says(int(tagged[1]), wanted.text.rsplit("/", 1)[-1], line, where, compiled=True)
            elif wanted.name == "vllm" and by_index(one.install) is not None:
                yield Says(by_index(one.install) or 0, wanted.text, line, where, compiled=True)
            elif wanted.name == "vllm" and not one.install.indexes:
                exact = version(wanted.exact)
                rows = [row for row in sheet.matrix.vllm_releases() if exact is not None and version(row.vllm) == exact]
                if rows:
                    yield Says(rows[0].cuda_major, wanted.text, line, where, compiled=True)
