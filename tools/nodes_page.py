"""The table of docs/nodes.md: which differences between nodes matter, generated from envdoctor/nodes/mattering.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.nodes.mattering import DEFAULTS, PACKAGES, TRAITS, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.nodes.mattering import Reason


def table() -> str:
    """The rows in Markdown, what matters first."""
    rows = sorted(_rows(), key=lambda one: not one[1].matters)
    lines = ["| what | matters | why | source |", "|---|---|---|---|"]
    lines += [f"| {what} | {'yes' if one.matters else 'no'} | {one.why} | {_source(one)} |" for what, one in rows]
    return "\n".join(lines) + "\n"


def _rows() -> Iterator[tuple[str, Reason]]:
    yield from TRAITS.items()
    for kind, patterns in (("package", PACKAGES), ("variable", VARIABLES)):
        for pattern, one in patterns:
            escaped = pattern.pattern.replace("|", r"\|")
            yield f"{kind} `{escaped}`", one
    yield from DEFAULTS.items()


def _source(one: Reason) -> str:
    where = one.source.where
    if not where.startswith("https://"):
        return where
    address, _, detail = where.partition(" ")
    return f"[{address.split('/')[2]}]({address}){f' {detail}' if detail else ''}"
