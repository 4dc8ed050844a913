"""Whole plans: real rules on hand-made facts, the real uv, and an index on 127.0.0.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.facts import DirectUrl, Unknown
from envdoctor.fixing.contradiction import clash, driver
from tests.applying.conftest import settings
from tests.factory import MATRIX, dist, edit, healthy
from tests.fixing import shelf
from tests.fixing.planned import NEWEST, VLLM_0_7, VLLM_0_33, environment, planned, report_of
from tests.harvest.server import Index

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the shelf; uv has a cache of its own."""
    index = Index()
    shelf.stock(index)
    index.thread.start()
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings(monkeypatch, tmp_path_factory.mktemp("uv"))
        yield index.url
    index.close()


def test_newest_trl_on_driver_535_keeps_the_driver_and_moves_the_stack(url: str) -> None:
    asked = planned(environment(NEWEST, driver="535.161.08", api="12.2"), url)
    assert [one.root.code for one in asked.answer.wanted] == ["ED102"]
    assert asked.moves["vllm"] == ("0.31.0", "0.19.1")
    assert asked.moves["trl"] == ("1.16.0", "1.13.0")
    assert asked.moves["torch"] == ("2.13.0", "2.10.0")
    # the CUDA 13 library goes before the one of CUDA 12 comes: they share folders
    assert asked.moves["nvidia-cublas"] == ("13.1.1.3", None)
    assert asked.moves["nvidia-cublas-cu12"] == (None, "12.8.4.1")
    best = asked.answer.plans[0]
    assert [one.root.code for one in best.repair.mends] == ["ED102"]
    assert not {name for name in best.supposed if name.startswith("__") or name in {"driver", "gpu"}}
    verbs = [argv[2] for argv in best.repair.commands if argv[0] == "uv"]
    assert verbs == ["uninstall", "install"]


def test_vllm_0_7_with_transformers_5_moves_transformers_and_its_followers_only(url: str) -> None:
    asked = planned(environment(VLLM_0_7, driver="550.54.15", api="12.4"), url)
    assert asked.moves == {
        "transformers": ("5.24.0", "4.57.6"),
        "huggingface-hub": ("2.4.0", "0.36.2"),
        "tokenizers": ("0.23.3", "0.22.2"),
    }
    assert asked.answer.plans[0].cost.heads == 1
    why = {one.name: one.why for one in asked.answer.plans[0].repair.moves}
    assert why["transformers"].startswith("ED402 vllm 0.7.0 needs transformers <5")
    assert "transformers 4.57.6" in why["tokenizers"]


def test_trl_over_a_newer_vllm_takes_the_nearest_engine_and_what_goes_with_it_and_leaves_the_trainer(url: str) -> None:
    asked = planned(environment(VLLM_0_33), url)
    assert [one.root.code for one in asked.answer.wanted] == ["ED401"]
    # not one package: vllm 0.31.0 pins torch 2.13.0 and caps transformers, and no trl takes vllm 0.33.0
    assert asked.moves == {
        "vllm": ("0.33.0", "0.31.0"),
        "torch": ("2.14.0", "2.13.0"),
        "triton": ("3.8.0", "3.7.1"),
        "transformers": ("5.20.0", "5.17.0"),
        "huggingface-hub": ("2.4.0", "1.33.0"),
    }
    assert asked.answer.plans[0].cost.heads == 3


def test_a_cap_of_a_later_release_holds_for_an_earlier_one_that_states_none(url: str) -> None:
    # vllm 0.30.0 states no cap; 0.31.0 and later refuse the transformers that is here
    asked = planned(environment(VLLM_0_33), url, {"vllm": "0.30.0"})
    assert asked.moves["transformers"] == ("5.20.0", "5.17.0")
    why = {one.name: one.why for one in asked.answer.plans[0].repair.moves}
    assert "0.31.0" in why["transformers"]


def test_the_plan_has_the_files_and_sizes_that_the_index_tells(url: str) -> None:
    best = planned(environment(VLLM_0_7, driver="550.54.15", api="12.4"), url).answer.plans[0]
    sizes = {
        name: len(shelf.wheel(name, version, shelf.requires(name, version)))
        for name, version in (("transformers", "4.57.6"), ("huggingface-hub", "0.36.2"), ("tokenizers", "0.22.2"))
    }
    assert {one.name: one.download_bytes for one in best.repair.moves} == sizes
    assert best.cost.download_bytes == sum(sizes.values())
    assert all(one.files and one.files[0].sha256 for one in best.repair.pins)


