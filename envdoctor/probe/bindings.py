"""Which names of a module or a function stand for modules and objects of other packages."""

import ast

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NESTED = (*FUNCTIONS, ast.ClassDef)
AMBIGUOUS = ("", "")


class Scope:
    """The names of one function, or of the module when ``above`` is None.

    ``taken``: {name: (module, "")} for a module, {name: (module, attribute)} for what was imported from one;
    ``flags``: {name: expression} of names that are assigned once.
    """

    def __init__(self, node, above, resolve, loaded):
        self.above = above
        self.taken = {}
        self.flags = {}
        self._other = set()
        self._all_flags = self._all_modules = None
        if above is not None:
            arguments = node.args
            every = arguments.args + arguments.kwonlyargs + getattr(arguments, "posonlyargs", [])
            self._other.update(one.arg for one in [*every, arguments.vararg, arguments.kwarg] if one is not None)
        declared = set()
        for one in inside(node.body):
            if isinstance(one, ast.Import):
                for alias in one.names:
                    load(loaded, alias.name)
                    name = alias.asname or alias.name.split(".")[0]
                    self._take(name, (alias.name if alias.asname else name, ""))
            elif isinstance(one, ast.ImportFrom):
                module = resolve(one)
                if module:
                    load(loaded, module)
                for alias in one.names:
                    self._take(alias.asname or alias.name, (module, alias.name) if module else AMBIGUOUS)
            elif isinstance(one, ast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], ast.Name):
                name = one.targets[0].id
                self.flags[name] = None if name in self.flags else one.value
                if not (isinstance(one.value, ast.Constant) and one.value.value is None):
                    self._other.add(name)  # X = None stands in for an import that failed
            elif isinstance(one, NESTED):
                self._other.add(one.name)
            elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                if one.id not in self.flags:
                    self._other.add(one.id)
            elif isinstance(one, (ast.AugAssign, ast.For)) and isinstance(one.target, ast.Name):
                self.flags[one.target.id] = None
            elif isinstance(one, ast.arg):
                self._other.add(one.arg)
            elif isinstance(one, (ast.Global, ast.Nonlocal)):
                declared.update(one.names)
        for name in self._other | {name for name in self.taken if self.taken[name] == AMBIGUOUS}:
            self.taken.pop(name, None)
        for name in declared:
            self._other.discard(name)

    def _take(self, name, what):
        if self.taken.get(name, what) != what:
            what = AMBIGUOUS
        self.taken[name] = what

    def meaning(self, name):
        """(module, attribute) that the name stands for; None for anything else."""
        scope = self
        while scope is not None:
            if name in scope.taken:
                return scope.taken[name]
            if name in scope._other or name in scope.flags:
                return None
            scope = scope.above
        return None

    def all_flags(self):
        """Flags of this scope over those around it."""
        if self._all_flags is None:
            self._all_flags = dict(self.above.all_flags()) if self.above is not None else {}
            self._all_flags.update(self.flags)
        return self._all_flags

    def all_modules(self):
        """{name: dotted name of what it stands for} of this scope over those around it."""
        if self._all_modules is None:
            found = dict(self.above.all_modules()) if self.above is not None else {}
            for name in self._other:
                found.pop(name, None)
            for name, (module, attribute) in self.taken.items():
                found[name] = module + "." + attribute if attribute else module
            self._all_modules = found
        return self._all_modules


def load(loaded, module):
    """Note that an import has loaded the module and those above it."""
    while module and module not in loaded:
        loaded.add(module)
        module = module.rpartition(".")[0]


def inside(body):
    """Every node of a block, without those in functions and classes nested in it (they themselves are among them)."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, NESTED):
            continue
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
