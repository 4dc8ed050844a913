"""What a user asks of the matrix, from words to values; wrong words get an error that says what to write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier

from envdoctor.claims import specifier
from envdoctor.errors import UserError
from envdoctor.stacks import ENGINE, TRAINERS, Asked
from envdoctor.suppose import known_in_claims, released_driver
from envdoctor.views import normalized, parsed
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.matrix import Matrix
    from envdoctor.rows import GpuProduct

MACHINE = ("driver", "gpu", "glibc", "python")
RANGED = (ENGINE, "torch", "transformers", *TRAINERS)
"""Packages that `matrix show` takes a range of."""
WHY_HINT = (
    "Write exact versions, and what is known of the machine: envdoctor matrix why vllm==0.33.0 trl==1.16.0 driver=535 gpu=h100"
)
_COUNT = re.compile(r"^[1-9]\d{0,2}x")
"""How many of a GPU: "8x" of "8xh100"."""
_WORD = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:===?|=)\s*([^\s=<>!~].*?)\s*")


def asked(matrix: Matrix, words: Mapping[str, str | None]) -> Asked:
    """The options of `matrix show`, checked.

    Raises:
        UserError: a GPU that is not in the data, no version where one is due, no range, or two trainers.
    """
    given = {name: value.strip() for name, value in words.items() if value is not None}
    for name in ("driver", "python", "glibc"):
        if name in given and parsed(given[name]) is None:
            raise UserError(f"--{name} {given[name]}: this is not a version", f"Write a number: --{name} {EXAMPLES[name]}")
    packages = {name: _range(name, given[name]) for name in RANGED if name in given}
    trainers = [name for name in TRAINERS if name in packages]
    if len(trainers) > 1:
        raise UserError(f"--{trainers[0]} and --{trainers[1]} together: a stack has one trainer", "Ask for one at a time.")
    return Asked(
        gpu=product(given["gpu"], matrix, f"--gpu {given['gpu']}") if "gpu" in given else None,
        driver=released_driver(given["driver"], matrix) if "driver" in given else None,
        python=given.get("python"),
        glibc=given.get("glibc"),
        packages=packages,
    )


EXAMPLES = {"driver": "535.161.08", "python": "3.11", "glibc": "2.31"}


def product(key: str, matrix: Matrix, said: str) -> GpuProduct:
    """A GPU by its key, "h100" or "8xh100"; ``said`` is as the user wrote it.

    Raises:
        UserError: names the nearest GPU that is in the data.
    """
    products = {row.key: row for row in matrix.gpu_products()}
    name = _COUNT.sub("", key.lower())
    if name not in products:
        raise UserError(f"{said}: this GPU is not in the data", nearest(name, products))
    return products[name]


def _range(name: str, text: str) -> str:
    spec = f"=={text}" if parsed(text) is not None else text
    try:
        specifier(spec)
    except InvalidSpecifier as error:
        hint = f"Write a version or a range of versions: --{name} 0.7.0 or --{name} '>=0.7,<0.8'"
        raise UserError(f"--{name} {text}: this is neither a version nor a range", hint) from error
    return spec


def wishes(matrix: Matrix, words: tuple[str, ...]) -> dict[str, str]:
    """The words of `matrix why`: "vllm==0.33.0" and "driver=535" as {"vllm": "0.33.0", "driver": "535"}.

    Raises:
        UserError: no word, one that names no exact version, a name that the data does not know, or one named twice.
    """
    found: dict[str, str] = {}
    for word in words:
        read = _WORD.fullmatch(word)
        if read is None:
            raise UserError(f"{word!r} names no exact version", WHY_HINT)
        name, value = normalized(read[1]), read[2]
        if name in found:
            raise UserError(f"{name} is named twice", WHY_HINT)
        if name == "gpu":
            product(value, matrix, repr(word))
        elif parsed(value) is None:
            raise UserError(f"{word!r}: {value!r} is not a version", WHY_HINT)
        elif name not in MACHINE and name not in known(matrix):
            raise UserError(f"{word!r}: the data knows no package {name}", nearest(name, known(matrix)))
        found[name] = value
    if not found:
        raise UserError("nothing was named", WHY_HINT)
    return found


def known(matrix: Matrix) -> set[str]:
    """The packages that the data speaks of."""
    subjects = set(matrix.subjects())
    return (
        subjects
        | set(matrix.packages())
        | {name for subject in subjects for name in known_in_claims(subject, matrix) if not name.startswith("__")}
    )
