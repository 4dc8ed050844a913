"""docs/causes.md: every slug with its meaning, how it looks, what mends it and what finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.glossary import causes
from envdoctor.signatures import SYMPTOM, signatures
from envdoctor.sources.pasted.errors import quotes
from envdoctor.sources.pasted.text import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.signatures import Signature

HEAD = """# Causes

Generated from `envdoctor/data/causes.toml` and `envdoctor/data/signatures` by `make docs`. Every diagnosis carries one of these
slugs as `cause`, in each format: stable, for counting and for machines. `envdoctor explain SLUG` prints a row, and what `healthy`
and `too-little` mean, which `envdoctor triage` prints where there is no cause. "Looks like" is a line of a program by which a
pasted report or a run is recognised; where a text can have several causes, the lines and versions around it decide.

"""
MOST = 2
MAX_LINE = 160


def page() -> str:
    """The whole page."""
    texts: dict[str, list[Signature]] = {}
    for signature in signatures():
        for cause in told(signature):
            texts.setdefault(cause, []).append(signature)
    return HEAD + "\n".join(line for slug in causes() for line in section(slug, texts.get(slug, ()))) + "\n"


def told(signature: Signature) -> tuple[str, ...]:
    """The cause that a text names; of one whose surroundings decide, the cause of its example alone."""
    if signature.cause is not None:
        return (signature.cause,)
    found = (one.cause for one in quotes(cleaned(signature.example.encode())) if one.signature == signature.id)
    return tuple(dict.fromkeys(cause for cause in found if cause))


def section(slug: str, texts: list[Signature] | tuple[Signature, ...]) -> Iterator[str]:
    """One slug."""
    one = causes()[slug]
    yield f"## {slug}\n"
    yield f"{one.means}\n"
    surest = sorted(texts, key=lambda text: text.depth == SYMPTOM)
    for text in surest[:MOST]:
        line = " ".join(text.example.split())
        yield f"- looks like: `{line if len(line) <= MAX_LINE else line[: MAX_LINE - 3] + '...'}`"
    yield f"- mended by: {one.mends}"
    found = [f"[{code}](rules/{code}.md)" for code in one.rules]
    if found:
        yield f"- rules: {' '.join(found)}"
    if texts:
        yield f"- texts: {', '.join(f'`{text.id}`' for text in texts)}"
    yield ""
