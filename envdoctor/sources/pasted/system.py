"""What speaks of the operating system, its libraries and Python: os-release, lsb_release, uname, ldd, Python's banner, paths, images. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.found import Kind, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

PRETTY = re.compile(r"^\s{0,4}PRETTY_NAME=\"?(?P<os>[^\"]{3,80})\"?")
LSB = re.compile(
    r"^\s{0,4}Description:\s{1,8}(?P<os>(?:Ubuntu|Debian|CentOS|Red Hat|Rocky|Alma|Fedora|openSUSE|SUSE|Amazon|Oracle)\b.{0,60})$"
)
UNAME = re.compile(r"^(?:\$ )?Linux \S{1,80} (?P<kernel>\d\.\d{1,2}\.\d{1,3}\S{0,60}) .{0,200}\b(?P<arch>x86_64|aarch64)\b")
LDD_VERSION = re.compile(r"^\s{0,4}ldd \([^)]{1,60}\) (?P<version>2\.\d{1,2})\b")
GNU = re.compile(r"^\s{0,4}GNU C Library .{0,80}?version (?P<version>2\.\d{1,2})\b")
BANNER = re.compile(r"^(?:\(\S{1,40}\) )?Python (?P<version>[23]\.\d{1,2}\.\d{1,2})(?:\+|rc\d|[ab]\d)?(?: \(|\s{0,8}$| \|)")
"""Of `python --version` and of Python's prompt."""
SITE = re.compile(r"/python(?P<version>[23]\.\d{1,2})/(?:site|dist)-packages\b")
LDD = re.compile(r"^\s{0,8}(?P<soname>lib[\w.+-]{1,60}\.so[\d.]{0,12}) => (?P<path>\S{1,400}|not found)")
IMAGE = re.compile(r"(?<![\w/.-])(?P<image>(?:[a-z0-9.-]{1,80}/){1,4}[a-z0-9._-]{1,80}:[A-Za-z0-9._-]{1,80})")
OFFICIAL = re.compile(r"(?:vllm/vllm-openai|lmsysorg/sglang|nvcr\.io/nvidia/|pytorch/pytorch|nvidia/cuda|verlai/verl)")
WSL = re.compile(
    r"microsoft-standard-WSL|/usr/lib/wsl/|^[\s*•-]{0,8}WSL ?2?\b|^(?:PS |>|\$)?\s{0,4}wsl(?:\.exe)?\s"
    r"|(?:OS|Platform|System|Environment|Kernel|操作系统|系统)\b[*`_\s]{0,6}[:：].{0,60}\bWSL",
    re.IGNORECASE,
)
MAX_LINE_READ = 4000


def system(lines: Sequence[Line]) -> Iterator[Seen]:
    """All of it."""
    for line in lines:
        text = line.text[:MAX_LINE_READ]
        yield from _python(text, line)
        yield from _distribution(text, line)
        match = LDD.match(text) if " => " in text else None
        if match is not None:
            yield Seen(Kind.LIBRARY, match["soname"], match["path"], line.number, "ldd")
        if ":" in text and "/" in text and OFFICIAL.search(text):
            for found in IMAGE.finditer(text):
                yield Seen(Kind.IMAGE, "", found["image"], line.number, "an image's name")
        if ("wsl" in text or "WSL" in text) and WSL.search(text):
            yield Seen(Kind.PLATFORM, "", "microsoft-standard-WSL2", line.number, "WSL")


def _python(text: str, line: Line) -> Iterator[Seen]:
    match = SITE.search(text) if "-packages" in text else None
    if match is not None:
        yield Seen(Kind.PYTHON, "", match["version"], line.number, "paths")
    match = BANNER.match(text) if "Python " in text else None
    if match is not None:
        yield Seen(Kind.PYTHON, "", match["version"], line.number, "python")


def _distribution(text: str, line: Line) -> Iterator[Seen]:
    match = (PRETTY.match(text) or LSB.match(text)) if "PRETTY_NAME" in text or "Description:" in text else None
    if match is not None:
        yield Seen(Kind.OS, "", match["os"].strip(), line.number, "os-release")
    match = UNAME.match(text) if "Linux " in text else None
    if match is not None:
        yield Seen(Kind.PLATFORM, "", f"{match['kernel']} {match['arch']}", line.number, "uname")
    match = (LDD_VERSION.match(text) or GNU.match(text)) if "ldd (" in text or "GNU C Library" in text else None
    if match is not None:
        yield Seen(Kind.LIBC, "", match["version"], line.number, "ldd")
