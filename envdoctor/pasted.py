"""What a pasted report said: known error texts with the line they stand in, and which formats were found. Types only.

Decoded strictly like all facts. Lines are 1-based, in the text as it was given.
"""

from __future__ import annotations

from envdoctor.leaf import Part


class Quote(Part, frozen=True):
    """A known error text that stands in the report."""

    signature: str
    """Its id in data/signatures."""
    cause: str | None
    """Slug of docs/causes.md that it is evidence of; None: it only says that something failed, or no environment is at fault."""
    depth: int
    """0: it says that something else failed; 1: a symptom with several causes; 2: the cause itself."""
    line: int
    text: str
    """The line, without prefixes and colours, at most 600 characters."""
    values: dict[str, str]
    """Groups of the pattern and what was derived from them, by name."""


class Pasted(Part, frozen=True):
    """A report as it was read."""

    name: str
    """The file, or "standard input"."""
    lines: int
    formats: tuple[str, ...]
    """What was recognised in it, in the order in which it begins: "torch collect_env", "pip list", "nvidia-smi", "traceback"."""
    quotes: tuple[Quote, ...]
    """The likeliest root cause first."""
    complete_packages: bool
    """Whether a list of all packages is in it (pip list, freeze, conda list, not filtered): what it lacks is not installed."""
    asked_for_gpu: bool | None
    """What the report shows CUDA to have said ("Is CUDA available: True"); None where "No CUDA" stands for not probed."""
