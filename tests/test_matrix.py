"""Claims: decided three-valued; and the data itself: every row decodes, is sourced, and means what it says."""

from __future__ import annotations

import json
import re
import time
import zlib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from envdoctor.claims import Claim, DecisionKind, admits, bounds, decide
from envdoctor.facts import Known, Unknown
from envdoctor.matrix import DATA, KINDS, DataError, Matrix
from envdoctor.views import normalized, parsed

if TYPE_CHECKING:
    from envdoctor.claims import Versions

TOPICS = ("pins", "torch-family", "trainer-engine", "runtime", "glibc")
VIRTUAL = {"__driver", "__cuda", "__glibc", "__python", "__sm"}
TABLES = sorted((Path(DATA) / "tables").glob("*.jsonl"))
CLAIMS = sorted(path for kind in KINDS for path in (Path(DATA) / "claims" / kind).glob("*.jsonl"))
INDEX = re.compile(r"/simple/|/whl/|/packages/")
MATRIX = Matrix()


def claim(when: dict[str, str], then: dict[str, str]) -> Claim:
    return Claim(id="x", topic="runtime", when=when, then=then, basis="measured", says="x", source="x", read="2026-11-22")


def having(**present: str | None) -> Versions:
    """Versions of these packages (``_`` in a name is ``-``); None is not installed, "?" is unknown."""

    def version(name: str) -> Known[Version | None] | Unknown:
        text = present.get(name.replace("-", "_"))
        if text == "?":
            return Unknown("no answer in 5 s")
        return Known(None if text is None else Version(text), "x")

    return version


PAIR = claim({"vllm": "<0.11.1"}, {"transformers": "<5"})


@pytest.mark.parametrize(
    ("vllm", "transformers", "kind"),
    [
        ("0.7.0", "4.57.6", DecisionKind.HOLDS),
        ("0.7.0", "5.23.0", DecisionKind.BROKEN),
        ("0.11.1", "5.23.0", DecisionKind.NOT_APPLICABLE),
        (None, "5.23.0", DecisionKind.NOT_APPLICABLE),
        ("0.7.0", None, DecisionKind.NOT_APPLICABLE),
        ("0.7.0", "?", DecisionKind.CANNOT_TELL),
        ("?", "5.23.0", DecisionKind.CANNOT_TELL),
        ("?", "4.57.6", DecisionKind.HOLDS),  # true whatever the vLLM
        ("?", None, DecisionKind.NOT_APPLICABLE),
    ],
)
def test_a_claim_is_decided_by_what_is_known_for_certain(vllm: str | None, transformers: str | None, kind: DecisionKind) -> None:
    assert decide(PAIR, having(vllm=vllm, transformers=transformers)).kind is kind


def test_a_decision_names_the_package_that_decided_and_says_why() -> None:
    broken = decide(PAIR, having(vllm="0.7.0", transformers="5.23.0"))
    assert (broken.name, broken.why) == ("transformers", "transformers 5.23.0 is not <5")
    unknown = decide(PAIR, having(vllm="0.7.0", transformers="?"))
    assert (unknown.name, unknown.why) == ("transformers", "no answer in 5 s")


def test_a_when_that_is_certainly_not_met_settles_it_whatever_the_order() -> None:
    both = claim({"vllm": "<0.11.1", "torch": "==2.5.1"}, {"numpy": "<2"})
    assert decide(both, having(vllm="?", torch="2.6.0", numpy="2.0.0")).kind is DecisionKind.NOT_APPLICABLE
    assert decide(both, having(vllm="0.12.0", torch="?", numpy="2.0.0")).kind is DecisionKind.NOT_APPLICABLE


def test_a_package_that_goes_round_a_claim_takes_it_away_where_it_is_installed() -> None:
    (claim,) = [one for one in MATRIX.claims("trl", "runtime") if one.id == "transformers-get-batch-samples"]
    versions = {"trl": "0.9.6", "transformers": "4.51.3"}
    assert decide(claim, having(**versions, llamafactory=None)).kind is DecisionKind.BROKEN
    assert decide(claim, having(**versions, llamafactory="0.9.3")).kind is DecisionKind.NOT_APPLICABLE
    assert decide(claim, having(**versions, llamafactory="?")).kind is DecisionKind.BROKEN


