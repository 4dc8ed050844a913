"""ED503: shared memory of containers."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from tests.factory import blind, edit, healthy, judged

RULE = "ed503_small_shm"
MIB = 1 << 20


def container(size: int | None, runtime: str | None = "docker") -> Facts:
    return edit(healthy(), container__runtime=Known(runtime, "/.dockerenv"), container__shm_bytes=Known(size, "statvfs /dev/shm"))


def test_dockers_default_of_64_mib_is_a_warning() -> None:
    outcome, (finding,), _ = judged(RULE, container(64 * MIB))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.WARNING
    assert finding.title == "shared memory (/dev/shm) of this docker container is only 64 MiB; training needs 1024 MiB"
    assert finding.changes[0].argv == (("docker", "run", "--shm-size=16g", "IMAGE"),)


def test_a_container_without_dev_shm_is_named() -> None:
    _, (finding,), _ = judged(RULE, container(None))
    assert "is missing" in finding.title


@pytest.mark.parametrize("size", [1024 * MIB, 16 * 1024 * MIB])
def test_one_gibibyte_and_more_is_healthy(size: int) -> None:
    assert judged(RULE, container(size))[0] is Outcome.PASS


def test_kubernetes_has_no_shm_size_and_gets_a_volume() -> None:
    _, (finding,), _ = judged(RULE, container(64 * MIB, "kubernetes"))
    assert finding.changes[0].argv == ()
    assert "emptyDir" in finding.changes[0].says


def test_a_plain_machine_and_a_container_without_torch_are_not_judged() -> None:
    assert judged(RULE, container(64 * MIB, None))[0] is Outcome.PASS
    assert judged(RULE, edit(container(64 * MIB), builds__torch=Known(None, "site-packages")))[0] is Outcome.PASS


def test_without_a_gpu_it_is_an_info() -> None:
    _, (finding,), _ = judged(RULE, edit(container(64 * MIB), gpus__devices=Known((), "NVML")))
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("leaf", ["container__runtime", "container__shm_bytes", "builds__torch"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(container(64 * MIB), leaf))[0] is Outcome.UNKNOWN
