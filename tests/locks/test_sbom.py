"""Bills of materials: valid CycloneDX by its own schema, and the same bytes for the same lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from cyclonedx.validation.json import JsonStrictValidator

from envdoctor.facts import NotObserved, Unknown
from envdoctor.locks import sbom
from envdoctor.locks.document import Listed, ListedPackage
from tests.factory import edit, healthy
from tests.locks.sample import h100, packages, small


def valid(text: str) -> dict[str, Any]:
    """The document, after the schema's own validator has found nothing."""
    assert JsonStrictValidator(sbom.SCHEMA).validate_str(text) is None
    found: dict[str, Any] = json.loads(text)
    return found


def properties(one: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in one["properties"]}


def test_the_validator_can_refuse() -> None:
    broken = sbom.of_lock(small()).replace('"SHA-256"', '"SHA-257"')
    assert JsonStrictValidator(sbom.SCHEMA).validate_str(broken) is not None


def test_every_package_is_a_component_with_its_hash_and_address_of_package_kind() -> None:
    document = valid(sbom.of_lock(h100()))
    found = {(one["name"], one["version"], one["purl"], one["hashes"][0]["content"]) for one in document["components"]}
    assert found == {(one.name, one.version, f"pkg:pypi/{one.name}@{one.version}", one.sha256) for one in packages()}
    assert len(document["components"]) == 208


def test_a_local_version_is_escaped_in_the_address() -> None:
    torch = next(one for one in packages() if one.name == "torch")
    import msgspec  # noqa: PLC0415

    built = msgspec.structs.replace(torch, version="2.13.0+cu126", file="torch-2.13.0+cu126-cp312-cp312-linux_x86_64.whl")
    document = valid(sbom.of_lock(small(packages=(built,), stack={})))
    assert document["components"][0]["purl"] == "pkg:pypi/torch@2.13.0%2Bcu126"


def test_the_target_is_what_it_describes_with_what_the_lock_assumes() -> None:
    document = valid(sbom.of_lock(h100()))
    target = document["metadata"]["component"]
    assert (target["name"], target["version"]) == ("h100", "2026-11-25")
    said = properties(target)
    assert said["envdoctor:driver-floor"] == "580.65.06"
    assert said["envdoctor:glibc"] == "2.35"
    assert said["envdoctor:python"] == "3.12"
    assert said["envdoctor:gpu"] == "h100"
    assert document["metadata"]["timestamp"] == "2026-11-25T00:00:00+00:00"
    of_target = next(one for one in document["dependencies"] if one["ref"] == target["bom-ref"])
    assert len(of_target["dependsOn"]) == 208


def test_a_lock_without_a_gpu_says_so() -> None:
    lock = small(target="cpu", gpu=None, compute_capability=None, driver_floor=None, cuda=None)
    said = properties(valid(sbom.of_lock(lock))["metadata"]["component"])
    assert said["envdoctor:gpu"] == "none"
    assert "envdoctor:driver-floor" not in said


def test_the_bytes_are_the_same_in_every_process_and_the_serial_number_is_the_lock_s() -> None:
    code = "from tests.locks.sample import small; from envdoctor.locks.sbom import of_lock; print(of_lock(small()), end='')"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        assert done.stdout == sbom.of_lock(small())
    numbers = {valid(sbom.of_lock(one))["serialNumber"] for one in (small(), small(verdict="other"), h100())}
    assert len(numbers) == 3


def test_a_list_of_releases_has_a_hash_only_where_one_file_is_meant() -> None:
    one, two, none = "a" * 64, "b" * 64, ()
    listed = Listed(
        path="/home/me/r.txt",
        packages=(
            ListedPackage(name="a", version="1", sha256=(one,)),
            ListedPackage(name="b", version="2", sha256=(one, two)),
            ListedPackage(name="c", version="3", sha256=none),
        ),
    )
    document = valid(sbom.of_listed(listed))
    assert [bool(each.get("hashes")) for each in document["components"]] == [True, False, False]
    assert document["metadata"]["component"]["name"] == "r.txt"
    assert sbom.of_listed(listed) == sbom.of_listed(listed)


def test_an_environment_s_bill_holds_what_is_installed_on_which_machine() -> None:
    document = valid(sbom.of_facts(healthy()))
    versions = {one["name"]: one["version"] for one in document["components"]}
    assert versions["vllm"] == "0.6.6.post1"
    said = properties(document["metadata"]["component"])
    assert said["envdoctor:python"].startswith("3.11")
    assert "H100" in said["envdoctor:gpu"]


def test_a_hostile_version_is_made_harmless() -> None:
    from tests.factory import dist, put  # noqa: PLC0415

    text = sbom.of_facts(put(healthy(), dist("trl", "1\x1b[2J")))
    assert "\\u001b" not in text
    assert "\x1b" not in text
    valid(text)


def test_an_environment_that_could_not_be_read_has_no_bill() -> None:
    with pytest.raises(NotObserved, match="no reason"):
        sbom.of_facts(edit(healthy(), packages__distributions=Unknown("no reason")))
