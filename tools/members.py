"""What the classes of releases have and take -> envdoctor/data/tables/members/PACKAGE.jsonl.gz.

    python -m tools.members FOLDER

FOLDER holds the wheels, of any packages (`pip download --no-deps trl==0.9.6`). People paste "object has no attribute" and "got an
unexpected keyword argument"; on which side of a program a release stands that says so, this table tells. It is a table of
names like the others (:mod:`envdoctor.nametables`), with a class in the place of a module:

- ``PPOTrainer``: its methods, fields, and what its methods set on ``self``; ``<Trainer`` for a class that it inherits from;
- ``PPOTrainer()``: what it takes when it is made; ``...`` where that is for the classes to say that it inherits from, too;
- ``PPOTrainer.forward()``: what that method takes; ``prepare_peft_model()``: what a function takes. ``**`` is anything, and
  beside it stands what is then looked for by name.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING

from envdoctor.harvest.naming import READER, Bits, quiet_collector
from envdoctor.harvest.store import encoded
from envdoctor.nametables import Exports, ModuleRow, spans_of
from envdoctor.probe.surface import Unreadable, parsed
from envdoctor.sources.pasted.members import ANYTHING, BASE, INHERITED
from tools.wheels import line, write

if TYPE_CHECKING:
    from tools.wheels import Wheels

NOT_READ = re.compile(
    r"/(?:modeling|image_processing)_(?:tf|flax)_|_(?:tf|flax)_utils\.py$|/utils/dummy_|/convert_|/(?:commands|templates)/"
)
"""TensorFlow's and JAX' twins, what stands for a class where a library is not installed, and programs that convert."""
MODELS = "/models/"
OF_MODELS = frozenset(("forward", "generate", "from_pretrained"))
"""The methods of models whose arguments people meet."""
MADE_BY_PEOPLE = re.compile(
    r"(?:Config|Tokenizer|TokenizerFast|Processor|ProcessorFast|Extractor|Attention|DecoderLayer|RotaryEmbedding)$"
)
REACHED_FOR = re.compile(
    rf"{MADE_BY_PEOPLE.pattern}"
    r"|(?:Model|ForCausalLM|ForConditionalGeneration|ForSequenceClassification|Decoder|Encoder|Transformer|Mixin|Cache)$"
)
"""The classes of models that other programs make, and those of which they reach for a part. The rest is many times as much."""
DATACLASS = frozenset(("dataclass", "strict"))
"""Decorators that make an __init__ of the fields."""
Members = dict[str, set[str]]


def table(package: str, wheels: Wheels) -> bytes:
    """The table of one package, packed."""
    releases = line(wheels)
    bits, there, known = Bits(), defaultdict[str, int](int), dict[tuple[str, bytes], Members]()
    for version, path in wheels:
        bit = 1 << releases.place[version]
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if not name.startswith(f"{package}/") or not name.endswith(".py") or NOT_READ.search(name):
                    continue
                data = wheel.read(name)
                key = name, hashlib.sha256(data).digest()
                if key not in known:
                    known[key] = members(data, of_models=MODELS in name)
                for owner, names in known[key].items():
                    there[owner] |= bit
                    bits.set(owner, names, bit)
    rows = {owner: _row(owner, mask, bits) for owner, mask in sorted(there.items())}
    return encoded(Exports(package, package, READER, releases.releases, rows))


def _row(owner: str, mask: int, bits: Bits) -> ModuleRow:
    groups = bits.groups(owner)
    always = groups.pop(mask, "")
    return ModuleRow(
        module=owner, there=spans_of(mask), always=always, names=tuple((spans_of(one), text) for one, text in groups.items())
    )


def members(data: bytes, *, of_models: bool = False) -> Members:
    """What the classes and functions of a file have and take.

    Args:
        data: the file.
        of_models: it is one of a model: of its methods and functions few are met by name.
    """
    try:
        with quiet_collector():
            tree = parsed(data)
    except Unreadable:
        return {}
    found: Members = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not (of_models and REACHED_FOR.search(node.name) is None):
            _class(node, found, of_models=of_models)
    for node in () if of_models else tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            found.setdefault(f"{node.name}()", set()).update(_taken(node))
    return found


def _class(node: ast.ClassDef, found: Members, *, of_models: bool) -> None:
    own = found.setdefault(node.name, set())
    fields: set[str] = set()
    made = None
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            fields.add(one.target.id)
        elif isinstance(one, ast.Assign):
            own.update(name.id for target in one.targets for name in ast.walk(target) if isinstance(name, ast.Name))
            own.update(_mapped(one))
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            own.add(one.name)
            own.update(_set_on_self(one))
            if one.name == "__init__":
                made = _taken(one)
            elif one.name in OF_MODELS or not (of_models or one.name.startswith("__")):
                found.setdefault(f"{node.name}.{one.name}()", set()).update(_taken(one))
    own |= fields | {f"{BASE}{name}" for base in node.bases if (name := _last(base))}
    if of_models and MADE_BY_PEOPLE.search(node.name) is None:
        return
    if made is None:
        is_data = any(_last(one) in DATACLASS for one in node.decorator_list)
        made = {INHERITED, *(fields if is_data else ())}
    found.setdefault(f"{node.name}()", set()).update(made)


def _last(node: ast.expr) -> str:
    """The last part of a dotted name, of what a decorator or a generic is made of."""
    if isinstance(node, ast.Call):
        return _last(node.func)
    if isinstance(node, ast.Subscript):
        return _last(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _mapped(node: ast.Assign) -> set[str]:
    """The other names that a configuration answers to: ``attribute_map = {"hidden_size": "n_embd"}``."""
    is_map = any(isinstance(target, ast.Name) and target.id == "attribute_map" for target in node.targets)
    keys = node.value.keys if is_map and isinstance(node.value, ast.Dict) else ()
    return {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def _set_on_self(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """``self.x = ...`` anywhere in it."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def _taken(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The arguments that can be given by name; old names that a decorator takes are among them."""
    given = function.args
    names = {one.arg for one in (*given.args, *given.kwonlyargs)} - {"self", "cls"}
    for one in function.decorator_list:
        if isinstance(one, ast.Call) and "deprecate" in _last(one) and one.args and isinstance(one.args[0], ast.Constant):
            names |= {one.args[0].value} if isinstance(one.args[0].value, str) else set()
    if given.kwarg is None:
        return names
    return names | {ANYTHING} | {word for node in ast.walk(function) if (word := _looked_for(node))}


def _looked_for(node: ast.AST) -> str:
    """``kwargs.pop("torch_dtype", None)``, and the like of any table of arguments."""
    is_look = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"pop", "get"}
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id.endswith("kwargs")
    )
    first = node.args[0] if is_look and isinstance(node, ast.Call) and node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.isidentifier() else ""


if __name__ == "__main__":
    sys.exit(write(sys.argv[1:], __doc__, "members", table))
