"""Known error texts in a pasted text: lines -> quotes, the likeliest root cause first.

Lines are looked through in blocks: a block in which none of a signature's words stands costs one search a word. What terminals
and programs broke over several lines is read together where a word stands and its pattern does not match. Work is bounded for
each signature, so that a hostile text cannot make it more than linear.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from envdoctor.causes import HARMLESS
from envdoctor.mangled import read as read_symbol
from envdoctor.pasted import Quote
from envdoctor.quoting import UNNAMED, role
from envdoctor.signatures import MAX_LINE, compiled, harmless_texts, values_in
from envdoctor.sources.pasted.causes import JUDGES, whole_symbol
from envdoctor.sources.pasted.packages import root
from envdoctor.sources.pasted.sides import Sides, Standing
from envdoctor.sources.pasted.surroundings import About, Around, only_spoken_of
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envdoctor.signatures import Compiled


class Line(Protocol):
    """A cleaned line."""

    @property
    def number(self) -> int:
        """1-based, in the text as it was given."""

    @property
    def text(self) -> str:
        """Without prefixes and colours."""


BLOCK = 400
"""Lines that are searched for a word at once."""
MAX_MATCHES = 40
MAX_TRIED = 2_000_000
"""Of one signature: what matches more often, or has its words in so many characters of lines, is not looked for any longer."""
MAX_QUOTES = 40
SHOWN = 600
BEFORE = 200
LEAD = 1500
"""Of a line longer than is read, what is read before a word."""
TOGETHER = 3
"""Lines that are read as one."""
WRAPPED_LINES = 50_000
"""In a text of more lines no word is looked for that a terminal broke: it is a log, and not copied from one."""
SEAM = 80


class _Found(NamedTuple):
    at: int
    one: Compiled
    values: dict[str, str]
    text: str


def quotes(lines: Sequence[Line], sides: Sides | None = None) -> tuple[Quote, ...]:
    """Known error texts, the likeliest root cause first.

    Causes go before symptoms, and these before what only says that something else failed. Among equals the exception that ended
    something goes before other lines, and these before warnings; then what names a cause; then the earlier.

    Args:
        lines: the cleaned lines of a text.
        sides: what the tables of names say of the releases in it.
    """
    texts = [line.text for line in lines]
    about = About(texts, sides or Sides())
    ranked = []
    for found in _found(texts):
        quote = _quote(found, lines, texts, about)
        if quote is not None:
            ranked.append((-quote.depth, role(found.text), quote.cause is None, found.at, quote))
    ranked.sort(key=lambda entry: entry[:4])
    ranked = [
        *(entry for entry in ranked if _limits(entry[-1], ranked)),
        *(entry for entry in ranked if not _limits(entry[-1], ranked)),
    ]
    kept: list[Quote] = []
    seen: set[tuple[object, ...]] = set()
    for *_, quote in ranked:
        # one cause a line, and one line a cause with the same words
        keys = ((quote.line, quote.cause), (quote.signature, quote.cause, *sorted(quote.values.items())))
        if seen.isdisjoint(keys):
            kept.append(quote)
        seen.update(keys)
        if len(kept) == MAX_QUOTES:
            break
    return tuple(kept)


def _limits(quote: Quote, ranked: Sequence[tuple[int, int, bool, int, Quote]]) -> bool:
    """Whether it says why a release of a package was taken that lacks what another line asks for: Python allows no other."""
    package = normalized(quote.values.get("package", "")) if quote.cause == "python-version-unsupported" else ""
    return bool(package) and any(normalized(root(other.values.get("module", ""))) == package for *_, other in ranked)


def _quote(found: _Found, lines: Sequence[Line], texts: Sequence[str], about: About) -> Quote | None:
    signature = found.one.signature
    if only_spoken_of(found.text, signature.words):
        return None
    values, cause, depth = dict(found.values), signature.cause, signature.depth
    around = Around(texts, found.at)
    if signature.judge is not None:
        judged = JUDGES[signature.judge](values, around, about)
        if isinstance(judged, Standing):
            values |= judged.values
        cause = judged.cause if isinstance(judged, Standing) else judged
        if cause == HARMLESS:
            return None
        if cause is None:
            depth = min(depth, 1)
    if "symbol" in values:
        symbol = read_symbol(whole_symbol(values["symbol"], around))
        values |= {"function": symbol.name, "side": symbol.side} | ({"strings": symbol.strings} if symbol.strings else {})
    if "symbol" in values or signature.judge in UNNAMED:
        package = around.package()
        if package is not None:
            values["package"] = package
    return Quote(
        signature=signature.id,
        cause=cause,
        depth=depth,
        line=lines[found.at].number,
        text=found.text.strip()[:SHOWN],
        values=values,
    )


def _found(texts: Sequence[str]) -> Iterator[_Found]:
    """Matches of all signatures, block by block."""
    quiet = tuple(row.text for row in harmless_texts())
    asking: dict[str, list[Compiled]] = {}
    for one in compiled():
        for word in one.signature.words:
            asking.setdefault(word, []).append(one)
    budget = _Budget()
    wrapped = len(texts) <= WRAPPED_LINES
    for start in range(0, len(texts), BLOCK):
        block = texts[start : start + BLOCK]
        words = _words(asking, block, wrapped=wrapped)
        for at in range(start, start + len(block) if words else start):
            here = [word for word in words if word in texts[at] or (wrapped and _broken(word, texts, at))]
            if here and not any(text in texts[at] for text in quiet):
                asked = {one.signature.id: word for word in reversed(here) for one in asking[word]}
                yield from budget.spent_on(asked, texts, at)


def _words(asking: Iterable[str], block: Sequence[str], *, wrapped: bool) -> list[str]:
    """The words that stand in a block, or that a terminal may have broken in it."""
    joined = "\n".join(block)
    if wrapped:
        bare = [line.strip() for line in block]
        joined = "\n".join((joined, "".join(bare), " ".join(bare)))
    return [word for word in asking if word in joined]


class _Budget:
    """How much each signature may still cost."""

    def __init__(self) -> None:
        self.matches, self.tried = Counter[str](), Counter[str]()
        self.place = {one.signature.id: (place, one) for place, one in enumerate(compiled())}

    def spent_on(self, asked: Mapping[str, str], texts: Sequence[str], at: int) -> Iterator[_Found]:
        """Matches of a line, in the order of the tables: of signatures that have something left, by a word of each."""
        for _, one in sorted((self.place[key] for key in asked), key=lambda entry: entry[0]):
            key = one.signature.id
            if self.matches[key] < MAX_MATCHES and self.tried[key] < MAX_TRIED:
                self.tried[key] += min(len(texts[at]), MAX_LINE)
                found = _match(one, asked[key], texts, at)
                if found is not None:
                    self.matches[key] += 1
                    yield found


def _broken(word: str, texts: Sequence[str], at: int) -> bool:
    """Whether a word begins on a line and ends on the next."""
    if at + 1 >= len(texts):
        return False
    tail, head = texts[at].rstrip()[-SEAM:], texts[at + 1].lstrip()[:SEAM]
    return bool(tail and head) and word not in head and (word in tail + head or word in f"{tail} {head}")


def _match(one: Compiled, word: str, texts: Sequence[str], at: int) -> _Found | None:
    """What a signature makes of a line, alone or with the next ones that it may run on to."""
    line = _window(texts[at], word)
    values = values_in(one, line)
    if values is not None:
        return _Found(at, one, values, _shown(line, word))
    whole, spaced = texts[at].rstrip()[-LEAD:], texts[at].rstrip()[-LEAD:]
    for place in range(at + 1, min(at + TOGETHER, len(texts))):
        more = texts[place].strip(" │|")[:MAX_LINE]
        if not more or more.startswith(("File ", "Traceback", "[[", "---", "===")):
            return None
        whole, spaced = whole + more, f"{spaced} {more}"
        for text in (whole, spaced):
            values = values_in(one, text[:MAX_LINE])
            if values is not None:
                return _Found(at, one, values, text[:MAX_LINE])
    return None


def _shown(line: str, word: str) -> str:
    """What is shown of a line: all of it, or from a little before a word that stands far inside."""
    place = line.find(word)
    return line if place < SHOWN - BEFORE else line[place - BEFORE :]


def _window(line: str, word: str) -> str:
    """The part of a line that is read: all of it, or what stands around a word."""
    if len(line) <= MAX_LINE:
        return line
    start = max(0, line.find(word) - LEAD)
    return line[start : start + MAX_LINE]
