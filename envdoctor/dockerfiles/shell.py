"""The simple commands of a shell text, in order, each with where it stands and on which condition it runs. Pure.

Not a shell: it knows enough of sh to tell words, quotes, separators, redirections, branches and substitutions apart, and where it
does not know it says so by leaving ``$`` in a word. Nothing is executed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from envdoctor.dockerfiles.parser import heredoc_openings

SEPARATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "\n")
OPENERS = ("if", "for", "while", "until", "case")
CLOSERS = ("fi", "done", "esac")
SKIPPED = ("then", "else", "elif", "do", "!", "{", "}", "time", "exec", "function")
MAX_DEPTH = 5
MAX_COMMANDS = 5000
_REDIRECT = re.compile(r"(?:[0-9]+|&)?(?:<<<|<>|>>|>\||>&|<&|>|<)")
_ASSIGNS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")


class Word(NamedTuple):
    """A word without its quotes. ``plain``: nothing in it was quoted or escaped."""

    text: str
    offset: int
    plain: bool


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A simple command: its words, the assignments before it, where it stands and how it hangs together with others."""

    words: tuple[Word, ...]
    assigns: tuple[str, ...] = ()
    """"NAME=value" before the words."""
    redirects: tuple[tuple[str, str], ...] = ()
    """Operator and target: (">", "/dev/null")."""
    arms: tuple[str, ...] = ()
    """Which branches it is in, outermost first: empty if it always runs."""
    condition: bool = False
    """Whether it stands between "if" and "then", or after "!": its failure is an answer."""
    before: str = ""
    """The separator before it: "&&", "||", ";", "|", "" at the start."""
    after: str = ""
    offset: int = 0

    @property
    def argv(self) -> tuple[str, ...]:
        """The texts of the words."""
        return tuple(word.text for word in self.words)


def commands(text: str) -> list[Command]:
    """Split a shell text. Offsets count in ``text``."""
    return _Splitter(text).split()


