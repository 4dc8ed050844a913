"""Names that a module gives on demand: transformers' import structures, tables behind a module ``__getattr__``.

The rules are those of transformers/utils/import_utils.py (``_LazyModule``, ``create_import_structure_from_path``), which
accelerate, peft and trl have copied.
"""

import ast
import re

# what such a module keeps about itself
OWN = frozenset(
    [
        "_modules",
        "_class_to_module",
        "_objects",
        "_name",
        "_import_structure",
        "_object_missing_backend",
        "_explicit_import_shortcut",
        "_get_module",
    ]
)
STRUCTURE = re.compile(r"import_structure$")
WORD = re.compile(r"[A-Za-z_]\w*$")
REQUIRES = re.compile(rb"^@(?:requires|export)\b[^\n]*\n(?:(?!class|def)[^\n]*\n){0,60}(?:class|def) (\w+)", re.M)
LOOK_AROUND = re.compile(r"\(\?[^()]*\)|\\[a-zA-Z]")
FRAGMENT = re.compile(r"[A-Za-z_]{3,}")
SKIPPED = ("convert_", "modular_")  # scripts and templates that the scan passes over


class Lazy:
    """What a lazy module gives: {name: submodule it loads from}, its submodules, and folders whose files list the rest."""

    def __init__(self):
        self.names = {}
        self.modules = set()
        self.dummies = []
        self.folders = []  # (folder relative to the module's own: "" or "models", prefix of its submodules)
        self.open = False


