"""Where a module may make names by other means than binding statements: the few nodes of its tree that are worth a look."""

import ast
import bisect
import re

from .bindings import FUNCTIONS

# a module that has none of these makes no names behind our back
DYNAMIC = re.compile(rb"\bglobals?\b|\bsetattr\(|\bexec\(|\bsys\.modules\b|\bvars\(|\blocals\(|__path__|meta_path")


def lines_of(data):
    """Numbers of the lines, ascending, on which something may make names when it runs."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found, line, at = [], 1, 0
    for match in DYNAMIC.finditer(data):
        line += data.count(b"\n", at, match.start())
        at = match.start()
        if not found or found[-1] != line:
            found.append(line)
    return found


def near(tree, lines):
    """(node, whether it is inside a function) of the nodes that span one of these lines: most of a tree is never looked at."""
    waiting = [(tree, False)] if lines else []
    while waiting:
        node, inside = waiting.pop()
        yield node, inside
        within = inside or isinstance(node, (*FUNCTIONS, ast.Lambda))
        for name in node._fields:
            value = getattr(node, name, None)
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, ast.AST) and spans(one, lines):
                    waiting.append((one, within))


def spans(node, lines):
    """Whether one of the lines lies in a node, its decorators included; what has no place of its own may hold any."""
    end = getattr(node, "end_lineno", None)
    if end is None:
        return not isinstance(node, ast.expr_context)
    start = min([node.lineno] + [one.lineno for one in getattr(node, "decorator_list", ())])
    at = bisect.bisect_left(lines, start)
    return at < len(lines) and lines[at] <= end
