"""What the modules of an installed package define, read from source text; nothing is imported.

Three words answer a question: "defined", "missing", and "undecided" where the text does not tell (the module makes names
when it runs, binds the name under a condition, is compiled, or cannot be read). When in doubt it is "undecided".
"""

from . import lazyexports, members
from .machine import Missing, Trouble
from .members import DEFINED, MISSING, UNDECIDED
from .sourcetree import COMPILED, SOURCE
from .surface import IMPLICIT, Surface

MAX_HOPS = 24
MAX_SCANNED = 6000
COMPILED_ENDS = (COMPILED, ".pyd")


class Exporter:
    """The package ``package`` (its import name) of a tree."""

    def __init__(self, tree, package):
        self.tree = tree
        self.package = package
        self._surfaces = {}
        self._children = None
        self._places = {}
        self._stems = {}
        self._scans = {}
        self._fallbacks = None

    # where modules are

    def listing(self, folder):
        """Names of files and folders in a folder of the tree."""
        if hasattr(self.tree, "listing"):
            return self.tree.listing(folder)
        if self._children is None:
            self._children = {}
            for one in self.tree.paths(self.package):
                path = one
                while "/" in path:
                    above, _, name = path.rpartition("/")
                    self._children.setdefault(above, set()).add(name)
                    path = above
                self._children.setdefault("", set()).add(path)
        return self._children.get(folder, frozenset())

    def place(self, module):
        """(kind, path) of a module: package, module, namespace or compiled; None when there is no such file."""
        if module not in self._places:
            self._places[module] = self._find(module)
        return self._places[module]

    def _find(self, module):
        above, _, name = module.rpartition(".")
        if above:
            parent = self.place(above)
            if parent is None or parent[0] not in ("package", "namespace"):
                return None
            folder = parent[1].rpartition("/")[0] if parent[0] == "package" else parent[1]
        elif module == self.package:
            folder = ""
        else:
            return None
        here = self.listing(folder)
        path = folder + "/" + name if folder else name
        if name in here:
            inside = self.listing(path)
            if "__init__" + SOURCE in inside:
                return "package", path + "/__init__" + SOURCE
            if any(one.startswith("__init__.") and one.endswith(COMPILED_ENDS) for one in inside):
                return "compiled", path
        if name in self._compiled(folder):
            return "compiled", path
        if name + SOURCE in here:
            return "module", path + SOURCE
        if name in here and inside:
            return "namespace", path
        return None

    def _compiled(self, folder):
        """Names of the compiled modules in a folder."""
        if folder not in self._stems:
            here = self.listing(folder)
            self._stems[folder] = frozenset(one.split(".")[0] for one in here if one.endswith(COMPILED_ENDS))
        return self._stems[folder]

    def modules(self):
        """Dotted names of all modules that have a file."""
        found = set()
        for path in self.tree.paths(self.package):
            parts = path.split("/")
            parts[-1] = parts[-1].split(".")[0]
            if parts[-1] == "__init__":
                parts.pop()
            if all(part.isidentifier() for part in parts):
                found.update(".".join(parts[: count + 1]) for count in range(len(parts)))
        return frozenset(found)

    def surface(self, module):
        """The Surface of a module that is source text; None for any other."""
        if module not in self._surfaces:
            place, found = self.place(module), None
            if place is not None and place[0] in ("package", "module"):
                try:
                    found = Surface(module, place[0] == "package", self.tree.read(place[1]))
                except (Missing, Trouble):
                    found = Surface(module, place[0] == "package", b"(")
            self._surfaces[module] = found
        return self._surfaces[module]

    def _module(self, module):
        """Whether there is such a module, in the three words."""
        if self.place(module) is not None:
            return DEFINED
        if module.split(".")[0] != self.package:
            return UNDECIDED
        above = module.rpartition(".")[0]
        while above:
            place = self.place(above)
            surface = self.surface(above)
            if place is not None and place[0] == "compiled":
                return UNDECIDED
            if surface is not None:
                if module in surface.aliases:
                    return DEFINED
                if surface.modules_open or any(module.startswith(one + ".") for one in surface.aliases):
                    return UNDECIDED
                if surface.tree is None or any(all(word in module for word in words) for words in surface.alias_patterns):
                    return UNDECIDED
                if surface.lazy is not None and module[len(above) + 1 :] in surface.lazy.modules:
                    return UNDECIDED  # listed without a file: a finder of its own may serve it
            above = above.rpartition(".")[0]
        return MISSING

    def text(self, path):
        """Bytes of a file, empty when it cannot be read."""
        try:
            return self.tree.read(path)
        except (Missing, Trouble):
            return b""

    # what they define

    def status(self, module, name):
        """Whether ``from module import name`` finds something; the name "" asks for the module itself."""
        there = self._module(module)
        if there == MISSING and name:
            # an object of the module above, whose attributes nobody can list: vllm.platforms.current_platform
            above, _, last = module.rpartition(".")
            return UNDECIDED if above and self.status(above, last) != MISSING else MISSING
        if there != DEFINED or not name:
            return there
        place = self.place(module)
        if place is None or place[0] == "compiled" or name in IMPLICIT:
            return UNDECIDED if place is None or place[0] == "compiled" else DEFINED
        if place[0] != "module" and (name == "__path__" or self.place(module + "." + name) is not None):
            return DEFINED
        surface = self.surface(module)
        if surface is None:  # a namespace package has submodules only
            return self._module(module + "." + name)
        return self._bound(surface, name, set())

    def _bound(self, surface, name, seen):
        if surface.module in seen or len(seen) > MAX_HOPS:
            return MISSING
        seen = seen | {surface.module}
        if surface.lazy is not None:
            answer = self._lazily(surface, name)
        elif name in surface.sure:
            return DEFINED
        elif name in surface.bound or name in surface.maybe:
            return UNDECIDED
        else:
            answer = MISSING
            for module in surface.stars:
                answer = best(answer, self._starred(module, name, seen))
        if answer == MISSING and surface.open:
            return UNDECIDED
        if answer == MISSING and surface.is_package:
            # a name of its own folder that is no file: an alias of a module
            answer = self._module(surface.module + "." + name)
        return answer

    def _starred(self, module, name, seen):
        """Whether ``from module import *`` brings the name."""
        if module is None or module.split(".")[0] != self.package:
            return UNDECIDED
        source, place = self.surface(module), self.place(module)
        if source is None:
            return MISSING if place is not None and place[0] == "namespace" else UNDECIDED
        if source.lazy is None:
            if source.all is not None and "__all__?" not in source.changed:
                if name not in source.all:
                    return MISSING
                # an __all__ that names what is not there breaks the import of the package itself
                return DEFINED
            if "__all__?" not in source.changed and "__all__" not in source.changed and name.startswith("_"):
                return MISSING
        if source.is_package and self.place(module + "." + name) is not None:
            return UNDECIDED  # there if something has loaded it
        return self._bound(source, name, seen)

    def _lazily(self, surface, name):
        """Whether a lazy module gives the name."""
        lazy = surface.lazy
        if name in lazy.names or name in lazy.modules or any(one.startswith(name + ".") for one in lazy.modules):
            return DEFINED
        scanned = self._scanned(surface)
        if name in scanned:
            return DEFINED
        for alias in lazy.dummies:
            for kind, what in surface.bound.get(alias, ()):
                module = what[0] + "." + what[1] if kind == "from" and what[0] else None
                found = self.names(module) if module else None
                if found is None or name in found[0] or found[1]:
                    return UNDECIDED
        if lazy.open or name in surface.bound or name in surface.maybe or name in lazyexports.OWN:
            return UNDECIDED
        return self._fallback(surface, name)

    def _fallback(self, surface, name):
        """Transformers 5 answers old names of tokenizers and image processors by new ones."""
        if self._fallbacks is None:
            text = self.text(self.package + "/utils/import_utils" + SOURCE)
            self._fallbacks = [end for end in ("TokenizerFast", "ImageProcessorFast") if b'"%s"' % end.encode() in text]
        for end in self._fallbacks:
            if name.endswith(end) and self._lazily(surface, name[: -len("Fast")]) != MISSING:
                return DEFINED
        if self._fallbacks and name.endswith(("Tokenizer", "TokenizerFast")):
            return UNDECIDED
        return MISSING

    def _scanned(self, surface):
        """{name: module} of what the files under the folders of a lazy module export."""
        if surface.module not in self._scans:
            names = {}
            own = self.place(surface.module)[1].rpartition("/")[0]
            left = MAX_SCANNED
            for folder, prefix in surface.lazy.folders:
                waiting = [own + "/" + folder if folder else own]
                if prefix:
                    names[prefix.split(".")[0]] = None
                while waiting and left > 0:
                    here = waiting.pop()
                    for one in sorted(self.listing(here)):
                        if "." not in one and one != "__pycache__":
                            waiting.append(here + "/" + one)
                        elif one.endswith(SOURCE) and one != "__init__.py" and not one.startswith(lazyexports.SKIPPED):
                            left -= 1
                            try:
                                found = lazyexports.exported(self.tree.read(here + "/" + one))
                                names.update(dict.fromkeys(found, (here + "/" + one[: -len(SOURCE)]).replace("/", ".")))
                            except (Missing, Trouble):
                                surface.lazy.open = True
            surface.lazy.open = surface.lazy.open or left <= 0
            self._scans[surface.module] = names
        return self._scans[surface.module]

    def names(self, module):
        """(names the module has, whether it makes others when it runs); None when there is no such module."""
        there = self._module(module)
        if there == MISSING:
            return None
        place = self.place(module)
        if place is None or place[0] == "compiled":
            return frozenset(), True
        names, uncertain = self._names(module, set())
        if place[0] != "module":
            folder = place[1].rpartition("/")[0] if place[0] == "package" else place[1]
            names = names | {one.split(".")[0] for one in self.listing(folder) if self.place(module + "." + one.split(".")[0])}
        return frozenset(names), uncertain

    def _names(self, module, seen):
        surface = self.surface(module)
        if surface is None or module in seen or len(seen) > MAX_HOPS:
            return set(), False
        seen = seen | {module}
        if surface.lazy is not None:
            names = set(surface.lazy.names) | {one.split(".")[0] for one in surface.lazy.modules} | set(self._scanned(surface))
            # the module that is replaced has names too; they may be reached before that
            return names | set(surface.bound), surface.lazy.open or surface.open
        names, uncertain = set(surface.bound) | surface.maybe | surface.sure, surface.open
        for one in surface.stars:
            source = self.surface(one) if one and one.split(".")[0] == self.package else None
            if source is None:
                uncertain = True
                continue
            listed, unsure = self._names(one, seen)
            if source.lazy is None and source.all is not None and "__all__?" not in source.changed:
                listed = set(source.all)
            elif "__all__?" not in source.changed:
                listed = {name for name in listed if not name.startswith("_")}
            names |= listed
            uncertain = uncertain or unsure
        return names, uncertain

    # what is inside them

    def member(self, module, class_name, attribute):
        """Whether the class of that module has the attribute."""
        return members.member(self, module, class_name, attribute)

    def accepts(self, module, callable_name, keyword):
        """Whether the function or class of that module takes the keyword argument."""
        return members.accepts(self, module, callable_name, keyword)

    def definition(self, module, name):
        """(kind, node, module) of what the name means, followed through re-exports; None when it cannot be told."""
        for _hop in range(MAX_HOPS):
            surface = self.surface(module)
            if surface is None or name in surface.nested:
                return None
            bindings = surface.bound.get(name, ())
            if surface.lazy is not None and name in surface.lazy.names and surface.lazy.names[name]:
                module = module + "." + surface.lazy.names[name]
                continue
            if surface.lazy is not None and self._scanned(surface).get(name):
                module = self._scanned(surface)[name]
                continue
            if surface.lazy is not None or len(bindings) != 1:
                found = self._table(surface, name) or self._from_star(surface, name, bindings)
                if found is None:
                    return None
                module, name = found
                continue
            kind, what = bindings[0]
            if kind in ("def", "class"):
                return kind, what, module
            if kind == "from" and what[0] and what[0].split(".")[0] == self.package:
                module, name = what
            elif kind == "value" and type(what).__name__ == "Name" and what.id != name:
                name = what.id
            else:
                found = self._table(surface, name)
                if found is None:
                    return None
                module, name = found
        return None

    def _table(self, surface, name):
        """Where a table of {name: "module:attribute"} behind a module's ``__getattr__`` says the name is, else None."""
        found = lazyexports.looked_up(surface, name)
        if found is None:
            return None
        module = surface.resolved(found[0].lstrip("."), len(found[0]) - len(found[0].lstrip(".")))
        return (module, found[1]) if module and module.split(".")[0] == self.package else None

    def _from_star(self, surface, name, bindings):
        """The module of the package whose star import brings the name, when nothing else does."""
        if bindings:
            return None
        for module in surface.stars:
            if module and self._starred(module, name, {surface.module}) == DEFINED:
                return module, name
        return None


def best(one, other):
    """The stronger of two answers: defined, else undecided, else missing."""
    return DEFINED if DEFINED in (one, other) else UNDECIDED if UNDECIDED in (one, other) else MISSING
