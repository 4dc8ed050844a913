"""A lock as facts: what it pins, what the data knows of it, the machine it assumes; and no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from envdoctor.check import check
from envdoctor.errors import UserError
from envdoctor.examine import Wishes, examine
from envdoctor.facts import Known, Unknown, decode, encode
from envdoctor.findings import Outcome
from envdoctor.locks import files
from envdoctor.locks.document import LockedPackage
from envdoctor.prescribe import locked_target
from envdoctor.sources import lock as source
from envdoctor.sources.lock import facts_of_lock
from envdoctor.views import distributions, elsewhere, in_lock
from tests.factory import MATRIX
from tests.locks.sample import h100, packages, small

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.findings import Report
    from envdoctor.locks.document import Lock


def with_versions(**versions: str) -> Lock:
    """The lock with other versions of some packages, their files named after them."""
    changed = [
        LockedPackage(name=one.name, version=new, file=f"{one.name.replace('-', '_')}-{new}-py3-none-any.whl", sha256="0" * 64)
        if (new := versions.get(one.name.replace("-", "_")))
        else one
        for one in packages()
    ]
    return h100(packages=tuple(changed), stack={})


def judged(lock: Lock, **suppose: str) -> Report:
    return examine(facts_of_lock(lock, MATRIX), MATRIX, Wishes(suppose=suppose), time.monotonic())[1]


def broken(report: Report) -> set[str]:
    return {one.code for one in report.verdicts if one.outcome is Outcome.FAIL}


def test_every_locked_package_is_a_distribution_with_what_the_data_knows_it_requires() -> None:
    present = distributions(facts_of_lock(h100(), MATRIX))
    assert {name: one.version for name, one in present.items()} == {one.name: one.version for one in packages()}
    assert "torch==2.13.0" in present["vllm"].requires
    assert present["vllm"].wheel_tags == ("cp38-abi3-manylinux_2_28_x86_64",)
    assert present["vllm"].requires_python is not None


def test_the_machine_is_the_one_that_the_lock_assumes() -> None:
    facts = facts_of_lock(h100(), MATRIX)
    assert isinstance(facts.driver.nvml, Known)
    assert facts.driver.nvml == Known("580.65.06", "lock:h100 says (driver=580.65.06)")
    assert isinstance(facts.gpus.devices, Known)
    assert len(facts.gpus.devices.value) == 1
    assert isinstance(facts.host.libc, Known)
    assert facts.host.libc.value.version == "2.35"
    assert isinstance(facts.python, Known)
    assert facts.python.value.version == "3.12"
    assert isinstance(facts.builds.torch, Known)
    assert facts.builds.torch.value is not None
    assert facts.builds.torch.value.cuda == "13.0"


def test_a_lock_without_a_gpu_has_no_driver() -> None:
    facts = facts_of_lock(h100(target="cpu", gpu=None, driver_floor=None, cuda=None, compute_capability=None), MATRIX)
    assert isinstance(facts.driver.nvml, Known)
    assert facts.driver.nvml.value is None
    assert isinstance(facts.gpus.devices, Known)
    assert facts.gpus.devices.value == ()


def test_what_only_an_installation_shows_is_unknown_and_says_so() -> None:
    facts = facts_of_lock(h100(), MATRIX)
    for leaf in (facts.linking.modules, facts.linking.copies, facts.names.missing, facts.builds.extensions, facts.overwritten):
        assert leaf == source.UNREAD
    assert facts.container.shm_bytes == Unknown(source.UNSAID)


def test_the_page_says_that_it_is_a_lock_of_what_day_and_for_what() -> None:
    facts = facts_of_lock(h100(), MATRIX)
    assert facts.target.spec == "lock:h100"
    assert facts.target.chosen == "a lock of 2026-11-25 for GPU h100, driver 580.65.06 or newer, Python 3.12, glibc 2.35"
    assert facts.taken_at == "2026-11-25"
    assert in_lock(facts)
    assert elsewhere(facts)


def test_a_resolution_that_goes_together_is_clean_and_leaves_only_what_an_installation_shows() -> None:
    report = judged(h100())
    assert not broken(report)
    assert {doubt.why for one in report.verdicts for doubt in one.doubts} == {source.UNREAD.why, source.UNSAID}
    assert sum(len(one.doubts) for one in report.verdicts) <= 6


def test_no_rule_crashes_on_a_lock_and_its_facts_can_be_saved() -> None:
    for lock in (h100(), small(), h100(gpu=None, driver_floor=None), h100(gpu="b200"), h100(packages=(), stack={})):
        facts = facts_of_lock(lock, MATRIX)
        assert not [one.crash for one in check(facts, MATRIX) if one.outcome is Outcome.CRASH]
        assert decode(encode(facts)) == facts


@pytest.mark.parametrize(
    ("suppose", "code"),
    [({"driver": "535.161.08"}, "ED102"), ({"glibc": "2.17"}, "ED501"), ({"python": "3.9"}, "ED202"), ({"gpu": "none"}, None)],
)
def test_another_machine_is_supposed_as_for_any_target(suppose: dict[str, str], code: str | None) -> None:
    report = judged(h100(), **suppose)
    assert code is None or code in broken(report)
    assert broken(examine(facts_of_lock(h100(), MATRIX, suppose), MATRIX, Wishes(), 0.0)[1]) == broken(report)


def test_a_pair_that_does_not_go_together_is_found_and_its_remedy_is_another_lock() -> None:
    report = judged(with_versions(vllm="0.33.0"))
    assert {"ED201", "ED401"} <= broken(report)
    commands = [command for one in report.diagnoses for remedy in one.remedies for command in remedy.commands]
    assert ("envdoctor", "lock", "h100", "--vllm", "0.31.0") in commands
    assert all(command[:3] == ("envdoctor", "lock", "h100") for command in commands)


def test_a_package_that_nobody_locked_is_missed_where_another_one_requires_it() -> None:
    without = tuple(one for one in packages() if one.name != "xgrammar")
    assert "ED203" in broken(judged(h100(packages=without)))


def test_another_build_of_torch_may_do_without_what_the_index_s_own_requires() -> None:
    torch = LockedPackage(
        name="torch", version="2.13.0+cpu", file="torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl", sha256="0" * 64
    )
    cpu = h100(packages=(torch,), stack={}, target="cpu", gpu=None, driver_floor=None, cuda=None)
    assert not broken(judged(cpu))


def test_a_wheel_for_a_newer_glibc_than_the_lock_s_is_found_by_its_tag() -> None:
    orjson = LockedPackage(name="orjson", version="3.0", file="orjson-3.0-cp312-cp312-manylinux_2_39_x86_64.whl", sha256="0" * 64)
    assert "ED501" in broken(judged(h100(packages=(*packages(), orjson))))


def test_a_gpu_that_the_data_does_not_know_is_an_error_of_the_user() -> None:
    with pytest.raises(UserError, match="not in the data"):
        facts_of_lock(h100(gpu="h1000"), MATRIX)


def test_a_lock_is_judged_in_well_under_a_second() -> None:
    facts = facts_of_lock(h100(), MATRIX)
    began = time.process_time()
    facts_of_lock(h100(), MATRIX)
    examine(facts, MATRIX, Wishes(), time.monotonic())
    assert time.process_time() - began < 1.0


def test_a_list_of_versions_assumes_no_machine_and_has_no_profile_to_lock_by(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("vllm==0.33.0\ntrl==1.16.0\n")
    facts = source.facts_of(str(path), MATRIX, "~/requirements.txt")
    assert facts.target.spec == "lock:~/requirements.txt"
    assert facts.driver.nvml == Unknown(source.UNSAID)
    assert isinstance(facts.python, Unknown)
    report = examine(facts, MATRIX, Wishes(), 0.0)[1]
    trainer = next(one for one in report.diagnoses if one.root.code == "ED401")
    assert trainer.remedies
    assert not [command for remedy in trainer.remedies for command in remedy.commands]
    assert all("change what it was made from" in remedy.says for remedy in trainer.remedies)


@pytest.mark.parametrize(("named", "spec"), [("h100.toml", "~/h100.toml"), ("h100.txt", "~/h100.toml")])
def test_either_file_of_a_lock_names_it_and_its_path_is_shown_as_given(named: str, spec: str, tmp_path: Path) -> None:
    files.write(h100(), str(tmp_path))
    facts = source.facts_of(str(tmp_path / named), MATRIX, f"~/{named}")
    assert facts.target.spec == f"lock:{spec}"
    assert str(tmp_path) not in encode(facts).decode()
    assert locked_target(facts) == "h100"
