"""ED504: locked memory for InfiniBand."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Outcome, Severity
from tests.factory import blind, edit, gpu, healthy, judged

RULE = "ed504_low_memlock"
EIGHT_MIB = 8 << 20


def node(limit: int | None = EIGHT_MIB, count: int = 8, switches: int = 4, **environ: str) -> Facts:
    return edit(
        healthy(),
        container__memlock_bytes=Known(limit, "RLIMIT_MEMLOCK"),
        gpus__devices=Known(tuple(gpu(index) for index in range(count)), "NVML"),
        gpus__nvswitches=Known(switches, "/sys/bus/pci/devices"),
        environ=Known(environ, "the environment of the target"),
    )


def test_no_limit_or_a_high_one_is_healthy() -> None:
    assert judged(RULE, node(None))[0] is Outcome.PASS
    assert judged(RULE, node(1 << 30))[0] is Outcome.PASS


def test_eight_mib_on_an_nvswitch_node_is_a_warning_as_in_nccl_tests_206() -> None:
    outcome, (finding,), _ = judged(RULE, node())
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.WARNING
    assert finding.title == "only 8192 KiB of memory may be locked, too little for InfiniBand"
    assert finding.changes[0].kind is Kind.SYSTEM


def test_a_variable_of_nccls_infiniband_is_a_sign_even_with_one_gpu() -> None:
    _, (finding,), _ = judged(RULE, node(count=1, switches=0, NCCL_IB_HCA="mlx5_0"))
    assert finding.severity is Severity.WARNING
    assert ("NCCL_IB_HCA", "mlx5_0") in [(one.what, one.value) for one in finding.evidence]


def test_a_workstation_with_two_gpus_gets_an_info() -> None:
    _, (finding,), _ = judged(RULE, node(count=2, switches=0))
    assert finding.severity is Severity.INFO


def test_one_gpu_without_a_sign_and_infiniband_switched_off_are_healthy() -> None:
    assert judged(RULE, node(count=1, switches=0))[0] is Outcome.PASS
    assert judged(RULE, node(NCCL_IB_DISABLE="1"))[0] is Outcome.PASS


def test_a_container_is_started_without_the_limit() -> None:
    _, (finding,), _ = judged(RULE, edit(node(), container__runtime=Known("podman", "/run/.containerenv")))
    assert finding.changes[0].argv == (("podman", "run", "--ulimit", "memlock=-1", "IMAGE"),)


@pytest.mark.parametrize("leaf", ["container__memlock_bytes", "environ"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(node(), leaf))[0] is Outcome.UNKNOWN


def test_unknown_gpus_without_another_sign_cannot_be_told() -> None:
    assert judged(RULE, blind(node(switches=0), "gpus__devices"))[0] is Outcome.UNKNOWN
