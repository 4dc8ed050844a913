"""The C library (glibc) is older than the installed wheels need.

## What it checks
The glibc that is really loaded against what every installed wheel was built for: its platform tag (manylinux_2_28 means
glibc 2.28; of several tags of one wheel the lowest counts), and for torch and vLLM the GLIBC_ versions that their
libraries ask for, read from the files. Those count for more than the tag, which can say too little or too much. A host
with musl instead of glibc (Alpine) is found too.

## Why it breaks
glibc is compatible in one direction only: a library built against a newer one does not load: "version `GLIBC_2.34' not
found". pip refuses such a wheel, but an environment that was copied, mounted or built elsewhere has it all the same.

## What to do
Run on an image with a newer glibc. It cannot be replaced inside a running system without replacing the distribution.

## Sources
- https://peps.python.org/pep-0600/
- https://github.com/vllm-project/vllm/issues/41103
- https://gist.github.com/richardlau/6a01d7829cc33ddab35269dacc127680
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.claims import specifier
from envdoctor.facts import Known, NotObserved, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import GPU_STACK, distributions, metadata_path, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.claims import Claim
    from envdoctor.facts import Distribution, Facts, Libc, Unknown
    from envdoctor.matrix import Matrix

CODE = "ED501"
CAUSE = "glibc-too-old"
JOINT = Joint.MACHINE
QUESTION = "Is the C library new enough for the installed wheels?"
EXPLAINED_BY = ()

PEP600 = Source("https://peps.python.org/pep-0600/", "2026-11-22")
ERRORS = frozenset({*GPU_STACK, "torch", "torchvision", "torchaudio", "triton"})
LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
TAG = re.compile(r"manylinux_(\d+)_(\d+)|manylinux(?:1|2010|2014)(?=_)")
IMAGES = (("RHEL 8", "2.28"), ("Debian 11", "2.31"), ("Ubuntu 20.04", "2.31"), ("RHEL 9", "2.34"), ("Ubuntu 22.04", "2.35"),
          ("Debian 12", "2.36"), ("Ubuntu 24.04", "2.39"))  # fmt: skip
"""Distributions and their glibc, oldest first; the last address under Sources."""
SHOWN = 5
"""Of how many packages the need is shown as evidence."""


class Need(NamedTuple):
    """The glibc that one distribution needs, and how that is known."""

    glibc: Version
    name: str
    one: Distribution
    layer: Layer
    source: Source

    @property
    def via(self) -> str:
        """Where it was read: the wheel's tags as installed, or the claim's source."""
        if self.layer is not Layer.DECLARED:
            return self.source.where
        return f"{metadata_path(self.one)}/WHEEL" if self.one.location else f"{metadata_path(self.one)}, name of its wheel"


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """Compare the loaded C library with the needs of every distribution."""
    libc = need(facts.host.libc)
    each_need = (needed(name, one, matrix.claims(name, "glibc")) for name, one in distributions(facts).items())
    needs = [found for found in each_need if found is not None]
    loaded = parsed(libc.version)
    if libc.name != "glibc":
        missed = [each for each in needs if not any("musllinux" in tag for tag in each.one.wheel_tags)]
    elif loaded is None:
        raise NotObserved(f"the version of glibc, {libc.version!r}, is not a version")
    else:
        missed = [each for each in needs if each.glibc > loaded]
    if missed:
        missed.sort(key=lambda each: (each.glibc, _is_gpu(each.name)), reverse=True)
        yield _finding(facts.host.libc, libc, missed)


def needed(name: str, one: Distribution, claims: tuple[Claim, ...]) -> Need | None:
    """What this distribution needs by its tags and by the claims of its package; None for pure Python."""
    floors = [tag_floor(tag) for tag in one.wheel_tags]
    known = [floor for floor in floors if floor is not None]
    tagged = Need(min(known), name, one, Layer.DECLARED, PEP600) if known and len(known) == len(floors) else None
    version = parsed(one.version)
    for claim in claims:
        if version is None or not claim.admits(name, version):
            continue
        floor = Version(next(iter(specifier(claim.then["__glibc"]))).version)
        # read from the index's wheel: another build of the release (+cu126) may need more than that one, hardly less
        if tagged is None or version.local is None or floor > tagged.glibc:
            return Need(floor, name, one, Layer.LINKED, Source(claim.source, claim.read))
    return tagged


@lru_cache(maxsize=1024)
def tag_floor(tag: str) -> Version | None:
    """The glibc of a platform tag, the lowest of a compressed set; None if it names none (any, linux_x86_64, musllinux)."""
    found = [f"{one[1]}.{one[2]}" if one[1] else LEGACY[one[0]] for one in TAG.finditer(tag)]
    return min(map(Version, found), default=None)


def _finding(leaf: Known[Libc] | Unknown, libc: Libc, missed: list[Need]) -> Finding:
    head = missed[0]
    state = f"{libc.name} {libc.version} is not glibc" if libc.name != "glibc" else f"glibc {libc.version} is too old"
    error = "ld-linux-x86-64.so.2: No such file" if libc.name != "glibc" else f"version `GLIBC_{head.glibc}' not found"
    more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
    return Finding(
        code=CODE,
        title=f"{state}: {head.name} {head.one.version}{more} needs glibc {head.glibc}",
        severity=Severity.ERROR if any(_is_gpu(each.name) for each in missed) else Severity.WARNING,
        layer=head.layer,
        cause=CAUSE,
        subjects=("__glibc", *(each.name for each in missed)),
        why=f'Their compiled libraries do not load on this system: "{error}" on import {head.name}.',
        evidence=(
            *([seen("loaded C library", leaf, f"{libc.name} {libc.version}")] if isinstance(leaf, Known) else []),
            *(Evidence(f"glibc that {each.name} {each.one.version} needs", str(each.glibc), each.via) for each in missed[:SHOWN]),
        ),
        sources=tuple(dict.fromkeys(each.source for each in missed)),
        changes=(_image(head.glibc),),
    )


def _is_gpu(name: str) -> bool:
    return name in ERRORS or name.startswith("nvidia-")


def _image(floor: Version) -> Change:
    """Name the oldest distributions that have that glibc."""
    fitting = [f"{name} ({glibc})" for name, glibc in IMAGES if Version(glibc) >= floor]
    which = f", for instance {' or '.join(fitting[:3])}" if fitting else ""
    return Change(
        kind=Kind.REPLACE_IMAGE,
        says=f"Run on an image with glibc {floor} or newer{which}.",
        suppose={"glibc": str(floor)},
    )
