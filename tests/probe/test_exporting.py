"""What modules define: statements, re-exports, lazy modules, and what nobody can tell."""

from __future__ import annotations

import pytest

from tests.probe.trees import answers, exporter

DEFINED, MISSING, UNDECIDED = "defined", "missing", "undecided"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class LLM: ...", "LLM"),
        ("def run(): ...", "run"),
        ("async def run(): ...", "run"),
        ("a, (b, *c) = 1, (2, 3)", "c"),
        ("x: int = 1", "x"),
        ("if (found := 1): pass", "found"),
        ("with open('x') as handle: pass", "handle"),
        ("import os.path as p", "p"),
        ("import os.path", "os"),
        ("from .other import thing as it", "it"),
        ("try:\n    import fast\nexcept ImportError:\n    fast = None", "fast"),
        ("try:\n    from fast import f\nexcept ImportError:\n    raise", "f"),
        ("if is_torch_available():\n    def f(): ...\nelse:\n    f = None", "f"),
        ("if a:\n    x = 1\nelif b:\n    x = 2\nelse:\n    x = 3", "x"),
        ("", "__file__"),
        ("", "__path__"),
    ],
)
def test_a_name_that_a_statement_binds_is_defined(text: str, name: str) -> None:
    assert answers(text, name, "Other") == [DEFINED, MISSING]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("if is_cuda():\n    from .ops import fused", "fused"),
        ("try:\n    from fast import f\nexcept ImportError:\n    pass", "f"),
        ("for item in items: pass", "item"),
        ("def load():\n    global model\n    model = 1", "model"),
        ("globals()['made'] = 1", "made"),
        ('me_quant = LazyLoader("made", globals(), "vllm.model_executor.layers.quantization")', "made"),
    ],
)
def test_a_name_that_is_bound_at_times_is_undecided(text: str, name: str) -> None:
    assert answers(text, name, "Other") == [UNDECIDED, MISSING]


@pytest.mark.parametrize(
    "text",
    [
        "for n in names:\n    globals()[n] = make(n)",
        "globals().update(table)",
        'lazy = LazyLoader(name, globals(), "vllm.model_executor.models")',
        "exec(code)",
        "import sys\nsetattr(sys.modules[__name__], name, 1)",
        "import sys\nthis = sys.modules[__name__]",
        "from numpy import *",
        "def __getattr__(name):\n    return load(name)",
        "def __getattr__(name):\n    if name == 'x':\n        return 1",
        "class (",
        b"\xff\xfe".decode("latin-1") + "\0",
    ],
)
def test_a_module_that_makes_names_when_it_runs_misses_none(text: str) -> None:
    assert answers(text, "Anything") == [UNDECIDED]


@pytest.mark.parametrize(
    "text",
    [
        "import typing\nif typing.TYPE_CHECKING:\n    from .sampling import Params",
        "class Params: ...\ndel Params",
        "def f():\n    Params = 1",
        "class Outer:\n    class Params: ...",
        '"""\nclass Params: ...\n"""',
        "# Params = 1",
        "try:\n    pass\nexcept ValueError as Params:\n    pass",
        "x = [Params for Params in ()]",
    ],
)
def test_what_the_module_does_not_bind_when_it_has_run_is_missing(text: str) -> None:
    assert answers(text, "Params") == [MISSING]


def test_star_imports_bring_what_all_lists_or_every_public_name() -> None:
    text = "from .listed import *\nfrom .plain import *"
    listed = "__all__ = ['one'] + ['two']\n__all__ += ['three']\n__all__.append('four')\none = two = three = four = hidden = 1"
    plain = "public = _private = 1"
    names = ("one", "two", "three", "four", "hidden", "public", "_private")
    assert answers(text, *names, listed=listed, plain=plain) == [*[DEFINED] * 4, MISSING, DEFINED, MISSING]


def test_star_imports_in_a_circle_come_to_an_end() -> None:
    found = exporter({"": "from .a import *", "a.py": "from .b import *", "b.py": "from .a import *\nx = 1"})
    assert [found.status("engine", name) for name in ("x", "y")] == [DEFINED, MISSING]


