"""The whole preflight on records of machines and on a real environment: order, stop, budget, waivers, baseline, lock."""

from __future__ import annotations

import sys
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor import session
from envdoctor.errors import UserError
from envdoctor.facts import Known, Unknown, decode, encode, need
from envdoctor.locks import files
from envdoctor.preflight import live, running, tiers
from envdoctor.preflight.asked import requirements
from envdoctor.preflight.baseline import read
from envdoctor.preflight.going import Asked, Stand
from envdoctor.preflight.outcome import Place, State, Tier, Verdict
from envdoctor.render import Page
from envdoctor.render.preflight.json import render
from envdoctor.sources.lock import facts_of_lock
from tests.factory import MATRIX, SITE, blind, dist, edit, gpu, healthy, put, with_driver, without_driver
from tests.locks.sample import h100
from tests.preflight.made import DOCKERFILE, story
from tests.render.made_live import recorded

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.preflight.outcome import Preflight

PROJECT = '[project]\nname = "grpo"\ndependencies = [\n  "vllm==0.6.6",\n  "torch==2.6.0",\n]\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a lock, and records of machines beside it."""
    monkeypatch.chdir(tmp_path)
    files.write(h100(), str(tmp_path / "lockfiles"))
    named = need(facts_of_lock(h100(), MATRIX).packages.distributions)
    locked = edit(
        with_driver(healthy(), "590.44.01", "13.1"),
        python__version="3.12.7",
        gpus__devices=Known((gpu(),), "NVML"),
        packages__distributions=Known(tuple(dist(one.name, one.version) for one in named), SITE),
    )
    record("locked", locked)
    record("drifted", put(locked, dist("dill", "0.4.0")))
    record("broken", story("torch-2.6-under-vllm-0.6.6"))
    record("healthy", healthy())
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def record(name: str, facts: Facts) -> None:
    with open(f"{name}.json", "wb") as file:
        file.write(encode(facts))


def preflight(
    target: str = "saved:healthy.json", suppose: tuple[str, ...] = (), profile: str | None = None, **asked: Any
) -> Preflight:
    plan = session.plan(session.Options(suppose=suppose))
    plan = plan if profile is None else plan._replace(profile=profile)
    return running.run(Asked(target=target, **asked), plan, lambda *_: None)


def states(found: Preflight) -> dict[Tier, State]:
    return {one.tier: one.state for one in found.tiers}


def test_a_healthy_record_passes_and_what_cannot_be_run_is_said() -> None:
    found = preflight()
    assert found.verdict is Verdict.PASSED, found.problems
    assert states(found) == {
        Tier.LINT: State.PASSED,
        Tier.CHECK: State.PASSED,
        Tier.DRIFT: State.NOT_ASKED,
        Tier.FILES: State.NOT_ASKED,
        Tier.DEEP: State.NOT_ASKED,
        Tier.SMOKE: State.NOT_ASKED,
    }
    assert {one.tier: one.said for one in found.tiers}[Tier.DEEP] == "nothing of saved: is run from here"
    assert found.stack
    assert found.facts is not None


def test_the_first_tier_that_fails_ends_it_and_what_it_spared_is_told() -> None:
    found = preflight("saved:broken.json", lock="h100")
    assert found.verdict is Verdict.FAILED
    assert states(found)[Tier.CHECK] is State.FAILED
    assert states(found)[Tier.DRIFT] is State.NOT_RUN
    assert {one.said for one in found.tiers if one.state is State.NOT_RUN} == {"check failed"}
    assert [one.tier for one in found.cost.spared] == [Tier.DRIFT, Tier.FILES]
    (one,) = found.counted()
    assert one.code == "ED201"
    assert one.places[0] in {Place("pyproject.toml", 4), Place("pyproject.toml", 5)}


def test_a_dockerfile_of_the_folder_is_judged_before_the_environment_is_read(here: Path) -> None:
    (here / "Dockerfile").write_bytes(DOCKERFILE)
    found = preflight()
    assert states(found)[Tier.LINT] is State.FAILED
    assert states(found)[Tier.CHECK] is State.NOT_RUN
    assert (found.facts, found.stack) == (None, ())
    assert found.counted()[0].places == (Place("Dockerfile", 2),)
    assert found.target == "saved:healthy.json"


def test_a_file_that_only_looks_like_a_dockerfile_is_noted_and_one_that_was_named_is_refused(here: Path) -> None:
    (here / "Dockerfile.md").write_text("# how to build\n")
    found = preflight()
    assert found.verdict is Verdict.PASSED
    assert any("Dockerfile.md is not a Dockerfile" in note for note in found.notes)
    assert found.tiers[0].said == "0 of 1 Dockerfile, 13 rules"
    assert preflight(strict=True).verdict is Verdict.UNTOLD, "what was left out is no pass where all must be told"
    with pytest.raises(UserError, match="is not a Dockerfile"):
        preflight(dockerfiles=("Dockerfile.md",))
    with pytest.raises(UserError, match="cannot be read"):
        preflight(dockerfiles=("none/Dockerfile",))