def test_versions_are_chosen_from_the_cache_and_what_moves_is_asked_of_the_index(url: str) -> None:
    facts = environment(VLLM_0_7, driver="550.54.15", api="12.4")
    planned(facts, url)
    warm = planned(facts, url)
    assert [one.offline for one in warm.questions] == [True, False]
    assert set(warm.questions[1].requirements) == {"transformers==4.57.6", "huggingface-hub==0.36.2", "tokenizers==0.22.2"}
    assert not warm.questions[1].with_dependencies


def test_what_is_kept_stays_and_the_plan_goes_around_it(url: str) -> None:
    facts = environment(NEWEST, driver="535.161.08", api="12.2")
    kept = planned(facts, url, {"numpy": "2.3.5"})
    assert all(one.supposed.get("numpy", "2.3.5") == "2.3.5" for one in kept.answer.plans)
    assert all(one.supposed["vllm"] != "0.19.1" for one in kept.answer.plans)


def test_a_version_that_is_kept_and_not_installed_comes(url: str) -> None:
    asked = planned(environment(NEWEST), url, {"vllm": "0.30.0"})
    assert not asked.answer.wanted
    assert asked.moves == {"vllm": ("0.31.0", "0.30.0")}


def test_without_a_solution_the_two_facts_that_contradict_each_other_are_said(url: str) -> None:
    facts = environment(NEWEST, driver="535.161.08", api="12.2")
    keep = {"vllm": "0.31.0"}
    asked = planned(facts, url, keep)
    assert not asked.answer.plans
    found = clash(facts, MATRIX, keep, asked.answer.failed, asked.report)
    assert found is not None
    assert found.says == (
        "driver 535.161.08 is too old for CUDA 13.0: torch needs driver 580.65.06 or newer (vllm 0.31.0 brings torch)"
    )
    assert [one.value for one in found.facts] == ["535.161.08", "13.0"]
    needed = driver(facts, MATRIX, keep, asked.report)
    assert needed is not None
    assert needed.needed == "580.65.06"
    assert needed.works is not None
    assert needed.works.versions["vllm"] == "0.19.1"


def test_two_kept_versions_that_contradict_each_other_are_named_with_the_pin(url: str) -> None:
    facts = environment(NEWEST)
    keep = {"vllm": "0.7.0", "torch": "2.13.0"}
    asked = planned(facts, url, keep)
    assert not asked.answer.plans
    found = clash(facts, MATRIX, keep, asked.answer.failed, asked.report)
    assert found is not None
    assert found.says.startswith("vllm 0.7.0 requires torch==2.5.1, but torch 2.13.0 is installed")


def test_what_did_not_come_from_an_index_is_left_alone_and_what_it_asks_for_holds(url: str) -> None:
    own = dist("mine", "0.1", "tokenizers<0.22", direct_url=DirectUrl(kind="file", editable=True, commit=None))
    versions = VLLM_0_7 | {"tokenizers": "0.21.4"}
    asked = planned(environment(versions, own, driver="550.54.15", api="12.4"), url)
    best = asked.answer.plans[0]
    assert best.aside == {"mine": "it is an editable install"}
    assert asked.moves == {"transformers": ("5.24.0", "4.51.3"), "huggingface-hub": ("2.4.0", "0.36.2")}


def test_a_healthy_environment_asks_the_resolver_nothing(url: str) -> None:
    asked = planned(healthy(), url)
    assert not asked.answer.plans
    assert not asked.answer.wanted
    assert not asked.questions


def test_other_plans_are_shown_behind_the_best_one_when_they_are_asked_for(url: str) -> None:
    answer = planned(environment(VLLM_0_33), url, several=True).answer
    costs = [one.cost for one in answer.plans]
    assert len(costs) > 1
    assert costs == sorted(costs)


def test_a_machine_of_which_the_driver_is_not_known_gets_no_words_about_drivers() -> None:
    facts = edit(
        environment(NEWEST),
        **{f"driver__{name}": Unknown("no answer") for name in ("kernel_module", "sys_module", "nvml", "smi")},
    )
    assert driver(facts, MATRIX, {}, report_of(facts)) is None
