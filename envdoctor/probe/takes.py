"""A quick look at what a file takes from other packages: by regular expressions, without a syntax tree.

It finds at least what importing.py finds (and also what stands in docstrings, or in code that never runs), so that a file
of which every name is proven to be there needs no second look.
"""

import keyword
import re

IDENTIFIER = re.compile(rb"[A-Za-z_]\w*$")
COMMENT = re.compile(rb"#[^\n]*")
NAMES = rb"(\([^)]*\)|(?:[^\n\\]|\\\r?\n)*)"
# what of a call is neither a bracket nor a string nor a comment is passed over; a keyword counts in the outer brackets only
TOKEN = re.compile(
    rb"\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*"
    rb"|[(\[{]|[)\]}]|\b([A-Za-z_]\w*)[ \t]*=(?!=)",
    re.S,
)
# no blanks around a dot: prose has them ("in transformers. Fixed in 5.1"), code does not
AFTER = re.compile(rb"((?:\.[A-Za-z_]\w*)*)[ \t]*(\(|=(?!=))?")
SET_NAME = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*[\"'](\w+)[\"']")
ENDS = frozenset(bytes([one]) for one in range(256) if not (chr(one).isalnum() and one < 128) and one != 95) | {b""}
# no name of code stands right behind these: an attribute, the text of a string, markup, an address
NEVER_BEFORE = (b"_", b".", b"'", b'"', b"`", b"/")
BLANKS = frozenset(b" \t")
LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
KEYWORDS = frozenset(keyword.kwlist) | {"match", "case", "type"}
MAX_CALL_BYTES = 20000
MAX_LINE_BYTES = 400
MAX_PLACES = 5000  # of one name in one file
MAX_CALLS = 400  # of one name in one file
IMPORTS_ONLY = (b"torch",)


class Search:
    """The regular expressions for some exporters (import names as bytes)."""

    def __init__(self, exporters):
        self.exporters = frozenset(exporters)
        # a literal start lets the regular expression skip at the speed of a plain search
        every = b"|".join(re.escape(one) + (rb"\." if one in IMPORTS_ONLY else rb"\b") for one in sorted(self.exporters))
        self.from_ = re.compile(rb"from[ \t]+(?:%s)" % every)
        self.import_ = re.compile(rb"import(?:_module\([ \t\r\n]*[\"']|[ \t]+(?:[\w.]+,[ \t]*)*)(?:%s)" % every)
        self.names = re.compile(rb"from[ \t]+((?:%s)[\w.]*)(?:[ \t]|\\\r?\n)+import[ \t]*%s" % (every, NAMES))
        self.modules = re.compile(rb"import[ \t]+([\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*)")
        self.literal = re.compile(rb"import_module\([ \t\r\n]*[\"']((?:%s)[\w.]*)[\"']" % every)

    def takes(self, data):
        """{(module, name)} in the notation of importing.py; empty when the file takes nothing."""
        if not any(one in data for one in self.exporters):
            return frozenset()
        froms, imports = self.from_.search(data) is not None, self.import_.search(data) is not None
        return Taken(self, data, froms, imports).found if froms or imports else frozenset()


