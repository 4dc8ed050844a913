"""The probe's comparison of versions against packaging's."""

from __future__ import annotations

import operator
from itertools import product

import pytest
from packaging.version import Version

from envdoctor.probe.versions import holds, key

VERSIONS = [
    "0.6.6",
    "0.6.6.post1",
    "0.7.0",
    "0.7",
    "0.7.0rc1",
    "0.7.0rc2",
    "0.7.0a1",
    "0.7.0b3",
    "0.7.0.dev1",
    "0.7.0rc1.dev5",
    "0.7.0.post1.dev2",
    "0.10.0",
    "1!0.1",
    "2.5.1+cu124",
    "2.5.1+cu121",
    "2.5.1",
    "2.5.1+cpu",
    "2.5.1+1.local",
    "2.10",
    "v2.9",
    "4.47.0.dev0",
    "5",
    "5.0",
    "1.0-1",
    "1.0c1",
    "1.0-alpha",
]
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}


@pytest.mark.parametrize("sign", OPERATORS)
def test_versions_order_as_packaging_orders_them(sign: str) -> None:
    wrong = [
        (one, other)
        for one, other in product(VERSIONS, VERSIONS)
        if holds(one, sign, other) is not OPERATORS[sign](Version(one), Version(other))
    ]
    assert wrong == []


@pytest.mark.parametrize("text", ["", "abc", "1.0.x", "9" * 100, None, "1..0"])
def test_text_that_is_no_version_decides_nothing(text: str) -> None:
    assert key(text) is None
    assert holds("1.0", ">=", text) is None


def test_presence_is_asked_by_operators_of_its_own() -> None:
    assert holds("1.0", "installed", "") is True
    assert holds(None, "installed", "") is False
    assert holds(None, "absent", "") is True
    assert holds(None, ">=", "1") is None
