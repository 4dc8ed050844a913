"""Packages of a pasted report: which of several versions counts, and what the data knows of what they require. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.facts import Distribution, Known
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.weighing import CERTAIN, NOT_IN_TEXT, OTHER_TAGS, STRENGTH, WEAK, cited
from envdoctor.suppose import known_pins
from envdoctor.views import built_from_source, by_the_data, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envdoctor.leaf import Leaf
    from envdoctor.matrix import Matrix

MOST = 5000
FAMILY = frozenset({"torch", "torchvision", "torchaudio", "xformers", "triton"})
"""What a release for CUDA pins, and what has other versions where torch is built for something else or from source."""
ELSEWHERE = frozenset({"torch-npu", "torch-xla", "torch-mlu", "torch-musa", "habana-torch-plugin", "intel-extension-for-pytorch"})
"""Packages that bring another accelerator, whose torch is another too."""
OF_CUDA = ("nvidia-", "cuda-", "triton")
"""How the names of what only a build of torch for CUDA requires begin."""
IMAGES = (
    (re.compile(r"vllm/vllm-openai:v(?P<version>\d[\w.]{1,40}?)(?:-|$)"), "vllm"),
    (re.compile(r"lmsysorg/sglang:v(?P<version>\d[\w.]{1,40}?)(?:-|$)"), "sglang"),
)
"""Images whose tag is the version of the package that they are made for."""


def versions(seen: Sequence[Seen]) -> dict[str, Seen]:
    """Distribution -> the line whose version counts, the torch of its own word among them."""
    told: dict[str, list[Seen]] = {}
    for one in (*seen, *_of_images(seen)):
        if one.kind is Kind.PACKAGE and parsed(one.value) is not None:
            told.setdefault(one.name, []).append(one)
    removed = {one.name: one for one in seen if one.kind is Kind.REMOVED}
    chosen = {name: found for name, ones in told.items() if (found := _chosen(ones, removed.get(name))) is not None}
    torch = torch_told(seen, chosen.get("torch"))
    if torch is not None:
        chosen["torch"] = torch
    return chosen


def _chosen(ones: Sequence[Seen], removed: Seen | None) -> Seen | None:
    """The strongest, of equals the last; None where nothing but talk names several, or where an installer then took it away."""
    best = max(ones, key=lambda one: (STRENGTH[one.form], one.line))
    if STRENGTH[best.form] <= WEAK and len({one.value for one in ones}) > 1:
        return None
    if removed is not None and removed.line > best.line and removed.value == best.value:
        return None
    return best


def torch_told(seen: Iterable[Seen], listed: Seen | None) -> Seen | None:
    """Torch's own word for itself names its build; a list often has the release alone."""
    ones = [one for one in seen if one.kind is Kind.TORCH and parsed(one.value) is not None]
    told = _chosen(ones, None) if ones else None
    if told is None:
        return listed
    release = told.value.partition("+")[0]
    other = listed is not None and listed.value.partition("+")[0] != release
    if other and listed is not None and STRENGTH[told.form] < min(CERTAIN, STRENGTH[listed.form]):
        return listed
    if "+" in told.value:
        return told
    # another line that is as sure of the same release may say which build it is
    tagged = [one for one in (*ones, *([listed] if listed is not None else [])) if one.value.partition("+")[:2] == (release, "+")]
    sure = [one for one in tagged if STRENGTH[one.form] >= min(CERTAIN, STRENGTH[told.form])]
    return max(sure, key=lambda one: (STRENGTH[one.form], one.line), default=told)


def _of_images(seen: Sequence[Seen]) -> Iterator[Seen]:
    """What an image's tag says, where the report says nothing of what is installed."""
    if any(one.kind in {Kind.PACKAGE, Kind.TORCH} for one in seen):
        return
    for pattern, name in IMAGES:
        found = {
            match["version"]: one for one in seen if one.kind is Kind.IMAGE and (match := pattern.search(one.value)) is not None
        }
        if len(found) == 1:
            ((version, one),) = found.items()
            yield Seen(Kind.PACKAGE, name, version, one.line, "an image's name")


def distributions(chosen: Mapping[str, Seen], seen: Iterable[Seen], matrix: Matrix) -> Leaf[tuple[Distribution, ...]]:
    """The packages that the report names, with those of their requirements that speak of each other."""
    if not chosen:
        return NOT_IN_TEXT
    told: dict[str, list[str]] = {}
    for one in seen:
        if one.kind is Kind.REQUIRES:
            told.setdefault(one.name, []).append(one.value)
    return Known(tuple(_each(chosen, told, matrix)), "the report")


def _of_its_own(chosen: Mapping[str, Seen]) -> bool:
    """Whether torch is no build of an index for CUDA: for other accelerators, or a vendor's from source (2.6.0a0+...nv25.01)."""
    torch = parsed(chosen["torch"].value) if "torch" in chosen else None
    local = (torch.local or "") if torch is not None else ""
    return built_from_source(torch) or local.startswith((*OTHER_TAGS, "git")) or not ELSEWHERE.isdisjoint(chosen)


def _each(chosen: Mapping[str, Seen], told: Mapping[str, list[str]], matrix: Matrix) -> Iterator[Distribution]:
    beside = FAMILY if _of_its_own(chosen) else frozenset()
    for name, one in list(chosen.items())[:MOST]:
        pins = {
            package: spec for package, spec in _pins(name, one, matrix).items() if package in chosen and package not in beside
        }
        yield Distribution(
            name=name,
            version=one.value,
            location="",
            metadata_dir=cited(one),
            installer=None,
            requires_python=None,
            requires=tuple(dict.fromkeys((*told.get(name, ()), *(f"{package}{spec}" for package, spec in pins.items())))),
            wheel_tags=(),
            direct_url=None,
            requires_from=f"{cited(one)}; {by_the_data(name, one.value)}" if pins else None,
        )


def _pins(name: str, one: Seen, matrix: Matrix) -> dict[str, str]:
    """What that release requires by the data, as far as it holds for this build of it."""
    pins = known_pins(name, one.value, matrix)
    if name == "torch" and (one.form == "conda list" or not of_index(one.value, matrix)):
        # other builds ask for other wheels of CUDA, conda's for none
        return {package: spec for package, spec in pins.items() if not package.startswith(OF_CUDA)}
    return pins


def of_index(version: str, matrix: Matrix) -> bool:
    """Whether a torch is the build that the index has, whose requirements the data knows."""
    public, _, local = version.partition("+")
    row = next((row for row in matrix.torch_releases() if row.torch == public), None)
    return not local or (row is not None and row.cuda is not None and local == f"cu{row.cuda.replace('.', '')}")
