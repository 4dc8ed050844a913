"""A quick answer whether a module defines a name: by its text, without a syntax tree.

What it answers is so; None leaves it to exporting.py. Column 0 is where unconditional code stands.
"""

import re

from . import lazyexports
from .members import DEFINED, FIELD_BASES, MISSING, MODEL_BASES, PLAIN_BASES, PLAIN_DECORATORS, UNDECIDED
from .sourcetree import SOURCE
from .surface import IMPLICIT, absolute
from .takes import COMMENT, NAMES, TOKEN

# literal starts let regular expressions skip at the speed of a plain search
IMPORTED = re.compile(rb"\nfrom[ \t]+([\w.]+)[ \t]+import[ \t]*" + NAMES)
STRUCTURE_END = re.compile(rb"^if (?:typing\.)?TYPE_CHECKING", re.M)
STRUCTURE_START = re.compile(rb"^_?\w*import_structure[^\n=]*=[ \t]*\{", re.M)
STRUCTURE_KEY = re.compile(rb"[\"']([\w.]+)[\"'][ \t]*(?::|\](?:\.extend\(|\.append\(|[ \t]*=))[ \t]*\[?")
ASSIGNED = re.compile(rb"[ \t]*(?::[^=\n]+)?=(?!=)")
# an annotated field, up to the next statement of the class
FIELD = re.compile(rb"[ \t]*:((?:[^\n]|\n(?:        |    [)\]}]|[ \t]*\n))*)")
NO_PARAMETER = re.compile(rb"ClassVar|init[ \t]*=[ \t]*False")
CLASS_HEAD = re.compile(rb"\nclass \w+[ \t]*(?:\(([\w.,\s\[\]]*(?:=[ \t]*[\w.]+[,\s]*)*)\))?[ \t]*:")
DECORATOR = re.compile(rb"@([\w.]+)")
# signs of a module that may make names when it runs: more than surface.py takes for such
DYNAMIC = re.compile(
    rb"\bglobals\(|\bexec\(|\bsys\.modules\b|\bvars\(|\blocals\(|def __getattr__\((?!self)|import[ \t]*\(?[ \t]*\*"
)
TABLES = re.compile(rb"def __getattr__\((?!self)|import[ \t]*\(?[ \t]*\*")
LOOKED_UP = re.compile(rb"[ \t]*:[ \t]*[\"']([\w.]+):(\w+)[\"']")
PARAMETER_END = re.compile(rb"[ \t]*[:=,)\n]")
BLOCK_END = re.compile(rb"\n[^\s#)\]}]")
MAX_GUESSES = 6
MAX_HOPS = 8
MAX_POSITIONS = 400
MAX_STARS = 200
MAX_HEADER_BYTES = 40000


def assigned(text, word):
    """Where a name is assigned at column 0, or None."""
    for at in positions(text, b"\n" + word):
        if ASSIGNED.match(text, at + 1 + len(word)) is not None and outside(text, at + 1):
            return at
    return None


