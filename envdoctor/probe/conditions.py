"""What a condition in a package's code says about versions and presence of other packages.

A test is read as a list of [import name, operator, version] that all must hold; the operators beside those of PEP 440 are
"installed" and "absent" (their version is ""). None stands for a condition that cannot be read so.
"""

import ast

NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "installed": "absent", "absent": "installed"}
OPERATORS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
# what is_X_available() asks of is the package X, and nothing but whether it is there
ASKED_BY_NAME = frozenset(
    [
        "accelerate",
        "bitsandbytes",
        "compressed_tensors",
        "datasets",
        "deepspeed",
        "diffusers",
        "liger_kernel",
        "llm_blender",
        "math_verify",
        "mergekit",
        "openrlhf",
        "optimum",
        "outlines",
        "peft",
        "ray",
        "rich",
        "sglang",
        "torch",
        "torchvision",
        "transformers",
        "trl",
        "unsloth",
        "unsloth_zoo",
        "verl",
        "vllm",
        "wandb",
        "weave",
        "xformers",
        "xgrammar",
    ]
)
PARSERS = (
    "parse",
    "parse_version",
    "Version",
    "LooseVersion",
    "StrictVersion",
    "get_version",
    "version",
    "base_version",
    "Version_",
)
MAX_DEPTH = 12


