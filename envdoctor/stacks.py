"""Which stacks work together, by the data alone: one for each vLLM release, newest first, or why it is not one. Pure.

A stack is an engine with the torch it pins, and with the newest transformers and trainer that go with it. "Newest" is meant as of
the day they were released: a range that was open at its end when it was written is no promise about what came later, so
transformers is taken from before the engine or trainer of the stack, and an open range of a trainer counts for the engines
that were there when it was released.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.architectures import Reach, capability, reach
from envdoctor.claims import DecisionKind, admits, decide, exact_pin, specifier
from envdoctor.facts import Known, Unknown
from envdoctor.notes import forward_compatible
from envdoctor.pins import satisfiable
from envdoctor.rows import PYTHONS, python_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.claims import Claim
    from envdoctor.matrix import Matrix
    from envdoctor.rows import CudaRelease, GpuProduct, Release, Run, TorchRelease, VllmRelease

ENGINE = "vllm"
TRAINERS = ("trl", "verl", "openrlhf")
TOPICS = ("pins", "torch-family", "trainer-engine", "runtime", "glibc")
FAMILY = ("torchvision", "torchaudio", "xformers", "flashinfer-python")
"""What comes with the engine by its exact pins."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a stack must fit. ``packages`` maps names to PEP 440 ranges; naming a trainer takes that one instead of TRL."""

    gpu: GpuProduct | None = None
    driver: str | None = None
    python: str | None = None
    glibc: str | None = None
    packages: dict[str, str] = {}


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """Versions that go together, and how strongly that is known, each layer with the day it was read."""

    versions: dict[str, str]
    """vllm, torch, transformers, the trainer if one fits, and what the engine pins exactly."""
    cuda: str | None
    driver_floor: str | None
    """The oldest driver on which that CUDA starts, without cuda-compat."""
    python: tuple[str, ...]
    glibc: str | None
    capabilities: tuple[str, ...]
    """Compute capabilities of the GPUs in the data that both torch and the engine's core modules have code for."""
    declared: str
    """When the metadata was read."""
    linked: str | None
    """When the bytes of torch and the engine were read."""
    ran: tuple[Run, ...]
    """What was really run of these versions."""


class Refusal(msgspec.Struct, frozen=True):
    """An engine release that is in no stack, and the first thing that speaks against it."""

    version: str
    why: str
    kind: str
    """What refused it: "engine" (not the one that was asked for), "asked", "driver", "gpu", "cuda", "python", "glibc",
    "index" (a pinned release is gone), "trainer", "transformers" or "runtime"."""


class Table(msgspec.Struct, frozen=True):
    """The answer: the stacks, newest engine first, and the engine releases that are in none."""

    trainer: str
    """Which trainer was looked for: "trl"."""
    stacks: tuple[Stack, ...]
    refusals: tuple[Refusal, ...]


def table(matrix: Matrix, asked: Asked) -> Table:
    """Every engine release either as a stack that fits, or refused."""
    return _Looking(matrix, asked).done()


