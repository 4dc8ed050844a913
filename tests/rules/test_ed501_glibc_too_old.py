"""ED501: the C library against the wheels. Tags and needs are those of the real wheels."""

from __future__ import annotations

import pytest

from envdoctor import facts as f
from envdoctor.facts import Known
from envdoctor.findings import Kind, Layer, Outcome, Severity
from envdoctor.rules.ed501_glibc_too_old import tag_floor
from tests.factory import SITE, blind, dist, edit, healthy, judged, put

RULE = "ed501_glibc_too_old"
VIA = "gnu_get_libc_version() in the target's interpreter"


def on(version: str, *more: f.Distribution, name: str = "glibc") -> f.Facts:
    """The healthy machine with another C library."""
    return put(edit(healthy(), host__libc=Known(f.Libc(name=name, version=version), VIA)), *more)


def vllm(version: str, tag: str) -> f.Distribution:
    return dist("vllm", version, wheel_tags=(f"cp38-abi3-{tag}_x86_64",))


def test_a_glibc_that_is_exactly_the_floor_is_enough() -> None:
    assert judged(RULE, on("2.28"))[0] is Outcome.PASS


def test_vllm_0_20_2_on_debian_11_is_an_error_that_names_both_versions_and_images_that_have_it() -> None:
    outcome, (finding,), _ = judged(RULE, on("2.31", vllm("0.20.2", "manylinux_2_35")))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    # its wheel is tagged manylinux_2_35, its files ask for GLIBC_2.34, and files count for more
    assert finding.layer is Layer.LINKED
    assert finding.subjects == ("__glibc", "vllm")
    assert finding.title == "glibc 2.31 is too old: vllm 0.20.2 needs glibc 2.34"
    assert [one.value for one in finding.evidence] == ["glibc 2.31", "2.34"]
    assert finding.evidence[0].via == VIA
    assert finding.evidence[1].via.startswith("ELF version needs in the bytes of the wheel vllm-0.20.0-")
    (change,) = finding.changes
    assert change.kind is Kind.REPLACE_IMAGE
    assert (
        change.says
        == "Run on an image with glibc 2.34 or newer, for instance RHEL 9 (2.34) or Ubuntu 22.04 (2.35) or Debian 12 (2.36)."
    )
    assert change.suppose == {"glibc": "2.34"}


def test_a_release_that_nobody_has_read_is_judged_by_its_tag() -> None:
    _, (finding,), _ = judged(RULE, on("2.31", vllm("0.99.0", "manylinux_2_35")))
    assert finding.layer is Layer.DECLARED
    assert finding.title == "glibc 2.31 is too old: vllm 0.99.0 needs glibc 2.35"
    assert finding.evidence[1].via == f"{SITE}/vllm-0.99.0.dist-info/WHEEL"


def test_the_files_need_less_than_the_tag_says_and_the_files_count() -> None:
    # vllm 0.19.1 is tagged manylinux_2_31, its core modules ask for GLIBC_2.14; nobody has read 0.99.0, so its tag stands
    assert judged(RULE, on("2.28", vllm("0.19.1", "manylinux_2_31")))[0] is Outcome.PASS
    assert judged(RULE, on("2.28", vllm("0.99.0", "manylinux_2_31")))[0] is Outcome.FAIL


def test_the_files_need_more_than_the_tag_says_as_in_vllm_issue_41103() -> None:
    _, (finding,), _ = judged(RULE, on("2.31", vllm("0.20.0+cu129", "manylinux_2_31")))
    assert finding.layer is Layer.LINKED
    assert finding.title == "glibc 2.31 is too old: vllm 0.20.0+cu129 needs glibc 2.34"
    assert "sha256" in finding.evidence[1].via


def test_the_index_wheels_files_do_not_lower_the_need_of_another_build_of_the_release() -> None:
    tags = ("cp311-cp311-manylinux_2_28_x86_64",)
    assert (
        judged(RULE, on("2.17", dist("torch", "2.6.0+cu126", wheel_tags=tags), dist("xformers", "0.0.29.post2")))[0]
        is Outcome.FAIL
    )
    assert judged(RULE, on("2.17", dist("torch", "2.6.0", wheel_tags=tags), dist("xformers", "0.0.29.post2")))[0] is Outcome.PASS


def test_all_packages_that_need_more_are_one_finding_headed_by_the_highest_need() -> None:
    torch = dist("torch", "2.7.1", wheel_tags=("cp311-cp311-manylinux_2_28_x86_64",))
    _, (finding,), _ = judged(RULE, on("2.17", torch, vllm("0.20.2", "manylinux_2_35")))
    assert finding.title == "glibc 2.17 is too old: vllm 0.20.2 (and 2 more) needs glibc 2.34"
    assert set(finding.subjects) == {"__glibc", "vllm", "torch", "xformers"}


def test_of_several_tags_of_one_wheel_the_lowest_counts() -> None:
    both = dist("tokenizers", "0.22.1", wheel_tags=("cp39-abi3-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_28_x86_64"))
    compressed = dist("pyarrow", "21.0.0", wheel_tags=("cp311-cp311-manylinux_2_34_x86_64.manylinux2014_x86_64",))
    assert judged(RULE, on("2.28", both, compressed))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("tag", "floor"),
    [
        ("cp311-cp311-manylinux1_x86_64", "2.5"),
        ("cp311-cp311-manylinux2010_x86_64", "2.12"),
        ("cp311-cp311-manylinux2014_aarch64", "2.17"),
        ("cp38-abi3-manylinux_2_31_x86_64", "2.31"),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "2.17"),
        ("py3-none-any", None),
        ("cp311-cp311-linux_x86_64", None),
        ("cp311-cp311-musllinux_1_2_x86_64", None),
    ],
)
def test_a_platform_tag_is_read_as_pep_600_says(tag: str, floor: str | None) -> None:
    found = tag_floor(tag)
    assert (None if found is None else str(found)) == floor


def test_a_package_outside_the_gpu_stack_is_a_warning() -> None:
    _, (finding,), _ = judged(RULE, on("2.28", dist("llguidance", "1.7.5", wheel_tags=("cp39-abi3-manylinux_2_31_x86_64",))))
    assert finding.severity is Severity.WARNING


def test_pure_python_and_locally_built_wheels_need_nothing_that_is_known() -> None:
    local = dist("flash-attn", "2.8.3", wheel_tags=("cp311-cp311-linux_x86_64",))
    assert judged(RULE, on("2.28", local, dist("peft", "0.18.0")))[0] is Outcome.PASS


def test_a_musl_host_with_manylinux_wheels_is_found_whatever_its_version_number() -> None:
    outcome, (finding,), _ = judged(RULE, on("1.2.5", name="musl"))
    assert outcome is Outcome.FAIL
    assert finding.title == "musl 1.2.5 is not glibc: xformers 0.0.28.post3 (and 9 more) needs glibc 2.28"
    assert "ld-linux-x86-64.so.2" in finding.why


def test_an_unknown_c_library_cannot_be_told() -> None:
    outcome, _, doubts = judged(RULE, blind(healthy(), "host__libc"))
    assert outcome is Outcome.UNKNOWN
    assert doubts[0].why == "no answer in 5 s"
    outcome, _, doubts = judged(RULE, on("stable"))
    assert outcome is Outcome.UNKNOWN
    assert doubts[0].why == "the version of glibc, 'stable', is not a version"
