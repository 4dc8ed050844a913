"""The quick look: it finds at least what exact reading finds."""

from __future__ import annotations

import pytest

from envdoctor.probe.takes import Search
from tests.probe.trees import taken

TEXTS = [
    "from engine.sampling import A as a, B\nimport engine.worker as w\nw.Worker(x=1)\n",
    "from engine import (  # why\n    A,\n    B as b,  # that\n)\nb(\n    one=1,\n    two=f(inner=2),\n)\n",
    "from engine.a \\\n    import A, \\\n    B\n",
    "import os, engine.a.b\nengine.a.b.C(k=1)\nengine.d\n",
    "from engine import envs\nif envs.FLAG == 1: pass\n",
    "from engine.worker import Worker\nold = Worker.load\nWorker.load = f\nsetattr(Worker, 'run', f)\nsetattr(\n  Worker,\n  \"x\", f)\n",
    "import engine.worker\nengine.worker.Worker.load = f\nsetattr(engine.worker.Worker, 'run', f)\n",
    "import importlib\nimportlib.import_module(\n    'engine.late')\n",
    "def f():\n    from engine.x import *\n",
    "from engine import LLM\nx = LLM(\"a(b=1\", (c := 1), d = 2, **{'e': 3})\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_everything_that_exact_reading_finds_is_taken(text: str) -> None:
    found = Search([b"engine"]).takes(text.encode())
    exact = {(use["module"], use["name"]) for use in taken(text)}
    assert exact
    assert exact <= found


def test_only_keywords_of_the_call_itself_count() -> None:
    found = Search([b"engine"]).takes(b"from engine import LLM\nLLM('x=1)', g(inner=2), [y == 3], outer=4) # later=5\nother(z=6)")
    assert {name for _module, name in found if "(" in name} == {"LLM(outer)"}


def test_a_file_that_only_mentions_the_exporter_takes_nothing() -> None:
    assert Search([b"engine"]).takes(b"# the engine is imported by others\nfrom engines import x\nimport enginee") == frozenset()