class _Refused(Exception):  # noqa: N818 - not an error, an answer
    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class _Looking:
    """One search. What it reads of the data it reads once."""

    def __init__(self, matrix: Matrix, asked: Asked) -> None:
        self.matrix = matrix
        self.asked = asked
        named = [name for name in TRAINERS if name in asked.packages]
        self.trainer = named[0] if named else TRAINERS[0]
        self.must_have_trainer = bool(named)
        self.torch = {row.torch: row for row in matrix.torch_releases()}
        self.vllm = {row.vllm: row for row in matrix.vllm_releases()}
        self.cuda = {row.cuda: row for row in matrix.cuda_releases()}
        self._claims: dict[tuple[str, Version], list[Claim]] = {}
        self._reaches: dict[tuple[tuple[str, ...], str], bool] = {}
        self._days = matrix.packages()
        self._releases: dict[str, dict[Version, Release] | None] = {}

    @cached_property
    def transformers(self) -> list[tuple[Version, Release]]:
        return self._newest_first("transformers")

    @cached_property
    def trainers(self) -> list[tuple[Version, Release]]:
        return self._newest_first(self.trainer)

    def _newest_first(self, name: str) -> list[tuple[Version, Release]]:
        package = self.matrix.package(name)
        releases = package.releases if package is not None else ()
        return sorted(((Version(one.version), one) for one in releases if not one.yanked), key=lambda pair: pair[0], reverse=True)

    def done(self) -> Table:
        stacks, refusals = [], []
        for version, release in self._newest_first(ENGINE):
            try:
                stacks.append(self._stack(version, release))
            except _Refused as refused:
                refusals.append(Refusal(release.version, str(refused), refused.kind))
        return Table(self.trainer, tuple(stacks), tuple(refusals))

    def _stack(self, version: Version, release: Release) -> Stack:
        self._as_asked(ENGINE, version)
        pins = self._pins(ENGINE, version)
        self._all_there(pins)
        versions = {ENGINE: version}
        for name in ("torch", *FAMILY):
            exact = exact_pin(pins.get(name, ""))
            if exact is not None:
                self._as_asked(name, exact)
                versions[name] = exact
        torch = self.torch.get(str(versions.get("torch", "")))
        built = self.vllm.get(release.version)
        cuda = self._cuda(torch, built)
        self._driver(cuda)
        self._gpu(torch, built, cuda)
        brought = self._brought(version)
        glibc = self._glibc(release, torch, built, brought)
        own = [release.requires_python, torch.python if torch is not None else None]
        own += [text for one in brought for text in (one.requires_python, python_range(one.python))]
        self._pythons(own)
        fault = self._fault(versions)
        if fault is not None:  # else every transformers would be refused for what is the engine's own
            raise _Refused("runtime", fault)
        trainer = self._add_trainer(versions, release)
        library = dict(self.transformers)[versions["transformers"]]
        pythons = self._pythons([*own, library.requires_python, trainer.requires_python if trainer is not None else None])
        return Stack(
            versions={name: str(one) for name, one in versions.items()},
            cuda=None if cuda is None else cuda.cuda,
            driver_floor=None if cuda is None else cuda.floor_driver,
            python=pythons,
            glibc=glibc,
            capabilities=self._capabilities(torch, built),
            declared=self._days[ENGINE],
            linked=min(torch.read, built.read) if torch is not None and built is not None else None,
            ran=tuple(self._ran(versions)),
        )

    def _all_there(self, pins: dict[str, str]) -> None:
        """Refuse an engine that pins a release which is not (or no longer) on the index: nothing can install it."""
        for name, spec in pins.items():
            exact = exact_pin(spec)
            there = self._on_index(name) if exact is not None and not exact.is_prerelease else None
            if there is not None and exact not in there:
                raise _Refused("index", f"it pins {name} {exact}, which is not on the package index (read {self._days[name]})")

    def _on_index(self, name: str) -> dict[Version, Release] | None:
        """The releases of a package; None if they were not read."""
        if name not in self._releases:
            package = self.matrix.package(name) if name in self._days else None
            self._releases[name] = None if package is None else {Version(one.version): one for one in package.releases}
        return self._releases[name]

    def _brought(self, version: Version) -> list[Release]:
        """What the engine pins, as far as it was read: each must have a wheel for the Python and the glibc, too."""
        pinned = self._with_what_they_pin({ENGINE: version})
        found = ((self._on_index(name) or {}).get(one) for name, one in pinned.items() if name != ENGINE)
        return [one for one in found if one is not None]

    def _as_asked(self, name: str, version: Version) -> None:
        spec = self.asked.packages.get(name)
        if spec is not None and not admits(spec, version):
            if name == ENGINE:
                raise _Refused("engine", f"asked is {name}{spec}")
            raise _Refused("asked", f"its {name} is {version}, asked is {name}{spec}")

    def _cuda(self, torch: TorchRelease | None, built: VllmRelease | None) -> CudaRelease | None:
        """The CUDA release of torch; the engine's own major must be the same, or nothing starts."""
        if torch is None:
            return None
        if built is not None and built.cuda_major != int(torch.cuda.split(".", maxsplit=1)[0]):
            raise _Refused("cuda", f"its modules need CUDA {built.cuda_major}, torch {torch.torch} brings {torch.cuda}")
        return self.cuda.get(torch.cuda)

    def _driver(self, cuda: CudaRelease | None) -> None:
        if self.asked.driver is None or cuda is None:
            return
        if Version(self.asked.driver) < Version(cuda.floor_driver):
            branch, gpu = self.asked.driver.partition(".")[0], None if self.asked.gpu is None else self.asked.gpu.key
            compat = forward_compatible(self.matrix, cuda.cuda, branch, gpu)
            way_out = f" (or, on a GPU for data centres, the package {compat.package})" if compat is not None else ""
            raise _Refused("driver", f"CUDA {cuda.cuda} needs driver {cuda.floor_driver} or newer{way_out}")

    def _capabilities(self, torch: TorchRelease | None, built: VllmRelease | None) -> tuple[str, ...]:
        if torch is None or built is None:
            return ()
        return tuple(one for one in self.capabilities if self._reached(torch.archs, one) and self._reached(built.archs, one))

    @cached_property
    def capabilities(self) -> list[str]:
        return sorted({row.compute_capability for row in self.matrix.gpu_products()}, key=Version)

    def _reached(self, archs: tuple[str, ...], gpu: str) -> bool:
        key = (archs, gpu)
        if key not in self._reaches:
            self._reaches[key] = reach(archs, capability(gpu)) in {Reach.NATIVE, Reach.JIT}
        return self._reaches[key]

    def _gpu(self, torch: TorchRelease | None, built: VllmRelease | None, cuda: CudaRelease | None) -> None:
        """Refuse a stack whose torch or engine has no code for the GPU."""
        if self.asked.gpu is None:
            return
        wanted = capability(self.asked.gpu.compute_capability)
        for name, row in (("torch", torch), (ENGINE, built)):
            if row is None:
                continue
            how = reach(row.archs, wanted)
            if how not in {Reach.NATIVE, Reach.JIT}:
                raise _Refused("gpu", f"its {name} has no code for compute capability {self.asked.gpu.compute_capability}")
            if how is Reach.JIT and self._cannot_compile(cuda):
                raise _Refused(
                    "driver", f"its {name} has only PTX for this GPU, which needs driver {cuda.full_driver if cuda else ''}"
                )

    def _cannot_compile(self, cuda: CudaRelease | None) -> bool:
        """Whether the driver is too old to compile PTX of that CUDA."""
        if self.asked.driver is None or cuda is None or cuda.full_driver is None:
            return False
        return Version(self.asked.driver) < Version(cuda.full_driver)

    def _add_trainer(self, versions: dict[str, Version], engine: Release) -> Release | None:
        """Choose the newest trainer that takes the engine, with a transformers that both take; and put both into ``versions``."""
        spec = self.asked.packages.get(self.trainer, "")
        against: list[str] = []
        for version, release in self.trainers:
            if not admits(spec, version) or not self._takes(version, release, versions[ENGINE], engine):
                continue
            together = {**versions, self.trainer: version}
            fault = self._fault(together)
            day = max(engine.uploaded or "", release.uploaded or "")
            found = self._transformers(together, day) if fault is None else None
            if found is not None:
                versions |= {self.trainer: version, "transformers": found}
                return release
            against.append(fault or f"there is no transformers that {self.trainer} {version} takes, too")
        if self.must_have_trainer:
            raise _Refused("trainer", against[0] if against else f"no {self.trainer}{spec} takes it")
        found = self._transformers(versions, engine.uploaded or "")
        if found is None:
            raise _Refused("transformers", "no transformers release goes with it")
        versions["transformers"] = found
        fault = self._fault(versions)
        if fault is not None:
            raise _Refused("runtime", fault)
        return None

    def _takes(self, version: Version, release: Release, engine: Version, engine_release: Release) -> bool:
        """Whether a trainer release says that it supports the engine, with a bound above or when the engine was already there."""
        said = [one for one in self._about(self.trainer, version) if one.topic == "trainer-engine" and ENGINE in one.then]
        if not said or not all(admits(one.then[ENGINE], engine) for one in said):
            return False
        closed = any(part.operator in {"<", "<=", "==", "~="} for one in said for part in specifier(one.then[ENGINE]))
        return closed or (release.uploaded or "") >= (engine_release.uploaded or "9")

    def _transformers(self, versions: dict[str, Version], day: str) -> Version | None:
        """The newest release of that day that nothing in the stack refuses; else the oldest of later ones."""
        spec = self.asked.packages.get("transformers", "")
        ranges = [spec] if spec else []
        for name, version in versions.items():
            about = (claim for claim in self._about(name, version) if "transformers" in claim.then)
            ranges += [claim.then["transformers"] for claim in about if self._holds_otherwise(claim, versions)]
        fits = [(one, row) for one, row in self.transformers if all(admits(text, one) for text in ranges)]
        before = [one for one, row in fits if (row.uploaded or "9") <= day]
        ordered = before or [one for one, _ in reversed(fits)]
        return next((one for one in ordered if self._fault({**versions, "transformers": one}) is None), None)

    def _holds_otherwise(self, claim: Claim, versions: dict[str, Version]) -> bool:
        """Whether the claim's other conditions are met by the stack."""
        return all(name in versions and admits(spec, versions[name]) for name, spec in claim.when.items())

    def _fault(self, versions: dict[str, Version]) -> str | None:
        """What speaks against these versions and what they pin beside them, in words."""
        everything = self._with_what_they_pin(versions)
        return self._broken(everything) or self._clash(everything)

    def _with_what_they_pin(self, versions: dict[str, Version]) -> dict[str, Version]:
        """The versions and those that come along by exact pins: vllm 0.7.3 brings ray 2.40.0."""
        everything = dict(versions)
        waiting = list(versions)
        while waiting:
            name = waiting.pop(0)
            for other, spec in self._pins(name, everything[name]).items():
                exact = exact_pin(spec)
                if exact is not None and other not in everything:
                    everything[other] = exact
                    waiting.append(other)
        return everything

    def _clash(self, versions: dict[str, Version]) -> str | None:
        """Two that want a third, which neither brings, in ranges without a common release."""
        wishes: dict[str, dict[str, str]] = {}
        for name, one in versions.items():
            for other, spec in self._pins(name, one).items():
                if other not in versions and not other.startswith("__"):
                    wishes.setdefault(other, {}).setdefault(spec, f"{name} {one}")
        for package, ranges in wishes.items():
            for (one_range, who), (other_range, other) in combinations(ranges.items(), 2):
                if not satisfiable((one_range, other_range)):
                    return f"{who} needs {package}{one_range}, {other} needs {package}{other_range}"
        return None

    def _broken(self, versions: dict[str, Version]) -> str | None:
        """The first claim that these versions break, in words; virtual packages are judged as far as they were asked for."""

        def version(name: str) -> Known[Version | None] | Unknown:
            given = {"__python": self.asked.python, "__glibc": self.asked.glibc, "__driver": self.asked.driver}
            if name == "__sm" and self.asked.gpu is not None:
                return Known(Version(self.asked.gpu.compute_capability), "asked")
            if name.startswith("__"):
                text = given.get(name)
                return Unknown("not asked") if text is None else Known(Version(text), "asked")
            return Known(versions.get(name), "the stack")

        for name, one in versions.items():
            for claim in self._about(name, one):
                decision = decide(claim, version)
                if claim.severity == "error" and decision.kind is DecisionKind.BROKEN:
                    needs = f"{name} {one} needs {decision.name.removeprefix('__')}{claim.then.get(decision.name)}"
                    return f"{needs}, not {_said(version(decision.name))}" if claim.topic == "pins" else claim.says
        return None

    def _about(self, name: str, version: Version) -> list[Claim]:
        """The claims whose *when* begins with that release."""
        key = (name, version)
        if key not in self._claims:
            rows = (claim for topic in TOPICS for claim in self.matrix.claims(name, topic))
            self._claims[key] = [claim for claim in rows if admits(claim.when[name], version)]
        return self._claims[key]

    def _pins(self, name: str, version: Version) -> dict[str, str]:
        return {key: spec for claim in self._about(name, version) if claim.topic == "pins" for key, spec in claim.then.items()}

    def _pythons(self, ranges: Iterable[str | None]) -> tuple[str, ...]:
        """The Pythons that all these ranges admit."""
        fits = tuple(one for one in PYTHONS if all(admits(text, Version(f"{one}.9")) for text in ranges if text))
        if self.asked.python is not None:
            wanted = ".".join(self.asked.python.split(".")[:2])
            if wanted not in fits:
                raise _Refused("python", f"it goes with Python {', '.join(fits) or 'none'}")
        return fits

    def _glibc(
        self, release: Release, torch: TorchRelease | None, built: VllmRelease | None, brought: list[Release]
    ) -> str | None:
        """The newest of what installers ask for (the tag) and what the files ask for (the bytes)."""
        needs = [release.glibc, torch.glibc if torch else None, built.glibc if built else None]
        needs += [one.glibc for one in brought]
        need = max((Version(one) for one in needs if one), default=None)
        if need is not None and self.asked.glibc is not None and Version(self.asked.glibc) < need:
            raise _Refused("glibc", f"it needs glibc {need}")
        return None if need is None else str(need)

    def _ran(self, versions: dict[str, Version]) -> Iterator[Run]:
        """The runs of this engine whose other versions are those of the stack."""
        for run in self.matrix.runs():
            known = {name: Version(text) for name, text in run.versions.items()}
            if ENGINE in known and all(versions.get(name) == one for name, one in known.items() if name in versions):
                yield run


def _said(leaf: Known[Version | None] | Unknown) -> str:
    return str(leaf.value) if isinstance(leaf, Known) else "unknown"
