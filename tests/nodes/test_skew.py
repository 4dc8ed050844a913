"""What differs, whether it matters, who stands apart: majorities, ties, quantities that are near, what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.facts import DirectUrl, Known, Unknown
from envdoctor.nodes.aspects import Aspect, Kind
from envdoctor.nodes.mattering import PACKAGES, TRAITS, VARIABLES, reason
from envdoctor.nodes.skew import Difference, Group, compared
from envdoctor.traits import traits
from tests.factory import blind, dist, edit, gpu, healthy, put, with_driver

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.nodes.skew import Skew

GIB = 1 << 30


def groups(*made: tuple[int, Facts], sound: tuple[bool, ...] = ()) -> list[Group]:
    """So many nodes with these facts, n0 upwards."""
    found, at = [], 0
    for number, (count, facts) in enumerate(made):
        found.append(Group(tuple(f"n{one}" for one in range(at, at + count)), facts, sound[number] if sound else True))
        at += count
    return found


def only(skew: Skew, name: str) -> Difference:
    (found,) = [one for one in skew.differences if one.aspect.name == name]
    return found


def environ(**more: str) -> Facts:
    facts = healthy()
    assert isinstance(facts.environ, Known)
    return edit(facts, environ=Known({**facts.environ.value, **more}, "the environment of the target"))


def on_host(**leaves: Any) -> Facts:
    facts = healthy()
    return edit(facts, host=msgspec.structs.replace(facts.host, **leaves))


def boxed(**leaves: Any) -> Facts:
    facts = healthy()
    return edit(facts, container=msgspec.structs.replace(facts.container, **leaves))


def test_equal_nodes_differ_in_nothing() -> None:
    skew = compared(groups((3, healthy())))
    assert skew.differences == ()
    assert skew.untold == ()
    assert compared([]) == skew


def test_the_few_stand_apart_from_the_many_and_are_told_how_many() -> None:
    skew = compared(groups((190, put(healthy(), dist("torch", "2.7.1"))), (10, put(healthy(), dist("torch", "2.6.0")))))
    one = only(skew, "torch")
    assert one.reason.matters
    assert one.majority
    (apart,) = one.apart
    assert len(apart.nodes) == 10
    assert one.words(apart) == "torch 2.6.0 here, 2.7.1 on 190 of 200 nodes"


def test_without_a_majority_the_largest_group_is_kept() -> None:
    made = [put(healthy(), dist("trl", version)) for version in ("0.12.0", "0.13.0", "0.14.0")]
    one = only(compared(groups((4, made[0]), (3, made[1]), (3, made[2]))), "trl")
    assert not one.majority
    assert not one.tied
    assert [held.value for held in one.apart] == ["0.13.0", "0.14.0"]
    assert one.words(one.held[1]) == "trl 0.13.0 here, 0.12.0 on 4, 0.14.0 on 3 of 10 nodes: no value has a majority"


def test_of_two_equal_groups_nobody_is_right() -> None:
    one = only(compared(groups((5, healthy()), (5, put(healthy(), dist("torch", "2.6.0"))))), "torch")
    assert one.tied
    assert len(one.apart) == 2
    assert one.words(one.held[0]) == "torch 2.5.1 here, 2.6.0 on 5 of 10 nodes: no value has a majority"


def test_of_two_equal_groups_the_one_without_a_fault_of_its_own_is_kept() -> None:
    skew = compared(groups((1, put(healthy(), dist("torch", "2.4.0"))), (1, healthy()), sound=(False, True)))
    one = only(skew, "torch")
    assert not one.tied
    assert [held.value for held in one.apart] == ["2.4.0"]


def test_a_package_that_only_some_have_differs_too() -> None:
    one = only(compared(groups((9, healthy()), (1, put(healthy(), dist("deepspeed", "0.16.2"))))), "deepspeed")
    assert one.words(one.apart[0]) == "deepspeed 0.16.2 here, not installed on 9 of 10 nodes"


def test_one_version_from_another_commit_is_another_value() -> None:
    url = DirectUrl(kind="vcs", editable=True, commit="0123456789abcdef")
    skew = compared(groups((2, put(healthy(), dist("trl", "1.0"))), (1, put(healthy(), dist("trl", "1.0", direct_url=url)))))
    assert only(skew, "trl").apart[0].value == "1.0 (commit 0123456789ab, editable)"


MATTERS = {
    "GPUs": edit(healthy(), gpus=msgspec.structs.replace(healthy().gpus, devices=Known((gpu(), gpu(1)), "NVML"))),
    "driver branch": with_driver(healthy(), "570.86.15", "12.8"),
    "Python": edit(healthy(), python__version="3.12.3"),
    "nvidia-nccl-cu12": put(healthy(), dist("nvidia-nccl-cu12", "2.20.5")),
    "transformers": put(healthy(), dist("transformers", "4.48.0")),
    "NCCL_SOCKET_IFNAME": environ(NCCL_SOCKET_IFNAME="eth1"),
    "GLOO_SOCKET_IFNAME": environ(GLOO_SOCKET_IFNAME="eth1"),
    "CUDA_VISIBLE_DEVICES": environ(CUDA_VISIBLE_DEVICES="0,1"),
    "LD_PRELOAD": environ(LD_PRELOAD="/opt/libnccl.so.2"),
    "PYTORCH_CUDA_ALLOC_CONF": environ(PYTORCH_CUDA_ALLOC_CONF="expandable_segments:True"),
    "memory": on_host(memory_bytes=Known(1024 * GIB, "/proc/meminfo")),
    "limit of memory": boxed(memory_limit_bytes=Known(64 * GIB, "cgroup")),
    "shared memory": boxed(shm_bytes=Known(64 << 20, "statvfs")),
    "locked memory": boxed(memlock_bytes=Known(65536, "RLIMIT_MEMLOCK")),
    "open files": boxed(nofile=Known(1024, "RLIMIT_NOFILE")),
}
DOES_NOT = {
    "driver": with_driver(healthy(), "550.90.07", "12.4"),
    "Python's patch release": edit(healthy(), python__version="3.11.4"),
    "kernel": on_host(kernel=Known("5.15.0-120-generic", "uname")),
    "CPU": on_host(cpu_model=Known("AMD EPYC 9654", "/proc/cpuinfo")),
    "filelock": put(healthy(), dist("filelock", "3.17.0")),
    "NCCL_DEBUG": environ(NCCL_DEBUG="INFO"),
    "TRITON_CACHE_DIR": environ(TRITON_CACHE_DIR="/scratch/triton"),
    "OMP_NUM_THREADS": environ(OMP_NUM_THREADS="8"),
}


@pytest.mark.parametrize("name", MATTERS)
def test_a_difference_that_matters(name: str) -> None:
    one = only(compared(groups((3, healthy()), (1, MATTERS[name]))), name)
    assert one.reason.matters
    assert [held.nodes for held in one.apart] == [("n3",)]


@pytest.mark.parametrize("name", DOES_NOT)
def test_a_difference_that_does_not(name: str) -> None:
    skew = compared(groups((3, healthy()), (1, DOES_NOT[name])))
    assert not only(skew, name).reason.matters
    assert not [one for one in skew.differences if one.reason.matters]


def test_pythons_patch_release_matters_where_ray_is_installed() -> None:
    older = put(DOES_NOT["Python's patch release"], dist("ray", "2.40.0"))
    one = only(compared(groups((3, put(healthy(), dist("ray", "2.40.0"))), (1, older))), "Python's patch release")
    assert one.reason.matters
    assert "Ray" in one.reason.why


def test_two_machines_of_one_kind_are_alike_though_their_memory_is_not_the_same_number() -> None:
    made = [on_host(memory_bytes=Known(int(size * GIB), "/proc/meminfo")) for size in (2015.2, 2013.9, 2011.4)]
    assert compared(groups(*((1, one) for one in made))).differences == ()
    (one,) = compared(groups((2, made[0]), (1, made[1]), (1, on_host(memory_bytes=Known(1007 * GIB, "x"))))).differences
    assert [(held.value, len(held.nodes)) for held in one.held] == [("2015 GiB", 3), ("1007 GiB", 1)]


def test_no_limit_is_not_near_any_limit() -> None:
    one = only(
        compared(groups((2, boxed(memory_limit_bytes=Known(None, "x"))), (1, boxed(memory_limit_bytes=Known(GIB, "x"))))),
        "limit of memory",
    )
    assert [held.value for held in one.held] == ["no limit", "1.00 GiB"]


def test_what_a_node_does_not_know_is_said_and_held_against_nobody() -> None:
    skew = compared(groups((3, healthy()), (1, blind(healthy(), "gpus__devices", why="no answer in 5 s"))))
    assert [one.aspect.name for one in skew.differences] == []
    assert [(one.name, one.nodes, one.why) for one in skew.untold] == [("GPUs", ("n3",), "no answer in 5 s")]


def test_a_node_whose_packages_are_not_known_lacks_none() -> None:
    skew = compared(groups((3, healthy()), (1, blind(healthy(), "packages__distributions"))))
    assert not [one for one in skew.differences if one.aspect.kind is Kind.PACKAGE]
    assert ("packages", ("n3",)) in [(one.name, one.nodes) for one in skew.untold]


def test_machine_and_python_lead_then_torch_then_the_rest() -> None:
    other = with_driver(
        put(environ(NCCL_ALGO="Ring"), dist("torch", "2.6.0"), dist("filelock", "9"), dist("vllm", "0.7.3")), "535.1", "12.2"
    )
    names = [one.aspect.name for one in compared(groups((3, healthy()), (1, other))).differences]
    assert names[:4] == ["driver branch", "CUDA that the driver offers", "torch", "vllm"]
    assert names.index("NCCL_ALGO") < names.index("driver"), "what matters comes first"


def test_every_row_of_the_tables_says_why_and_where_from() -> None:
    rows = [*TRAITS.values(), *(row for _, row in PACKAGES), *(row for _, row in VARIABLES)]
    rows += [reason(Aspect(Kind.TRAIT, "no such trait"), ray=False), reason(Aspect(Kind.PACKAGE, "rich"), ray=False)]
    for row in rows:
        assert len(row.why) > 20
        assert row.source.where
        assert row.source.read == "2026-11-26"


def test_every_trait_of_the_table_is_one_that_nodes_tell() -> None:
    from envdoctor.nodes.aspects import told  # noqa: PLC0415

    names = {aspect.name for aspect in told(healthy(), ())}
    assert set(TRAITS) <= names
    assert {one.name for one in traits(healthy(), ())} - names == {"compute capability", "libcuda"}


def test_unknown_leaves_of_everything_do_not_crash() -> None:
    facts = healthy()
    nothing = Unknown("no answer in 5 s")
    blank = edit(
        facts,
        python=nothing,
        environ=nothing,
        driver=msgspec.structs.replace(facts.driver, **dict.fromkeys(facts.driver.__struct_fields__, nothing)),
        cuda=msgspec.structs.replace(facts.cuda, **dict.fromkeys(facts.cuda.__struct_fields__, nothing)),
        gpus=msgspec.structs.replace(facts.gpus, **dict.fromkeys(facts.gpus.__struct_fields__, nothing)),
        container=msgspec.structs.replace(facts.container, **dict.fromkeys(facts.container.__struct_fields__, nothing)),
    )
    skew = compared(groups((2, facts), (1, blank)))
    assert not [one for one in skew.differences if one.reason.matters and one.aspect.kind is not Kind.VARIABLE]
    assert {"GPUs", "Python", "driver branch", "shared memory"} <= {one.name for one in skew.untold}