def test_of_very_many_dockerfiles_the_first_are_judged_and_that_is_said(here: Path) -> None:
    for number in range(tiers.MOST_DOCKERFILES + 5):
        (here / f"Dockerfile.{number:03d}").write_text("FROM python:3.12\n")
    (here / "Dockerfile.000.Dockerfile").write_text("FROM python:3.12\n")
    found = preflight()
    assert found.tiers[0].said == "50 Dockerfiles, 13 rules"
    assert any("of 56 the first 50 were judged" in one.why for one in found.questions)
    assert any("of 56 Dockerfiles here the first 50 were judged" in note for note in found.notes)


def test_drift_fails_with_the_line_of_the_lock_and_the_command_that_mends_it() -> None:
    found = preflight("saved:drifted.json", lock="h100")
    assert states(found)[Tier.DRIFT] is State.FAILED
    (one,) = found.counted()
    assert one.title == "dill is 0.4.0, and the lock says 0.4.1 (older)"
    assert one.places[0].path == "lockfiles/h100.txt"
    assert Path("lockfiles/h100.txt").read_text().splitlines()[one.places[0].line - 1].startswith("dill==")
    assert one.commands[0][:3] == ("uv", "pip", "install")


def test_files_that_a_record_does_not_tell_are_no_pass() -> None:
    found = preflight("saved:locked.json", lock="h100")
    assert states(found)[Tier.DRIFT] is State.PASSED
    assert states(found)[Tier.FILES] is State.UNTOLD
    assert found.verdict is Verdict.UNTOLD
    assert preflight("saved:locked.json", lock="h100", static=True).verdict is Verdict.PASSED


def test_what_is_required_and_lacking_fails_and_what_cannot_be_told_is_no_pass() -> None:
    found = preflight(required=requirements(("gpu>=99",)))
    assert [one.code for one in found.counted()] == ["REQUIRE-GPU"]
    record("silent", blind(healthy(), "gpus__devices"))
    found = preflight("saved:silent.json", required=requirements(("gpu",)))
    assert states(found)[Tier.CHECK] is State.UNTOLD
    assert "no answer in 5 s" in found.tiers[1].said


def test_a_machine_that_only_builds_is_judged_as_the_one_that_trains_and_says_so(here: Path) -> None:
    record("builder", without_driver(need_facts("locked")))
    found = preflight("saved:builder.json", lock="h100", static=True)
    assert {one.code for one in found.counted()} == {"ED101"}
    as_if = ("gpu=h100", "driver=590.44.01")
    found = preflight("saved:builder.json", lock="h100", static=True, suppose=as_if, required=requirements(("gpu",)))
    assert found.verdict is Verdict.PASSED, found.problems
    waive(here, 'profile = "h100"\n')
    needs = preflight("saved:builder.json", static=True, required=requirements(("gpu",)))
    assert "REQUIRE-GPU" in {one.code for one in needs.counted()}, "a profile puts no GPU into a machine"
    assert any("the profile, h100, was supposed" in note for note in needs.notes)


def need_facts(name: str) -> Facts:
    return decode(Path(f"{name}.json").read_bytes())


def waive(here: Path, lines: str) -> None:
    (here / "pyproject.toml").write_text(f"{PROJECT}\n[tool.envdoctor]\n{lines}")


def test_a_waiver_in_force_lets_it_pass_and_is_told(here: Path) -> None:
    record("trainer", story("trl-1.16-over-vllm-0.33"))
    assert preflight("saved:trainer.json").verdict is Verdict.FAILED
    waive(here, '[[tool.envdoctor.ignore]]\ncode = "ED401"\nreason = "patched in our fork"\nuntil = 2999-12-31\n')
    found = preflight("saved:trainer.json")
    assert found.verdict is Verdict.PASSED
    assert [(one.problem.code, one.reason, one.until) for one in found.waived] == [("ED401", "patched in our fork", "2999-12-31")]


def test_a_waiver_past_its_date_fails_even_where_nothing_else_is_wrong(here: Path) -> None:
    waive(here, '[[tool.envdoctor.ignore]]\ncode = "ED201"\nreason = "patched in our fork"\nuntil = 2026-01-01\n')
    found = preflight()
    assert [one.code for one in found.counted()] == ["WAIVER-EXPIRED"]
    assert found.counted()[0].places == (Place("pyproject.toml", 10),)
    assert not any("expired" in note for note in found.notes), "it is told once"
    assert {one.code for one in preflight("saved:broken.json").counted()} == {"WAIVER-EXPIRED", "ED201"}


def test_drift_of_one_package_is_waived_alone_and_dockerfiles_by_their_code(here: Path) -> None:
    waive(here, '[[tool.envdoctor.ignore]]\ncode = "DRIFT-VERSION"\npackage = "Dill"\nreason = "a fix we need"\n')
    found = preflight("saved:drifted.json", lock="h100", static=True)
    assert found.verdict is Verdict.PASSED
    assert [one.problem.subjects for one in found.waived] == [("dill",)]
    (here / "Dockerfile").write_bytes(DOCKERFILE)
    waive(here, '[[tool.envdoctor.ignore]]\ncode = "ED604"\nreason = "the base goes next week"\n')
    assert [one.problem.code for one in preflight().waived] == ["ED604"]
    assert states(preflight())[Tier.LINT] is State.PASSED


