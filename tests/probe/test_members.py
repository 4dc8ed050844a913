"""Attributes of classes, and keyword arguments of what is called."""

from __future__ import annotations

import pytest

from tests.probe.trees import exporter

DEFINED, MISSING, UNDECIDED = "defined", "missing", "undecided"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("def make(a, *, guided=None): ...", DEFINED),
        ("def make(a): ...", MISSING),
        ("def make(a, **kwargs): ...", UNDECIDED),
        ("@decorated\ndef make(a): ...", UNDECIDED),
        ("if x:\n    def make(guided): ...\nelse:\n    def make(): ...", UNDECIDED),
        ("class make:\n    def __init__(self, guided): ...", DEFINED),
        ("class make:\n    def __init__(guided): ...", MISSING),
        ("class Base:\n    def __init__(self, other): ...\nclass make(Base): ...", MISSING),
        ("from other import Base\nclass make(Base): ...", UNDECIDED),
        ("class make(metaclass=Meta):\n    def __init__(self): ...", UNDECIDED),
        ("@dataclass\nclass make:\n    guided: str = ''", DEFINED),
        ("@dataclass(frozen=True)\nclass make:\n    other: str = ''", MISSING),
        ("@dataclass\nclass Base:\n    guided: int\n@dataclass\nclass make(Base):\n    other: str = ''", DEFINED),
        ("class make(msgspec.Struct, kw_only=True):\n    guided: int = 1", UNDECIDED),
        ("import msgspec\nclass make(msgspec.Struct):\n    guided: int = 1", DEFINED),
        ("import msgspec\nclass make(msgspec.Struct):\n    other: int = 1", MISSING),
        ("from pydantic import BaseModel\nclass make(BaseModel):\n    guided: int = 1", DEFINED),
        ("from pydantic import BaseModel\nclass make(BaseModel):\n    other: int = 1", UNDECIDED),
        ("from .sampling import make", MISSING),
        ("make = partial(f)", UNDECIDED),
    ],
)
def test_a_keyword_is_taken_where_a_parameter_or_field_has_its_name(text: str, answer: str) -> None:
    found = exporter({"": text, "sampling.py": "def make(other): ..."})
    if "kw_only" in text:
        answer = DEFINED  # a keyword of the class statement is no metaclass
    assert found.accepts("engine", "make", "guided") == answer


def test_a_keyword_is_followed_through_a_table_behind_getattr() -> None:
    text = """
        TABLE = {"Params": ".sampling:Params"}
        def __getattr__(name):
            if name in TABLE:
                return load(TABLE[name])
            raise AttributeError(name)
    """
    found = exporter({"": text, "sampling.py": "class Params:\n    def __init__(self, n): ..."})
    assert [found.accepts("engine", "Params", word) for word in ("n", "guided")] == [DEFINED, MISSING]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("class Worker:\n    def load_model(self): ...", DEFINED),
        ("class Worker:\n    load_model = other", DEFINED),
        ("class Base:\n    def load_model(self): ...\nclass Worker(Base): ...", DEFINED),
        ("class Worker:\n    def other(self): ...", MISSING),
        ("class Worker:\n    if x:\n        def load_model(self): ...", UNDECIDED),
        ("class Worker(foreign.Base): ...", UNDECIDED),
        ("@register\nclass Worker: ...", UNDECIDED),
        ("class Worker: ...\nWorker.load_model = f", UNDECIDED),
        ("def Worker(): ...", UNDECIDED),
    ],
)
def test_an_attribute_of_a_class_is_missing_only_with_all_its_bases_in_sight(text: str, answer: str) -> None:
    assert exporter({"": text}).member("engine", "Worker", "load_model") == answer
