"""Environments that are not ours to change, or not without being told."""

from __future__ import annotations

import os

from envdoctor.errors import UserError
from envdoctor.facts import Facts, Known

BESIDE = "Build the repaired environment beside it, which touches nothing here: envdoctor fix --into NEW_VENV"
TOLD = "Or, if it really is to be changed: envdoctor fix --apply --system"
NEVER = frozenset({"/", "/usr"})
"""Prefixes that hold the operating system: not even with --system, because no snapshot is taken of that."""


def refusal(facts: Facts, told: bool) -> UserError | None:
    """Why this environment is not changed in place, or None if it may be. ``told``: the user gave --system."""
    if not isinstance(facts.python, Known):
        return UserError(f"what kind of Python this is could not be told: {facts.python.why}", BESIDE)
    python = facts.python.value
    prefix = os.path.realpath(os.path.expanduser(python.prefix))
    if not os.path.isdir(prefix):
        return UserError(f"{prefix} is not on this machine", "Run envdoctor where the environment is.")
    if prefix in NEVER:
        return UserError(f"this Python's prefix is {prefix}, which holds the operating system", BESIDE)
    if not told:
        why = _whose(python.kind, prefix, externally_managed=python.externally_managed)
        if why is not None:
            return UserError(why, f"{BESIDE}\n{TOLD}")
    return _access(prefix, told) or _leads_out(prefix, python.site_dirs.value if isinstance(python.site_dirs, Known) else ())


def _whose(kind: str, prefix: str, *, externally_managed: bool) -> str | None:
    if externally_managed:
        return f"the Python in {prefix} is managed by its system (its EXTERNALLY-MANAGED file says so, PEP 668)"
    if kind == "conda" and any(
        os.path.lexists(os.path.join(prefix, name)) for name in ("condabin", "bin/conda", "pkgs/urls.txt")
    ):
        return f"{prefix} is the base of a conda installation, from which all its environments hang"
    if kind == "system":
        return f"{prefix} is no virtual environment but a whole Python, which other environments and programs may use"
    return None


def _access(prefix: str, told: bool) -> UserError | None:
    if os.statvfs(prefix).f_flag & os.ST_RDONLY:
        return UserError(f"{prefix} lies on a file system that is mounted read-only", BESIDE)
    owner = os.stat(prefix).st_uid
    if owner != os.geteuid() and os.geteuid() == 0 and not told:
        what = f"{prefix} belongs to user {owner}, and you are root: what root installs there that user could not change any more"
        return UserError(what, f"Run envdoctor as that user.\n{TOLD}")
    if not os.access(prefix, os.W_OK | os.X_OK):
        return UserError(
            f"{prefix} belongs to user {owner}, and you may not write to it", f"Run envdoctor as that user.\n{BESIDE}"
        )
    return None


def _leads_out(prefix: str, sites: tuple[str, ...]) -> UserError | None:
    """A link inside that leads out: what is changed behind it would be in no snapshot."""
    for site in sites:
        path = os.path.normpath(os.path.expanduser(site))
        real = os.path.realpath(path)
        inside = os.path.realpath(os.path.dirname(prefix)) and (path + "/").startswith(prefix + "/")
        if inside and not real.startswith(prefix + "/"):
            return UserError(f"{path} is a link that leads to {real}, out of the environment", BESIDE)
        if inside and os.path.isdir(real) and not os.access(real, os.W_OK | os.X_OK):
            return UserError(f"you may not write to {path}", f"Who owns it must run this.\n{BESIDE}")
    return None
