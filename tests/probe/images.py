"""Small roots of images for tests: files and links under a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.probe.samples import elf_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTHON = elf_file(rodata=b"Python 3.11.9\0" + b"%s 3.11.9\0" + b"/usr/local/3.11.9/lib\0" + b"3.2.0\0")
GLIBC = elf_file(rodata=b"GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright\0")
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
SITE = "/opt/venv/lib/python3.11/site-packages"


def metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n"


def base(prefix: str = "/usr", library: str = "python3.11", python: bytes = PYTHON) -> dict[str, str | bytes]:
    """A Python that is no virtual environment."""
    tag = "cpython-" + library[len("python") :].replace(".", "")
    return {
        f"{prefix}/bin/{library}": python,
        f"{prefix}/lib/{library}/os.py": "",
        f"{prefix}/lib/{library}/lib-dynload/_json.{tag}-x86_64-linux-gnu.so": "",
        f"{prefix}/lib/{library}/lib-dynload/_bz2.{tag}-x86_64-linux-gnu.so": "",
    }


def venv(
    folder: str = "/opt/venv", home: str = "/usr/bin", library: str = "python3.11", packages: Mapping[str, str] | None = None
) -> dict[str, str | bytes]:
    """A virtual environment that holds the packages, by name and version; its program is made by ``links``."""
    files: dict[str, str | bytes] = {f"{folder}/pyvenv.cfg": f"home = {home}\nversion = 3.11.2\n"}
    site = f"{folder}/lib/{library}/site-packages"
    files[f"{site}/_virtualenv.py"] = ""
    for name, version in (packages or {}).items():
        files[f"{site}/{name}-{version}.dist-info/METADATA"] = metadata(name, version)
    return files


def image(folder: Path, *parts: Mapping[str, str | bytes], links: Mapping[str, str] | None = None) -> str:
    """Writes the root with a Debian's release file and C library, and gives its folder; ``links`` maps a place to its goal."""
    files: dict[str, str | bytes] = {"/etc/os-release": DEBIAN, "/lib/x86_64-linux-gnu/libc.so.6": GLIBC}
    for part in parts:
        files.update(part)
    for path, content in files.items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    for path, goal in (links or {}).items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(goal)
    return str(folder)