def test_modules_are_packages_files_compiled_ones_and_folders_without_init() -> None:
    found = exporter(
        {"": "", "_C.abi3.so": b"", "space/ops.py": "x = 1", "stub.pyi": "", "deep/__init__.py": "", "deep/er.py": ""}
    )
    asked = (
        "engine._C",
        "engine.space",
        "engine.space.ops",
        "engine.deep.er",
        "engine.stub",
        "engine.deep.nope",
        "engine.nope.x",
    )
    assert [found.status(one, "") for one in asked] == [DEFINED] * 4 + [MISSING] * 3
    assert found.status("engine._C", "op") == UNDECIDED
    assert [found.status("engine", name) for name in ("_C", "space", "deep", "nope")] == [DEFINED] * 3 + [MISSING]
    assert found.modules() >= {"engine", "engine._C", "engine.space", "engine.space.ops", "engine.deep.er"}


def test_what_is_asked_of_an_object_of_the_module_above_is_undecided() -> None:
    found = exporter({"": "", "platforms.py": "current = make()"})
    assert found.status("engine.platforms.current", "is_cuda") == UNDECIDED
    assert found.status("engine.platforms.other", "is_cuda") == MISSING


def test_a_module_put_into_sys_modules_is_there_and_one_served_by_a_finder_is_undecided() -> None:
    text = """
        import re, sys
        from . import new
        sys.modules["engine.old"] = new
        LEGACY = re.compile(rf"{re.escape(__name__)}\\.models\\.(\\w+)\\.image_(?!pil_)(\\w+)_fast")
        sys.meta_path.append(Finder(LEGACY))
    """
    found = exporter({"": text, "new.py": "", "models/__init__.py": ""})
    asked = ("engine.old", "engine.models.llama.image_llama_fast", "engine.models.llama", "engine.gone")
    assert [found.status(one, "") for one in asked] == [DEFINED, UNDECIDED, MISSING, MISSING]


def test_a_helper_that_puts_aliases_into_sys_modules_opens_no_more_than_those() -> None:
    text = """
        import sys, types
        def _create_module_alias(alias, target):
            module = types.ModuleType(alias)
            module.__getattr__ = lambda name: getattr(load(target), name)
            sys.modules[alias] = module
            setattr(sys.modules[__name__], alias.rsplit(".", 1)[-1], module)
        _create_module_alias(f"{__name__}.old_utils", ".utils")
        for file in files:
            _create_module_alias(f"{__name__}.models.{file.parent.name}.{file.stem}_fast", ".x")
    """
    found = exporter({"": text, "models/__init__.py": "", "utils.py": ""})
    modules = ("engine.old_utils", "engine.models.llama.image_llama_fast", "engine.models.llama.image_llama", "engine.gone")
    assert [found.status(one, "") for one in modules] == [DEFINED, UNDECIDED, MISSING, MISSING]
    assert [found.status("engine", name) for name in ("old_utils", "Gone")] == [UNDECIDED, MISSING]


def test_a_module_getattr_over_a_literal_table_or_literal_names_is_read() -> None:
    text = """
        TABLE = {"LLM": ".entry:LLM", "Params": ".sampling:Params"}
        __all__ = ["listed"]
        if TYPE_CHECKING:
            from .gone import Gone
        else:
            def __getattr__(name):
                from importlib import import_module
                if name in TABLE:
                    module, attribute = TABLE[name].split(":")
                    return getattr(import_module(module, __package__), attribute)
                elif name == "single":
                    return 1
                if name in __all__:
                    return load(name)
                if name == "maybe" and is_there():
                    return 2
                raise AttributeError(name)
    """
    names = ("LLM", "Params", "single", "listed", "maybe", "Gone")
    assert answers(text, *names) == [DEFINED] * 4 + [UNDECIDED, MISSING]


LAZY_4 = """
from .utils import OptionalDependencyNotAvailable, _LazyModule, is_torch_available
_import_structure = {"config": ["Config"], "models": [], "models.llama": ["LlamaConfig"]}
try:
    if not is_torch_available():
        raise OptionalDependencyNotAvailable()
except OptionalDependencyNotAvailable:
    from .utils import dummy_pt_objects
    _import_structure["utils.dummy_pt_objects"] = [n for n in dir(dummy_pt_objects) if not n.startswith("_")]
else:
    _import_structure["models.llama"].extend(["LlamaModel"])
    _import_structure["models.llama"].append("LlamaHead")
    _import_structure["trainer"] = ["Trainer"]
if TYPE_CHECKING:
    from .config import TypedOnly
else:
    import sys
    sys.modules[__name__] = _LazyModule(
        __name__, globals()["__file__"], _import_structure, module_spec=__spec__, extra_objects={"__version__": __version__}
    )
"""


