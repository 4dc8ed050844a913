"""The stacks of `matrix show`: by a small made-up world, and by the shipped data judged by the rules themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from envdoctor.claims import Claim, admits
from envdoctor.findings import Severity
from envdoctor.matrix import Matrix
from envdoctor.reasons import reasons
from envdoctor.rows import python_range
from envdoctor.stacks import Asked, Stack, Table, table
from tests import small
from tests.factory import MATRIX
from tests.small import Made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envdoctor.reasons import Reasons

GPUS = {row.key: row for row in MATRIX.gpu_products()}
DRIVERS = ("470.57.02", "535.54.03", "535.161.08", "550.54.15", "580.65.06", "580.95.05")
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
GLIBCS = ("2.17", "2.28", "2.31", "2.35")
TRAINERS = ("trl", "verl", "openrlhf")


def shown(answer: Table) -> dict[str, Stack]:
    return {one.versions["vllm"]: one for one in answer.stacks}


def refused(answer: Table) -> dict[str, tuple[str, str]]:
    return {one.version: (one.kind, one.why) for one in answer.refusals}


def judged(stack: Stack, asked: Asked) -> Reasons:
    """The stack as `matrix why` judges it, on the machine that was asked for."""
    machine = {"gpu": asked.gpu.key if asked.gpu else None, "driver": asked.driver, "python": asked.python, "glibc": asked.glibc}
    return reasons({**stack.versions, **{name: value for name, value in machine.items() if value is not None}}, MATRIX)


def against(answer: Reasons) -> list[str]:
    """What speaks against it, in words; empty where nothing does."""
    said = [f"{one.code}: {one.title}" for one in answer.broken if one.severity is Severity.ERROR]
    return said + [f"{one.package}: {one.wishes}" for one in answer.clashes]


def every_release() -> list[str]:
    package = MATRIX.package("vllm")
    assert package is not None
    return [one.version for one in package.releases if not one.yanked]


def complete(answer: Table) -> None:
    """Every engine release is shown or refused, once, and the shown ones are in order."""
    order = [Version(one.versions["vllm"]) for one in answer.stacks]
    assert order == sorted(order, reverse=True)
    assert sorted([*shown(answer), *refused(answer)]) == sorted(every_release())
    assert len(answer.stacks) + len(answer.refusals) == len(every_release())
    assert all(one.why.strip() for one in answer.refusals)


# -- a small world --


def test_a_stack_is_the_engine_with_its_torch_and_the_newest_trainer_and_transformers_of_its_day(tmp_path: Path) -> None:
    answer = table(small.matrix(tmp_path), Asked())
    one = shown(answer)["1.0"]
    assert one.versions == {"vllm": "1.0", "torch": "2.0", "trl": "0.2", "transformers": "4.50"}
    assert (one.cuda, one.driver_floor, one.glibc) == ("12.1", "525.60.13", "2.28")
    assert one.python == ("3.9", "3.10", "3.11", "3.12")
    assert one.capabilities == ("8.0", "9.0")
    assert shown(answer)["0.9"].versions == {"vllm": "0.9", "torch": "1.9", "transformers": "4.40"}  # no trainer names it


def test_a_trainer_that_asks_for_more_than_the_engines_own_pin_gives_is_passed_over_for_an_older_one(tmp_path: Path) -> None:
    trl = (small.WORLD["trl"][0], Made("0.2", "2025-03-09", ('vllm==1.0; extra == "vllm"', "ray>=2.41.0")))
    assert shown(table(small.matrix(tmp_path, trl=trl), Asked()))["1.0"].versions["trl"] == "0.1"


def test_a_trainer_and_an_engine_that_want_a_third_in_ranges_without_a_common_release_are_no_stack(tmp_path: Path) -> None:
    engine = small.ENGINE._replace(requires=("torch==2.0", "numpy<2", "transformers>=4.40"))
    trl = (Made("0.2", "2025-03-09", ('vllm==1.0; extra == "vllm"', "numpy>=2")),)
    matrix = small.matrix(tmp_path, vllm=(engine,), trl=trl)
    assert "trl" not in shown(table(matrix, Asked()))["1.0"].versions
    assert refused(table(matrix, Asked(packages={"trl": ""})))["1.0"] == (
        "trainer", "vllm 1.0 needs numpy<2, trl 0.2 needs numpy>=2",
    )  # fmt: skip


def test_an_open_range_of_a_trainer_counts_for_engines_that_were_there_and_a_closed_one_for_all(tmp_path: Path) -> None:
    before, extra = "2025-02-01", 'extra == "vllm"'
    for spec, takes in ((">=0.9", False), (">=0.9,<=1.0", True), ("==1.0", True)):
        matrix = small.matrix(tmp_path / spec[-4:], trl=(Made("0.1", before, (f"vllm{spec}; {extra}",)),))
        assert ("trl" in shown(table(matrix, Asked()))["1.0"].versions) is takes, spec


def test_transformers_is_of_the_stacks_own_day_and_a_later_one_only_where_no_older_one_goes(tmp_path: Path) -> None:
    later = small.ENGINE._replace(requires=("torch==2.0", "transformers>=4.60"))
    matrix = small.matrix(tmp_path, vllm=(later,), trl=(), transformers=(*small.WORLD["transformers"], Made("5.1", "2026-03-01")))
    assert shown(table(matrix, Asked()))["1.0"].versions["transformers"] == "5.0"


def test_yanked_releases_are_in_no_stack(tmp_path: Path) -> None:
    matrix = small.matrix(
        tmp_path,
        vllm=(small.WORLD["vllm"][0], small.ENGINE._replace(yanked=True)),
        transformers=(Made("4.40", "2024-01-01"), Made("4.50", "2024-02-01", yanked=True)),
    )
    answer = table(matrix, Asked())
    assert [one.versions for one in answer.stacks] == [{"vllm": "0.9", "torch": "1.9", "transformers": "4.40"}]
    assert not answer.refusals


def test_the_reason_of_a_refusal_is_the_engines_own_and_not_that_no_transformers_is_left(tmp_path: Path) -> None:
    curated = Claim(
        id="no-blackwell", topic="runtime", when={"vllm": "==1.0", "__sm": ">=9"}, then={"torch": ">=3"}, basis="measured",
        says="it crashes", source="a test", read=small.READ,
    )  # fmt: skip
    old = small.ENGINE._replace(python=">=3.12")
    matrix = small.matrix(tmp_path, vllm=(old,), curated=(curated,))
    assert refused(table(matrix, Asked(python="3.9")))["1.0"] == ("python", "it goes with Python 3.12")
    assert refused(table(matrix, Asked(glibc="2.17")))["1.0"] == ("glibc", "it needs glibc 2.28")
    assert refused(table(matrix, Asked(gpu=small.GPUS[1])))["1.0"] == ("runtime", "it crashes")
    assert not refused(table(matrix, Asked(gpu=small.GPUS[0])))


def test_an_engine_built_for_another_cuda_than_its_torch_is_no_stack(tmp_path: Path) -> None:
    built = (msgspec.structs.replace(small.VLLM[1], cuda_major=13),)
    assert refused(table(small.matrix(tmp_path, vllm_built=built), Asked()))["1.0"] == (
        "cuda", "its modules need CUDA 13, torch 2.0 brings 12.1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "driver", "kind"),
    [
        ("a100", "525.60.13", None),
        ("h100", "530.30.02", None),
        ("h100", "525.60.13", "driver"),
        ("b200", None, "gpu"),
        ("a100", "470", "driver"),
    ],
)
def test_a_gpu_needs_code_in_torch_and_engine_and_ptx_needs_the_driver_of_its_cuda(
    tmp_path: Path, key: str, driver: str | None, kind: str | None
) -> None:
    gpu = next(row for row in small.GPUS if row.key == key)
    answer = table(small.matrix(tmp_path), Asked(gpu=gpu, driver=driver))
    assert refused(answer).get("1.0", (None, ""))[0] == kind


def test_a_tag_that_asks_for_a_newer_glibc_than_the_files_counts(tmp_path: Path) -> None:
    matrix = small.matrix(tmp_path, vllm=(small.ENGINE._replace(glibc="2.35"),))
    assert shown(table(matrix, Asked()))["1.0"].glibc == "2.35"
    assert refused(table(matrix, Asked(glibc="2.31")))["1.0"] == ("glibc", "it needs glibc 2.35")


def test_data_without_releases_gives_an_empty_table(tmp_path: Path) -> None:
    assert table(Matrix(str(tmp_path)), Asked()) == Table("trl", (), ())


# -- the shipped data --


def asks() -> Iterator[Asked]:
    yield Asked()
    yield from (Asked(packages={trainer: ""}) for trainer in TRAINERS)
    yield from (Asked(gpu=GPUS[key]) for key in ("h100", "b200", "v100", "rtx4090", "gb10"))
    yield from (Asked(driver=driver) for driver in DRIVERS)
    yield from (Asked(python=python) for python in PYTHONS)
    yield from (Asked(glibc=glibc) for glibc in GLIBCS)
    yield from (
        Asked(gpu=GPUS[key], driver=driver, python="3.11") for key in ("h100", "b200", "v100", "rtx4090") for driver in DRIVERS
    )


def words(asked: Asked) -> str:
    said = [
        asked.gpu.key if asked.gpu else "",
        asked.driver and f"driver {asked.driver}",
        asked.python and f"Python {asked.python}",
    ]
    said += [asked.glibc and f"glibc {asked.glibc}", *asked.packages]
    return ", ".join(one for one in said if one) or "nothing"


@pytest.mark.parametrize("asked", list(asks()), ids=words)
def test_nothing_speaks_against_a_stack_that_is_shown(asked: Asked) -> None:
    answer = table(MATRIX, asked)
    complete(answer)
    assert {one.versions["vllm"]: against(judged(one, asked)) for one in answer.stacks if against(judged(one, asked))} == {}


RULES = {"driver": {"ED102", "ED103"}, "gpu": {"ED107", "ED108"}, "python": {"ED202"}, "glibc": {"ED501"}, "runtime": {"ED402"}}
"""The rules that say what a refusal of that kind says."""


@pytest.mark.parametrize("asked", [one for one in asks() if not one.packages], ids=words)
def test_what_is_refused_for_the_machine_is_refused_by_the_rule_for_it(asked: Asked) -> None:
    plain = shown(table(MATRIX, Asked()))
    for version, (kind, why) in refused(table(MATRIX, asked)).items():
        if kind == "index":  # whatever the machine
            assert version not in plain
            continue
        answer = judged(plain[version], asked)
        codes = {one.code for one in answer.broken}
        installable = has_wheels({**plain[version].versions, **{name: one for name, (one, _) in answer.brought.items()}}, asked)
        assert codes & RULES[kind] or (kind in {"glibc", "python"} and not installable), (version, kind, why, codes)


def has_wheels(versions: dict[str, str], asked: Asked) -> bool:
    """Whether an installer finds a wheel of each of these for that Python and glibc, as far as their releases were read."""
    for name, text in versions.items():
        package = MATRIX.package(name)
        release = next((one for one in package.releases if Version(one.version) == Version(text)), None) if package else None
        if release is None:
            continue
        if asked.glibc and release.glibc and Version(release.glibc) > Version(asked.glibc):
            return False
        ranges = (python_range(release.python), release.requires_python)
        if asked.python and not all(admits(spec, Version(f"{asked.python}.9")) for spec in ranges if spec):
            return False
    return True


@pytest.mark.parametrize(
    "asked", [Asked(python=python) for python in PYTHONS] + [Asked(glibc=glibc) for glibc in GLIBCS], ids=words
)
def test_everything_in_a_stack_that_is_shown_has_a_wheel_for_the_python_and_the_glibc(asked: Asked) -> None:
    assert [one.versions["vllm"] for one in table(MATRIX, asked).stacks if not has_wheels(one.versions, asked)] == []


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainer_that_is_asked_for_is_in_every_stack_and_within_the_range(trainer: str) -> None:
    answer = table(MATRIX, Asked(packages={trainer: ">=0.2"}))
    assert answer.trainer == trainer
    assert answer.stacks
    assert all(admits(">=0.2", Version(one.versions[trainer])) for one in answer.stacks)
    assert {kind for kind, _ in refused(answer).values()} <= {"trainer", "index"}


def test_an_engine_that_pins_a_release_which_is_gone_from_the_index_is_no_stack() -> None:
    gone = {version: why for version, (kind, why) in refused(table(MATRIX, Asked())).items() if kind == "index"}
    assert set(gone) == {"0.8.0", "0.8.1", "0.8.2"}
    assert gone["0.8.1"].startswith("it pins xgrammar 0.1.16, which is not on the package index (read ")


RANGES = st.sampled_from(
    ("", ">=0.7", "<0.9", "==0.8.5", ">=2.5,<2.8", "==2.7.0", ">=4.50,<5", "<4.46", ">=5", "!=0.16.1", ">=99")
)


@st.composite
def anything(draw: st.DrawFn) -> Asked:
    """Any combination of options, of one trainer at most."""
    names = draw(st.lists(st.sampled_from(("vllm", "torch", "transformers")), unique=True, max_size=2))
    names += draw(st.lists(st.sampled_from(TRAINERS), max_size=1))
    return Asked(
        gpu=draw(st.sampled_from([None, *GPUS.values()])),
        driver=draw(st.sampled_from([None, *DRIVERS])),
        python=draw(st.sampled_from([None, *PYTHONS, "3.11.4", "4", "2.7.18"])),
        glibc=draw(st.sampled_from([None, *GLIBCS])),
        packages={name: draw(RANGES) for name in names},
    )


@given(asked=anything())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_combination_gives_a_table_in_which_every_engine_is_shown_or_refused(asked: Asked) -> None:
    answer = table(MATRIX, asked)
    complete(answer)
    for one in answer.stacks:
        assert all(admits(spec, Version(one.versions[name])) for name, spec in asked.packages.items())
    for one in (*answer.stacks[:1], *answer.stacks[-1:]):
        assert against(judged(one, asked)) == []
