"""What the readers found -> facts. What the report does not say is unknown; nothing is assumed. Pure.

Where two lines contradict each other, the stronger form of saying it wins (a list of what is installed over a command, a field over
prose), then the later line: people paste what they have now last.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.facts import (
    Container,
    Facts,
    Gpu,
    Interpreter,
    Known,
    Libc,
    Library,
    Packages,
    Smi,
    Target,
    Toolkit,
    Unknown,
)
from envdoctor.linkage import Linking, Names
from envdoctor.pasted import Pasted
from envdoctor.probe.redaction import redacted
from envdoctor.sources.pasted.building import torch_build
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.gpus import capability
from envdoctor.sources.pasted.inventory import distributions
from envdoctor.sources.pasted.weighing import NOT_IN_TEXT, STRENGTH, UNTOLD, best, cited
from envdoctor.sources.plan import nothing
from envdoctor.views import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envdoctor.leaf import Leaf
    from envdoctor.matrix import Matrix
    from envdoctor.pasted import Quote

SCHEME = "report:"
GLIBC_OF_PLATFORM = re.compile(r"glibc(2\.\d{1,2})")
OLDEST_GLIBC = Version("2.12")
"""Older ones are not what runs: Python before 3.8 read the version out of its own binary, and got what it was compiled for."""
FIRST_TO_ASK = Version("3.8")
"""The Python from which on platform.libc_ver asks the C library itself (bpo-35389)."""
MOST_GPUS = 64
MOST_LIBRARIES = 200


def assembled(
    name: str, seen: Sequence[Seen], chosen: Mapping[str, Seen], quotes: tuple[Quote, ...], lines: int, matrix: Matrix
) -> Facts:
    """The facts of a report.

    Args:
        name: the file's, or "standard input".
        seen: what the readers found.
        chosen: distribution -> the line of it whose version counts.
        quotes: known error texts in it.
        lines: how many it has.
        matrix: the compatibility data, which knows what releases require and how torch was built.
    """
    told = {kind: best(kind, seen) for kind in Kind}
    platform = " ".join(one.value for one in seen if one.kind in {Kind.PLATFORM, Kind.OS})
    said_python = told[Kind.PYTHON]
    python = None if said_python is None else said_python.value
    days = {package: day for package, day in matrix.packages().items() if day}
    # what releases require is the data's word, where the report does not say it
    read = min((day for package, day in days.items() if package in chosen), default=min(days.values(), default=""))
    base = nothing(python, read, NOT_IN_TEXT, "the report")
    if isinstance(base.python, Known):
        base = msgspec.structs.replace(base, python=_python(base.python.value, said_python))
    arch = _arch(platform)
    facts = msgspec.structs.replace(
        base,
        target=Target(spec=f"{SCHEME}{name}", chosen="a pasted report"),
        host=msgspec.structs.replace(
            base.host,
            os_name=_leaf(told[Kind.OS]),
            arch=NOT_IN_TEXT if arch is None else Known(arch, "the platform that the report names"),
            libc=_libc(told[Kind.LIBC], platform, python),
            wsl=Known(2, "the report speaks of WSL") if "microsoft-standard" in platform or "WSL" in platform else NOT_IN_TEXT,
        ),
        driver=msgspec.structs.replace(
            base.driver,
            kernel_module=_leaf(told[Kind.KERNEL_MODULE]),
            smi=_smi(told[Kind.DRIVER], told[Kind.SMI_CUDA]),
            cuda_api=_leaf(told[Kind.CUDA_API] or told[Kind.SMI_CUDA]),
        ),
        gpus=msgspec.structs.replace(base.gpus, devices=_gpus(seen, matrix)),
        cuda=msgspec.structs.replace(base.cuda, toolkits=_toolkits(told[Kind.NVCC]), libraries=_libraries(seen)),
        packages=Packages(distributions=distributions(chosen, seen, matrix), leftovers=NOT_IN_TEXT),
        environ=_environ(seen),
        container=_unknown_container(base.container),
        device_code=NOT_IN_TEXT,
        overwritten=NOT_IN_TEXT,
        linking=Linking(torch=NOT_IN_TEXT, modules=NOT_IN_TEXT, copies=NOT_IN_TEXT, driver_libraries=NOT_IN_TEXT),
        names=Names(pairs=NOT_IN_TEXT, missing=NOT_IN_TEXT),
        records=NOT_IN_TEXT,
        image=Known(None, "the target is a report"),
        pasted=Known(_pasted(name, seen, quotes, lines), "the report"),
    )
    builds = msgspec.structs.replace(
        base.builds,
        torch=torch_build(chosen.get("torch"), told, facts, matrix),
        vllm=NOT_IN_TEXT,
        extensions=NOT_IN_TEXT,
        numpy1_modules=NOT_IN_TEXT,
        module_owners=NOT_IN_TEXT,
        built_as=NOT_IN_TEXT,
    )
    return msgspec.structs.replace(facts, builds=builds)


def _leaf(one: Seen | None) -> Known[str] | Unknown:
    return NOT_IN_TEXT if one is None else Known(_plain(one.value), cited(one))


def _plain(text: str) -> str:
    """Without home folders and users: a report is somebody's."""
    return str(redacted(re.sub(r"(?:/home|/Users)/[^/\s:\"']{1,60}", "~", text), (), ()))