class Conditions:
    """Reads conditions of one file; ``flags`` are its module-level names that are assigned once, ``modules`` its imports."""

    def __init__(self, flags, modules):
        self.flags = flags
        self.modules = modules

    def read(self, test, depth=0):
        """(what holds when it is true, what holds when it is false), each a list or None."""
        if depth > MAX_DEPTH:
            return None, None
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yes, no = self.read(test.operand, depth + 1)
            return no, yes
        if isinstance(test, ast.BoolOp):
            return self._both(test, depth)
        if isinstance(test, ast.Constant):
            return ([], "never") if test.value else ("never", [])
        found = self._single(test, depth)
        return ([found], [[found[0], NEGATED[found[1]], found[2]]]) if found else self._flag(test, depth)

    def _both(self, test, depth):
        """``and``: true when all hold; ``or``: false when none holds. The other way it is one of several: unknown unless one."""
        parts = [self.read(one, depth + 1) for one in test.values]
        if isinstance(test.op, ast.Or):
            parts = [(no, yes) for yes, no in parts]
        yes = []
        for one, _other in parts:
            if one == "never":
                yes = "never"
                break
            yes = None if one is None or yes is None else yes + one
        # the other way: decided only where all parts but one are surely true
        open_parts = [other for one, other in parts if one != []]
        no = open_parts[0] if len(open_parts) == 1 else None
        return (no, yes) if isinstance(test.op, ast.Or) else (yes, no)

    def _flag(self, test, depth):
        if isinstance(test, ast.Name) and self.flags.get(test.id) is not None:
            return self.read(self.flags[test.id], depth + 1)
        return None, None

    def _single(self, test, depth):
        """[import name, operator, version] of a comparison or a question to a function, else None."""
        if isinstance(test, ast.Call):
            return self._asked(test)
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
            return None
        left, operator, right = test.left, test.ops[0], test.comparators[0]
        if isinstance(operator, (ast.Is, ast.IsNot)) and isinstance(right, ast.Constant) and right.value is None:
            package = self._searched(left)
            return [package, "absent" if isinstance(operator, ast.Is) else "installed", ""] if package else None
        sign = OPERATORS.get(type(operator))
        if sign is None:
            return None
        package, version = self.versioned(left, depth), literal_version(right, self.flags)
        if package is None or version is None:
            package, version, sign = self.versioned(right, depth), literal_version(left, self.flags), MIRRORED[sign]
        return [package, sign, version] if package and version else None

    def _searched(self, node):
        """The package of ``importlib.util.find_spec("package")``, else None."""
        if isinstance(node, ast.Call) and tail(node.func) == "find_spec" and node.args and isinstance(node.args[0], ast.Constant):
            name = node.args[0].value
            return name if isinstance(name, str) and name.isidentifier() else None
        return None

    def _asked(self, call):
        """What ``is_x_available()``, ``is_x_version(">=", "1")`` and their like ask, else None."""
        name = tail(call.func)
        strings = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        words = {word.arg: word.value for word in call.keywords}
        if name == "bool" and len(call.args) == 1:
            package = self._searched(call.args[0])
            return (
                [package, "installed", ""]
                if package
                else self._asked(call.args[0])
                if isinstance(call.args[0], ast.Call)
                else None
            )
        package = name[3:-10] if name.startswith("is_") and name.endswith("_available") else ""
        if package.lower() in ASKED_BY_NAME:
            package = package.lower()
            if not call.args and not words:
                return [package, "installed", ""]
            lowest = strings[0] if strings else literal_version(words.get("min_version"), self.flags)
            if len(call.args) + len(words) == 1 and lowest:
                return [package, ">=", lowest]
            return None
        if name in ("_is_package_available", "is_package_available", "is_module_available") and len(strings) == 1 and not words:
            return [strings[0], "installed", ""] if strings[0] in ASKED_BY_NAME else None
        if name.startswith("is_") and name.endswith("_version") and len(strings) == 2 and strings[0] in NEGATED:
            return [name[3:-8], strings[0], strings[1]]
        if name == "compare_versions" and len(strings) == 3 and strings[1] in NEGATED:
            return strings
        if name.startswith("is_") and name.endswith("_greater_or_equal") and len(strings) == 1 and not words:
            return [name[3:-17], ">=", strings[0]]
        if name == "is_version_ge":
            asked = {"pkg": "vllm", "minver": None}
            asked.update(zip(("pkg", "minver"), strings))  # noqa: B905 - one may be left out
            asked.update({word: node.value for word, node in words.items() if isinstance(node, ast.Constant)})
            return [asked["pkg"], ">=", asked["minver"]] if isinstance(asked["minver"], str) else None
        return None

    def versioned(self, node, depth=0):
        """The import name of the package whose installed version an expression is, else None."""
        if depth > MAX_DEPTH:
            return None
        if isinstance(node, ast.Attribute):
            if node.attr == "__version__" and isinstance(node.value, ast.Name):
                module = self.modules.get(node.value.id)
                return module if module and "." not in module else None
            # Version(x).base_version, .release and the like do not compare as the version does
            return self.versioned(node.value, depth + 1) if node.attr in ("base_version", "public") else None
        if isinstance(node, ast.Call) and node.args and not node.keywords:
            name = tail(node.func)
            first = node.args[0]
            if name in PARSERS or name.lower().endswith("version"):
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    # what metadata says of an installed package, and no version in plain text
                    word = first.value.replace("-", "_")
                    return word if word.isidentifier() and name not in ("parse", "Version", "parse_version") else None
                return self.versioned(first, depth + 1)
        if isinstance(node, ast.Name):
            if self.flags.get(node.id) is not None:
                return self.versioned(self.flags[node.id], depth + 1)
            if node.id in self.modules and self.modules[node.id].endswith(".__version__"):
                return self.modules[node.id].rpartition(".")[0]
        return None


def literal_version(node, flags, depth=0):
    """The version that ``"1.2"``, ``Version("1.2")`` or a name of one writes, else None."""
    if depth > MAX_DEPTH or node is None:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) and node.value[:1].isdigit() else None
    if isinstance(node, ast.Call) and len(node.args) == 1 and tail(node.func) in PARSERS:
        return literal_version(node.args[0], flags, depth + 1)
    if isinstance(node, ast.Name) and flags.get(node.id) is not None:
        return literal_version(flags[node.id], flags, depth + 1)
    return None


def tail(node):
    """The last part of a plain or dotted name, else ""."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
