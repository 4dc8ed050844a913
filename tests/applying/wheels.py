"""Tiny wheels with everything an installer has to do with: scripts, data, .pth files, shared folders, files of two owners."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harvest.server import Index


def wheel(name: str, version: str, members: Mapping[str, bytes], *, modes: Mapping[str, int] | None = None) -> bytes:
    """A wheel with a right RECORD, the same bytes every time. ``modes``: of members that are not 0644."""
    info = f"{name}-{version}.dist-info"
    held = dict(members)
    held[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    held[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: a-test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if name == "alpha":
        held[f"{info}/entry_points.txt"] = b"[console_scripts]\nalpha = alpha:main\n"
    lines = [f"{path},sha256={digest(content)},{len(content)}" for path, content in held.items()]
    held[f"{info}/RECORD"] = "".join(f"{line}\n" for line in (*lines, f"{info}/RECORD,,")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path, content in held.items():
            member = zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0))
            member.external_attr = (0o100000 | (modes or {}).get(path, 0o644)) << 16
            file.writestr(member, content)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """A hash as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def body(text: str, lines: int = 40) -> bytes:
    """Some Python source."""
    return "".join(f"{text}_{number} = {number}\n" for number in range(lines)).encode()


RELEASES: dict[tuple[str, str], dict[str, bytes]] = {
    # moves: a script, a script of its own, data in the prefix, a module that goes, one that comes
    ("alpha", "1.0"): {
        "alpha/__init__.py": b"def main():\n    print('alpha 1.0')\n",
        "alpha/old.py": body("old"),
        "alpha/deep/er/leaf.py": body("leaf"),
        "alpha-1.0.data/scripts/alpha-tool": b"#!python\nprint('tool 1.0')\n",
        "alpha-1.0.data/data/share/alpha/words.txt": b"one\n",
    },
    ("alpha", "2.0"): {
        "alpha/__init__.py": b"def main():\n    print('alpha 2.0')\n",
        "alpha/new.py": body("new"),
        "alpha/deep/er/leaf.py": body("leaf2"),
        "alpha-2.0.data/scripts/alpha-tool": b"#!python\nprint('tool 2.0')\n",
        "alpha-2.0.data/data/share/alpha/words.txt": b"one\ntwo\n",
        "alpha-2.0.data/data/share/fresh/more.txt": b"more\n",
    },
    # a folder shared with one that stays, and a file that both own
    ("space-a", "1.0"): {"space/a.py": body("a"), "space/both.py": b"WHOSE = 'shared'\n"},
    ("space-a", "1.1"): {"space/a.py": body("a11"), "space/sub/a.py": body("sub")},
    ("space-b", "1.0"): {"space/b.py": body("b"), "space/both.py": b"WHOSE = 'shared'\n"},
    ("goes", "1.0"): {"goes/__init__.py": body("goes"), "goes.pth": b"import sys; sys.goes = 1\n"},
    ("comes", "3.0"): {"comes/__init__.py": body("comes"), "comes.pth": b"import sys; sys.comes = 1\n"},
    ("stays", "1.0"): {"stays/__init__.py": body("stays"), "stays/data/table.bin": bytes(range(256)) * 64},
}
BEFORE = {"alpha": "1.0", "space-a": "1.0", "space-b": "1.0", "goes": "1.0", "stays": "1.0"}
AFTER = {"alpha": "2.0", "space-a": "1.1", "space-b": "1.0", "comes": "3.0", "stays": "1.0"}


def file_name(name: str, version: str) -> str:
    """Name of a wheel."""
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def made(name: str, version: str) -> bytes:
    """One of the releases as a wheel; tools of alpha are executable in it."""
    under = name.replace("-", "_")
    members = {
        path.replace(f"{name}-{version}.data", f"{under}-{version}.data"): each for path, each in RELEASES[name, version].items()
    }
    return wheel(under, version, members, modes={path: 0o755 for path in members if "/scripts/" in path})


def stock(index: Index) -> None:
    """Put every release on an index."""
    for name, version in RELEASES:
        index.add(name, file_name(name, version), made(name, version))


def sha256(name: str, version: str) -> str:
    """Of a release's wheel."""
    return hashlib.sha256(made(name, version)).hexdigest()
