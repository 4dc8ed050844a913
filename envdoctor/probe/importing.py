"""What the code of a package takes from others, read from its syntax trees; nothing is imported.

A use is a dict: exporter, file, line, module, name, place, scope, when; beside them ``given`` and ``caught`` where an
except clause says more (see judging.py).
"""

import ast

from .bindings import FUNCTIONS, Scope
from .conditions import Conditions, tail
from .machine import Missing, Trouble
from .sourcetree import SOURCE
from .surface import TRIES, WITHS, Unreadable, absolute, leaves, parsed, type_checking

CATCHES = {
    "ImportError": {"name", "module"},
    "ModuleNotFoundError": {"module"},
    "AttributeError": {"attribute"},
    "TypeError": {"keyword"},
    "Exception": {"name", "module", "attribute", "keyword"},
    "BaseException": {"name", "module", "attribute", "keyword"},
}
# these make their names when they run: only imports from their modules are of use, not what is looked up in them
IMPORTS_ONLY = ("torch",)


def uses(tree, package, exporters):
    """Every use that the package's files make of the exporters (import names), in the order of files and lines."""
    for path in tree.paths(package):
        if path.endswith(SOURCE):
            for use in file_uses(text(tree, path), path, exporters):
                yield use


def file_uses(data, path, exporters, only=None):
    """The uses in one file, whose path is relative to its site folder; a list. Nothing for text that is no Python.

    With ``only``, a set of words, functions and classes whose text has none of them may be passed over.
    """
    wanted = [name for name in exporters if name.encode() in data]
    if not wanted:
        return []
    try:
        return Reader(parsed(data), data, path, wanted, only).found
    except (Unreadable, RecursionError):
        return []


def module_of(path):
    """(module, whether it is a package) of a source file."""
    parts = path[: -len(SOURCE)].split("/")
    return (".".join(parts[:-1]), True) if parts[-1] == "__init__" else (".".join(parts), False)


class Context:
    """Where a statement stands."""

    def __init__(self, function=False, unsure=False, catches=frozenset(), scope="", when=(), given=(), names=None):
        self.function = function
        self.unsure = unsure
        self.catches = catches
        self.scope = scope
        self.when = when
        self.given = given
        self.names = names

    def but(self, **changes):
        """The same place, changed."""
        made = Context.__new__(Context)
        made.__dict__.update(self.__dict__, **changes)
        return made

    def under(self, condition):
        """The place under a condition as conditions.py reads it; None where it never runs."""
        if condition == "never":
            return None
        if condition is None:
            return self.but(unsure=True)
        return self.but(when=self.when + tuple(tuple(one) for one in condition))