def test_of_several_ranges_a_broken_one_decides_over_an_unknown_one_and_an_absent_package_breaks_none() -> None:
    pins = claim({"vllm": "==0.6.6"}, {"torch": "==2.5.1", "torchvision": "==0.20.1", "xformers": "==0.0.28.post3"})
    assert decide(pins, having(vllm="0.6.6", torch="2.6.0", torchvision="?")).kind is DecisionKind.BROKEN
    assert decide(pins, having(vllm="0.6.6", torch="2.5.1", torchvision="?")).kind is DecisionKind.CANNOT_TELL
    assert decide(pins, having(vllm="0.6.6", torch="2.5.1")).kind is DecisionKind.HOLDS


@pytest.mark.parametrize(
    ("spec", "version", "admitted"),
    [
        ("==2.5.1", "2.5.1+cu124", True),
        ("<=2.5.1", "2.5.1+cu124", True),
        ("==0.20.*", "0.20.1+cu124", True),
        ("<5", "5.0.0rc1", False),  # a release candidate of 5 behaves like 5
        ("<5", "4.57.0.dev0", True),
        ("<=0.6.3", "0.6.3.post1", False),
        (">=525.60.13", "535.161.08", True),
        (">=580.65.06", "580.65.6", True),
        (">=2.28", "2.5", False),
        ("<12.0", "9.0", True),
    ],
)
def test_ranges_are_pep_440_with_local_pre_release_and_driver_versions(spec: str, version: str, admitted: bool) -> None:
    assert admits(spec, Version(version)) is admitted


PEP440 = r"([0-9]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?(\+[a-z][0-9])?"
VERSIONS = st.none() | st.just("?") | st.from_regex(PEP440, fullmatch=True)
DATA_CLAIMS = [one for package in MATRIX.subjects() for topic in TOPICS for one in MATRIX.claims(package, topic)]


@given(st.sampled_from(DATA_CLAIMS), VERSIONS, VERSIONS)
def test_no_pair_of_installed_versions_makes_a_claim_of_the_data_fail_to_decide(
    one: Claim, first: str | None, second: str | None
) -> None:
    versions = having(
        **dict.fromkeys((name.replace("-", "_") for name in one.then), second), **{next(iter(one.when)).replace("-", "_"): first}
    )
    kind = decide(one, versions).kind
    if first is None:
        assert kind is DecisionKind.NOT_APPLICABLE
    elif "?" not in (first, second) and second is not None:
        assert kind is not DecisionKind.CANNOT_TELL


@given(st.text(max_size=30))
def test_an_installed_version_that_is_none_is_parsed_to_none_or_a_version_never_an_error(text: str) -> None:
    version = parsed(text)
    assert version is None or isinstance(admits(">=1", version), bool)


def test_bounds_are_the_releases_that_claims_name_oldest_first() -> None:
    assert [str(one) for one in bounds([PAIR, claim({"vllm": ">=0.9.0,<=0.10.0"}, {"x": "==1"}), claim({"vllm": "==0.2.*"}, {"x": "==1"})], "vllm")] == [
        "0.9.0", "0.10.0", "0.11.1",
    ]  # fmt: skip


# --- the data