def read(surface, tree, data):
    """The Lazy of a module that replaces itself by one, else None."""
    if b"_LazyModule" not in data or b"import_structure" not in data:
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and named(node.func).endswith("LazyModule")]
    if not calls:
        return None
    lazy = Lazy()
    for call in calls:
        for word in call.keywords:
            if word.arg == "extra_objects":
                add_objects(lazy, surface, word.value)
        for one in call.args:
            scanned(lazy, one)
            if isinstance(one, ast.Dict):
                add_dict(lazy, surface, one)
    keys = {}  # names of loops over literals: their strings
    for node in statements(tree.body):
        if isinstance(node, (ast.For, ast.AsyncFor)) and isinstance(node.target, ast.Name):
            found = surface.literal(node.iter.id) if isinstance(node.iter, ast.Name) else None
            keys[node.target.id] = found
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and STRUCTURE.search(target.id):
                scanned(lazy, node.value)
                if isinstance(node.value, ast.Dict):
                    add_dict(lazy, surface, node.value)
                elif not isinstance(node.value, (ast.Call, ast.DictComp)):
                    lazy.open = True
            elif isinstance(target, ast.Subscript) and STRUCTURE.search(named(target.value)):
                add_value(lazy, surface, literal_keys(index(target), keys), node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            add_call(lazy, surface, node.value, keys)
    return lazy


def statements(body):
    """Every statement outside functions and classes, except those that only a type checker reads."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        parts = [] if isinstance(node, ast.If) and "TYPE_CHECKING" in named(node.test) else [getattr(node, "body", [])]
        parts += [getattr(node, "orelse", []), getattr(node, "finalbody", [])]
        parts += [handler.body for handler in getattr(node, "handlers", [])]
        for part in reversed(parts):
            waiting.extend(reversed(part))


def named(node):
    """The last part of a plain or dotted name, else ""."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def index(node):
    """The expression in a subscript's brackets."""
    return node.slice.value if isinstance(node.slice, getattr(ast, "Index", ())) else node.slice


def literal_keys(node, keys):
    """The strings that a key may be, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    return keys.get(node.id) if isinstance(node, ast.Name) else None


def scanned(lazy, node):
    """Note the folder when the expression is ``define_import_structure(__file__)`` or of a folder beside it."""
    if not (isinstance(node, ast.Call) and named(node.func) == "define_import_structure"):
        return
    parts = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)] if node.args else []
    folder = "/".join(part for part in parts if isinstance(part, str) and part != "__file__")
    prefix = [word.value.value for word in node.keywords if word.arg == "prefix" and isinstance(word.value, ast.Constant)]
    lazy.folders.append((folder, prefix[0] if prefix and isinstance(prefix[0], str) else ""))


def add_dict(lazy, surface, node):
    """Take in a literal {submodule: [names]}."""
    for key, value in zip(node.keys, node.values):  # noqa: B905 - Python 3.8 has no strict
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            add_value(lazy, surface, [key.value], value)
        else:
            lazy.open = True


def add_value(lazy, surface, modules, value):
    """Take in the names of some submodules."""
    from .surface import strings  # noqa: PLC0415 - the two read each other

    if modules is None:
        lazy.open = True
        return
    lazy.modules.update(modules)
    found = strings(surface, value)
    if found is None:
        found = []
        if isinstance(value, ast.ListComp) and isinstance(value.generators[0].iter, ast.Call):
            call = value.generators[0].iter
            # [name for name in dir(dummy_objects) if not name.startswith("_")]: stand-ins, listed by a module of its own
            if named(call.func) == "dir" and call.args and isinstance(call.args[0], ast.Name):
                lazy.dummies.append(call.args[0].id)
                return
        lazy.open = True
    for name in found:
        lazy.names[name] = modules[0]


def add_call(lazy, surface, call, keys):
    """Take in ``structure["module"].extend([...])``, ``.append("Name")``, ``structure.update({...})``, ``.setdefault(...)``."""
    function = call.func
    if not isinstance(function, ast.Attribute) or not call.args:
        return
    owner, value = function.value, call.args[0]
    if isinstance(owner, ast.Subscript) and STRUCTURE.search(named(owner.value)):
        if function.attr in ("extend", "append", "add", "update"):
            if isinstance(value, ast.Name) and STRUCTURE.search(value.id):
                return  # one structure put into another
            if function.attr in ("append", "add"):
                value = ast.List(elts=[value], ctx=ast.Load())
            add_value(lazy, surface, literal_keys(index(owner), keys), value)
    elif STRUCTURE.search(named(owner)):
        if function.attr == "update" and isinstance(value, ast.Dict):
            add_dict(lazy, surface, value)
        elif function.attr == "setdefault" and len(call.args) == 2:
            empty = isinstance(call.args[1], ast.Call) and not call.args[1].args
            add_value(lazy, surface, literal_keys(value, keys), ast.List(elts=[], ctx=ast.Load()) if empty else call.args[1])
        elif function.attr == "update" and not (isinstance(value, ast.Name) and STRUCTURE.search(value.id)):
            lazy.open = True


def add_objects(lazy, surface, node):
    """Take in ``extra_objects={"name": object}``."""
    from .surface import strings  # noqa: PLC0415 - the two read each other

    found = strings(surface, node) if isinstance(node, ast.Dict) else None
    if found is None:
        lazy.open = True
    for name in found or ():
        lazy.names[name] = None


def exported(data):
    """Names that a file under a scanned folder exports.

    Those of its last ``__all__`` line, read as transformers reads it, and those that ``@requires`` stands above.
    """
    names = set()
    if b"@requires" in data or b"@export" in data:
        names.update(name.decode("utf-8", "replace") for name in REQUIRES.findall(data))
    # the last such line counts; it stands near the end of a file
    start = 0 if data.startswith(b"__all__") else -1
    start = max(start, data.rfind(b"\n__all__") + 1 or start)
    if start >= 0:
        lines = data[start:].decode("utf-8", "replace").splitlines()
        if lines[0].endswith("]"):
            words = lines[0].split("=")[-1].strip(" []").split(",")
        else:
            words = []
            for line in lines[1:]:
                if line.strip() == "]":
                    break
                words.append(line)
        names.update(word for word in (word.strip("\"', ") for word in words) if WORD.match(word))
    return names


def answered(surface, function):
    """(names that a module's ``__getattr__`` gives for sure, names it gives at times); None when it cannot be read.

    It reads conditions on its argument: ``name == "x"``, ``name in TABLE``, ``name not in globals()``, and wants the way
    through all of them to end by raising.
    """
    if not function.args.args:
        return None
    argument = function.args.args[0].arg
    sure, maybe = set(), set()
    body = list(function.body)
    while body:
        node = body.pop(0)
        if isinstance(node, ast.If):
            found = condition(surface, node.test, argument)
            if found is None:
                return None
            if not isinstance(node.body[-1], ast.Raise):
                sure |= found[0]
                maybe |= found[1]
            if found[2]:  # name not in globals(): what follows is for names that are there
                return (sure, maybe) if isinstance(node.body[-1], ast.Raise) else None
            if node.orelse:
                body = node.orelse + body
        elif isinstance(node, ast.Raise):
            return sure, maybe
        elif not (
            isinstance(node, (ast.Import, ast.ImportFrom, ast.Global))
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        ):
            return None
    return None  # it falls off its end: every name is there, as None


def condition(surface, test, argument):
    """(names for which it is true, names for which it may be, whether it is ``not in globals()``); None if unreadable."""
    from .surface import is_call, strings  # noqa: PLC0415 - the two read each other

    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        parts = [condition(surface, one, argument) for one in test.values]
        known = [part for part in parts if part is not None and not part[2]]
        return (set(), known[0][0] | known[0][1], False) if known else None
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or named(test.left) != argument:
        return None
    against, operator = test.comparators[0], test.ops[0]
    if is_call(against, "globals") and isinstance(operator, (ast.In, ast.NotIn)):
        return set(), set(), isinstance(operator, ast.NotIn)
    if isinstance(operator, ast.Eq) and isinstance(against, ast.Constant) and isinstance(against.value, str):
        return {against.value}, set(), False
    if isinstance(operator, ast.In):
        found = strings(surface, against)
        return None if found is None else (set(found), set(), False)
    return None


def patterns(tree):
    """Of each regular expression in a file that puts a finder of its own on sys.meta_path: the words that it asks for.

    The expressions themselves are never run: they are a stranger's.
    """
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and named(node.func) == "compile" and node.args:
            parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else [node.args[0]]
            text = " ".join(one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str))
            words = frozenset(FRAGMENT.findall(LOOK_AROUND.sub(" ", text)))
            if words:
                found.append(words)
    return found


def looked_up(surface, name):
    """(module, attribute) that a literal table {name: "module:attribute"} of the module holds for the name, else None."""
    if not any(kind == "def" for kind, _node in surface.bound.get("__getattr__", ())):
        return None
    for bindings in surface.bound.values():
        for kind, node in bindings:
            if kind == "value" and isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values):  # noqa: B905 - Python 3.8 has no strict
                    if isinstance(key, ast.Constant) and key.value == name and isinstance(value, ast.Constant):
                        module, _, attribute = str(value.value).partition(":")
                        return (module, attribute or name) if module else None
    return None


def add_aliases(surface, tree):
    """Note the modules that a helper such as ``create_alias(f"{__name__}.old", ".new")`` puts into sys.modules.

    Returns the ids of the nodes of such helpers, whose own statements say nothing more.
    """
    helpers, inside = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [one.arg for one in node.args.args]
            for one in ast.walk(node):
                if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Subscript):
                    target, key = one.targets[0].value, index(one.targets[0])
                    if named(target) == "modules" and isinstance(key, ast.Name) and key.id in names:
                        helpers[node.name] = names.index(key.id)
                        inside.update(id(part) for part in ast.walk(node))
    for node in ast.walk(tree):
        place = helpers.get(named(node.func)) if isinstance(node, ast.Call) else None
        if place is None or id(node) in inside or len(node.args) <= place:
            continue
        parts, whole = [], True
        for one in node.args[place].values if isinstance(node.args[place], ast.JoinedStr) else [node.args[place]]:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                parts.append(one.value)
            elif isinstance(one, ast.FormattedValue) and named(one.value) == "__name__":
                parts.append(surface.module)
            else:
                whole = False
                parts.append(" ")
        text = "".join(parts)
        if whole:
            surface.aliases.add(text)
            surface.maybe.add(text.rpartition(".")[2])
        else:
            words = frozenset(FRAGMENT.findall(text))
            surface.alias_patterns.append(words)
            surface.modules_open = surface.modules_open or not words
    return inside
