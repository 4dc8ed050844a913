"""What a class has, and which keyword arguments a class or function takes, read from source text.

Answers are those of exporting.py. "missing" needs the whole inheritance in sight: a base class of another package, a
decorator or a metaclass that may add something makes it "undecided".
"""

import ast
import re

from .bindings import FUNCTIONS

DEFINED, MISSING, UNDECIDED = "defined", "missing", "undecided"
MAX_BASES = 24
PLAIN_BASES = {"object", "ABC", "Generic", "Protocol"}
# bases and decorators of other packages that make the constructor from the annotated fields
FIELD_BASES = {"Struct", "NamedTuple"}
MODEL_BASES = {"BaseModel"}
PLAIN_DECORATORS = {"final", "runtime_checkable", "total_ordering", "staticmethod", "wraps", "lru_cache", "cache", "no_grad"}
OF_EVERY_CLASS = frozenset(dir(type)) | frozenset(dir(object))


def member(exporter, module, class_name, attribute):
    """Whether the class has the attribute, its own or inherited."""
    found = exporter.definition(module, class_name)
    if found is None or found[0] != "class" or attribute in OF_EVERY_CLASS:
        return DEFINED if found is not None and found[0] == "class" else UNDECIDED
    unsure = False
    for home, node in lineage(exporter, found[2], found[1]):
        if not isinstance(node, ast.ClassDef):
            unsure = True
            continue
        sure, maybe = body_names(node)
        if attribute in sure:
            return DEFINED
        unsure = unsure or attribute in maybe or bool(node.keywords) or not plain(node.decorator_list)
        unsure = unsure or "__getattr__" in sure or set_later(exporter, home, node.name, attribute)
    return UNDECIDED if unsure else MISSING


def accepts(exporter, module, name, keyword):
    """Whether calling it with that keyword argument works."""
    found = exporter.definition(module, name)
    if found is None:
        return UNDECIDED
    kind, node, home = found
    if kind == "def":
        return of_function(node, keyword)
    return of_class(exporter, home, node, keyword)


def of_function(node, keyword, bound=False):
    """Whether a function takes the keyword; ``bound``: its first parameter is not the caller's."""
    arguments = node.args
    names = [one.arg for one in arguments.args]
    if bound:
        names = names[1:]
    if keyword in names or keyword in [one.arg for one in arguments.kwonlyargs]:
        return DEFINED
    if arguments.kwarg is not None or not plain(node.decorator_list):
        return UNDECIDED
    return MISSING


def of_class(exporter, module, node, keyword):
    """Whether the constructor takes the keyword."""
    fields, by_fields, unsure = set(), False, False
    for _home, one in lineage(exporter, module, node):
        if isinstance(one, str):  # a base of another package
            if one in FIELD_BASES or one in MODEL_BASES:
                by_fields = True
                unsure = unsure or one in MODEL_BASES
                continue
            return DEFINED if keyword in fields and by_fields else UNDECIDED
        if one is None:
            return DEFINED if keyword in fields and by_fields else UNDECIDED
        makers = [part for part in one.body if isinstance(part, FUNCTIONS) and part.name in ("__init__", "__new__")]
        hidden = body_names(one)[1] & {"__init__", "__new__"}
        unsure = unsure or bool(hidden) or any(word.arg == "metaclass" for word in one.keywords)
        decorated = [last_name(part) for part in one.decorator_list]
        if any(name.endswith("dataclass") or name in ("config", "define", "attrs") for name in decorated):
            by_fields = True
            unsure = unsure or not all(name.endswith("dataclass") for name in decorated)
        elif not plain(one.decorator_list):
            unsure = True
        if makers and not (by_fields and not any(part.name == "__init__" for part in makers)):
            answers = {of_function(part, keyword, bound=True) for part in makers}
            if answers == {DEFINED}:
                return DEFINED
            return UNDECIDED if unsure or UNDECIDED in answers or len(makers) > 1 else MISSING
        fields |= {part.target.id for part in one.body if is_field(part)}
        if by_fields and keyword in fields:
            return DEFINED
    if not by_fields:
        return UNDECIDED
    if keyword in fields:
        return DEFINED
    return UNDECIDED if unsure else MISSING


def is_field(node):
    """Whether a statement of a class body is a field of its constructor."""
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
        return False
    return "ClassVar" not in (last_name(node.annotation), last_name(getattr(node.annotation, "value", None)))


def lineage(exporter, module, node):
    """(module, class) of a class and its bases, depth first.

    (None, name) stands for a known base of another package, (None, None) for one that cannot be followed.
    """
    seen, waiting = set(), [(module, node)]
    while waiting:
        home, one = waiting.pop(0)
        yield home, one
        if not isinstance(one, ast.ClassDef) or id(one) in seen:
            continue
        seen.add(id(one))
        if len(seen) > MAX_BASES:
            yield None, None
            return
        above = []
        for base in one.bases:
            name = last_name(base)
            found = exporter.definition(home, base.id) if isinstance(base, ast.Name) else None
            if found is not None and found[0] == "class" and found[1] is not one:
                above.append((found[2], found[1]))
            elif name not in PLAIN_BASES:
                above.append((None, name if name in FIELD_BASES | MODEL_BASES else None))
        waiting = above + waiting


def last_name(node):
    """The last part of a plain, dotted, called or subscripted name, else ""."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def plain(decorators):
    """Whether none of the decorators changes what is called, or what a class has."""
    return all(last_name(one) in PLAIN_DECORATORS or last_name(one).endswith("dataclass") for one in decorators)


def body_names(node):
    """(names a class body binds, names it binds under a condition or only annotates)."""
    sure, maybe = set(), set()
    waiting = [(part, sure) for part in node.body]
    while waiting:
        part, into = waiting.pop()
        if isinstance(part, (*FUNCTIONS, ast.ClassDef)):
            into.add(part.name)
        elif isinstance(part, ast.Assign):
            for target in part.targets:
                into.update(one.id for one in ast.walk(target) if isinstance(one, ast.Name))
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            (maybe if part.value is None else into).add(part.target.id)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            into.update(alias.asname or alias.name.split(".")[0] for alias in part.names)
        else:
            for block in ("body", "orelse", "finalbody"):
                waiting.extend((one, maybe) for one in getattr(part, block, []) if isinstance(one, ast.stmt))
            for handler in getattr(part, "handlers", []):
                waiting.extend((one, maybe) for one in handler.body)
    return sure, maybe


def set_later(exporter, module, class_name, attribute):
    """Whether the module seems to set the attribute on the class after its definition."""
    place = exporter.place(module)
    text = exporter.text(place[1]) if place else b""
    word = re.escape(class_name).encode()
    return re.search(rb"\b%s\.%s\s*=|\bsetattr\(\s*%s\b" % (word, re.escape(attribute).encode(), word), text) is not None