class Prover:
    """Proofs about one exporter."""

    def __init__(self, exporter):
        self.exporter = exporter
        self._texts = {}
        self._imports = {}
        self._structures = {}
        self._folders = None

    def answer(self, module, name):
        """defined, missing or undecided for what is asked in the notation of importing.py; None if the text does not tell."""
        if name.endswith(")"):
            called, _, keyword = name[:-1].partition("(")
            return self._accepts(module, called, keyword.encode())
        if "." in name:
            return self._member(module, *name.split(".", 1))
        return self._status(module, name)

    def text(self, path):
        """Bytes of a file, read once, behind a line break: its first line starts like any other. Empty if unreadable."""
        if path not in self._texts:
            found = self.exporter.text(path)
            self._texts[path] = b"\n" + found if found else b""
        return self._texts[path]

    # names

    def _status(self, module, name):
        place = self.exporter.place(module)
        if place is None:
            return None
        if not name:
            return DEFINED
        if place[0] == "compiled":
            return UNDECIDED
        if name in IMPLICIT:
            return DEFINED
        if place[0] != "module" and self.exporter.place(module + "." + name) is not None:
            return DEFINED
        if place[0] == "namespace":
            return None
        text, word = self.text(place[1]), name.encode()
        if self._find(module, place, text, word) is not None:
            return DEFINED
        if word not in text and place[0] == "module" and text and not lazy(text) and not DYNAMIC.search(text):
            return MISSING  # what stands nowhere in the text is bound by none of its statements
        return None

    def _find(self, module, place, text, word, seen=()):
        """Where the module gets the name from for sure: (kind, position or module); None if the text does not tell."""
        if lazy(text) and not (word.startswith(b"__") and assigned(text, word) is not None):
            return self._listed(module, place[1], text, word)
        if b"\ndel " in text:
            return None
        for start in (b"\nclass ", b"\ndef ", b"\nasync def "):
            for at in positions(text, start + word):
                if not wordy(text, at + len(start) + len(word)) and outside(text, at + 1):
                    return start.split()[0].decode(), at
        at = assigned(text, word)
        if at is not None:
            return "value", at
        names, stars = self._imported(module, place, text)
        if word in names:
            return "from", names[word]
        if stars and not word.startswith(b"_"):
            seen = seen or {module}
            for source in stars:
                there = self.exporter.place(source) if source not in seen else None
                if there is None or there[0] not in ("module", "package") or len(seen) > MAX_STARS:
                    continue
                seen.add(source)
                inner = self.text(there[1])
                if b"__all__" in inner and not re.search(rb"__all__[^\n]*=[ \t]*\[[^\]]*[\"']%s[\"']" % word, inner):
                    continue
                if self._find(source, there, inner, word, seen) is not None:
                    return "from", (source, word)
        return None

    def _imported(self, module, place, text):
        """({name: (module, name there)}, modules of star imports) of the imports at column 0."""
        if place[1] not in self._imports:
            names, stars = {}, []
            for found in IMPORTED.finditer(text):
                if not outside(text, found.start() + 1):
                    continue
                source = found.group(1).decode("ascii", "replace")
                bare = source.lstrip(".")
                source = absolute(module, place[0] == "package", bare or None, len(source) - len(bare))
                for part in listed(found.group(2)):
                    if part[0] == b"*" and source:
                        stars.append(source)
                    elif len(part) in (1, 3):
                        names[part[-1]] = (source, part[0])
            self._imports[place[1]] = names, stars
        return self._imports[place[1]]

    def _listed(self, module, path, text, word):
        """As _find, of a lazy module: its import structure lists the name, or a file under a folder that it scans exports it."""
        if path not in self._structures:
            start, end = STRUCTURE_START.search(text), STRUCTURE_END.search(text)
            self._structures[path] = None if start is None or end is None else (start.end(), end.start())
        if self._structures[path] is not None:
            for quote in (b'"', b"'"):
                for at in positions(text, quote + word + quote, *self._structures[path]):
                    listed_there = text[at - 1 : at] in b"[ \t\n" and text[at + len(word) + 2 : at + len(word) + 3] in b",]\n"
                    if listed_there or text[:at].endswith(b"].append("):
                        keys = STRUCTURE_KEY.findall(text, text.rfind(b"[", 0, at - 1) - 120, at)
                        return "from", (module + "." + keys[-1].decode() if keys else None, word)
        if b'define_import_structure(Path(__file__).parent / "models"' in text:
            source = self._in_models(path.rpartition("/")[0] + "/models", word.decode())
            return None if source is None else ("from", (source, word))
        return None

    def _in_models(self, folder, name):
        """The file of the likeliest of the models' folders that exports the name, as a module; None if there is none."""
        if self._folders is None:
            self._folders = {one.replace("_", ""): one for one in self.exporter.listing(folder) if "." not in one}
        plain = name.lower().replace("_", "")
        # the longest name of a folder that the name starts with is tried first, "auto" always
        likely = [self._folders[plain[:size]] for size in range(len(plain), 0, -1) if plain[:size] in self._folders]
        for one in [*likely[:MAX_GUESSES], *(["auto"] if "auto" in self._folders and "auto" not in likely else [])]:
            for file in sorted(self.exporter.listing(folder + "/" + one)):
                if file.endswith(SOURCE) and not file.startswith(lazyexports.SKIPPED) and file != "__init__.py":
                    path = "%s/%s/%s" % (folder, one, file)
                    text = self.text(path)
                    if name.encode() in text and name in lazyexports.exported(text):
                        return path[: -len(SOURCE)].replace("/", ".")
        return None

    # what is inside them

    def _block(self, module, word):
        """(decorators, the text, kind, module) of the one class or function at column 0 that the name means.

        None if the text does not tell; UNDECIDED if it is of another package, or defined under a condition only.
        """
        for _hop in range(MAX_HOPS):
            place = self.exporter.place(module) if module else None
            if place is None or place[0] not in ("module", "package"):
                return None
            text = self.text(place[1])
            found = self._find(module, place, text, word) or looked_up(module, place, text, word)
            if found is None:
                return self._elsewhere(text)
            kind, what = found
            if kind in ("class", "def"):
                start = b"%s %s" % (kind.encode(), word)
                if sum(not wordy(text, at + len(start)) and begins(text, at) for at in positions(text, start)) != 1:
                    return None
                end = BLOCK_END.search(text, what + 1 + len(start))
                block = text[what : end.start() if end else len(text)]
                return decorators(text, what), block, kind, module
            if kind != "from" or what[0] is None:
                return None
            module, word = what
            if module.split(".")[0] != self.exporter.package:
                return UNDECIDED
        return None

    def _elsewhere(self, text):
        """UNDECIDED for a name that nothing at column 0 binds: members.py follows no other; None where tables may give it."""
        return None if lazy(text) or not text or TABLES.search(text) else UNDECIDED

    def _accepts(self, module, name, keyword):
        block = self._block(module, name.encode())
        if block is None or block == UNDECIDED:
            return block
        above, text, kind, home = block
        if kind == "def":
            return parameter(text, keyword, above)
        by_fields, waiting, fields = False, [block], False
        for _base in range(MAX_HOPS):
            if not waiting:
                return None
            above, text, kind, home = waiting.pop(0)
            head = CLASS_HEAD.match(text)
            if kind != "class" or head is None or b"\n    def __new__(" in text or b"metaclass" in head.group(0):
                return None
            strange = [one for one in above if not one.endswith("dataclass") and one not in PLAIN_DECORATORS]
            by_fields = by_fields or any(one.endswith("dataclass") for one in above)
            bases = [one.strip() for one in (head.group(1) or b"").split(b",") if one.strip() and b"=" not in one]
            names = [one.split(b"[")[0].split(b".")[-1].decode() for one in bases]
            by_fields = by_fields or any(one in FIELD_BASES for one in names)
            made = positions(text, b"\n    def __init__(")
            if made:
                answer = parameter(text[made[0] :], keyword, decorators(text, made[0])) if len(made) == 1 else None
                # a decorator that may do anything: nothing can be found missing
                return UNDECIDED if strange and len(made) == 1 and answer != DEFINED else answer
            fields = fields or has_field(text, keyword)
            if fields and by_fields:
                return DEFINED
            if strange and b"dataclass" not in head.group(0):
                return UNDECIDED
            for base, one in zip(reversed(bases), reversed(names)):  # noqa: B905 - Python 3.8 has no strict
                if one in PLAIN_BASES | FIELD_BASES:
                    continue
                there = (
                    self._block(home, base) if base.decode("ascii", "replace").isidentifier() and one not in MODEL_BASES else None
                )
                if there is None or there == UNDECIDED:
                    return there if not waiting and len(bases) == 1 else None
                waiting.insert(0, there)
        return None

    def _member(self, module, name, attribute):
        block = self._block(module, name.encode())
        if block is None or block == UNDECIDED or block[2] != "class":
            return None
        text, word = block[1], attribute.encode()
        for start in (b"\n    def ", b"\n    async def "):
            for at in positions(text, start + word + b"("):
                if outside(text, at + 1):
                    return DEFINED
        return None


