"""A quick look at what a file takes from other packages: by regular expressions, without a syntax tree.

It finds at least what importing.py finds (and also what stands in docstrings, or in code that never runs), so that a file
of which every name is proven to be there needs no second look.
"""

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
MAX_CALL_BYTES = 20000
MAX_CALLS = 400  # of one name in one file
IMPORTS_ONLY = (b"torch",)


class Search:
    """The regular expressions for some exporters (import names as bytes)."""

    def __init__(self, exporters):
        # a literal start lets the regular expression skip at the speed of a plain search
        every = b"|".join(re.escape(one) + (rb"\." if one in IMPORTS_ONLY else rb"\b") for one in sorted(exporters))
        self.exporters = frozenset(exporters)
        self.from_ = re.compile(rb"from[ \t]+(?:%s)" % every)
        self.import_ = re.compile(
            rb"import(?:_module\([ \t\r\n]*[\"']|[ \t]+(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*)(?:%s)" % every
        )
        self.names = re.compile(rb"from[ \t]+((?:%s)[\w.]*)[ \t]+import[ \t]*%s" % (every, NAMES))
        self.modules = re.compile(rb"import[ \t]+([\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*)")
        self.literal = re.compile(rb"import_module\([ \t\r\n]*[\"']((?:%s)[\w.]*)[\"']" % every)

    def takes(self, data):
        """{(module, name)} in the notation of importing.py; empty when the file takes nothing."""
        if self.from_.search(data) is None and self.import_.search(data) is None:
            return frozenset()
        return Taken(self, data).found


class Taken:
    """What one file takes."""

    def __init__(self, search, data):
        self.data = data
        self.found = set()
        self.loaded = set()
        self.aliases = {}  # name: {(module, attribute)}
        for module, names in search.names.findall(data):
            self._from(module, names)
        for line in search.modules.findall(data):
            for part in line.split(b","):
                words = part.split()
                if words and words[0].split(b".")[0] in search.exporters:
                    self.found.add((words[0], b""))
                    self.loaded.add(words[0])
                    name = words[2] if len(words) == 3 else words[0].split(b".")[0]
                    self.aliases.setdefault(name, set()).add((words[0] if len(words) == 3 else name, b""))
        self.found.update((module, b"") for module in search.literal.findall(data))
        for name, meanings in self.aliases.items():
            for module, attribute in meanings:
                if module.split(b".")[0] not in IMPORTS_ONLY:
                    self._used(name, module, attribute)
        self.found = frozenset((module.decode("ascii", "replace"), name.decode("ascii", "replace")) for module, name in self.found)

    def _from(self, module, names):
        self.loaded.add(module)
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
        if self.data.count(name) < 2:
            return
        upper = attribute[:1].isupper()
        if not upper:
            for chain in set(re.findall(rb"\b%s((?:[ \t]*\.[ \t]*[A-Za-z_]\w*)+)" % name, self.data)):
                self._chain(module, attribute, [one.strip() for one in chain.split(b".")[1:]])
        else:
            for patched in set(re.findall(rb"\b%s\.([A-Za-z_]\w*)[ \t]*=(?!=)" % name, self.data)):
                self.found.add((module, attribute + b"." + patched))
            for patched in set(re.findall(rb"\bsetattr\([ \t\r\n]*%s[ \t\r\n]*,[ \t\r\n]*[\"'](\w+)" % name, self.data)):
                self.found.add((module, attribute + b"." + patched))
        if attribute:
            self._calls(re.compile(rb"\b%s[ \t]*\(" % name), module, attribute)

    def _chain(self, module, attribute, parts):
        parts = [attribute] + parts if attribute else parts
        while parts and module + b"." + parts[0] in self.loaded:
            module += b"." + parts.pop(0)
        if attribute and len(parts) > 1 and parts[0] == attribute:
            module += b"." + parts.pop(0)
        if not parts:
            return
        self.found.add((module, parts[0]))
        last = parts[-1]
        if len(parts) == 2 and parts[0][:1].isupper() and re.search(rb"\.%s\.%s[ \t]*=(?!=)" % (parts[0], last), self.data):
            self.found.add((module, parts[0] + b"." + last))
        elif len(parts) == 1:
            self._calls(re.compile(rb"\.[ \t]*%s[ \t]*\(" % last), module, last)
            for patched in set(re.findall(rb"\bsetattr\([\w. \t\r\n]*\.%s[ \t\r\n]*,[ \t\r\n]*[\"'](\w+)" % last, self.data)):
                if last[:1].isupper():
                    self.found.add((module, last + b"." + patched))

    def _calls(self, start, module, name):
        for count, call in enumerate(start.finditer(self.data)):
            if count >= MAX_CALLS:
                break
            for word in keywords(self.data, call.end()):
                self.found.add((module, b"%s(%s)" % (name, word)))


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
