"""The quick answer by text: it says what exact reading says, or nothing."""

from __future__ import annotations

import pytest

from envdoctor.probe import judging
from envdoctor.probe.proofs import Prover
from tests.probe.test_exporting import LAZY_4, LAZY_5, MODELING
from tests.probe.trees import exporter

FILES: dict[str, str | bytes] = {
    "": "from .a import One, Two as Three\nfrom .b import *\nif x:\n    from .c import Nested\n__version__ = '1'\n",
    "a.py": '"""\nclass InText: ...\nfrom .b import AlsoInText\n"""\nclass One: ...\nclass Two(One): ...\nTwo.later = 1\n# Comment = 1\n',
    "b.py": "__all__ = [\n    'Star',\n]\n\nStar = 1\nHidden = 2\n",
    "c.py": "import x\n\ndef f(a, b: int = (1, 2), *, c=[3]):\n    '''d=4'''\n\n@dataclass\nclass F:\n    one: int\n    two: int = field(\n        init=False,\n    )\n    three: ClassVar[int] = 3\n",
    "d.py": "\nclass Base:\n    def __init__(self, a, e: str): ...\n    def run(self): ...\n\nclass Child(Base):\n    x = 1\n\n@deco\nclass Odd(Child): ...\n",
    "e.py": "\nclass Gone: ...\ndel Gone\n",
    "_C.so": b"",
    "sub/__init__.py": "",
}
ASKED = [
    *[
        ("engine", name)
        for name in ("One", "Two", "Three", "Star", "Hidden", "Nested", "a", "sub", "nope", "__version__", "__file__")
    ],
    *[("engine.a", name) for name in ("One", "InText", "AlsoInText", "Comment", "Nope", "One(a)", "Two.later", "One.x")],
    *[("engine.c", f"f({name})") for name in ("a", "b", "c", "d", "e")],
    *[("engine.c", f"F({name})") for name in ("one", "two", "three", "four")],
    *[
        ("engine.d", name)
        for name in ("Child(a)", "Child(e)", "Child(x)", "Odd(a)", "Odd(z)", "Base.run", "Child.run", "Child.nope")
    ],
    ("engine.e", "Gone"),
    ("engine._C", "x"),
    ("engine.gone", ""),
    ("engine.gone", "x"),
]


@pytest.mark.parametrize(("module", "name"), ASKED)
def test_an_answer_by_text_is_the_exact_answer_or_leaves_missing_alone(module: str, name: str) -> None:
    found = exporter(FILES)
    quick = Prover(found).answer(module, name)
    full = judging.answer(exporter(FILES), module, name)
    assert quick in ({None, "defined", "undecided"} if full == "defined" else {None, full})


def test_what_is_common_is_proven_by_text() -> None:
    prover = Prover(exporter(FILES))
    proven = [
        ("engine", "One"),
        ("engine", "Star"),
        ("engine", "a"),
        ("engine.c", "f(c)"),
        ("engine.c", "F(one)"),
        ("engine.d", "Child(e)"),
    ]
    assert [prover.answer(*one) for one in proven] == ["defined"] * len(proven)
    assert prover.answer("engine.a", "Nope") == "missing"
    assert prover.answer("engine._C", "x") == "undecided"


@pytest.mark.parametrize(
    "name", ["Config", "LlamaConfig", "LlamaModel", "LlamaHead", "Trainer", "AdamW", "n", "_", "is_torch_available"]
)
def test_import_structures_are_read_by_text_as_exactly(name: str) -> None:
    files = {"": LAZY_4, "config.py": "class Config: ...", "models/llama/__init__.py": "", "trainer.py": "class Trainer: ..."}
    assert Prover(exporter(files)).answer("engine", name) in {None, exporter(files).status("engine", name)}


@pytest.mark.parametrize("name", ["LlamaModel", "LlamaForCausalLM", "LlamaExtra", "Hidden", "Config"])
def test_a_scanned_folder_is_searched_where_the_name_leads(name: str) -> None:
    files = {"": LAZY_5, "models/llama/modeling_llama.py": MODELING, "models/llama/__init__.py": ""}
    assert Prover(exporter(files)).answer("engine", name) in {None, exporter(files).status("engine", name)}
    assert Prover(exporter(files)).answer("engine", "LlamaModel") == "defined"