def test_an_import_structure_gives_its_names_and_submodules_and_nothing_else() -> None:
    files = {
        "": LAZY_4,
        "utils/__init__.py": "",
        "utils/dummy_pt_objects.py": "class OnlyDummy: ...",
        "config.py": "class Config: ...",
    }
    found = exporter(files)
    names = ("Config", "LlamaConfig", "LlamaModel", "LlamaHead", "Trainer", "models", "__version__", "utils")
    assert [found.status("engine", name) for name in names] == [DEFINED] * len(names)
    # a dummy stands in for it at times; what only the file itself imports is gone once the lazy module takes its place
    assert [found.status("engine", name) for name in ("OnlyDummy", "is_torch_available")] == [UNDECIDED, UNDECIDED]
    assert [found.status("engine", name) for name in ("TypedOnly", "AdamW")] == [MISSING, MISSING]


LAZY_5 = """
from .utils.import_utils import define_import_structure
_import_structure = {"config": ["Config"]}
if TYPE_CHECKING:
    pass
else:
    _ALIASES = {"old_config": "config"}
    _import_structure = {k: set(v) for k, v in _import_structure.items()}
    for _alias in _ALIASES:
        _import_structure.setdefault(_alias, set())
    import_structure = define_import_structure(Path(__file__).parent / "models", prefix="models")
    import_structure[frozenset({})].update(_import_structure)
    sys.modules[__name__] = _LazyModule(__name__, globals()["__file__"], import_structure, module_spec=__spec__)
"""
MODELING = """
@requires(backends=("torch",))
# Copied from somewhere
class LlamaExtra: ...
class LlamaModel: ...
class Hidden: ...
__all__ = [
    "LlamaModel",
    "LlamaForCausalLM",
]
"""


def test_define_import_structure_exports_what_the_files_list_and_what_requires_stands_above() -> None:
    files = {
        "": LAZY_5,
        "config.py": "class Config: ...",
        "utils/import_utils.py": 'if name.endswith("TokenizerFast"): ...\nif name.endswith("ImageProcessorFast"): ...',
        "models/llama/__init__.py": "",
        "models/llama/modeling_llama.py": MODELING,
        "models/llama/tokenization_llama.py": '__all__ = ["LlamaTokenizer"]',
        "models/llama/image_processing_llama.py": '__all__ = ["LlamaImageProcessor"]',
        "models/llama/modular_llama.py": '__all__ = ["FromModular"]',
    }
    found = exporter(files)
    names = ("Config", "LlamaModel", "LlamaForCausalLM", "LlamaExtra", "models", "old_config", "LlamaTokenizer")
    assert [found.status("engine", name) for name in names] == [DEFINED] * len(names)
    # old names of tokenizers and image processors are answered by the new ones
    assert [found.status("engine", name) for name in ("LlamaTokenizerFast", "LlamaImageProcessorFast")] == [DEFINED] * 2
    assert [found.status("engine", name) for name in ("Hidden", "FromModular", "AdamW")] == [MISSING] * 3
    assert found.status("engine", "FNetTokenizer") == UNDECIDED
    assert found.definition("engine", "LlamaModel")[2] == "engine.models.llama.modeling_llama"


def test_names_lists_what_status_calls_defined_or_at_times() -> None:
    files = {"": "from .a import *\nx = 1\nif y:\n    z = 1", "a.py": "b = 1\n_c = 2", "sub/__init__.py": ""}
    names, is_open = exporter(files).names("engine")
    assert {"x", "z", "b", "sub", "a"} <= names
    assert "_c" not in names
    assert not is_open
    assert exporter({"": "exec(x)"}).names("engine")[1]
    assert exporter({"": ""}).names("engine.gone") is None


def test_a_deep_or_endless_text_is_undecided_and_no_crash() -> None:
    assert answers("x = " + "(" * 5000, "y") == [UNDECIDED]
    assert answers("x = x + y\n__all__ = __all__ + x", "y") in ([MISSING], [UNDECIDED])
    elifs = "if a == 0:\n    x = 1\n" + "".join(f"elif a == {n}:\n    x = 1\n" for n in range(1500)) + "else:\n    x = 2\n"
    assert answers(elifs, "x")[0] in {DEFINED, UNDECIDED}
