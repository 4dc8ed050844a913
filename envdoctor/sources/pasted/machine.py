"""What speaks of the driver and the GPUs: nvidia-smi in all its forms, the kernel's own line, dpkg, torch's warnings. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.fields import ARCH, DRIVER
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.names import gpu_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

SMI = re.compile(
    r"NVIDIA-SMI (?P<smi>[\d.]{3,16})\s{1,40}(?:KMD Version: \S{1,20}\s{1,40})?(?:Driver|KMD) Version: (?P<driver>\d{3}[\d.]{2,13})(?:\s{1,40}CUDA (?:UMD )?Version: (?P<cuda>\d[\d.]{1,5}))?"
)
"""The head of nvidia-smi. Since driver 610 it calls the driver KMD, and what libcuda supports the CUDA UMD Version."""
ROW = re.compile(
    r"^\|\s{1,4}(?P<index>\d{1,3})\s{1,4}(?P<name>(?:NVIDIA|Tesla|GeForce|Quadro|GRID|TITAN|RTX|A\d|H\d|L\d|B\d)[^|]{2,48}?)\s{2,40}(?:On|Off|N/A|WDDM|TCC|MCDM)?\s{0,6}\|"
)
LISTED = re.compile(r"^\s{0,8}GPU (?P<index>\d{1,3}): (?P<name>[^(]{3,60}?) ?(?:\(UUID: [^)]{1,60}\))?\s{0,80}$")
QUERY = "NVSMI LOG"
PRODUCT = re.compile(r"^\s{1,12}Product Name\s{1,40}: (?P<name>\S.{1,60})$")
OF_QUERY = re.compile(r"^(?P<key>(?:Driver|KMD|CUDA|CUDA UMD) Version)\s{1,40}: (?P<value>\d[\d.]{2,15})")
CSV_HEAD = re.compile(r"^[a-z_.]{4,40}(?: \[[A-Za-z%]{1,8}\])?(?:, ?[a-z_.]{2,40}(?: \[[A-Za-z%]{1,8}\])?){0,12}$")
COLUMNS = frozenset({"name", "gpu_name", "driver_version", "compute_cap"})
ALONE = re.compile(r"^\s{0,8}(?P<driver>[3-9]\d\d\.\d{2,3}(?:\.\d\d)?)\s{0,8}$")
"""What `nvidia-smi --query-gpu=driver_version --format=csv,noheader` prints."""
SHORT = 24
NVRM = re.compile(r"NVRM version: NVIDIA UNIX .{1,60}?Kernel Module.{0,20}?\s{1,4}(?P<driver>\d{3}\.[\d.]{2,8})")
DPKG = re.compile(
    r"^\s{0,4}(?:ii|hi)\s{1,4}(?:nvidia-driver-|libnvidia-compute-|xserver-xorg-video-nvidi|nvidia-dkms-|nvidia-utils-)\S{0,40}\s{1,20}(?P<driver>\d{3}\.\d{2,3}(?:\.\d{2,3})?)"
)
INCOMPATIBLE = re.compile(
    r"(?P<name>\S.{2,60}?) with CUDA capability sm_(?P<sm>\d{2,3})[af]? is not compatible with the current PyTorch installation"
)
FOUND_GPU = re.compile(
    r"Found GPU(?P<index>\d{1,3}) (?P<name>\S.{2,60}?) which is of (?:cuda|compute) capability(?: \(CC\))? (?P<sm>\d{1,2}\.\d)"
)
SUPPORTS = re.compile(
    r"current PyTorch install supports CUDA capabilities (?P<archs>(?:(?:sm|compute)_\d{2,3}[af]?[ ,]{1,3}){0,30}(?:sm|compute)_\d{2,3}[af]?)[ .,]{0,4}$"
)
TOO_OLD = re.compile(r"found version (?P<number>\d{4,5})\b")


def machine(lines: Sequence[Line]) -> Iterator[Seen]:
    """All of it."""
    queried = False
    columns: list[str] = []
    for line in lines:
        text = line.text[:4000]
        yield from _smi(text, line)
        yield from _warned(text, line)
        queried = queried or QUERY in text
        if queried:
            yield from _queried(text, line)
        if columns:
            row = list(_csv(columns, text, line))
            yield from row
            columns = columns if row else []
        if (not columns and "_" in text) or text == "name":
            columns = _columns(text)
        match = ALONE.match(text) if len(text) < SHORT else None
        if match is not None:
            yield Seen(Kind.DRIVER, "", match["driver"], line.number, "a number alone")


def _columns(text: str) -> list[str]:
    """The head of a table that was asked of nvidia-smi, cell by cell; empty where the line is none."""
    cells = [one.strip().partition(" ")[0] for one in text.split(",")] if CSV_HEAD.match(text) else []
    return cells if COLUMNS & set(cells) else []


def _smi(text: str, line: Line) -> Iterator[Seen]:
    match = SMI.search(text) if "NVIDIA-SMI" in text else None
    if match is not None:
        yield Seen(Kind.DRIVER, match["smi"], match["driver"], line.number, "nvidia-smi")
        if match["smi"].count(".") > match["driver"].count("."):
            # nvidia-smi is Linux', its driver is Windows' with its shorter numbers
            yield Seen(Kind.PLATFORM, "", "microsoft-standard-WSL2", line.number, "WSL")
        if match["cuda"]:
            yield Seen(Kind.SMI_CUDA, "", match["cuda"], line.number, "nvidia-smi")
    match = ROW.match(text) if text.startswith("|") else None
    if match is not None:
        yield Seen(Kind.GPU, match["index"], match["name"].strip(), line.number, "nvidia-smi")
    match = LISTED.match(text) if "GPU " in text else None
    if match is not None:
        yield Seen(Kind.GPU, match["index"], match["name"].strip(), line.number, "nvidia-smi -L")
    match = NVRM.search(text) if "NVRM" in text else None
    if match is not None:
        yield Seen(Kind.KERNEL_MODULE, "", match["driver"], line.number, "/proc/driver/nvidia/version")
    match = DPKG.match(text) if "nvidia" in text else None
    if match is not None:
        yield Seen(Kind.DRIVER, "dpkg", match["driver"], line.number, "dpkg")


def _queried(text: str, line: Line) -> Iterator[Seen]:
    """A line of nvidia-smi -q."""
    match = OF_QUERY.match(text) if "Version" in text else None
    if match is not None:
        kind = Kind.SMI_CUDA if match["key"].startswith("CUDA") else Kind.DRIVER
        yield Seen(kind, "", match["value"], line.number, "nvidia-smi")
    match = PRODUCT.match(text) if "Product Name" in text else None
    if match is not None:
        yield Seen(Kind.GPU, f"line {line.number}", match["name"].strip(), line.number, "nvidia-smi")


def _csv(columns: Sequence[str], text: str, line: Line) -> Iterator[Seen]:
    """A row of nvidia-smi --query-gpu=... --format=csv."""
    cells = [one.strip() for one in text.split(",")]
    if len(cells) != len(columns):
        return
    row = dict(zip(columns, cells, strict=True))
    name = (row.get("name") or row.get("gpu_name") or "")[:100]
    if gpu_model(name) or name.startswith(("NVIDIA", "Tesla", "GeForce")):
        yield Seen(Kind.GPU, row.get("index", f"line {line.number}"), name, line.number, "nvidia-smi")
        if re.fullmatch(r"\d{1,2}\.\d", row.get("compute_cap", "")):
            yield Seen(Kind.CAPABILITY, name, row["compute_cap"], line.number, "nvidia-smi")
    driver = DRIVER.fullmatch(row.get("driver_version", ""))
    if driver is not None:
        yield Seen(Kind.DRIVER, "", driver["version"], line.number, "nvidia-smi")


def _warned(text: str, line: Line) -> Iterator[Seen]:
    at = text.find("with CUDA capability")
    match = INCOMPATIBLE.search(text[max(0, at - 70) : at + 200]) if at >= 0 else None
    if match is not None:
        sm = match["sm"]
        name = match["name"].rpartition("UserWarning:")[2].strip(" -:")
        yield Seen(Kind.GPU, "", name, line.number, "torch's warning")
        yield Seen(Kind.CAPABILITY, name, f"{sm[:-1]}.{sm[-1]}", line.number, "torch's warning")
    match = FOUND_GPU.search(text) if "Found GPU" in text else None
    if match is not None:
        yield Seen(Kind.GPU, match["index"], match["name"], line.number, "torch's warning")
        yield Seen(Kind.CAPABILITY, match["name"], match["sm"], line.number, "torch's warning")
    match = SUPPORTS.search(text) if "CUDA capabilities" in text else None
    if match is not None:
        yield Seen(Kind.ARCHS, "", " ".join(ARCH.findall(match["archs"])), line.number, "torch's warning")
    match = TOO_OLD.search(text) if "driver" in text and "too old" in text else None
    if match is not None:
        number = int(match["number"])
        yield Seen(Kind.CUDA_API, "", f"{number // 1000}.{number % 1000 // 10}", line.number, "torch's error")
