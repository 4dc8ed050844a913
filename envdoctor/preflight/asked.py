"""What a preflight is asked for, read from the words of the command line: requirements, a price, reports. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from envdoctor.errors import UserError
from envdoctor.preflight.outcome import Price
from envdoctor.views import normalized
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.specifiers import SpecifierSet

VIRTUAL = {"driver": "__driver", "cuda": "__cuda", "glibc": "__glibc", "python": "__python"}
"""Words of --require that are no packages, but for gpu, which counts."""
GPU = "gpu"
PRICE = re.compile(
    r"(?P<before>[^\d\s.,/+-]{0,3})\s*(?P<number>\d{1,7}(?:\.\d{1,4})?)\s*(?P<after>[A-Z]{3})?\s*/?\s*(?P<unit>\w+)?"
)
PER_HOUR = {"h": 1.0, "hour": 1.0, "min": 60.0, "m": 60.0, "s": 3600.0, "day": 1 / 24, "d": 1 / 24}


class Required(NamedTuple):
    """One thing that must be there."""

    name: str
    """gpu, a word of VIRTUAL, or a normalized distribution name."""
    specifier: SpecifierSet
    """Of its version; of gpu: of how many there are. Empty: any."""
    text: str
    """As it was written."""


def requirements(words: Iterable[str]) -> tuple[Required, ...]:
    """Read "gpu>=8,trl,vllm==0.33.0,driver>=550", perhaps over several options.

    Raises:
        UserError: one that is none.
    """
    found = []
    for text in (part.strip() for word in words for part in re.split(r",(?![^\[]*\])(?=\s*[A-Za-z])", word)):
        try:
            read = Requirement(text)
        except InvalidRequirement as error:
            hint = "Name what must be there, by comma: --require gpu,trl,vllm or --require 'gpu>=8,driver>=550,vllm==0.33.0'"
            raise UserError(f"--require {text!r} is no requirement", hint) from error
        if read.url or read.marker or read.extras:
            raise UserError(f"--require {text!r} has more than a name and versions", "Write it as NAME or NAME>=VERSION.")
        found.append(Required(normalized(read.name), read.specifier, text))
    return tuple(found)


def price(text: str | None) -> Price | None:
    """Read "24/h", "$24/h", "0.40/min", "24 EUR/h"; a plain number is by the hour.

    Raises:
        UserError: it is none.
    """
    if text is None:
        return None
    match = PRICE.fullmatch(text.strip())
    unit = (match["unit"] or "h").lower() if match else ""
    if match is None or unit not in PER_HOUR:
        raise UserError(f"--price {text!r} is no price", "Write what the node costs: --price 24/h, '$24/h' or '0.40 EUR/min'.")
    currency = match["before"].strip() or match["after"] or "$"
    return Price(per_hour=float(match["number"]) * PER_HOUR[unit], currency=currency)


def reports(words: Iterable[str], formats: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Read "junit=a.xml"; gives each format with its file, "-" for standard output.

    Raises:
        UserError: no such format, no file, or two for standard output.
    """
    known = tuple(formats)
    found = []
    for word in words:
        form, sign, place = word.partition("=")
        if form not in known:
            raise UserError(f"--report {word!r}: there is no format {form!r}", nearest(form, known))
        if not sign or not place:
            raise UserError(f"--report {word!r} names no file", f"Write --report {form}=FILE, or {form}=- for standard output.")
        found.append((form, place))
    if sum(place == "-" for _, place in found) > 1:
        raise UserError("two reports are for standard output", "Give all but one of them a file: --report FORMAT=FILE")
    return tuple(found)
