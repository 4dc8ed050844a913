"""How the torch of a pasted report was built: by its version and the data, and over that by what the report says itself. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.architectures import Reach, capability, reach
from envdoctor.facts import Known, TorchBuild, Unknown
from envdoctor.sources.pasted.found import Kind
from envdoctor.sources.pasted.gpus import compiled_for
from envdoctor.sources.pasted.weighing import NOT_IN_TEXT, OTHER_TAGS, STRENGTH, cited
from envdoctor.sources.plan import nothing
from envdoctor.suppose import supposing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.facts import Facts
    from envdoctor.leaf import Leaf
    from envdoctor.matrix import Matrix
    from envdoctor.sources.pasted.found import Seen

CUDA_TAG = re.compile(r"cu(?P<digits>\d{2,3})(?![0-9])")
SAYS = "the report says"


def torch_build(torch: Seen | None, best: Mapping[Kind, Seen | None], facts: Facts, matrix: Matrix) -> Leaf[TorchBuild | None]:
    """The build; unknown where the report names no torch, or one whose build nobody knows."""
    if torch is None:
        return NOT_IN_TEXT
    cuda, archs, hip, abi = (best[kind] for kind in (Kind.TORCH_CUDA, Kind.ARCHS, Kind.TORCH_HIP, Kind.CXX11_ABI))
    leaf = _by_data(torch, cuda, best[Kind.NVCC], facts, matrix)
    build = leaf.value if isinstance(leaf, Known) else None
    if build is None and cuda is None and hip is None:
        return leaf
    build = build or _empty(torch.value)
    if cuda is not None and (cuda.value or None) != build.cuda:
        lack = Known((), cited(cuda)) if not cuda.value and hip is None else NOT_IN_TEXT
        build = msgspec.structs.replace(build, cuda=cuda.value or None, gpu_archs=lack, cxx11_abi=NOT_IN_TEXT)
    if hip is not None:
        build = msgspec.structs.replace(build, hip=hip.value)
    if abi is not None:
        build = msgspec.structs.replace(build, cxx11_abi=Known(abi.value == "True", cited(abi)))
    if archs is not None:
        build = msgspec.structs.replace(build, gpu_archs=Known(tuple(archs.value.split()), cited(archs)))
    elif isinstance(build.gpu_archs, Unknown) and build.cuda is not None and build.hip is None:
        build = msgspec.structs.replace(build, gpu_archs=_at_most(build, facts, matrix))
    return Known(build, cited(torch))


def _empty(version: str) -> TorchBuild:
    return TorchBuild(version=version, cuda=None, hip=None, git=None, debug=False, cxx11_abi=NOT_IN_TEXT, gpu_archs=NOT_IN_TEXT)


def _by_data(torch: Seen, cuda: Seen | None, said: Seen | None, facts: Facts, matrix: Matrix) -> Leaf[TorchBuild | None]:
    """The build that the version names."""
    public, _, local = torch.value.partition("+")
    if local.startswith(OTHER_TAGS):
        return Known(msgspec.structs.replace(_empty(torch.value), hip=local), cited(torch))
    tag = CUDA_TAG.match(local)
    plain = nothing(None, "", NOT_IN_TEXT, "the report")
    plain = msgspec.structs.replace(plain, host=msgspec.structs.replace(plain.host, arch=facts.host.arch))
    if isinstance(facts.host.arch, Unknown):
        plain = nothing(None, "", NOT_IN_TEXT, "the report")
    if tag is None and local and local != "cpu":
        return Unknown(f"how torch {torch.value} was built is not in the data")
    name = f"{public}+{tag.group()}" if tag is not None else torch.value
    leaf = supposing(plain, {"torch": name}, matrix, says=SAYS).builds.torch
    build = leaf.value if isinstance(leaf, Known) else None
    if build is None:
        return leaf if isinstance(leaf, Unknown) else NOT_IN_TEXT
    if not local and cuda is None and said is not None and _doubtful(torch, build, said):
        return Unknown(f"the report names torch {torch.value} without its build, and CUDA {said.value} beside it")
    return Known(msgspec.structs.replace(build, version=torch.value), cited(torch))


def _doubtful(torch: Seen, build: TorchBuild, said: Seen) -> bool:
    """Whether a release that somebody wrote down without its tag may be another build than the index's: they name another CUDA."""
    return STRENGTH[torch.form] < STRENGTH["pip list"] and said.name == "said" and said.value != build.cuda


def _at_most(build: TorchBuild, facts: Facts, matrix: Matrix) -> Leaf[tuple[str, ...]]:
    """What a build cannot go beyond: the architectures that its CUDA's compiler knows; told only where a GPU lies outside.

    Which of them this build has is not known: for a GPU among them nothing is said.
    """
    devices, bound = facts.gpus.devices, compiled_for(build.cuda or "", matrix)
    if not bound or not isinstance(devices, Known):
        return NOT_IN_TEXT
    told = [gpu.compute_capability.value for gpu in devices.value if isinstance(gpu.compute_capability, Known)]
    outside = any(reach(bound, capability(one)) in {Reach.TOO_NEW, Reach.TOO_OLD} for one in told)
    says = f"all that the compiler of CUDA {build.cuda} can make (this build's own list is not in the report)"
    return Known(bound, says) if outside else NOT_IN_TEXT
