"""Which vLLM a trainer's code accepts: code in the shapes of TRL, verl and OpenRLHF, read and never run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from envdoctor.harvest import ranges
from envdoctor.harvest.jobs import Job
from envdoctor.harvest.plan import Reading
from envdoctor.harvest.remote import Unreadable
from envdoctor.rows import Release
from tests.harvest.test_metadata import file

if TYPE_CHECKING:
    from envdoctor.harvest.archive import Wheel

ENGINES = [
    Version(one)
    for one in ("0.5.4", "0.6.3", "0.6.3.post1", "0.7.3", "0.8.1", "0.9.0", "0.10.0", "0.10.2", "0.11.0", "0.12.0", "0.12.1")
]
MEMBERS = {"trl": ranges.TRL, "verl": ranges.VERL, "openrlhf": ranges.OPENRLHF}


class Code:
    """A wheel of one member, for the readers."""

    def __init__(self, member: str, text: str | bytes) -> None:
        self.members = {member: None}
        self.text = text.encode() if isinstance(text, str) else text

    def read(self, _: str) -> bytes:
        """The one there is."""
        return self.text


def wheel(trainer: str, text: str | bytes, member: str | None = None) -> Wheel:
    code: Any = Code(member or MEMBERS[trainer], text)
    return code  # type: ignore[no-any-return]


def check(trainer: str, text: str) -> ranges.Check | None:
    return ranges.READERS[trainer](wheel(trainer, text))


def accepted(trainer: str, text: str) -> list[str]:
    found = check(trainer, text)
    assert found is not None
    return [str(one) for one in ENGINES if found.accepts(one)]


def row(trainer: str, text: str) -> Any:
    name = f"{trainer}-1.0-py3-none-any.whl"
    job = Job(
        Reading(trainer, "0"), Version("1.0"), file(name, sha256="a" * 64), Release(version="1.0", file=name, sha256="a" * 64), ""
    )
    return ranges.accepted(wheel(trainer, text), job, ENGINES, "2026-11-25")


# --- TRL: warns

TRL_RANGE = """\
import warnings
from packaging.version import Version

def is_engine_there():
    found, installed = _look("vllm")
    if found:
        if not (Version("0.10.2") <= Version(vllm_version) <= Version("0.12.0")):
            warnings.warn("meant for others", stacklevel=2)
    return found
"""


def test_trl_accepts_the_range_outside_of_which_it_warns() -> None:
    assert accepted("trl", TRL_RANGE) == ["0.10.2", "0.11.0", "0.12.0"]
    found = row("trl", TRL_RANGE)
    assert (found.accepts, found.stops, found.engine) == (">=0.10.2,<=0.12.0", False, "vllm")
    assert found.where == "trl/import_utils.py, line 7"
    assert found.source == f"trl/import_utils.py, line 7, of the wheel trl-1.0-py3-none-any.whl, sha256 {'a' * 64}"


@pytest.mark.parametrize(
    ("test", "releases"),
    [
        ('vllm_version != version.parse("0.10.2")', ["0.10.2"]),
        ('is_vllm and vllm_version != Version("0.10.2")', ["0.10.2"]),
        ('not (Version(vllm_version) >= Version("0.11.0"))', ["0.11.0", "0.12.0", "0.12.1"]),
        ('Version(vllm_version) < Version("0.12.0")', ["0.12.0", "0.12.1"]),
        ('not (Version("0.6.3") <= Version(Version(vllm_version).base_version) <= Version("0.6.3"))', ["0.6.3", "0.6.3.post1"]),
    ],
)
def test_the_forms_of_trls_condition(test: str, releases: list[str]) -> None:
    assert accepted("trl", f"if {test}:\n    logger.warn('x')\n") == releases


@pytest.mark.parametrize(
    "text",
    [
        "",
        'if vllm_version != Version("0.10.2"):\n    x = 1\n',
        'if other_version != Version("0.10.2"):\n    warnings.warn("x")\n',
        "if vllm_version != newest:\n    warnings.warn('x')\n",
        'if "vllm" in names:\n    warnings.warn("x")\n',
        "x = \"if vllm_version != Version('0.10.2'): warnings.warn\"\n",
    ],
)
def test_trl_code_that_does_not_judge_the_engines_version_checks_nothing(text: str) -> None:
    assert check("trl", text) is None
    assert row("trl", text) is None


# --- verl: chooses an adapter, or raises

VERL_CHAIN = """\
from importlib.metadata import version

def get_version(name):
    return version(name)

package_name = "vllm"
package_version = get_version(package_name)
mode = "spmd"

if package_version == "0.5.4":
    mode = "own"
    from .v_0_5_4 import Engine
elif package_version == "0.6.3" or package_version == "0.6.3.post1":
    from .v_0_6_3 import Engine
elif package_version == "0.9.0":
    mode = "not supported any more"
elif vs.parse(package_version) >= vs.parse("0.10.2"):
    from vllm import Engine
else:
    raise ValueError(f"{package_version} is not supported")