class _Splitter:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.done: list[Command] = []
        self.words: list[Word] = []
        self.assigns: list[str] = []
        self.redirects: list[tuple[str, str]] = []
        self.before = ""
        self.branches: list[list[int]] = []
        self.negated = False
        self.fallback: int | None = None
        self.numbers = 0
        self.pending: list[re.Match[str]] = []

    def split(self) -> list[Command]:
        while self.at < len(self.text) and len(self.done) < MAX_COMMANDS:
            char = self.text[self.at]
            if char in " \t\r":
                self.at += 1
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] == "\n":
                self.at += 2
            elif char == "#" and self._at_word_start():
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif char in "()":
                self._end(";")
                self.at += 1
            elif self._separator() or self._redirect():
                continue
            else:
                self._take_word()
        self._end("")
        return self.done

    def _at_word_start(self) -> bool:
        return self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"

    def _separator(self) -> bool:
        if self.text.startswith("&>", self.at):
            return False
        for one in SEPARATORS:
            if self.text.startswith(one, self.at):
                self.at += len(one)
                self._end(";" if one in {"\n", ";;"} else one)
                if one == ";;" and self.branches:
                    self.branches[-1][1] += 1
                if one == "\n" and self.pending:
                    self._skip_heredocs()
                return True
        return False

    def _redirect(self) -> bool:
        openings = heredoc_openings(self.text[self.at : self.at + 200]) if self.text[self.at] in "<0123456789" else []
        if openings and openings[0].start() == 0:
            self.pending.append(openings[0])
            self.redirects.append(("<<", openings[0][2] or openings[0][3] or openings[0][4]))
            self.at += openings[0].end()
            return True
        found = _REDIRECT.match(self.text, self.at)
        if found is None or self.text.startswith(("<(", ">("), self.at):
            return False
        self.at = found.end()
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        target = (
            self._word() if self.at < len(self.text) and self.text[self.at] not in "\n;|()" else Word("", self.at, plain=True)
        )
        self.redirects.append((found.group().lstrip("0123456789&"), target.text))
        return True

    def _skip_heredocs(self) -> None:
        for opening in self.pending:
            name = opening[2] or opening[3] or opening[4]
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = min(end + 1, len(self.text))
                if (line.lstrip("\t") if opening[1] else line) == name:
                    break
        self.pending = []

    def _take_word(self) -> None:
        word = self._word()
        if not self.words and not self.assigns and word.plain and self._keyword(word.text):
            return
        if not self.words and _ASSIGNS.match(word.text) and word.text[0] not in "\"'":
            self.assigns.append(word.text)
            return
        self.words.append(word)

    def _keyword(self, text: str) -> bool:
        """Follow the words that open, part and close branches."""
        if text in OPENERS:
            self.numbers += 1
            self.branches.append([self.numbers, int(text == "case")])
            return text in {"if", "while", "until"}
        if text in {"then", "else", "elif", "do"} and self.branches:
            self.branches[-1][1] += 1
        if text in CLOSERS:
            if self.branches:
                self.branches.pop()
            return False
        self.negated = self.negated or text == "!"
        return text in SKIPPED

    def _arms(self) -> tuple[str, ...]:
        # what stands between "if" and "then" always runs; each "then" and "else" is an arm of its own
        inside = [f"{number}.{arm}" for number, arm in self.branches if arm]
        if self.fallback is not None:
            inside.append(f"or{self.fallback}")
        return tuple(inside)

    def _end(self, separator: str) -> None:
        if self.words or self.assigns or self.redirects:
            offset = self.words[0].offset if self.words else self.at
            self.done.append(
                Command(
                    words=tuple(self.words),
                    assigns=tuple(self.assigns),
                    redirects=tuple(self.redirects),
                    arms=self._arms(),
                    condition=self.negated or any(arm == 0 for _, arm in self.branches),
                    before=self.before,
                    after=separator,
                    offset=offset,
                )
            )
            self.before = separator
        if separator == "||":
            self.numbers += 1
            self.fallback = self.numbers
        elif separator in {";", "&&", ""}:
            self.fallback = None
        self.words, self.assigns, self.redirects = [], [], []
        self.negated = False

    def _word(self) -> Word:
        begin, parts, plain = self.at, [], True
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r\n;&|()<>":
                break
            if char == "\\":
                plain = False
                following = self.text[self.at + 1 : self.at + 2]
                parts.append("" if following == "\n" else following)
                self.at += 2
            elif char in "'\"":
                plain = False
                parts.append(self._quoted(char))
            elif char == "`" or self.text.startswith("$(", self.at):
                parts.append(self._substitution())
            elif self.text.startswith("${", self.at):
                end = _closing(self.text, self.at + 2, "{", "}")
                parts.append(self.text[self.at : end])
                self.at = end
            else:
                parts.append(char)
                self.at += 1
        if self.at == begin:
            self.at += 1  # a stray "<(" or ">("
        return Word("".join(parts), begin, plain)

    def _quoted(self, quote: str) -> str:
        self.at += 1
        parts = []
        while self.at < len(self.text) and self.text[self.at] != quote:
            if quote == '"' and self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2] in set('"\\$`\n'):
                following = self.text[self.at + 1]
                parts.append("" if following == "\n" else following)
                self.at += 2
            elif quote == '"' and (self.text.startswith("$(", self.at) or self.text[self.at] == "`"):
                parts.append(self._substitution())
            else:
                parts.append(self.text[self.at])
                self.at += 1
        self.at += 1
        return "".join(parts)

    def _substitution(self) -> str:
        """What a command substitution will give is not known: "$(...)" stands for it."""
        if self.text[self.at] == "`":
            end = self.text.find("`", self.at + 1)
            self.at = len(self.text) if end < 0 else end + 1
        else:
            self.at = _closing(self.text, self.at + 2, "(", ")")
        return "$(...)"


def _closing(text: str, at: int, opening: str, closing: str) -> int:
    """Behind the bracket that closes one opened before ``at``; quotes inside are stepped over."""
    depth, quote = 1, ""
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return len(text)