def test_with_a_baseline_only_what_is_new_fails(here: Path) -> None:
    first = preflight("saved:broken.json")
    (here / "base.json").write_text(render(first, Page()))
    found = preflight("saved:broken.json", baseline=read("base.json"))
    assert found.verdict is Verdict.PASSED
    assert [(one.code, one.known) for one in found.problems] == [("ED201", True)]
    assert found.since is not None
    assert (found.since.new, found.since.gone, found.since.moves) == ((), (), ())
    new = preflight("saved:broken.json", baseline=read("base.json"), required=requirements(("gpu>=99",)))
    assert [one.code for one in new.counted()] == ["REQUIRE-GPU"]
    mended = preflight("saved:healthy.json", baseline=read("base.json"))
    assert mended.since is not None
    assert [one.code for one in mended.since.gone] == ["ED201"]


def test_a_tier_that_takes_longer_than_the_budget_is_broken_off_and_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(going: object) -> Stand:
        time.sleep(30)
        return Stand("never")

    monkeypatch.setattr(tiers, "lint_tier", slow)
    found = preflight(budget_s=0.1)
    assert found.verdict is Verdict.UNTOLD
    assert found.tiers[0].state is State.UNTOLD
    assert "no answer in the 0 s that were left" in found.tiers[0].said
    assert found.tiers[1].state is State.NOT_RUN
    assert "the budget of 0.1 s was spent" in found.tiers[1].said


def test_a_real_environment_is_read_and_loaded_and_one_without_torch_cannot_train(here: Path) -> None:
    venv.create(here / "env", with_pip=False, symlinks=True)
    found = preflight("env", smoke=True)
    assert states(found) == {
        Tier.LINT: State.PASSED,
        Tier.CHECK: State.PASSED,
        Tier.DRIFT: State.NOT_ASKED,
        Tier.FILES: State.NOT_ASKED,
        Tier.DEEP: State.UNTOLD,
        Tier.SMOKE: State.FAILED,
    }
    assert "torch is not installed" in found.tiers[4].said
    (one,) = found.counted()
    assert one.code == "SMOKE-IMPOSSIBLE"
    assert "torch is not installed" in one.title
    assert one.says


def test_a_gpu_profile_does_not_pass_where_a_cpu_computed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(here / "env", with_pip=False, symlinks=True)
    monkeypatch.setattr(live, "look", lambda *_: recorded().live)
    plain, for_gpu = preflight("env"), preflight("env", profile="h100")
    assert plain.tiers[4].said.startswith("the CPU computed (this proves nothing of a GPU)")
    assert for_gpu.tiers[4].state is State.UNTOLD
    assert "the profile is h100, and no GPU computed anything" in for_gpu.tiers[4].said
    assert live.computed(Unknown("no torch")) == "nothing computed"


def test_a_python_that_gives_no_answer_is_told_with_a_page(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(here / "env", with_pip=False, symlinks=True)

    def silent(*_: object) -> None:
        raise UserError("the probe gave no answer in 9.5 s", "Its file system may hang.")

    monkeypatch.setattr(session, "facts_of", silent)
    found = preflight("env", lock="h100")
    assert found.verdict is Verdict.UNTOLD
    assert "the probe gave no answer in 9.5 s" in found.tiers[1].said
    assert {one.state for one in found.tiers[2:5]} == {State.UNTOLD}


def test_a_python_that_goes_away_in_between_loses_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(here / "env", with_pip=False, symlinks=True)

    def gone(*_: object) -> None:
        raise UserError("env/bin/python cannot be started", "Name an interpreter that starts.")

    monkeypatch.setattr(live, "look", gone)
    found = preflight("env")
    assert states(found)[Tier.DEEP] is State.UNTOLD
    assert "cannot be started. Name an interpreter" in found.tiers[4].said
    assert found.verdict is Verdict.UNTOLD


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"target": "saved:healthy.json", "smoke": True}, "nothing of saved:healthy.json can be run"),
        ({"target": sys.executable, "smoke": True, "static": True}, "--static runs nothing, and --smoke trains"),
        ({"target": "lock:h100", "lock": "h100"}, "is a lock itself"),
        ({"target": "nowhere"}, "does not exist"),
        ({"target": "saved:healthy.json", "lock": "b200"}, "there is no lockfiles/b200.toml"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_run(asked: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError) as wrong:
        preflight(**asked)
    assert what in wrong.value.what
    assert wrong.value.hint


def test_a_lock_itself_is_judged() -> None:
    found = preflight("lock:h100")
    assert states(found)[Tier.CHECK] is State.PASSED
    assert states(found)[Tier.DEEP] is State.NOT_ASKED
    assert found.target == "lock:h100"


def test_a_lock_is_named_with_or_without_its_scheme() -> None:
    assert running.lock_named("lock:h100") == running.lock_named("h100") == "h100"
    assert running.lock_named(None) is None
    with pytest.raises(UserError, match="no lockfiles/a100"):
        running.lock_named("a100")
