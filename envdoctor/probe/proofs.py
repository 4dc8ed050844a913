"""A quick proof that a module defines a name: by its text, without a syntax tree.

What it proves is so; what it cannot prove is for exporting.py to decide. Column 0 is where unconditional code stands.
"""

import re

from . import lazyexports
from .sourcetree import SOURCE
from .takes import COMMENT, NAMES

IMPORTED = re.compile(rb"^from[ \t]+[\w.]+[ \t]+import[ \t]*" + NAMES, re.M)
STRUCTURE_END = re.compile(rb"^if (?:typing\.)?TYPE_CHECKING", re.M)
TABLE_START = re.compile(rb"^_?\w*import_structure[^\n=]*=[ \t]*\{", re.M)
FIRST_FILES = ("modeling_", "configuration_", "processing_", "tokenization_", "image_processing_", "feature_extraction_")
MAX_GUESSES = 6
FIELDS = re.compile(rb"Struct|dataclass|BaseModel|NamedTuple")
NO_PARAMETER = re.compile(rb"ClassVar|init[ \t]*=[ \t]*False|\($")


class Prover:
    """Proofs about one exporter."""

    def __init__(self, exporter):
        self.exporter = exporter
        self._imported = {}
        self._texts = {}
        self._folders = None

    def proves(self, module, name):
        """Whether the module surely has what is asked for, in the notation of importing.py."""
        if name.endswith(")"):
            called, _, keyword = name[:-1].partition("(")
            return self._accepts(module, called, keyword)
        if "." in name:
            return self._member(module, *name.split(".", 1))
        return self._defines(module, name)

    def _text(self, path):
        if path not in self._texts:
            self._texts[path] = self.exporter.text(path)
        return self._texts[path]

    def _defines(self, module, name):
        place = self.exporter.place(module)
        if place is None or place[0] == "compiled":
            return False
        if not name or (place[0] != "module" and self.exporter.place(module + "." + name) is not None):
            return True
        if place[0] == "namespace":
            return False
        text = self._text(place[1])
        if b"_LazyModule(" in text:
            return self._lists(module, place[1], text, name)
        return self._binds(place[1], text, name.encode())

    def _binds(self, path, text, name):
        """Whether a line at column 0 binds the name, and none removes it."""
        if b"\ndel " in text:
            return False
        for start in (b"\nclass ", b"\ndef ", b"\nasync def "):
            at = text.find(start + name)
            while at >= 0:
                after = text[at + len(start) + len(name) : at + len(start) + len(name) + 1]
                if not (after.isalnum() or after == b"_") and outside(text, at + 1):
                    return True
                at = text.find(start + name, at + 1)
        for found in re.finditer(rb"^%s[ \t]*(?::[^=\n]+)?=(?!=)" % name, text, re.M):
            if outside(text, found.start()):
                return True
        if path not in self._imported:
            names = {}
            for found in IMPORTED.finditer(text):
                for part in COMMENT.sub(b"", found.group(1)).replace(b"\\", b" ").strip(b"() \t\r\n;").split(b","):
                    words = part.split()
                    if len(words) in (1, 3):
                        names.setdefault(words[-1], found.start())
            self._imported[path] = names
        at = self._imported[path].get(name)
        return at is not None and outside(text, at)

    def _lists(self, module, path, text, name):
        """Whether the import structure of a lazy module lists the name, or a file under the folders it scans exports it."""
        start, end = TABLE_START.search(text), STRUCTURE_END.search(text)
        if start is not None and end is not None:
            quoted = rb"[\[,({ \t\n][\"']%s[\"'][ \t]*[,\])\n]" % name.encode()
            if re.compile(quoted).search(text, start.start(), end.start()) is not None:
                return True
        if b'define_import_structure(Path(__file__).parent / "models"' in text:
            return self._in_models(path.rpartition("/")[0] + "/models", name)
        return False

    def _in_models(self, folder, name):
        """Whether a file of the likeliest of the models' folders exports the name."""
        if self._folders is None:
            self._folders = [one for one in self.exporter.listing(folder) if "." not in one]
        plain = name.lower().replace("_", "")
        likely = [one for one in self._folders if plain.startswith(one.replace("_", ""))]
        likely += [one for one in ("auto",) if one in self._folders and one not in likely]
        for one in sorted(likely, key=len, reverse=True)[:MAX_GUESSES]:
            for file in sorted(self.exporter.listing(folder + "/" + one)):
                if file.endswith(SOURCE) and file.startswith(FIRST_FILES):
                    text = self._text("%s/%s/%s" % (folder, one, file))
                    if name.encode() in text and name in lazyexports.exported(text):
                        return True
        return False

    def _block(self, module, name):
        """(the line above, the text, whether it is a class) of the one class or function of that name at column 0; or None."""
        place = self.exporter.place(module)
        if place is None or place[0] not in ("module", "package"):
            return None
        text = self._text(place[1])
        for start in (b"\nclass ", b"\ndef "):
            found = list(re.finditer(start + re.escape(name.encode()) + rb"\b", text))
            if len(found) == 1 and outside(text, found[0].start() + 1):
                at = found[0].start()
                end = re.compile(rb"\n[^\s#)\]}]").search(text, found[0].end())
                return text[text.rfind(b"\n", 0, at) + 1 : at], text[at : end.start() if end else len(text)], start == b"\nclass "
        return None

    def _accepts(self, module, name, keyword):
        block = self._block(module, name)
        if block is None:
            return False
        above, text, is_class = block
        word = re.escape(keyword.encode())
        if is_class:
            made = text.count(b"\n    def __init__(")
            if not made:
                # the constructor is made from the annotated fields
                head = above + text[: text.find(b":\n") + 1]
                found = re.search(rb"\n    %s[ \t]*:([^\n]*)" % word, text)
                if found is None or FIELDS.search(head) is None or b"\n    def __new__(" in text:
                    return False
                return not NO_PARAMETER.search(found.group(1)) and outside(text, found.start() + 1)
            if made > 1:
                return False
            text = text[text.find(b"\n    def __init__(") :]
        header = text[: signature_end(text)]
        return re.search(rb"[(,\n][ \t\r\n]*%s[ \t]*[:=,)\n]" % word, COMMENT.sub(b"", header)) is not None

    def _member(self, module, name, attribute):
        block = self._block(module, name)
        if block is None or not block[2]:
            return False
        word = re.escape(attribute.encode())
        found = re.search(rb"\n    (?:(?:async )?def %s\(|%s[ \t]*=)" % (word, word), block[1])
        return found is not None and outside(block[1], found.start() + 1)


def outside(text, at):
    """Whether a place lies outside of all strings that span lines, by their quotes before it."""
    return text.count(b'"""', 0, at) % 2 == 0 and text.count(b"'''", 0, at) % 2 == 0


def signature_end(text):
    """Where the brackets of the first ``def`` of a text close."""
    from .takes import TOKEN

    start, depth = text.find(b"("), 0
    for token in TOKEN.finditer(text, start, start + 40000):
        first = text[token.start()]
        if token.group(1) is None and first in b"([{":
            depth += 1
        elif token.group(1) is None and first in b")]}":
            depth -= 1
            if not depth:
                return token.end()
    return start


