"""What ``--keep`` says: exact versions by name. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.asking import known
from envdoctor.errors import UserError
from envdoctor.findings import Change, Kind
from envdoctor.prescribe import safe
from envdoctor.views import distributions, normalized, parsed
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

HINT = "Write --keep vllm==0.7.0, or --keep vllm for the version that is installed."
MACHINE = ("driver", "gpu", "glibc", "python")


def keeping(words: tuple[str, ...], facts: Facts, matrix: Matrix) -> dict[str, str]:
    """Exact versions by normalized name, in the order in which they were said.

    Raises:
        UserError: no exact version, a package that nobody knows, or one named twice.
    """
    present = distributions(facts)
    found: dict[str, str] = {}
    for word in words:
        raw, sign, version = (part.strip() for part in word.partition("=="))
        name = normalized(raw)
        if name in MACHINE:
            raise UserError(f"--keep {word!r}: the {name} is always kept", "To plan for another one: --suppose driver=580.65.06")
        if not safe(Change(kind=Kind.INSTALL, says="", install={raw: ""})) or (sign and parsed(version) is None):
            raise UserError(f"--keep {word!r} is neither a package nor a package with an exact version", HINT)
        if name in found:
            raise UserError(f"--keep {name} is given twice", "Give each package once.")
        if not sign and name not in present:
            what = f"--keep {word!r}: {name} is not installed, so there is no version to keep"
            raise UserError(what, f"{nearest(name, present)} {HINT}" if present else HINT)
        if name not in present and name not in known(matrix):
            raise UserError(
                f"--keep {word!r}: {name} is neither installed nor in the data", f"{nearest(name, known(matrix))} {HINT}"
            )
        found[name] = version if sign else present[name].version
    return found
