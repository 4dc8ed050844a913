"""Which cause a text of pip, uv or conda is evidence of: what could not be installed, or was, and for want of what. Pure.

Each takes what the judges of :mod:`envdoctor.sources.pasted.causes` take.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.causes import HARMLESS
from envdoctor.sources.pasted import releases
from envdoctor.sources.pasted.packages import MAX_PATH
from envdoctor.views import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version

    from envdoctor.sources.pasted.surroundings import About, Around

_BUILDS = re.compile(
    r"\bbuild_wheel\b|get_requires_for_build|Getting requirements to build|setup\.py egg_info|pip-build-env|pip-install-"
)
"""What pip and uv say, and the folders that they use, while they build a package apart from the environment."""


def replaced(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A build with CUDA is uninstalled; on Windows the package index has no other than for CPUs to put in its place."""
    del values
    lines = around.near(REPLACED)
    plain = any(_PLAIN_TORCH.search(line[:MAX_PATH]) for line in lines)
    return "torch-cpu-build" if plain and (about.windows or (about.says_windows and not about.a_linux)) else HARMLESS


REPLACED = 30
"""Lines around what pip uninstalls, in which it says what it installs."""
_PLAIN_TORCH = re.compile(r"(?<![\w.-])torch-\d{1,2}\.\d{1,2}\.\d{1,2}(?![\w.+]*\+)(?![\d-])")


def no_release(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """The index has no such release for this machine: for want of wheels for its system, its Python, or so old a glibc."""
    listed = _listed(around)
    asked = values.get("wanted") or values.get("requirement") or values.get("asked", "")
    if (
        _WHEELS_ALONE.match(asked)
        and listed is None
        and any("from versions: none" in line for line in (around.line, *around.before(2)))
    ):
        return None if about.other_machine else "python-version-unsupported"
    if about.windows or (about.says_windows and listed is None):
        return "unsupported-os"
    match = _ASKED.search(asked)
    wanted = parsed(match["version"]) if match is not None else None
    if match is None or wanted is None or not listed:
        return None
    pinned = match["how"] == "=="
    if pinned and min(listed) > wanted:
        return "python-version-unsupported"  # the index has newer ones alone for this Python: it is newer than the release
    if wanted in listed or not about.sides.exists(match["name"], wanted):
        return None
    if max(listed) > wanted:
        # left out between others, which have none for this Python; an index of one CUDA begins and ends where it likes
        return "python-version-unsupported" if pinned and not any(one.local for one in listed) else None
    return "glibc-too-old" if about.old_glibc else "python-version-unsupported"


_WHEELS_ALONE = re.compile(r"(?:torch|torchvision|torchaudio)(?![\w-])")
"""Packages that the index has as wheels only, for Linux, Windows and macOS: none at all is for want of one for this Python."""
_ASKED = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]{0,80})(?:\[[\w,-]{0,80}\])?(?P<how>==|>=)(?P<version>\d[\w.]{0,30})")
_LISTED = re.compile(r"\(from versions:? (?P<list>\d[^)\n]{0,6000})")


def _listed(around: Around) -> list[Version] | None:
    """The releases that pip could have taken; None where it says that there are none, or nothing."""
    match = next((found for line in (around.line, *around.before(2)) if (found := _LISTED.search(line))), None)
    versions = [parsed(one.strip()) for one in match["list"].split(",")] if match is not None else []
    return [one for one in versions if one is not None] or None


def platform(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """An installer has no wheel for this system: another one, or one with a newer C library."""
    del around, about
    has, wants = values.get("has", ""), values.get("wants", "")
    if "Python" in wants:
        return "python-version-unsupported"
    if "linux" not in has.lower():
        return "unsupported-os" if "linux" in wants else None
    mine, theirs = ([(int(major), int(minor)) for major, minor in _MANYLINUX.findall(text)] for text in (has, wants))
    same_machine = any(name in has and name in wants for name in ("x86_64", "aarch64"))
    return "glibc-too-old" if mine and theirs and same_machine and max(mine) < min(theirs) else None


def platform_tag(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """The same, where the hint that says what there are wheels for stands below."""
    hint = next((match for line in around.after(HINTS) if (match := _WHEELS_FOR.search(line))), None)
    return None if hint is None else platform({"has": values.get("has", ""), "wants": hint["wants"]}, around, about)


def python_tag(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Some releases have no wheel for this Python; where others lack one for the system, those would have been taken."""
    del values, about
    lines = around.near(HINTS)
    return HARMLESS if any("matching platform tag" in line for line in lines) else "python-version-unsupported"


def no_solution(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """An installer finds no set of releases: for want of a wheel, which it says in the same breath, or for what packages require."""
    return HARMLESS if "matching platform tag" in around.line else releases.no_solution(values, around, about)


HINTS = 12
"""Lines below, in which uv's hints stand."""
_WHEELS_FOR = re.compile(r"Wheels are available for .{1,120} on the following platforms?: (?P<wants>.{1,600})")
_MANYLINUX = re.compile(r"manylinux_(\d{1,2})_(\d{1,3})_")


def isolated_build(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A module torch is not there: for a build in isolation that says nothing of the environment."""
    del values, about
    return "build-isolation" if any(_BUILDS.search(line[:MAX_PATH]) for line in around.before()) else HARMLESS