def parameter(text, keyword, above):
    """Whether the first ``def`` of a text takes the keyword; None if the text does not tell."""
    header = COMMENT.sub(b"", text[: signature_end(text)])
    for at in positions(header, keyword):
        if header[:at].rstrip().endswith((b"(", b",")) and PARAMETER_END.match(header, at + len(keyword)) is not None:
            square = header.count(b"[", 0, at) == header.count(b"]", 0, at)
            if header.count(b"(", 0, at) - header.count(b")", 0, at) == 1 and square:
                return DEFINED
    strange = any(one not in PLAIN_DECORATORS and not one.endswith("dataclass") for one in above)
    return UNDECIDED if keyword not in header and (b"**" in header or strange) else None


def has_field(text, keyword):
    """Whether the body of a class annotates the name as a field of its constructor."""
    for at in positions(text, b"\n    " + keyword):
        found = FIELD.match(text, at + 5 + len(keyword))
        if found is not None and not NO_PARAMETER.search(found.group(1)) and outside(text, at + 1):
            return True
    return False


def decorators(text, at):
    """Last names of the decorators on the lines above a class or function whose line break stands at ``at``."""
    found = []
    while at > 0:
        start = text.rfind(b"\n", 0, at) + 1
        line = text[start:at].strip()
        if line.startswith(b"@"):
            name = DECORATOR.match(line)
            found.append(name.group(1).split(b".")[-1].decode() if name else "?")
        elif not line or (not line.startswith((b")", b"#")) and text[start : start + 1] not in (b" ", b"\t")):
            break
        at = start - 1
    return found