def _python(one: Interpreter, told: Seen | None) -> Leaf[Interpreter]:
    where = "the report" if told is None else cited(told)
    lacking: Leaf[tuple[str, ...]] = NOT_IN_TEXT
    return Known(
        msgspec.structs.replace(one, kind="of the report", site_dirs=lacking, user_site=NOT_IN_TEXT, sys_path=lacking), where
    )


def _arch(platform: str) -> str | None:
    return next((arch for arch in ("x86_64", "aarch64") if arch in platform), None)


def _libc(told: Seen | None, platform: str, python: str | None) -> Leaf[Libc]:
    asked_by = parsed(python or "")
    if told is not None and told.form == "fields" and asked_by is not None and asked_by < FIRST_TO_ASK:
        return NOT_IN_TEXT
    if told is not None:
        version, where = told.value, cited(told)
    else:
        match = GLIBC_OF_PLATFORM.search(platform)
        version, where = "" if match is None else match[1], "the platform that the report names"
    release = parsed(version)
    return NOT_IN_TEXT if release is None or release < OLDEST_GLIBC else Known(Libc(name="glibc", version=version), where)


def _smi(driver: Seen | None, cuda: Seen | None) -> Leaf[Smi | None]:
    if driver is None:
        return NOT_IN_TEXT
    return Known(Smi(driver_version=driver.value, cuda_version=None if cuda is None else cuda.value), cited(driver))


def _gpus(seen: Sequence[Seen], matrix: Matrix) -> Leaf[tuple[Gpu, ...]]:
    told = [one for one in seen if one.kind is Kind.GPU]
    if not told:
        return NOT_IN_TEXT
    strongest = max(STRENGTH[one.form] for one in told)
    rows: dict[str, Seen] = {}
    for number, one in enumerate(one for one in told if STRENGTH[one.form] == strongest):
        key = one.value if one.form == "torch's warning" else one.name or f"unnumbered {number}"
        rows.setdefault(key, one)
    capabilities = {one.name: one for one in seen if one.kind is Kind.CAPABILITY}
    devices = tuple(_gpu(index, one, capabilities, matrix) for index, one in enumerate(list(rows.values())[:MOST_GPUS]))
    return Known(devices, cited(next(iter(rows.values()))))


def _gpu(index: int, one: Seen, capabilities: Mapping[str, Seen], matrix: Matrix) -> Gpu:
    told = capabilities.get(one.value) or capabilities.get(one.name) or (capabilities.get("") if not one.name else None)
    by_name = capability(one.value, matrix)
    known: Leaf[str] = NOT_IN_TEXT if by_name is None else Known(by_name, f"{cited(one)}, by its name")
    return Gpu(
        index=index,
        name=Known(_plain(one.value), cited(one)),
        compute_capability=known if told is None else Known(told.value, cited(told)),
        memory_total_mib=NOT_IN_TEXT,
        memory_free_mib=NOT_IN_TEXT,
        mig_enabled=NOT_IN_TEXT,
        ecc_enabled=NOT_IN_TEXT,
        ecc_uncorrected=NOT_IN_TEXT,
        pci_address=NOT_IN_TEXT,
        pci_device_id=NOT_IN_TEXT,
        nvlink_links_active=NOT_IN_TEXT,
        fabric_state=NOT_IN_TEXT,
    )


def _toolkits(nvcc: Seen | None) -> Leaf[tuple[Toolkit, ...]]:
    if nvcc is None or nvcc.name == "said":
        return NOT_IN_TEXT
    return Known((Toolkit(path="nvcc", version=nvcc.value, found_by="PATH"),), cited(nvcc))


def _libraries(seen: Iterable[Seen]) -> Leaf[tuple[Library, ...]]:
    found = [
        Library(
            stem=one.name.partition(".so")[0], soname=one.name, path=_plain(one.value), version=None, origin="LD_LIBRARY_PATH"
        )
        for one in seen
        if one.kind is Kind.LIBRARY and one.value.startswith("/")
    ]
    return Known(tuple(found[:MOST_LIBRARIES]), "ldd in the report") if found else NOT_IN_TEXT


def _environ(seen: Iterable[Seen]) -> Leaf[dict[str, str]]:
    told = {one.name: _plain(one.value) for one in seen if one.kind is Kind.VARIABLE}
    return Known(told, "the report") if told else NOT_IN_TEXT


def _unknown_container(container: Container) -> Container:
    return msgspec.structs.replace(container, runtime=NOT_IN_TEXT)


def _settled(one: Quote) -> Quote:
    """A quote without homes and users."""
    values = {name: _plain(value) for name, value in one.values.items()}
    return msgspec.structs.replace(one, text=_plain(one.text), values=values)


def _pasted(name: str, seen: Sequence[Seen], quotes: tuple[Quote, ...], lines: int) -> Pasted:
    forms = dict.fromkeys(one.form for one in sorted(seen, key=lambda one: one.line) if one.form not in UNTOLD)
    available = [one.value for one in seen if one.kind is Kind.CUDA_AVAILABLE]
    no_cuda = bool(available) and available[-1] == "False" and not any(one.kind in {Kind.GPU, Kind.DRIVER} for one in seen)
    return Pasted(
        name=name,
        lines=lines,
        formats=tuple(forms),
        quotes=tuple(_settled(one) for one in quotes),
        complete_packages=any(one.kind is Kind.LISTED and one.value == "whole" for one in seen),
        asked_for_gpu=None if not available or no_cuda else available[-1] == "True",
    )