class Reader:
    """Reads one file."""

    def __init__(self, tree, data, path, exporters, only=None):
        self.found = []
        self.only = only
        self.lines = data.split(b"\n")
        self.path = path
        self.exporters = frozenset(exporters)
        self.module, self.is_package = module_of(path)
        self.loaded = set()
        self.patched = set()
        self.lazy_annotations = any(
            isinstance(node, ast.ImportFrom)
            and node.module == "__future__"
            and any(one.name == "annotations" for one in node.names)
            for node in tree.body
        )
        names = Scope(tree, None, self._resolved, self.loaded)
        # a function or class whose text has none of these takes nothing
        words = {name for name, meaning in names.taken.items() if meaning[0].split(".")[0] in self.exporters}
        self.words = [word.encode() for word in words | self.exporters]
        self._block(tree.body, Context(names=names))
        self.found = [
            dict(use, kind="attribute") if use["kind"] == "read" else use
            for use in self.found
            if use["kind"] != "read" or use["module"] + "." + use["name"] in self.patched
        ]

    def _resolved(self, node):
        return absolute(self.module, self.is_package, node.module, node.level)

    # statements

    def _block(self, statements, context):
        for node in statements:
            if context is None:
                return
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not self._speaks(node):
                continue
            if isinstance(node, FUNCTIONS):
                self._function(node, context)
            elif isinstance(node, ast.ClassDef):
                for one in node.decorator_list + node.bases + [word.value for word in node.keywords]:
                    self._expression(one, context)
                self._block(node.body, context.but(scope=dotted(context.scope, node.name)))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    self._use("module", node, context, alias.name, "")
            elif isinstance(node, ast.ImportFrom):
                module = self._resolved(node)
                for alias in node.names:
                    self._use("name", node, context, module, "" if alias.name == "*" else alias.name)
            elif isinstance(node, ast.If):
                context = self._if(node, context)
            elif isinstance(node, TRIES):
                self._try(node, context)
            elif isinstance(node, WITHS):
                inner = context
                for item in node.items:
                    self._expression(item.context_expr, context)
                    if isinstance(item.context_expr, ast.Call) and tail(item.context_expr.func) == "suppress":
                        inner = inner.but(catches=inner.catches | caught(item.context_expr.args))
                self._block(node.body, inner)
            elif isinstance(node, ast.Assert):
                self._expression(node.test, context)
                context = context.under(self._conditions(context).read(node.test)[0] or [])
            else:
                self._plain(node, context)

    def _speaks(self, node):
        """Whether the text of a function or class, decorators included, has a word that may lead into an exporter."""
        first = min([node.lineno] + [one.lineno for one in node.decorator_list])
        text = b"\n".join(self.lines[first - 1 : node.end_lineno])
        if self.only is not None and not any(word in text for word in self.only):
            return False
        return any(word in text for word in self.words)

    def _plain(self, node, context):
        """Any other statement: its expressions, its patches, and the blocks in it (loops, match)."""
        if isinstance(node, ast.AnnAssign):
            parts = [node.target] + ([node.value] if node.value is not None else [])
            if not self.lazy_annotations and not context.function:
                parts.append(node.annotation)
        else:
            parts = [one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt)]
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._patch(target, node, context)
        blocks = [getattr(node, "body", []), getattr(node, "orelse", [])]
        for one in parts:
            if hasattr(one, "pattern") and hasattr(one, "body"):  # a case of match
                blocks.append(one.body)
            else:
                self._expression(one, context)
        for block in blocks:
            if isinstance(block, list):
                self._block(block, context.but(unsure=True))

    def _function(self, node, context):
        outside = node.decorator_list + node.args.defaults + [one for one in node.args.kw_defaults if one is not None]
        if not self.lazy_annotations:
            every = node.args.args + node.args.kwonlyargs + [node.args.vararg, node.args.kwarg]
            outside += [one.annotation for one in every if one is not None and one.annotation is not None]
            outside += [node.returns] if node.returns is not None else []
        for one in outside:
            self._expression(one, context)
        names = Scope(node, context.names, self._resolved, self.loaded)
        # what catches around a def does not catch when it is called
        inner = context.but(function=True, catches=frozenset(), scope=dotted(context.scope, node.name), names=names)
        self._block(node.body, inner)

    def _if(self, node, context):
        """An if with its elifs, in a loop; the context of what follows it."""
        after = context
        rest = context
        while True:
            self._expression(node.test, rest)
            if is_main(node.test):
                yes, no = rest.but(function=True, scope=rest.scope or "__main__"), rest
            elif type_checking(node.test):
                yes, no = None, rest
            elif isinstance(node.test, ast.UnaryOp) and type_checking(node.test.operand):
                yes, no = rest, None
            else:
                true, false = self._conditions(rest).read(node.test)
                yes, no = rest.under(true), rest.under(false)
                if false is not None and leaves(node.body) and not node.orelse and rest is context:
                    after = no
            self._block(node.body, yes)
            if no is None:
                return after
            if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node, rest = node.orelse[0], no
                continue
            self._block(node.orelse, no)
            return after

    def _conditions(self, context):
        return Conditions(context.names.all_flags(), context.names.all_modules())

    def _try(self, node, context):
        catches = set()
        for handler in node.handlers:
            if not leaves_by_raising(handler.body):
                catches |= caught([handler.type]) if handler.type is not None else CATCHES["BaseException"]
        before = len(self.found)
        self._block(node.body, context.but(catches=context.catches | catches))
        body = [use for use in self.found[before:] if not use["function"] or context.function]
        body = [[use["exporter"], use["module"], use["name"]] for use in body if use["kind"] in ("name", "module")]
        for handler in node.handlers:
            kinds = caught([handler.type]) if handler.type is not None else CATCHES["BaseException"]
            inner = context.but(unsure=True)
            if body and kinds & {"name", "module"}:
                inner = context.but(given=(*context.given, ("missing", tuple(map(tuple, body)))))
            self._block(handler.body, inner)
        inner = context.but(given=(*context.given, ("defined", tuple(map(tuple, body))))) if body else context
        self._block(node.orelse, inner)
        self._block(node.finalbody, context)

    # expressions

    def _expression(self, node, context):
        waiting = [(node, context)]
        while waiting:
            one, here = waiting.pop()
            if here is None:
                continue
            if isinstance(one, ast.Lambda):
                waiting.append((one.body, here.but(function=True, catches=frozenset())))
            elif isinstance(one, ast.IfExp):
                true, false = self._conditions(here).read(one.test)
                waiting += [(one.orelse, here.under(false)), (one.body, here.under(true)), (one.test, here)]
            elif isinstance(one, ast.BoolOp):
                later = here.but(unsure=True)
                waiting += [(part, later) for part in reversed(one.values[1:])] + [(one.values[0], here)]
            elif isinstance(one, ast.Call):
                self._call(one, here)
                waiting += [(part, here) for part in reversed(list(ast.iter_child_nodes(one)))]
            elif isinstance(one, ast.Attribute):
                if not self._chain(one, here):
                    waiting.append((one.value, here))
            else:
                waiting += [(part, here) for part in reversed(list(ast.iter_child_nodes(one)))]

    def _target(self, node, context):
        """(module, attributes left) of a name or chain of attributes that leads into an exporter, else None."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        meaning = context.names.meaning(node.id)
        if meaning is None or meaning[0].split(".")[0] not in self.exporters:
            return None
        module, name = meaning
        if name:
            parts.append(name)
        parts.reverse()
        while parts and module + "." + parts[0] in self.loaded:
            module += "." + parts.pop(0)
        if name and len(parts) > 1 and parts[0] == name and not name.lstrip("_")[:1].isupper():
            module += "." + parts.pop(0)  # from package import module, it seems
        return module, parts, bool(name) and parts[:1] == [name]

    def _chain(self, node, context):
        """Note what a chain of attributes looks up; whether it was one into an exporter."""
        target = self._target(node, context)
        if target is None:
            return False
        module, parts, imported = target
        if module.split(".")[0] in IMPORTS_ONLY or not parts:
            return True
        if imported and parts[0].lstrip("_")[:1].isupper():
            # the import itself is judged where it stands; what is read of a class counts when it is patched too
            if isinstance(node.ctx, ast.Load) and len(parts) > 1:
                self._use("read", node, context, module, ".".join(parts[:2]))
            return True
        if isinstance(node.ctx, ast.Load) or len(parts) > 1:
            self._use("attribute", node, context, module, parts[0])
        return True

    def _patch(self, target, node, context):
        """Note an attribute of a class that is assigned: ``Worker.load_model = f``."""
        if not isinstance(target, ast.Attribute):
            return
        found = self._target(target, context)
        if found is not None and len(found[1]) == 2 and found[1][0].lstrip("_")[:1].isupper():
            self._patched(found[0], found[1], node, context)

    def _patched(self, module, parts, node, context):
        self.patched.add(".".join([module, *parts]))
        # to set an attribute that was not there is no error: the patch has no effect, or adds something
        self._use("patch", node, context, module, ".".join(parts))

    def _call(self, node, context):
        name = tail(node.func)
        first = node.args[0] if node.args else None
        literal = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if name == "import_module" and literal and not literal.startswith("."):
            self._use("module", node, context, literal, "")
        elif name == "setattr" and len(node.args) == 3 and isinstance(node.args[1], ast.Constant):
            found = self._target(first, context)
            if found is not None and len(found[1]) == 1 and found[1][0].lstrip("_")[:1].isupper():
                self._patched(found[0], found[1] + [str(node.args[1].value)], node, context)
        words = [word.arg for word in node.keywords if word.arg]
        if not words:
            return
        found = self._target(node.func, context)
        if found is not None and len(found[1]) == 1 and found[0].split(".")[0] not in IMPORTS_ONLY:
            for word in words:
                self._use("keyword", node, context, found[0], "%s(%s)" % (found[1][0], word))

    # uses

    def _use(self, kind, node, context, module, name):
        exporter = (module or "").split(".")[0]
        if exporter not in self.exporters or exporter == self.module.split(".")[0]:
            return
        when = [list(one) for one in context.when if one != (exporter, "installed", "")]
        if any(one[0] == exporter and one[1] == "absent" for one in when):
            return  # it runs only where the exporter is not installed
        self.found.append(
            {
                "exporter": exporter,
                "file": self.path,
                "line": node.lineno,
                "module": module,
                "name": name,
                "place": place_of(kind, context),
                "scope": context.scope,
                "when": when,
                "given": [[word, [list(one) for one in which]] for word, which in context.given],
                "caught": "module" if "module" in context.catches else "",
                "kind": kind,
                "function": context.function,
            }
        )


def place_of(kind, context):
    """module, function or guarded: what happens when the name is missing."""
    kind = "attribute" if kind == "read" else kind
    if kind in context.catches or kind == "patch" or (context.unsure and not context.function):
        return "guarded"
    return "function" if context.function else "module"


def caught(types):
    """The kinds of failure that these exception classes of an except clause catch."""
    kinds = set()
    for one in types:
        for part in one.elts if isinstance(one, ast.Tuple) else [one]:
            kinds |= CATCHES.get(tail(part), set())
    return kinds


def leaves_by_raising(statements):
    """Whether a handler surely raises again."""
    return bool(statements) and isinstance(statements[-1], ast.Raise)


def is_main(test):
    """Whether a condition is ``__name__ == "__main__"``."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def dotted(scope, name):
    """The qualified name of something in a scope."""
    return scope + "." + name if scope else name


def text(tree, path):
    """Bytes of a file, empty when it cannot be read."""
    try:
        return tree.read(path)
    except (Missing, Trouble):
        return b""