class Taken:
    """What one file takes."""

    def __init__(self, search, data, froms, imports):
        self.data = data
        self.found = set()
        self.loaded = set()
        self.aliases = {}  # name: {(module, attribute)}
        for found in search.names.finditer(data) if froms else ():
            # a statement begins its line, or stands behind ":" or ";"; the examples of docstrings stand behind ">>>"
            before = data[data.rfind(b"\n", 0, found.start()) + 1 : found.start()].strip()
            if not before or before.endswith((b":", b";")):
                self._from(*found.groups())
        for line in search.modules.findall(data) if imports else ():
            for part in line.split(b","):
                words = part.split()
                if words and words[0].split(b".")[0] in search.exporters:
                    self.found.add((words[0], b""))
                    load(self.loaded, words[0])
                    name = words[2] if len(words) == 3 else words[0].split(b".")[0]
                    self.aliases.setdefault(name, set()).add((words[0] if len(words) == 3 else name, b""))
        if imports and b"import_module(" in data:
            self.found.update((module, b"") for module in search.literal.findall(data))
        for name, meanings in self.aliases.items():
            for module, attribute in meanings:
                if module.split(b".")[0] not in IMPORTS_ONLY:
                    self._used(name, module, attribute)
        self.found = frozenset(
            (module.decode("ascii", "replace"), name.decode("ascii", "replace")) for module, name in self.found
        )

    def _from(self, module, names):
        load(self.loaded, module)
        for part in COMMENT.sub(b"", names).replace(b"\\", b" ").strip(b"() \t\r\n;").split(b","):
            words = part.split()
            if words and words[0] == b"*":
                self.found.add((module, b""))
            elif words and IDENTIFIER.match(words[0]):
                self.found.add((module, words[0]))
                if len(words) == 1 or (len(words) == 3 and words[1] == b"as" and IDENTIFIER.match(words[2])):
                    self.aliases.setdefault(words[-1], set()).add((module, words[0]))

    def _used(self, name, module, attribute):
        """What is looked up in a name of the file, assigned in it, or given to it as a keyword."""
        data, calls, places, at = self.data, 0, 0, self.data.find(name)
        while at >= 0 and places < MAX_PLACES:
            places += 1
            end = at + len(name)
            before, after = data[at - 1 : at], data[end : end + 1]
            if (
                after in ENDS
                and before not in NEVER_BEFORE
                and not before.isalnum()
                and not commented(data, at)
                and not prose(data, at)
            ):
                found = AFTER.match(data, end)
                parts = [one.strip() for one in found.group(1).split(b".")[1:]]
                where, parts = self._split(module, attribute, parts)
                if parts:
                    self._looked(where, parts, found.group(2))
                    if found.group(2) == b"(" and len(parts) == 1 and calls < MAX_CALLS:
                        calls += 1
                        self.found.update((where, b"%s(%s)" % (parts[0], word)) for word in keywords(data, found.end()))
                    if data[max(0, at - 200) : at].rstrip().endswith(b"setattr(") and len(parts) == 1:
                        literal = SET_NAME.match(data, found.end(1))
                        if literal is not None:
                            self.found.add((where, parts[0] + b"." + literal.group(1)))
            at = data.find(name, end)

    def _split(self, module, attribute, parts):
        """(module, the names left) of a chain, as far as the file has loaded modules."""
        parts = [attribute, *parts] if attribute else parts
        while parts and module + b"." + parts[0] in self.loaded:
            module += b"." + parts.pop(0)
        if attribute and len(parts) > 1 and parts[0] == attribute and not attribute.lstrip(b"_")[:1].isupper():
            module += b"." + parts.pop(0)
        return module, parts

    def _looked(self, module, parts, sign):
        self.found.add((module, parts[0]))
        if sign == b"=" and len(parts) == 2 and parts[0].lstrip(b"_")[:1].isupper():
            self.found.add((module, parts[0] + b"." + parts[1]))


def commented(data, at):
    """Whether a place stands on a line that is a comment."""
    start = data.rfind(b"\n", max(0, at - MAX_LINE_BYTES), at)
    return data[start + 1 : at].lstrip()[:1] == b"#" if start >= 0 else False


def prose(data, at):
    """Whether a word that is no keyword stands right before: code never puts two names side by side, docstrings do."""
    if data[at - 1 : at] not in (b" ", b"\t"):
        return False
    end = at
    while end and data[end - 1] in BLANKS:
        end -= 1
    start = end
    while start and data[start - 1] in LETTERS:
        start -= 1
    word = data[start:end].decode("ascii")
    return word != "" and not word[0].isdigit() and word not in KEYWORDS


def load(loaded, module):
    """Note that an import has loaded the module and those above it."""
    while module and module not in loaded:
        loaded.add(module)
        module = module.rpartition(b".")[0]


def keywords(data, start):
    """Names of the keyword arguments of a call whose bracket opens before ``start``."""
    depth, found = 1, []
    for token in TOKEN.finditer(data, start, start + MAX_CALL_BYTES):
        first = data[token.start()]
        if token.group(1) is not None:
            if depth == 1:
                found.append(token.group(1))
        elif first in b"([{":
            depth += 1
        elif first in b")]}":
            depth -= 1
            if not depth:
                break
    return found