@pytest.mark.parametrize("path", [*TABLES, *CLAIMS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_row_has_a_real_date_and_a_source_that_is_an_address_a_wheel_or_our_own_measurement_and_no_index(
    path: Path,
) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows
    for row in rows:
        assert date(2024, 1, 1) <= date.fromisoformat(row["read"]) <= date.today()  # noqa: DTZ011 - a calendar day
        assert re.search(r"https?://\S+\.\S+|\bwheel\b|\bsdist\b|\bmeasured by\b", row["source"]), row
        assert "public repository" not in row["source"], row  # a source is something that can be looked up
        assert not INDEX.search(json.dumps(row)), row


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_claim_file_is_named_for_its_first_when_and_its_rows_have_unique_ids_and_valid_ranges(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    decoded = [one for topic in TOPICS for one in MATRIX.claims(path.stem, topic)]
    assert len(decoded) >= len(rows)
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    for row in rows:
        assert next(iter(row["when"])) == path.stem
        for name, spec in (row["when"] | row["then"]).items():
            assert name in VIRTUAL or name == normalized(name)
            assert len(SpecifierSet(spec)) > 0, (row["id"], name)
        assert row["says"].strip()
        assert (row["topic"] == "runtime") == bool(row.get("cause")), row["id"]


def test_every_runtime_claim_says_what_mends_it_and_names_a_package_of_the_row() -> None:
    rows = [one for one in DATA_CLAIMS if one.topic == "runtime"]
    assert len(rows) >= 40
    for one in rows:
        names = {name for name in one.when | one.then if name not in VIRTUAL}
        fix = one.fix or ""
        named = rf"(?<![\w-])({'|'.join(map(re.escape, sorted(names)))})(?![\w-])"
        assert re.search(named, fix), (next(iter(one.when)), one.id)
        assert fix.startswith("Install "), one.id
        assert fix.endswith("."), one.id
        assert re.search(r"\d", fix), one.id


def test_only_runtime_claims_carry_a_fix() -> None:
    assert {one.topic for one in DATA_CLAIMS if one.fix} == {"runtime"}


def test_no_two_runtime_claims_speak_of_the_same_pair_and_range_twice() -> None:
    rows = [one for one in DATA_CLAIMS if one.topic == "runtime"]
    said = [json.dumps([one.when, one.then], sort_keys=True) for one in rows]
    assert len(set(said)) == len(said)


def test_tables_are_ordered_and_their_keys_unique() -> None:
    torch, vllm = [row.torch for row in MATRIX.torch_releases()], [row.vllm for row in MATRIX.vllm_releases()]
    for versions in ([row.cuda for row in MATRIX.cuda_releases()], torch, vllm):
        assert versions == sorted(set(versions), key=Version)
    products = MATRIX.gpu_products()
    assert len({row.key for row in products}) == len(products)
    devices = [device for row in products for device in row.pci_device_ids]
    assert len(set(devices)) == len(devices)
    assert all(re.fullmatch(r"0x[0-9a-f]{4}", device) for device in devices)


def test_every_cuda_of_a_torch_release_has_a_driver_row_and_no_floor_is_above_the_full_driver() -> None:
    rows = {row.cuda: row for row in MATRIX.cuda_releases()}
    assert {row.cuda for row in MATRIX.torch_releases()} <= set(rows)
    for row in rows.values():
        assert row.full_driver is None or Version(row.floor_driver) <= Version(row.full_driver)


def test_what_the_story_that_started_the_project_needs_is_in_the_data() -> None:
    (pins,) = [one for one in MATRIX.claims("vllm", "pins") if one.admits("vllm", Version("0.6.6.post1"))]
    assert pins.then["torch"] == "==2.5.1"
    assert pins.then["torchvision"] == "==0.20.1"
    assert pins.then["xformers"] == "==0.0.28.post3"


def test_no_two_pin_rows_of_a_package_speak_of_the_same_release() -> None:
    rows = MATRIX.claims("vllm", "pins")
    for version in bounds(rows, "vllm"):
        assert sum(one.admits("vllm", version) for one in rows) == 1, version


def test_no_runtime_claim_about_vllm_refuses_the_floor_that_its_own_metadata_names() -> None:
    for one in MATRIX.claims("vllm", "runtime"):
        for pins in MATRIX.claims("vllm", "pins"):
            if any(one.admits("vllm", version) for version in bounds([pins], "vllm")):
                for name in one.then.keys() & pins.then.keys():
                    floors = [Version(part.version) for part in SpecifierSet(pins.then[name]) if part.operator in {"==", ">="}]
                    assert all(admits(one.then[name], version) for version in floors), (one.id, pins.id)


def test_a_row_without_a_source_or_with_a_bad_date_or_an_unknown_field_names_its_file_and_line(tmp_path: Path) -> None:
    good = {
        "cuda": "12.4",
        "full_driver": None,
        "floor_driver": "525.60.13",
        "source": "https://example.org",
        "read": "2026-11-22",
    }
    (tmp_path / "tables").mkdir()
    for bad in ({"source": " "}, {"read": "today"}, {"colour": "red"}, {"floor_driver": 5}):
        (tmp_path / "tables" / "cuda_releases.jsonl").write_text(
            f"{json.dumps(good)}\n{json.dumps(good | bad)}\n", encoding="utf-8"
        )
        with pytest.raises(DataError, match=r"cuda_releases\.jsonl:2: "):
            Matrix(str(tmp_path)).cuda_releases()


def test_data_that_is_not_there_is_empty_and_each_file_is_read_once(tmp_path: Path) -> None:
    empty = Matrix(str(tmp_path))
    assert empty.subjects() == ()
    assert empty.claims("vllm", "pins") == ()
    assert empty.torch_releases() == ()
    assert MATRIX.gpu_products() is MATRIX.gpu_products()


def test_all_claims_load_within_a_few_milliseconds() -> None:
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        matrix = Matrix()
        count = sum(len(matrix.claims(package, topic)) for package in matrix.subjects() for topic in TOPICS)
        best = min(best, time.process_time() - start)
    assert count == sum(len(path.read_text(encoding="utf-8").splitlines()) for path in CLAIMS)
    assert best < 0.015


def test_a_hostile_package_name_never_becomes_a_path(tmp_path: Path) -> None:
    (tmp_path / "claims" / "curated").mkdir(parents=True)
    (tmp_path / "secret.jsonl").write_text("not a claim")
    assert Matrix(str(tmp_path)).claims("../../secret", "pins") == ()


def test_a_specifier_too_long_to_be_meant_is_refused_before_python_refuses_its_numbers() -> None:
    with pytest.raises(InvalidSpecifier, match="5002 characters"):
        admits(">=" + "1" * 5000, Version("1"))


NAMES = sorted((Path(DATA) / "claims" / "derived" / "names").glob("*/*.jsonl.gz"))


@pytest.mark.parametrize("path", NAMES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_table_of_names_says_from_which_wheels_it_was_read_and_when(path: Path) -> None:
    package = path.name.removesuffix(".jsonl.gz")
    table = MATRIX.exports(package) if path.parent.name == "exports" else MATRIX.uses(package)
    known = MATRIX.package(package)
    assert table is not None
    assert known is not None
    rows = {one.version: (one.file, one.sha256) for one in known.releases}
    assert len(table.releases) > 10
    for one in table.releases:
        assert (one.file, one.sha256) == rows[one.version]
        assert date(2024, 1, 1) <= date.fromisoformat(one.read) <= date.today()  # noqa: DTZ011 - a calendar day
    assert not INDEX.search(zlib.decompress(path.read_bytes(), zlib.MAX_WBITS | 16).decode())


def test_the_tables_of_names_stay_small_and_a_check_reads_none_of_them() -> None:
    assert len(NAMES) == 16
    assert sum(path.stat().st_size for path in NAMES) < 1_500_000
    matrix = Matrix()
    for subject in matrix.subjects():
        for topic in TOPICS:
            matrix.claims(subject, topic)
    matrix.torch_releases()
    matrix.vllm_releases()
    assert not any("/names/" in one for one in matrix.consulted)


@pytest.mark.parametrize("package", ["transformers", "trl"])
def test_older_releases_than_those_of_the_names_are_known_by_a_sample_of_wheels(package: str) -> None:
    before, now = MATRIX.exports_before(package), MATRIX.exports(package)
    assert before is not None
    assert now is not None
    assert max(before.places) < min(now.places)
    assert all(one.file.startswith(f"{package}-{one.version}-") and len(one.sha256 or "") == 64 for one in before.releases)
    assert before.has_module(package, 0)


def test_of_most_packages_there_is_no_sample_of_older_releases() -> None:
    assert MATRIX.exports_before("numpy") is None


@pytest.mark.parametrize("package", ["transformers", "trl"])
def test_what_classes_have_and_take_is_known_of_every_release_whose_names_are(package: str) -> None:
    names, members = MATRIX.exports(package), MATRIX.members(package)
    assert names is not None
    assert members is not None
    assert set(members.places) >= set(names.places)
    assert all(one.file.startswith(f"{package}-{one.version}-") and len(one.sha256 or "") == 64 for one in members.releases)
    assert sum(path.stat().st_size for path in (Path(DATA) / "tables" / "members").iterdir()) < 1_000_000
