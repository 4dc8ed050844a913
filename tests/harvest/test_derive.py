"""Claims made of what was read: exact on the releases there are, grouped without gaps, and decidable by a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.harvest import store
from envdoctor.harvest.derive import claims, grouped, requirements, specifier_of, tidy
from envdoctor.rows import CodeRange, Package, Release, TorchRelease, VllmRelease, python_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.claims import Claim

DAY = "2026-11-25"
LINUX = 'platform_system == "Linux"'


def package(name: str, said: Mapping[str, tuple[str, ...]], **more: Any) -> Package:
    """A package whose releases require these lines."""
    rows = {
        Release(version=version, file=f"{name}-{version}-py3-none-any.whl", sha256="a" * 64, **more): lines
        for version, lines in said.items()
    }
    return store.packed(name, DAY, rows)


def claims_of(*packages: Package, **more: Any) -> dict[str, tuple[Claim, ...]]:
    return claims(store.Derived({one.name: one for one in packages}, **more))


def required(*lines: str, python: str | None = None, **more: Any) -> dict[str, str]:
    one = package("x", {"1.0": lines}, requires_python=python)
    return requirements(one, one.releases[0], **more)


# --- requirements


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("torch==2.5.1", {"torch": "==2.5.1"}),
        ("torch (==2.5.1)", {"torch": "==2.5.1"}),
        ("Flash_Attn>=2", {"flash-attn": ">=2"}),
        (f"torch==2.5.1; {LINUX}", {"torch": "==2.5.1"}),
        ('torch==2.5.1; platform_machine == "aarch64"', {}),
        ('torch==2.5.1; sys_platform == "win32"', {}),
        ('torch==2.5.1; python_version >= "3.8"', {"torch": "==2.5.1"}),
        ('torch==2.5.1; python_version < "3.12"', {}),
        ('torch==2.5.1; extra == "all"', {}),
        ("torch", {}),
        ("torch @ http://127.0.0.1/torch.whl", {}),
        ("ray[default]>=2.9", {"ray": ">=2.9"}),
        ("no requirement!", {}),
        ('torch==1; sys_platform ~= "linux"', {}),
        ('torch==1; "x" in extras', {}),
        ('torch==1; python_full_version > "x"', {}),
        ('torch==1; platform_release >= "no version"', {}),
        ("torch>=" + "1" * 990, {"torch": ">=" + "1" * 990}),
    ],
)
def test_a_requirement_counts_on_linux_whatever_the_python(line: str, found: dict[str, str]) -> None:
    assert required(line) == found


def test_a_marker_counts_on_the_pythons_of_the_release() -> None:
    line = 'torch==2.5.1; python_version < "3.12"'
    assert required(line, python=">=3.9,<3.12") == {"torch": "==2.5.1"}
    assert required(line, python=">=3.9", anywhere=True) == {"torch": "==2.5.1"}
    assert required(line, python="no range") == {}
    assert required('torch==2.5.1; python_version >= "3"', python=">=" + "1" * 5000) == {"torch": "==2.5.1"}


def test_an_extra_adds_only_its_own_lines() -> None:
    lines = ("vllm>=0.6", 'vllm>=0.8; extra == "vllm"', 'ray>=2; extra == "other"')
    assert required(*lines) == {"vllm": ">=0.6"}
    assert required(*lines, extra="vllm") == {"vllm": ">=0.8"}


def test_lines_of_one_package_are_joined_and_a_range_that_no_check_could_decide_is_left_out() -> None:
    assert required("numpy<2", "numpy>=1.26", "numpy<2") == {"numpy": ">=1.26,<2"}
    assert required(*(f"numpy!=1.{number}.{'0' * 50}" for number in range(30)), "torch==2.0") == {"torch": "==2.0"}


@settings(max_examples=200)
@given(
    st.from_regex(r"[a-z]{1,4}(\[x\])? ?(==|>=|<|!=|~=|===)?[0-9a-z.*+!]{0,6}(; ?(python_version|extra|sys_platform|os_name|platform_release) ?(==|<|in|~=|not in|===) ?['\"][0-9a-z.]{0,4}['\"])?", fullmatch=True),
    st.sampled_from([None, ">=3.9", "<3", "x"]),
    st.sampled_from(["", "vllm"]),
)  # fmt: skip
def test_no_line_makes_an_error(line: str, python: str | None, extra: str) -> None:
    for spec in required(line, python=python, extra=extra).values():
        assert isinstance(admits(spec, Version("1")), bool)


# --- specifiers

FINAL = st.builds(
    lambda release, post: Version(".".join(map(str, release)) + (f".post{post}" if post is not None else "")),
    st.lists(st.integers(0, 12), min_size=2, max_size=3),
    st.none() | st.integers(0, 3),
)
CLAUSES = st.lists(
    st.one_of(
        st.builds(lambda operator, version: f"{operator}{version}", st.sampled_from(["==", "!=", ">=", "<=", ">", "<"]), FINAL),
        st.builds(lambda operator, number: f"{operator}{number}.*", st.sampled_from(["==", "!="]), st.integers(0, 12)),
        st.builds(lambda version: f"~={version}", FINAL),
    ),
    min_size=1,
    max_size=5,
)


@given(CLAUSES, st.lists(FINAL, max_size=10))
def test_a_tidy_range_admits_the_same_releases_and_stays_as_it_is(clauses: list[str], versions: list[Version]) -> None:
    spec = ",".join(clauses)
    made = tidy(spec)
    named = [Version(clause.lstrip("=!<>~").removesuffix(".*")) for clause in clauses]
    for version in [*versions, *named]:
        assert SpecifierSet(made).contains(version) == SpecifierSet(spec).contains(version), (spec, made, version)
    assert tidy(made) == made


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("<2,>=1", ">=1,<2"),
        (">=1,>=1,!=1.5,<2", ">=1,<2,!=1.5"),
        ("==1.5,>=1", "==1.5"),
        ("==1.5,>=2", "==1.5,>=2"),
        ("==1.*", "==1.*"),
        ("==1.0,==1.0.0", "==1.0,==1.0.0"),
    ],
)
def test_a_tidy_range_is_in_a_fixed_order_and_an_exact_pin_stands_alone(spec: str, made: str) -> None:
    assert sorted(tidy(spec).split(",")) == sorted(made.split(","))
    if "," not in made or not made.startswith("=="):
        assert tidy(spec) == made


KNOWN = st.lists(FINAL, min_size=1, max_size=12, unique=True)


@given(KNOWN, st.integers(0, 2**12 - 1), st.booleans())
def test_a_specifier_is_exact_on_the_releases_that_exist_for_any_predicate(known: list[Version], bits: int, later: bool) -> None:
    accepted = {one for place, one in enumerate(known) if bits >> place & 1}
    spec = specifier_of(lambda version: version in accepted if version in known else later, known)
    if not accepted:
        assert spec is None
        return
    assert spec is not None
    assert {one for one in known if SpecifierSet(spec).contains(one)} == accepted
    newest = max(known)
    assert SpecifierSet(spec).contains(Version(f"{newest.major + 1}.0")) == (later and newest in accepted)


@pytest.mark.parametrize(
    ("tags", "made"),
    [
        (("cp39", "cp310", "cp311"), ">=3.9,<3.12"),
        (("cp39", "cp311"), ">=3.9,<3.12,!=3.10.*"),
        (("cp38-abi3",), ">=3.8"),
        (("cp38-abi3", "cp311"), ">=3.8"),
        (("py3",), ""),
        ((), ""),
        (("cp3", "cp3x", "cp", "cp311t", "cp3-abi3"), ""),
    ],
)
def test_python_tags_as_a_range(tags: tuple[str, ...], made: str) -> None:
    assert python_range(tags) == made


# --- grouping


def test_releases_that_say_the_same_share_a_row_and_nothing_lies_between_them() -> None:
    vllm = package(
        "vllm",
        {"0.6.0": ("torch==2.4",), "0.6.1": ("torch==2.4",), "0.6.2": (), "0.6.3": ("torch==2.4",), "0.6.4": ("torch==2.5",)},
    )
    rows = claims_of(vllm)["vllm"]
    assert [(row.id, row.when, row.then) for row in rows] == [
        ("pins-0.6.0", {"vllm": ">=0.6.0,<=0.6.1"}, {"torch": "==2.4"}),
        ("pins-0.6.3", {"vllm": "==0.6.3"}, {"torch": "==2.4"}),
        ("pins-0.6.4", {"vllm": "==0.6.4"}, {"torch": "==2.5"}),
    ]
    assert rows[0].says == "vllm 0.6.0 to 0.6.1 is built with torch 2.4 and pins it; with another, its extensions may not load."
    assert rows[0].source == (
        f"METADATA of the wheel vllm-0.6.0-py3-none-any.whl, sha256 {'a' * 64} and "
        f"METADATA of the wheel vllm-0.6.1-py3-none-any.whl, sha256 {'a' * 64}"
    )
    assert {row.read for row in rows} == {DAY}


RELEASES = st.lists(st.sampled_from(["torch==2.4", "torch==2.5", ""]), min_size=1, max_size=12)


@given(RELEASES)
def test_each_release_is_admitted_by_the_one_row_that_says_what_it_says(lines: list[str]) -> None:
    said = {f"0.{number}": (line,) if line else () for number, line in enumerate(lines)}
    rows = claims_of(package("vllm", said)).get("vllm", ())
    for version, line in said.items():
        admitting = [row for row in rows if admits(row.when["vllm"], Version(version))]
        assert [row.then for row in admitting] == ([{"torch": line[0].removeprefix("torch")}] if line else [])
    assert len({row.id for row in rows}) == len(rows)


def test_nothing_said_makes_no_row() -> None:
    one = package("vllm", {"0.6.0": ()})
    assert list(grouped(one, "pins", "pins", [None])) == []
    assert claims_of(one) == {}
    assert claims_of(package("numpy", {"1.0": ("torch==2",)})) == {}, "not one of those that pin"


# --- claims by topic


def test_pins_are_about_packages_of_the_stack_and_the_python() -> None:
    one = package("trl", {"1.0": ("torch==2.5.1", "requests>=2", "accelerate>=1"), "1.1": ()}, requires_python=">=3.10")
    assert [row.then for row in claims_of(one)["trl"]] == [
        {"__python": ">=3.10", "accelerate": ">=1", "torch": "==2.5.1"},
        {"__python": ">=3.10"},
    ]


def test_a_release_whose_metadata_could_not_be_read_pins_nothing_and_one_whose_code_could_not_pins_what_it_says() -> None:
    assert claims_of(package("vllm", {"1.0": ()}, requires_python=">=3.10", unread="HTTP status 404")) == {}
    (row,) = claims_of(package("trl", {"1.0": ("torch==2.5.1",)}, unread="its code: x"))["trl"]
    assert row.then == {"torch": "==2.5.1"}


@pytest.mark.parametrize(
    "python", ["no range", ">=" + "1" * 5000, ">=3.9," + ",".join(f"!=3.9.{number}" for number in range(300))]
)
def test_a_python_range_that_no_check_could_decide_is_left_out(python: str) -> None:
    assert claims_of(package("vllm", {"1.0": ()}, requires_python=python)) == {}


def test_the_family_is_compiled_for_one_torch_without_the_tag_of_its_index() -> None:
    one = package("torchvision", {"0.15.0": ("torch==2.0.0+cu117",), "0.16.0": ("torch>=2.1",), "0.17.0": ("numpy",)})
    rows = [row for row in claims_of(one)["torchvision"] if row.topic == "torch-family"]
    assert [row.then for row in rows] == [{"torch": "==2.0.0"}, {"torch": ">=2.1"}]
    assert "torchvision::nms" in rows[0].says


def test_glibc_of_torch_and_vllm_comes_from_their_bytes() -> None:
    torch, vllm = package("torch", {"2.5.1": (), "2.6.0": ()}), package("vllm", {"0.7.0": ()})
    builds = TorchRelease(
        torch="2.5.1", cuda="12.4", archs=("sm_90",), cxx11_abi=False, python=">=3.9", glibc="2.28", source="bytes of the wheel t", read=DAY,
    )  # fmt: skip
    others = VllmRelease(vllm="0.7.0", cuda_major=12, archs=(), modules={}, glibc="2.32", source="bytes of the wheel v", read=DAY)
    found = claims_of(torch, vllm, torch=(builds,), vllm=(others,))
    assert [(row.when, row.then, row.source) for row in found["torch"]] == [
        ({"torch": "==2.5.1"}, {"__glibc": ">=2.28"}, "ELF version needs in the bytes of the wheel t")
    ]
    assert found["vllm"][0].then == {"__glibc": ">=2.32"}


def code(version: str, accepts: str, *, stops: bool = False) -> CodeRange:
    where = "trl/import_utils.py, line 9"
    return CodeRange(
        trainer="trl",
        version=version,
        engine="vllm",
        accepts=accepts,
        stops=stops,
        where=where,
        source=f"{where}, of x",
        read=DAY,
    )


ENGINE = package("vllm", {f"0.{minor}.0": () for minor in range(6, 13)})


@pytest.mark.parametrize(
    ("declared", "accepts", "ids"),
    [
        ('vllm>=0.10; extra == "vllm"', None, ["vllm-1.0"]),
        (None, ">=0.10", ["vllm-code-1.0"]),
        ('vllm>=0.10.0; extra == "vllm"', ">=0.10.0,<=0.12.0", ["vllm-code-1.0"]),  # the same releases: said once
        ('vllm>=0.8; extra == "vllm"', ">=0.10.0,<=0.11.0", ["vllm-code-1.0"]),  # the code is narrower
        ('vllm==0.11.0; extra == "vllm"', ">=0.10.0", ["vllm-1.0"]),  # the metadata is narrower
        ('vllm<0.11; extra == "vllm"', ">=0.10.0", ["vllm-1.0", "vllm-code-1.0"]),  # each refuses what the other admits
        ("vllm==0.11.0", None, ["vllm-1.0"]),
        (None, None, []),
    ],
)
def test_a_trainers_range_is_what_its_metadata_and_its_code_say_the_narrower_where_one_implies_the_other(
    declared: str | None, accepts: str | None, ids: list[str]
) -> None:
    trl = package("trl", {"1.0": (declared,) if declared else ()})
    found = claims_of(trl, ENGINE, ranges=(code("1.0", accepts),) if accepts else ())
    rows = [row for row in found.get("trl", ()) if row.topic == "trainer-engine"]
    assert [row.id for row in rows] == ids
    assert all(row.when == {"trl": "==1.0"} for row in rows)


def test_rows_that_code_and_metadata_say_alike_name_both_sources() -> None:
    trl = package("trl", {"1.0": ('vllm>=0.10.0,<=0.11.0; extra == "vllm"',)})
    (row,) = [
        row for row in claims_of(trl, ENGINE, ranges=(code("1.0", ">=0.10.0,<=0.11.0"),))["trl"] if row.topic == "trainer-engine"
    ]
    assert "METADATA (extra vllm) and trl/import_utils.py, line 9, of the wheel trl-1.0-py3-none-any.whl" in row.source
    assert row.basis == "wheel-code"


LINES = st.lists(
    st.sampled_from(["torch==2.5.1", "torch>=2", "torch<3", "vllm>=0.6", 'vllm==0.7.0; extra == "vllm"', "transformers!=5.0.*,>=4", "numpy<2",
                     "torch===2.5.1", "torch~=2.1", 'ray>=2; python_version < "3.9"', "torch==2.0+cu118", "x"]),
    max_size=4,
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(LINES, min_size=1, max_size=5),
    st.sampled_from(["vllm", "trl", "torchvision", "verl", "openrlhf", "xformers"]),
    st.sampled_from([None, ">=3.9", "x"]),
)
def test_every_claim_can_be_decided_and_has_what_a_row_must_have(lines: list[list[str]], name: str, python: str | None) -> None:
    one = package(name, {f"0.{number}": tuple(of) for number, of in enumerate(lines)}, requires_python=python)
    for row in claims_of(one).get(name, ()):
        for spec in (*row.when.values(), *row.then.values()):
            try:
                admits(spec, Version("1"))
            except InvalidSpecifier:
                pytest.fail(f"{row.id}: {spec}")
        assert row.says
        assert "{}" not in row.says
        assert row.source
        assert row.then
