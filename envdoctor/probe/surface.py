"""What the text of one module binds at its top level, read from its syntax tree."""

import ast
import re
import warnings

from . import lazyexports
from .bindings import FUNCTIONS
from .dynamic import lines_of, near

MAX_SOURCE_BYTES = 4 * 1024 * 1024
IMPLICIT = frozenset(
    "__%s__" % one
    for one in ("name", "doc", "package", "loader", "spec", "file", "cached", "builtins", "dict", "annotations", "class")
)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
WITHS = (ast.With, ast.AsyncWith)
TRIES = (ast.Try,) + ((ast.TryStar,) if hasattr(ast, "TryStar") else ())
MATCHES = (ast.Match,) if hasattr(ast, "Match") else ()
# a helper that puts a module under a name that it was given
ALIASING = re.compile(rb"\bmodules\[\w+\]\s*=[^=]")


class Unreadable(Exception):
    """The text is no Python that this interpreter can read."""


def parsed(data):
    """The syntax tree of a module. Raises Unreadable."""
    if len(data) > MAX_SOURCE_BYTES:
        raise Unreadable("it is too large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in the text of others
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(str(error))


class Surface:
    """The bindings of one module.

    ``bound``: {name: [(kind, what)]}, kind being def, class, value (an expression or None), module or from (module, name);
    ``sure``: names that are bound whichever way its conditions go; ``nested``: names that some indented statement
    binds; ``maybe``: names that are made when something runs;
    ``stars``: modules of which it takes everything; ``all``: what __all__ lists, or None; ``open``: whether it makes names
    that nobody can read; ``lazy``: the names it loads on demand, or None when it is not replaced by a lazy module.
    """

    def __init__(self, module, is_package, data):
        self.module = module
        self.is_package = is_package
        self.bound = {}
        self.stars = []
        self.all = None
        self.open = False
        self.maybe = set()
        self.lazy = None
        self.aliases = set()
        self.alias_patterns = []
        self.modules_open = False
        self.changed = set()
        self.nested = set()
        self._depth = -1
        self.has_walrus = b":=" in data
        try:
            self.tree = parsed(data)
            self.sure = self._block(self.tree.body)
            self._dynamic(data)
            self._getattr()
            self.lazy = lazyexports.read(self, self.tree, data)
        except (Unreadable, RecursionError):
            self.tree, self.sure, self.open = None, set(), True

    def resolved(self, module, level):
        """The absolute name of a relative import, or None when it leads out of everything."""
        return absolute(self.module, self.is_package, module, level)

    def literal(self, name):
        """The strings of a module-level list, tuple, set or dict (its keys) of strings; None when it cannot be read."""
        bindings = self.bound.get(name, ())
        if name == "__all__" and self.all is not None:
            return self.all
        if len(bindings) != 1 or bindings[0][0] != "value" or name in self.changed:
            return None
        return strings(self, bindings[0][1])

    def _bind(self, name, kind, what):
        self.bound.setdefault(name, []).append((kind, what))
        if self._depth > 0:
            self.nested.add(name)

    def _targets(self, target, value):
        """Bind what an assignment to ``target`` binds; the names, as a set."""
        names, waiting = set(), [target]
        while waiting:
            one = waiting.pop()
            if isinstance(one, ast.Name):
                self._bind(one.id, "value", value if one is target else None)
                names.add(one.id)
            elif isinstance(one, (ast.Tuple, ast.List)):
                waiting.extend(one.elts)
            elif isinstance(one, ast.Starred):
                waiting.append(one.value)
            elif isinstance(one, (ast.Subscript, ast.Attribute)) and isinstance(one.value, ast.Name):
                self.changed.add(one.value.id)
        return names

    def _block(self, statements):
        """Bind what the statements bind; the names that are bound for sure."""
        sure = set()
        self._depth += 1
        for node in statements:
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                self._bind(node.name, "class" if isinstance(node, ast.ClassDef) else "def", node)
                sure.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                sure |= self._import(node)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    sure |= self._targets(target, node.value)
                self._all(node.targets[0], node.value)
            elif isinstance(node, ast.AnnAssign):
                if node.value is not None:
                    sure |= self._targets(node.target, node.value)
                    self._all(node.target, node.value)
            elif isinstance(node, ast.AugAssign):
                if isinstance(node.target, ast.Name):
                    self.changed.add(node.target.id)
                    self._all(node.target, node.value, more=True)
            elif isinstance(node, ast.Delete):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        sure.discard(target.id)
                        if statements is self.tree.body:
                            self.bound.pop(target.id, None)
            elif isinstance(node, ast.If):
                sure |= self._if(node)
            elif isinstance(node, TRIES):
                sure |= self._try(node)
            elif isinstance(node, LOOPS):
                if not isinstance(node, ast.While):
                    self._targets(node.target, None)
                self._block(node.body)
                sure |= self._block(node.orelse)
            elif isinstance(node, WITHS):
                for item in node.items:
                    if item.optional_vars is not None:
                        sure |= self._targets(item.optional_vars, None)
                sure |= self._block(node.body)
            elif isinstance(node, MATCHES):
                for case in node.cases:
                    for part in ast.walk(case.pattern):
                        name = getattr(part, "name", None) or getattr(part, "rest", None)
                        if name:
                            self._bind(name, "value", None)
                    self._block(case.body)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._call(node.value)
            elif type(node).__name__ == "TypeAlias":
                sure |= self._targets(node.name, None)
            if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)):
                sure |= self._walrus(node)
        self._depth -= 1
        return sure

    def _walrus(self, node):
        """Bind the targets of ``:=`` in the expressions of a statement, outside lambdas."""
        if not self.has_walrus:
            return set()
        names, waiting = set(), [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        while waiting:
            one = waiting.pop()
            if isinstance(one, ast.NamedExpr):
                self._bind(one.target.id, "value", one.value)
                names.add(one.target.id)
            if not isinstance(one, ast.Lambda):
                waiting.extend(ast.iter_child_nodes(one))
        return names

    def _import(self, node):
        names = set()
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                self._bind(name, "module", alias.name if alias.asname else name)
                names.add(name)
            return names
        module = self.resolved(node.module, node.level)
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                name = alias.asname or alias.name
                self._bind(name, "from", (module, alias.name))
                names.add(name)
        if self.is_package and module and module.startswith(self.module + "."):
            # loading a submodule sets it as an attribute of its package
            names.add(module[len(self.module) + 1 :].split(".")[0])
        return names

    def _if(self, node):
        """An if with its elifs, in a loop: there may be hundreds."""
        branches = []
        while True:
            if not type_checking(node.test):
                branches.append(self._block(node.body))
            rest = node.orelse
            if len(rest) == 1 and isinstance(rest[0], ast.If):
                node = rest[0]
                continue
            branches.append(self._block(rest))
            return set.intersection(*branches)

    def _try(self, node):
        sure = self._block(node.body)
        sure |= self._block(node.orelse)
        for handler in node.handlers:
            names = self._block(handler.body)
            if not leaves(handler.body):
                sure &= names
        return sure | self._block(node.finalbody)

    def _all(self, target, value, more=False):
        if not (isinstance(target, ast.Name) and target.id == "__all__"):
            return
        found = strings(self, value)
        if found is None:
            self.all, self.changed = None, self.changed | {"__all__", "__all__?"}
        else:
            self.all = (self.all or []) + found if more else found

    def _call(self, call):
        """What a call that stands as a statement does to names."""
        function = call.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            owner = function.value.id
            if function.attr in ("update", "extend", "append", "setdefault", "pop", "remove", "insert", "add"):
                self.changed.add(owner)
            if owner == "__all__" and function.attr in ("extend", "append") and len(call.args) == 1:
                value = call.args[0] if function.attr == "extend" else ast.List(elts=call.args, ctx=ast.Load())
                self._all(function.value, value, more=True)

    def _dynamic(self, data):
        """Names made by other means than binding statements."""
        lines = lines_of(data)
        aliased = lazyexports.add_aliases(self, self.tree) if lines and ALIASING.search(data) else frozenset()
        for node, inside in near(self.tree, lines):
            if id(node) in aliased:
                continue
            if isinstance(node, ast.Global):
                self.maybe.update(node.names)
            elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self._dynamic_store(target, inside)
                if not isinstance(node, ast.AugAssign) and (own_module(node.value) or is_call(node.value, "globals")):
                    self.open = True  # it has a second name for its namespace
            elif isinstance(node, ast.Call):
                self._dynamic_call(node, inside)
            elif isinstance(node, ast.For) and (is_call(node.iter, "globals") or own_module(node.iter)):
                self.open = True

    def _dynamic_store(self, target, inside):
        if isinstance(target, ast.Name) and target.id == "__path__":
            self.modules_open = True
        if isinstance(target, ast.Attribute) and own_module(target.value):
            self.maybe.add(target.attr)
        if not isinstance(target, ast.Subscript):
            return
        key = target.slice.value if isinstance(target.slice, getattr(ast, "Index", ())) else target.slice
        word = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
        if is_call(target.value, "globals") or is_call(target.value, "vars") or is_call(target.value, "locals"):
            if word is None and not (inside and isinstance(key, ast.Name) and key.id == "name"):
                self.open = True
            elif word is not None:
                self.maybe.add(word)
        elif isinstance(target.value, ast.Attribute) and target.value.attr == "modules":
            if word is not None:
                self.aliases.add(word)
            elif not inside and not (isinstance(key, ast.Name) and key.id == "__name__"):
                self.modules_open = True

    def _dynamic_call(self, node, inside):
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in ("exec", "eval"):
            if name == "exec" and (not inside or any(is_call(one, "globals") for one in node.args)):
                self.open = True
        elif name in ("update", "setdefault") and isinstance(node.func, ast.Attribute):
            if is_call(node.func.value, "globals") or is_call(node.func.value, "vars"):
                self.open = True
        elif name in ("setattr", "vars") and node.args and (own_module(node.args[0])):
            self.open = True
        elif name in ("append", "insert", "extend") and isinstance(node.func, ast.Attribute):
            of = node.func.value
            if isinstance(of, ast.Name) and of.id == "__path__":
                self.modules_open = True
            elif isinstance(of, ast.Attribute) and of.attr == "meta_path":
                self.alias_patterns += lazyexports.patterns(self.tree)
        elif any(is_call(one, "globals") for one in node.args):
            first = node.args[0]
            if name == "LazyLoader" and isinstance(first, ast.Constant) and isinstance(first.value, str):
                self.maybe.add(
                    first.value
                )  # it puts the module under this name into the namespace that it is given, and no other
            else:
                self.open = True

    def _getattr(self):
        """Names that the module's own ``__getattr__`` answers; open when it cannot be read."""
        for kind, node in self.bound.get("__getattr__", ()):
            found = lazyexports.answered(self, node) if kind == "def" else None
            if found is None:
                self.open = True
            else:
                self.maybe |= found[1]
                for name in found[0]:
                    self._bind(name, "value", None)
                    self.sure.add(name)


def absolute(module, is_package, name, level):
    """The absolute name of ``from ..name import``, or None."""
    if not level:
        return name
    parts = module.split(".")
    up = level - 1 if is_package else level
    if up >= len(parts):
        return None
    return ".".join(parts[: len(parts) - up] + ([name] if name else []))


def strings(surface, node):
    """The strings of an expression that is a list, tuple, set or dict (its keys) of literals; None when it cannot be read."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        found = []
        for one in node.elts:
            if isinstance(one, ast.Starred):
                part = strings(surface, one.value)
                if part is None:
                    return None
                found += part
            elif isinstance(one, ast.Constant) and isinstance(one.value, str):
                found.append(one.value)
            else:
                return None
        return found
    if isinstance(node, ast.Dict):
        found = []
        for key, value in zip(node.keys, node.values):  # noqa: B905 - Python 3.8 has no strict
            part = strings(surface, value) if key is None else [key.value] if isinstance(key, ast.Constant) else None
            if part is None:
                return None
            found += part
        return found
    if isinstance(node, ast.Name):
        return surface.literal(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.BitOr)):
        left, right = strings(surface, node.left), strings(surface, node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.Call) and not node.keywords and len(node.args) == 1 and isinstance(node.func, ast.Name):
        return strings(surface, node.args[0]) if node.func.id in ("list", "tuple", "set", "frozenset", "sorted") else None
    if isinstance(node, ast.Call) and not node.args and isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
        return strings(surface, node.func.value)
    return None


def type_checking(test):
    """Whether a condition is TYPE_CHECKING, which is never true when the code runs."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def leaves(statements):
    """Whether a block surely ends by raise, return, continue or break."""
    last = statements[-1] if statements else None
    return isinstance(last, (ast.Raise, ast.Return, ast.Continue, ast.Break))


def is_call(node, name):
    """Whether an expression calls the function of that plain name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def own_module(node):
    """Whether an expression is ``sys.modules[__name__]``."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "modules"):
        return False
    key = node.slice.value if isinstance(node.slice, getattr(ast, "Index", ())) else node.slice
    return isinstance(key, ast.Name) and key.id == "__name__"
