"""Facts that the bytes of an environment tell about its imports: what the loader would refuse, which names are gone.

Part of the facts document (see :mod:`envdoctor.facts`); filled by the probe's sections ``linking``, ``device_code``,
``ownership`` and ``names``, which import and run nothing.
"""

from __future__ import annotations

from envdoctor.leaf import Leaf, Part, Unknown

NOT_TAKEN = Unknown("the probe that took this record did not look at it")


class LinkProblem(Part, frozen=True):
    """One reason for which the dynamic loader refuses a file, in ld.so's terms."""

    kind: str
    """missing-library, undefined-symbol, missing-version, static-tls, wrong-machine, wrong-python, not-elf or preload."""
    file: str
    """The file that lacks something: the module itself or a library it brings in. Relative to its site folder, or absolute."""
    wants: str
    """What is lacking: a SONAME, a symbol as mangled in the file, a version ("GLIBCXX_3.4.30"), or a number of bytes."""
    of: str | None
    """The library it was asked of: the SONAME of a missing version, or the file that defines its neighbours; None if unknown."""
    message: str
    """What dlerror() says, paths as the probe names them."""


class LinkedModule(Part, frozen=True):
    """One extension module (or library a package opens by itself), loaded as an import would after ``import torch``."""

    package: str
    """Normalized name of the distribution that owns the file."""
    path: str
    """Relative to its site folder: "vllm/_C.abi3.so"."""
    module: str | None
    """Its import name, "vllm._C"; None for a library that is opened by path."""
    problems: tuple[LinkProblem, ...]
    """At most 8, the first as ld.so would report it; empty when it loads."""
    problem_count: int
    optional: bool = False
    """One of several variants of which any one is enough (ffmpeg, CUDA flavours): never a finding by itself."""
    undecided: str | None = None
    """Why it cannot be told whether it loads (supposed versions whose bytes are not here), or None."""


class LibraryCopy(Part, frozen=True):
    """One copy of a library of which there are several, in the order in which an import order would meet them."""

    soname: str
    path: str
    package: str | None
    """Distribution that owns it; None for one of the system, a toolkit or LD_LIBRARY_PATH."""
    origin: str
    """How it is found: "import torch", LD_PRELOAD, LD_LIBRARY_PATH, "run path of FILE", ld.so.cache, default."""
    taken_by: tuple[str, ...]
    """Packages whose modules bind to this copy when torch is imported first; empty for one that is shadowed."""
    taken_alone: tuple[str, ...]
    """Packages whose modules bind to this copy when they are imported without torch."""


class TorchImport(Part, frozen=True):
    """What ``import torch`` maps."""

    problems: tuple[LinkProblem, ...]
    """Empty when torch loads."""
    preloads: tuple[str, ...]
    """Libraries that torch/__init__.py opens itself before its extension, as found, in order."""


class Linking(Part, frozen=True):
    """The simulation of ld.so over files only. Source of the rules: ld.so(8), glibc elf/dl-load.c, dl-lookup.c, dl-version.c."""

    torch: Leaf[TorchImport | None] = NOT_TAKEN
    """None where torch is not installed."""
    modules: Leaf[tuple[LinkedModule, ...]] = NOT_TAKEN
    """Every module that was judged, healthy ones too."""
    copies: Leaf[tuple[LibraryCopy, ...]] = NOT_TAKEN
    driver_libraries: Leaf[str] = NOT_TAKEN
    """"present", or "assumed": libcuda.so.1 and libnvidia-ml.so.1 are not here and were taken to come with the driver."""
    seconds: float = 0.0
    """Wall time of this section."""


class DeviceCode(Part, frozen=True):
    """GPU code in one library: its fat-binary containers, counted by the set of images they hold."""

    package: str
    path: str
    """Relative to its site folder."""
    containers: dict[str, int]
    """{"sm_80 sm_90a compute_90": 340}: containers that hold exactly these images (nvcc's names, sorted)."""


class Overwritten(Part, frozen=True):
    """Two distributions whose RECORDs list the same module files with different contents."""

    path: str
    """The first such file, relative to the site folder."""
    count: int
    """How many files both list with different hashes."""
    owners: tuple[str, ...]
    """Normalized names of the distributions that list them, sorted."""
    winner: str | None
    """Whose hashes the files on disk have; None if they have neither's, or they are mixed."""
    sampled: int
    """How many files were hashed on disk to tell the winner."""


class RecordCheck(Part, frozen=True):
    """What is installed of one distribution beside what its RECORD lists. Paths are relative to its site folder."""

    name: str
    version: str
    digest: str | None
    """"sha256:..." over the wheel's own files: which build of the release it is (see ``envdoctor.probe.records``)."""
    problem: str | None
    """Why its RECORD could not be read, or None; then nothing below was compared."""
    files: int
    """How many files were compared."""
    missing: tuple[str, ...]
    """Listed and not there; the first few of ``missing_count``."""
    missing_count: int
    altered: tuple[str, ...]
    """There with other contents; the first few of ``altered_count``."""
    altered_count: int
    by_size_only: int
    """Of ``files``, how many were not hashed, because they are too large or time was up: their size is right."""
    overwritten_count: int = 0
    """Of ``files``, how many are as another distribution lists them, which was installed later (see :class:`Overwritten`)."""
    unread_count: int = 0
    """Of ``files``, how many are there but could not be compared: no permission, an I/O error."""


class NameUse(Part, frozen=True):
    """A name that an installed package takes from another one, which does not define it."""

    importer: str
    """Normalized distribution name of the package whose code takes the name."""
    exporter: str
    file: str
    """Relative to its site folder."""
    line: int
    module: str
    """Module of the exporter that is named: "vllm.sampling_params"."""
    name: str
    """What is taken from it: "GuidedDecodingParams"; "" when the module itself is gone; "Worker.load_model" for an attribute
    that is patched; "SamplingParams(guided_decoding)" for a keyword argument."""
    place: str
    """module (runs on import), function (runs when called) or guarded (inside try/except ImportError or a feature check)."""
    scope: str
    """The function or class it stands in, "GRPOTrainer.__init__"; "" at module level."""


class NamePair(Part, frozen=True):
    """One importer and exporter whose joint was read."""

    importer: str
    exporter: str
    names: int
    """How many different names it takes that could be decided."""
    undecided: int
    """How many could not: the exporter's module makes its names when it runs."""


class Names(Part, frozen=True):
    """Python names between packages, read from source text; nothing is imported."""

    pairs: Leaf[tuple[NamePair, ...]] = NOT_TAKEN
    missing: Leaf[tuple[NameUse, ...]] = NOT_TAKEN
    seconds: float = 0.0
