"""Which torch the installs of a stage bring, one after the other: what each names, and what the packages it names pin. Pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from envdoctor.claims import admits, exact_pin
from envdoctor.dockerfiles.installs import version, wanted_from
from envdoctor.dockerfiles.sheet import image
from envdoctor.findings import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from envdoctor.claims import Claim
    from envdoctor.dockerfiles.installs import Install, Wanted
    from envdoctor.dockerfiles.sheet import Placed, Requirement, Sheet
    from envdoctor.dockerfiles.stages import Stage

PYTORCH = re.compile(r"(?:.*/)?pytorch/pytorch")
NGC = re.compile(r"nvcr\.io/nvidia/pytorch")
NVIDIA = Version("0")
"""Stands for a build that has no release."""
BESIDE = ("torchvision", "torchaudio")
"""What the base images bring beside torch."""
TOOLS = ("pip install", "uv pip install")
UPGRADES = ("-U", "--upgrade", "--force-reinstall", "--reinstall", "-I", "--ignore-installed")


class Torch(NamedTuple):
    """A torch that a line asks for: its release, and who says so."""

    release: Version | None
    """Without ``exact``: the one it would be by the data, where that tells."""
    exact: bool
    """Whether the words leave one release."""
    spec: str
    """The range that is asked for."""
    command: int
    """Which install of the Dockerfile it is; -1 for the base image."""
    line: int
    by: str = ""
    """What pins it: "vllm 0.11.0"; empty where torch itself is named."""
    package: str = "torch"
    """The package that is named: "torch", "vllm"."""
    claim: Claim | None = None
    closed: bool = True
    """Whether a later release of the package can no longer change it."""
    seen: Evidence | None = None
    """Where it is said, if not in the Dockerfile."""
    upgrades: bool = False

    @property
    def public(self) -> str:
        """The release without what names its CUDA."""
        return "" if self.release is None else self.release.public.split("+")[0]

    @property
    def ranges(self) -> bool:
        """Whether a package wants a range of torch, which may be there already."""
        return bool(self.by) and self.release is None

    @property
    def rank(self) -> int:
        """How much it says of the torch that its command brings."""
        return 3 if self.exact else 0 if self.ranges else 2 if self.by else 1

    def surely_replaces(self, before: Torch) -> bool:
        """Whether the words leave no doubt that the torch that is there goes."""
        if not before.exact or before.release is None:
            return False
        firm = self.closed if self.by else True
        return self.exact or (firm and (self.ranges or not self.by) and not admitted(self.spec, before.release))

    def keeps(self, before: Torch) -> bool:
        """Whether the torch that is there is left alone: it fits, and nothing asks for a newer one."""
        if before.release is None or before.release == NVIDIA:
            return self.ranges or (not self.upgrades and not self.by and not self.exact)
        fits = admitted(self.spec, before.release)
        return fits and (self.exact or self.ranges or (self.closed if self.by else not self.upgrades))


def admitted(spec: str, release: Version) -> bool:
    """Whether a range admits a release; a range that cannot be read does."""
    try:
        return admits(spec, release)
    except (InvalidSpecifier, InvalidVersion):
        return True


def base(stage: Stage) -> Torch | None:
    """The torch of a base image of PyTorch, by its tag, or NVIDIA's own build, which is on no index."""
    one = image(stage.root)
    if one is None:
        return None
    line = stage.lineage()[0].line
    if NGC.fullmatch(one.name):
        return Torch(NVIDIA, exact=True, spec="", command=-1, line=line)
    found = re.match(r"([0-9]+\.[0-9]+\.[0-9]+)-", one.tag or "") if PYTORCH.fullmatch(one.name) else None
    return Torch(Version(found[1]), exact=True, spec=f"=={found[1]}", command=-1, line=line) if found else None


def torches(sheet: Sheet, placed: Placed, command: int = 0, there: AbstractSet[str] = frozenset()) -> Iterator[Torch]:
    """The torch that an install names, and those that what it names pins.

    Args:
        sheet: the Dockerfile.
        placed: the install.
        command: which install of the Dockerfile it is.
        there: packages that the environment has already: without --upgrade they stay.
    """
    install = placed.install
    upgrades = install.has(*UPGRADES)
    held = constraints(sheet, placed)
    for one in asked(sheet, placed):
        wanted = one.wanted
        if held is not None and not wanted.pinned and wanted.name in held:
            wanted = held[wanted.name]
        where = _where(sheet, placed, one)
        if wanted.name == "torch":
            yield from _named(sheet, install, wanted, command, where, upgrades=upgrades)
            continue
        if install.has("--no-deps", "--no-dependencies") or install.tool not in TOOLS or held is None or "torch" in held:
            continue
        if wanted.kind != "named" or (wanted.name in there and not wanted.pinned and not upgrades):
            continue
        exact = version(wanted.exact)
        release = exact or (None if wanted.pinned else newest(sheet, wanted))
        claim = None if release is None else pin(sheet, wanted.name, release)
        if release is None or claim is None:
            continue
        pinned = exact_pin(claim.then["torch"])
        by = f"{wanted.name} {release}"
        sure = exact is not None and pinned is not None
        closed = exact is not None or bounded(wanted.spec)
        yield Torch(pinned, sure, claim.then["torch"], command, where[0], by, wanted.name, claim, closed, where[1], upgrades)