"""


def test_verl_accepts_what_some_branch_imports_an_adapter_for() -> None:
    assert accepted("verl", VERL_CHAIN) == ["0.5.4", "0.6.3", "0.6.3.post1", "0.10.2", "0.11.0", "0.12.0", "0.12.1"]
    found = row("verl", VERL_CHAIN)
    assert (found.accepts, found.stops, found.where) == (
        ">=0.5.4,!=0.7.3,!=0.8.1,!=0.9.0,!=0.10.0",
        True,
        "verl/third_party/vllm/__init__.py, line 10",
    )


def test_a_comparison_of_texts_is_one_of_texts() -> None:
    text = 'if package_version >= "0.7.0":\n    from vllm import Engine\nelse:\n    raise ValueError(package_version)\n'
    assert accepted("verl", text) == ["0.7.3", "0.8.1", "0.9.0"], '"0.10.0" >= "0.7.0" is false'
    found = row("verl", text)
    assert found.accepts == ">=0.7.3,<=0.9.0"


@pytest.mark.parametrize("text", ["", "import vllm\n", "def f():\n    if package_version == '0.5.4':\n        import x\n"])
def test_verl_code_without_the_chain_checks_nothing(text: str) -> None:
    assert check("verl", text) is None


# --- OpenRLHF: asserts

OPENRLHF_ASSERTS = """\
import vllm

class Actor:
    def __init__(self, mode):
        assert vllm.__version__ >= "0.8.1", "too old"
        assert version.parse(vllm.__version__) != version.parse("0.8.1"), "broken"
        assert self.world > 0
        if mode == "hybrid":
            assert vllm.__version__ == "0.9.0", "only for this mode"
        try:
            assert vllm.__version__ < "0.5"
        except AssertionError:
            pass
        for _ in range(2):
            assert version.parse(vllm.__version__) < version.parse("0.5")
"""


def test_openrlhf_accepts_what_passes_every_assertion_that_stands_under_no_condition() -> None:
    assert accepted("openrlhf", OPENRLHF_ASSERTS) == ["0.9.0"]
    found = row("openrlhf", OPENRLHF_ASSERTS)
    assert (found.accepts, found.stops, found.where) == ("==0.9.0", True, "openrlhf/trainer/ray/vllm_engine.py, line 5")


def test_assertions_on_versions_are_open_above() -> None:
    text = 'async def f():\n    assert version.parse(vllm.__version__) > version.parse("0.8.1"), "x"\n'
    assert row("openrlhf", text).accepts == ">=0.9.0"


def test_a_wheel_that_keeps_its_code_under_purelib_is_read_too() -> None:
    text = 'assert version.parse(vllm.__version__) > version.parse("0.8.1")\n'
    found = ranges.openrlhf(wheel("openrlhf", text, f"openrlhf-1.0.data/purelib/{ranges.OPENRLHF}"))
    assert found is not None
    assert found.line == 1


@pytest.mark.parametrize(
    "text", ["", "assert vllm.__version__\n", "assert vllm.__version__ in SUPPORTED\n", 'if x:\n    assert vllm.__version__ == "0.9.0"\n',
             'assert other.__version__ == "0.9.0"\n', 'assert vllm.__version__ == "x"\n'],
)  # fmt: skip
def test_openrlhf_code_without_such_an_assertion_checks_nothing(text: str) -> None:
    assert check("openrlhf", text) is None


# --- all


@pytest.mark.parametrize("trainer", MEMBERS)
def test_a_wheel_without_the_file_checks_nothing(trainer: str) -> None:
    assert ranges.READERS[trainer](wheel(trainer, "", "other.py")) is None


@pytest.mark.parametrize("trainer", MEMBERS)
@pytest.mark.parametrize("text", [b"def f(:\n", b"\xff\xfe", b"x = 1\0", b"x = " + b"(" * 5000, b"x = " + b"-" * 50_000 + b"1"])
def test_what_is_no_python_is_unreadable(trainer: str, text: bytes) -> None:
    with pytest.raises(Unreadable, match="is not Python: "):
        ranges.READERS[trainer](wheel(trainer, text))


@pytest.mark.parametrize("depth", [200, 400, 800, 1600])
def test_code_that_is_nested_deeply_is_read_or_unreadable(depth: int) -> None:
    with suppress(Unreadable):
        assert (
            row("trl", f"if {'not ' * depth}(vllm_version == Version('0.9.0')):\n    warnings.warn('x')\n").accepts == "==0.9.0"
        )
    with suppress(Unreadable):
        assert row("trl", f"if vllm and {'-' * depth}x:\n    warnings.warn('x')\n") is None


def test_a_check_that_no_engine_passes_makes_no_row_and_without_engines_it_is_unreadable() -> None:
    assert row("openrlhf", 'assert vllm.__version__ == "0.1.0"\n') is None
    name = "trl-1.0-py3-none-any.whl"
    job = Job(Reading("trl", "0"), Version("1.0"), file(name), Release(version="1.0", file=name, sha256=None), "")
    with pytest.raises(Unreadable, match="no release of vllm is known"):
        ranges.accepted(wheel("trl", TRL_RANGE), job, [], "2026-11-25")


OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "is", "not in"])
SIDES = st.sampled_from(
    ['Version("0.9.0")', '"0.10.0"', "vllm_version", "Version(vllm.__version__)", "package_version", '"x"', "5", "None"]
)


@given(
    SIDES,
    OPERATORS,
    SIDES,
    st.sampled_from(
        [
            "if {}:\n    warnings.warn('vllm')\n",
            "if {}:\n    import x\n",
            "assert {}\n",
            "if not ({}) or package_version == '0.9.0':\n    import x; warn(vllm)\n",
        ]
    ),
)
def test_no_comparison_makes_an_error(left: str, operator: str, right: str, shape: str) -> None:
    for trainer in MEMBERS:
        found = check(trainer, shape.format(f"{left} {operator} {right}"))
        if found is not None:
            assert all(isinstance(found.accepts(one), bool) for one in ENGINES)
