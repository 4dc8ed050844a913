"""``saved:PATH``: facts recorded earlier, perhaps on another machine. Hostile input."""

from __future__ import annotations

import os

from envdoctor.errors import UserError
from envdoctor.facts import MAX_DOCUMENT_BYTES, BadDocument, Facts, decode
from envdoctor.files import read_file

FACTS_FILE = "facts.json"


def read(path: str) -> Facts:
    """Facts of a probe document, or of the folder that ``check --record`` wrote.

    Raises:
        UserError: the file cannot be read or is not a probe document of this version.
    """
    file = os.path.join(path, FACTS_FILE) if os.path.isdir(path) else path
    try:
        document = read_file(file, MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {error.strerror or error}",
            "Give the file that `envdoctor facts --output FILE` wrote, or the folder of `envdoctor check --record DIR`.",
        ) from error
    try:
        return decode(document)
    except BadDocument as bad:
        report = b'"diagnoses"' in document
        raise UserError(
            f"{file} is {'a report' if report else 'not a probe document'}: {bad}",
            "Give the facts.json beside it, or the folder."
            if report
            else "Record it again on its machine: envdoctor facts --output facts.json",
        ) from bad