def _named(
    sheet: Sheet, install: Install, wanted: Wanted, command: int, where: tuple[int, Evidence | None], *, upgrades: bool
) -> Iterator[Torch]:
    """The torch that is named: its release, or the newest that its range leaves on the usual index."""
    exact = version(wanted.exact)
    known = Torch(exact, exact=True, spec="", command=command, line=where[0], seen=where[1], upgrades=upgrades)
    if exact is not None:
        yield known._replace(spec=f"=={exact.public}")
    elif wanted.kind == "named" and not wanted.pinned and install.tool in TOOLS:
        likely = None if install.indexes or install.has("--torch-backend") else newest(sheet, wanted)
        yield known._replace(release=likely, exact=False, spec=wanted.spec, closed=bounded(wanted.spec))


def unknown(placed: Placed) -> bool:
    """Whether an install brings a torch that its words do not tell: from a repository, or with an unknown variable."""
    one = placed.install.wants("torch")
    return one is not None and version(one.exact) is None and one.pinned


def unread(sheet: Sheet, placed: Placed) -> list[str]:
    """The requirements files of an install that cannot be read: they may hold what the command leaves open."""
    files = placed.install.files
    return [file for file in files if (origin := sheet.origin(placed, file)) is None or not _there(sheet, origin)]


def _there(sheet: Sheet, origin: str) -> bool:
    return sheet.context is not None and sheet.context.read(origin) is not None


def asked(sheet: Sheet, placed: Placed) -> list[Requirement]:
    """What an install asks for without a condition; what is named twice is left out, its conditions are not read."""
    every = list(sheet.requirements(placed))
    times = Counter(one.wanted.name for one in every if one.file is not None)
    return [one for one in every if not one.conditional and ";" not in one.wanted.text and times[one.wanted.name] <= 1]


def constraints(sheet: Sheet, placed: Placed) -> dict[str, Wanted] | None:
    """What the constraints files of an install hold by name; None if one cannot be read, and may hold everything."""
    found: dict[str, Wanted] = {}
    for file in placed.install.constraints:
        origin = sheet.origin(placed, file)
        if origin is None or not _there(sheet, origin):
            return None
        found |= {one.wanted.name: one.wanted for one in sheet.file(placed, file)}
    return found


def newest(sheet: Sheet, wanted: Wanted) -> Version | None:
    """The newest release that a requirement admits, as far as the data knows the package."""
    package = sheet.matrix.package(wanted.name)
    every = [Version(one.version) for one in package.releases if not one.yanked] if package is not None else []
    fits = [one for one in every if not one.is_prerelease and admitted(wanted.spec, one)]
    return max(fits, default=None)


def pin(sheet: Sheet, name: str, release: Version) -> Claim | None:
    """What the metadata of a release says of torch."""
    for claim in (*sheet.matrix.claims(name, "pins"), *sheet.matrix.claims(name, "torch-family")):
        if "torch" in claim.then and claim.admits(name, release):
            return claim
    return None


def bounded(spec: str) -> bool:
    """Whether a range ends somewhere."""
    return any(part.strip().startswith(("<", "==", "~=")) for part in spec.split(","))


def _where(sheet: Sheet, placed: Placed, one: Requirement) -> tuple[int, Evidence | None]:
    """The line of the Dockerfile, and the line of the requirements file if it stands in one."""
    command = placed.install.run.line
    if one.file is not None:
        return command, Evidence(f"line {one.line} of {one.file}", one.wanted.text, one.file)
    return sheet.line_of(placed.step, command, one.wanted.text, one.wanted.name), None


def packages(placed: Placed) -> set[str]:
    """The packages that an environment has after an install, as far as the command names them."""
    return {one.name for one in placed.install.wanted if one.name}


def removed(words: tuple[str, ...]) -> set[str]:
    """The packages that a command uninstalls."""
    return {wanted_from(word).name for word in words[words.index("uninstall") + 1 :]} - {""} if "uninstall" in words else set()