def looked_up(module, place, text, word):
    """As Prover._find, of a table {"name": "module:attribute"} behind a module's own ``__getattr__``."""
    if b"def __getattr__(" not in text:
        return None
    for at in positions(text, b'"' + word + b'"'):
        found = LOOKED_UP.match(text, at + len(word) + 2)
        if found is not None:
            source = found.group(1).decode()
            bare = source.lstrip(".")
            return "from", (absolute(module, place[0] == "package", bare, len(source) - len(bare)), found.group(2))
    return None


def lazy(text):
    """Whether a module's text may replace the module by a lazy one."""
    return b"LazyModule(" in text and b"\nclass _LazyModule(" not in text


def positions(text, part, start=0, end=None):
    """Where a part stands in a text."""
    found, stop = [], len(text) if end is None else end
    at = text.find(part, start, stop)
    while at >= 0 and len(found) < MAX_POSITIONS:
        found.append(at)
        at = text.find(part, at + len(part), stop)
    return found


def begins(text, at):
    """Whether only blanks stand before a place on its line."""
    return not text[text.rfind(b"\n", 0, at) + 1 : at].strip()


def wordy(text, at):
    """Whether a character of an identifier stands at a place."""
    one = text[at : at + 1]
    return one.isalnum() or one == b"_"


def listed(names):
    """The words of each part of an import list: [b"a"], [b"a", b"as", b"b"]."""
    text = COMMENT.sub(b"", names).replace(b"\\", b" ").strip(b"() \t\r\n;")
    return [part.split() for part in text.split(b",") if part.strip()]


def outside(text, at):
    """Whether a place lies outside of all strings that span lines, by their quotes before it."""
    return text.count(b'"""', 0, at) % 2 == 0 and text.count(b"'''", 0, at) % 2 == 0


def signature_end(text):
    """Where the brackets of the first ``def`` of a text close."""
    start, depth = text.find(b"("), 0
    for token in TOKEN.finditer(text, start, start + MAX_HEADER_BYTES):
        first = text[token.start()]
        if token.group(1) is None and first in b"([{":
            depth += 1
        elif token.group(1) is None and first in b")]}":
            depth -= 1
            if not depth:
                return token.end()
    return start
