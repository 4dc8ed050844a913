"""Binding: for each undefined symbol of a library, whether any library that it can see defines it (glibc's dl-lookup.c).

Only whether a symbol is found matters here, not where: that lets the search begin where the neighbours were found, and lets a
library that was bound once be taken as bound wherever the same libraries can be seen again.
"""

from bisect import bisect_left

from .elf import NotElf
from .symbols import gnu_hash

MAX_PROBLEMS = 2000  # of one library
MAX_SHOWN_BYTES = 16384  # of a symbol: mangled templates of real libraries reach 10,000


class Problem:
    """A LinkProblem with its paths as ld.so knows them."""

    def __init__(self, kind, file, wants, of, message):
        self.kind, self.file, self.wants, self.of, self.message = kind, file, wants, of, message


class Scope:
    """The libraries that a dlopen binds to: those of the whole process, then its own."""

    def __init__(self, everywhere, group, by_name):
        self.libraries = [one.library for one in everywhere]
        self.libraries += [one.library for one in group]
        self.libraries = list(dict.fromkeys(self.libraries))
        self.members = frozenset(self.libraries)
        self.by_name = by_name


class Memo:
    """What was found before, in any fork: which libraries define a symbol, and with the help of which ones a library was bound."""

    def __init__(self):
        self.definers, self.helpers, self.paths = {}, {}, {}

    def unbound(self, one, scope, lacking):
        """A problem for each strong symbol of ``one`` that nobody in ``scope`` defines, in the order of its relocations."""
        library = one.library
        helpers = self.helpers.get(library)
        if helpers is not None and helpers <= scope.members:
            return []
        definers, members = self.definers, scope.members
        near, used, missing = list(scope.libraries), set(), []
        for symbol in library.undefined():
            name, version, soname, hidden, _index = symbol
            key = (name, version) if not hidden else (name, version, True)
            for found in definers.get(key, ()):
                if found in members:
                    used.add(found)
                    break
            else:
                found = self._search(name, version, hidden, soname, near, scope)
                if found is None:
                    missing.append(symbol)
                else:
                    used.add(found)
                    definers[key] = (*definers.get(key, ()), found)
        if not missing:
            self.helpers[library] = frozenset(used)
            return []
        return self._problems(one, missing, scope, lacking)

    def _search(self, name, version, hidden, soname, near, scope):
        """A library in scope that defines the symbol; ``near`` is kept with the last one that did in front."""
        hashed = gnu_hash(name)
        if soname is not None:
            named = scope.by_name.get(soname)
            if named is not None and named.library in scope.members and has(named.library, name, hashed, version, hidden):
                return named.library
        for index, library in enumerate(near):
            if has(library, name, hashed, version, hidden):
                if index:
                    near.insert(0, near.pop(index))
                return library
        return None

    def _problems(self, one, missing, scope, lacking):
        order = one.library.relocation_order()
        # what no relocation uses is never looked up
        wanted = sorted((order[symbol[4]], symbol) for symbol in missing if symbol[4] in order)
        neighbours, found = None, []
        for _place, (name, version, soname, _hidden, _index) in wanted[:MAX_PROBLEMS]:
            if version is not None and (soname, version) in lacking:
                continue  # said already of the version as a whole
            of = soname
            if of is None:
                neighbours = self._neighbours(one, scope) if neighbours is None else neighbours
                of = nearest(name, neighbours)
            words = "%s: undefined symbol: %s%s" % (one.path, text(name), ", version " + text(version) if version else "")
            found.append(Problem("undefined-symbol", one.path, text(name), of, words))
        return found

    def _neighbours(self, one, scope):
        """Sorted (symbol, SONAME of the library that defines it) of those that were found."""
        found = []
        for name, version, _soname, _hidden, _index in one.library.undefined():
            for library in self.definers.get((name, version), ()):
                if library in scope.members and library.soname is not None:
                    found.append((name, library.soname))
                    break
        return sorted(found)


def has(library, *symbol):
    """Whether it defines the symbol; one whose tables are damaged has nothing to offer, and is reported by itself."""
    try:
        return library.defines(*symbol)
    except NotElf:
        return False


def nearest(name, neighbours):
    """The SONAME whose symbols have the longest beginning in common with ``name``, at least a namespace; None if none has."""
    place = bisect_left(neighbours, (name, ""))
    best, longest = None, 5
    for other, soname in neighbours[max(place - 1, 0) : place + 1]:
        common = next((at for at, (a, b) in enumerate(zip(name, other)) if a != b), min(len(name), len(other)))  # noqa: B905
        if common > longest:
            best, longest = soname, common
    return best


def text(name):
    """Bytes of a file as text that can be shown."""
    return name[:MAX_SHOWN_BYTES].decode("utf-8", "replace")
