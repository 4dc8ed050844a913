"""``envdoctor build-image`` on a real engine, from the lock to the registry, and everything that must stop it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.locks import files
from envdoctor.locks.document import LockedPackage
from tests.engine.conftest import CI, World, containers, docker, envdoctor, manifest, target
from tests.probe.shared_objects import shared_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.engine

LOCK = f"lock:{CI}/ci.toml"
HEALTHCHECK = CI.parents[2] / "deploy" / "docker" / "healthcheck.Dockerfile"


def wheel(folder: Path, name: str, version: str, members: Mapping[str, bytes], tag: str = "py3-none-any") -> LockedPackage:
    """Make a wheel in a folder; gives it as a lock names it."""
    file, notes = f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    said = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: {str(tag.endswith('any')).lower()}\nTag: {tag}\n".encode(),
    }
    whole = {**members, **{f"{notes}/{path}": body for path, body in said.items()}}
    lines = [f"{path},sha256={digest(body)},{len(body)}" for path, body in whole.items()]
    whole[f"{notes}/RECORD"] = "\n".join([*lines, f"{notes}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(folder / file, "w") as made:
        for path, body in whole.items():
            made.writestr(path, body)
    return LockedPackage(name=name, version=version, file=file, sha256=hashlib.sha256((folder / file).read_bytes()).hexdigest())


def digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def references() -> set[str]:
    return set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())


@pytest.fixture(scope="module")
def built(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    """The ci target, built twice, pushed; its folder, its reference and what the command said."""
    folder = target(tmp_path_factory.mktemp("targets") / "ci")
    reference = f"{world.registry}/ci:1"
    words = ("--base", world.base, "--tag", reference, "--no-smoke", "--verify-reproducible", "--push", "--format", "json")
    done = envdoctor("build-image", str(folder), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, reference, json.loads(done.stdout)


def test_two_builds_without_caches_give_the_same_bytes(built: tuple[Path, str, dict[str, Any]]) -> None:
    folder, _, said = built
    assert said["differences"] == []
    assert manifest(folder)["reproducible"] is True


def test_the_manifest_says_what_was_built_and_names_nothing_of_this_machine(
    built: tuple[Path, str, dict[str, Any]], world: World
) -> None:
    folder, reference, said = built
    there: Any = manifest(folder)
    assert there["digest"] == said["digest"]
    assert there["references"] == [reference]
    assert there["verdicts"]["drift"]["counts"]["proven"] == there["verdicts"]["drift"]["counts"]["locked"]
    assert len(there["layers"]) == len(there["diff_ids"])
    assert str(folder) not in (folder / "manifest.json").read_text()
    assert world.base.removeprefix("oci-layout://") not in (folder / "manifest.json").read_text()


def test_what_was_pushed_is_pulled_by_its_digest(built: tuple[Path, str, dict[str, Any]]) -> None:
    _, reference, said = built
    assert said["pushed"] == said["digest"]
    by_digest = f"{reference.rpartition(':')[0]}@{said['digest']}"
    docker("image", "rm", "--force", reference)
    docker("pull", "--quiet", by_digest)
    docker("tag", by_digest, reference)
    assert said["digest"] in docker("image", "inspect", "--format", "{{json .RepoDigests}}", by_digest)


def test_the_image_runs_as_nobody_in_particular_and_carries_what_it_was_made_of(built: tuple[Path, str, dict[str, Any]]) -> None:
    _, reference, _ = built
    assert docker("run", "--rm", reference, "id", "-u") == "10001"
    listed = docker("run", "--rm", reference, "ls", "/opt/envdoctor/lock", "/opt/envdoctor/sbom")
    assert {"ci.txt", "ci.toml", "ci.cdx.json"} <= set(listed.split())
    inside = docker(
        "run", "--rm", "--network", "none", reference, "envdoctor", "check", "lock:/opt/envdoctor/lock/ci.toml", "/opt/venv"
    )
    assert "no drift" in inside
    health = json.loads(docker("image", "inspect", "--format", "{{json .Config.Healthcheck}}", reference))
    assert health["Test"] == ["CMD", "/opt/envdoctor/bin/envdoctor", "check", "/opt/venv"]


def health_of(folder: Path, reference: str, options: str) -> str:
    """How a container ends up with the HEALTHCHECK of deploy/docker, its options changed; gives its state and the last line."""
    lines = HEALTHCHECK.read_text(encoding="utf-8")
    _, _, check = lines.partition("\nHEALTHCHECK ")
    assert "--static --require gpu --report" in check
    check = check.replace("--interval=10m", "--interval=1s").replace("--start-period=30s", "--start-period=1s")
    check = check.replace("--static --require gpu --report", f"{options} --report")
    (folder / "Dockerfile").write_text(f"FROM {reference}\nHEALTHCHECK {check}", encoding="utf-8")
    docker("build", "--quiet", "--tag", "envdoctor-test/health:1", str(folder))
    name = docker("run", "--detach", "--entrypoint", "sleep", "envdoctor-test/health:1", "120")
    try:
        for _ in range(60):
            health = json.loads(docker("inspect", "--format", "{{json .State.Health}}", name))
            if health["Status"] != "starting":
                break
            time.sleep(0.5)
        return f"{health['Status']} {health['Log'][-1]['ExitCode']} {health['Log'][-1]['Output']}"
    finally:
        docker("rm", "--force", name)
        docker("image", "rm", "--force", "envdoctor-test/health:1")


def test_the_healthcheck_of_the_guide(built: tuple[Path, str, dict[str, Any]], tmp_path: Path) -> None:
    _, reference, _ = built
    assert health_of(tmp_path, reference, "--static").startswith("healthy 0 ")
    broken = health_of(tmp_path, reference, "--static --require gpu")
    assert broken.startswith("unhealthy 1 ")
    assert "ENVDOCTOR CRITICAL - FAILED in check: gpu is required" in broken
    wrong = health_of(tmp_path, reference, "--no-such-option")
    assert wrong.startswith("healthy 0 "), "a wrong option is no proof of a fault"
    assert "No such option" in wrong


def test_neither_certificates_nor_indexes_are_left_in_the_image(built: tuple[Path, str, dict[str, Any]]) -> None:
    _, reference, _ = built
    kept = r"find / -xdev -type f -size +0 \( -path '/run/*' -o -name pip.conf -o -name uv.toml -o -path '/root/.cache/*' \)"
    assert docker("run", "--rm", "--user", "0", "--entrypoint", "sh", reference, "-c", kept) == ""
    history = docker("history", "--no-trunc", reference)
    assert "://" not in history.replace("oci-layout://", "")


def test_from_outside_it_is_healthy_and_as_locked(built: tuple[Path, str, dict[str, Any]]) -> None:
    _, reference, _ = built
    assert envdoctor("check", f"image:{reference}", "--suppose", "driver=none").returncode == 0
    drift = envdoctor("check", LOCK, f"image:{reference}")
    assert drift.returncode == 0, drift.stdout


@pytest.fixture(scope="module")
def drifted(built: tuple[Path, str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image with one package in another version and one file edited."""
    _, reference, _ = built
    folder = tmp_path_factory.mktemp("drifted")
    older = wheel(folder, "mdurl", "0.0.1", {"mdurl/__init__.py": b"# all of it\n"})
    (folder / "Dockerfile").write_text(
        f"FROM {reference}\nUSER 0\nCOPY {older.file} /tmp/\n"
        f"RUN uv pip install --quiet --offline --no-cache --no-deps --python /opt/venv/bin/python /tmp/{older.file}"
        " && echo '# patched' >> /opt/venv/lib/python3.11/site-packages/rich/console.py\n"
    )
    docker("build", "--quiet", "--tag", "envdoctor-test/drifted:1", str(folder))
    yield "envdoctor-test/drifted:1"
    docker("image", "rm", "--force", "envdoctor-test/drifted:1")


def test_drift_made_on_purpose_is_seen_exactly(drifted: str) -> None:
    done = envdoctor("check", LOCK, f"image:{drifted}", "--format", "json")
    assert done.returncode == 1
    found = {(one["what"], one["name"]) for one in json.loads(done.stdout)["departures"]}
    assert found == {("version", "mdurl"), ("files", "rich")}


def test_two_images_are_told_apart_in_words(built: tuple[Path, str, dict[str, Any]], drifted: str) -> None:
    done = envdoctor("diff", "--verbose", f"image:{built[1]}", f"image:{drifted}")
    assert done.returncode == 1
    assert "mdurl" in done.stdout
    assert "0.0.1" in done.stdout


def test_a_cdi_device_is_seen_from_inside(built: tuple[Path, str, dict[str, Any]], world: World) -> None:
    spec = world.cdi / "fake.json"
    device = {"name": "all", "containerEdits": {"env": ["ENVDOCTOR_FAKE_GPU=1"]}}
    spec.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [device]}))
    try:
        assert "ENVDOCTOR_FAKE_GPU=1" in docker("run", "--rm", "--device", "nvidia.com/gpu=all", built[1], "env")
    finally:
        spec.unlink()


def test_a_second_run_changes_nothing_and_adds_little_to_the_engines_own_time(
    built: tuple[Path, str, dict[str, Any]], world: World
) -> None:
    folder, _, said = built
    before = (folder / "manifest.json").read_bytes()
    started = time.monotonic()
    done = envdoctor("build-image", str(folder), "--base", world.base, "--tag", built[1], "--no-smoke", "--format", "json")
    whole = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    took = {one["name"]: one["seconds"] for one in again["stages"]}
    engine = took["build"] + took["look from outside"]  # of the look only the load is left: these bytes were judged before
    sys.stdout.write(f"\ncached rebuild: {whole:.1f} s, of it {engine:.1f} s in the engine: {whole - engine:.1f} s are ours\n")
    assert whole - engine < max(10.0, engine)
    assert again["digest"] == said["digest"]
    assert "same bytes" in next(one["says"] for one in again["stages"] if one["name"] == "look from outside")
    assert (folder / "manifest.json").read_bytes() == before


def of_builds(temporary: Path) -> list[str]:
    """The commands of builds that use this folder and still run."""
    return [line for line in subprocess.check_output(["ps", "-eo", "args"], text=True).splitlines() if str(temporary) in line]


def broken_off(words: list[str], temporary: Path, at: str, how: signal.Signals) -> str:
    """Start a build, end it by this signal when a step with this in its name is done, and give what it still said."""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "envdoctor", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment) as child:
        assert child.stderr is not None
        assert any(at in line for line in child.stderr), "it ended before that step"
        child.send_signal(how)
        said = child.stderr.read()
        assert child.wait(60) != 0
    return said


def test_a_build_that_is_broken_off_leaves_nothing_and_the_next_one_goes_on_from_its_caches(
    built: tuple[Path, str, dict[str, Any]], world: World, tmp_path: Path
) -> None:
    folder, archive, temporary, name = target(tmp_path / "ci"), tmp_path / "ci.tar", tmp_path / "tmp", "envdoctor-test/broken:1"
    temporary.mkdir()
    words = ["build-image", str(folder), "--base", world.base, "--archive", str(archive), "--tag", name]
    names, running = references(), containers()
    said = broken_off([*words, "--no-cache"], temporary, "[machine", signal.SIGINT)
    assert "interrupted: nothing was named" in said
    assert list(temporary.iterdir()) == []
    assert list(tmp_path.glob("ci.tar*")) == []
    # the check is the last step before the archive is written: this one dies while that is half done
    broken_off(words, temporary, "envdoctor check", signal.SIGKILL)
    until = time.monotonic() + 30
    while of_builds(temporary) and time.monotonic() < until:
        time.sleep(0.2)
    assert of_builds(temporary) == []
    assert not archive.exists()
    assert (references(), containers()) == (names, running)
    assert not (folder / "manifest.json").exists()
    done = envdoctor(*words, "--format", "json")
    try:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["digest"] == built[2]["digest"]
        assert "(cached)" in done.stderr
        assert archive.is_file()
    finally:
        docker("image", "rm", "--force", name)


def test_a_lock_that_is_known_to_break_stops_before_anything_is_built(tmp_path: Path) -> None:
    folder = target(tmp_path / "ci")
    lock = files.read(str(folder / "ci.toml"))
    more = (("torch", "2.5.1"), ("transformers", "5.0.0"), ("vllm", "0.7.0"))
    wheels = (
        LockedPackage(name=name, version=said, file=f"{name}-{said}-py3-none-any.whl", sha256="0" * 64) for name, said in more
    )
    packages = tuple(sorted((*lock.packages, *wheels), key=lambda one: one.name))
    files.write(msgspec.structs.replace(lock, packages=packages), str(folder))
    # there is not even an engine to build it with
    nowhere = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = envdoctor("build-image", str(folder), "--base", "debian@sha256:" + "0" * 64, environ=nowhere)
    assert done.returncode == 1, done.stderr
    assert "nothing was built" in done.stderr
    assert "vllm" in done.stdout
    assert "transformers" in done.stdout


def test_a_module_that_would_not_load_fails_the_build_and_is_named(world: World, tmp_path: Path) -> None:
    folder, wheels = target(tmp_path / "ci"), tmp_path / "wheels"
    wheels.mkdir()
    lock = files.read(str(folder / "ci.toml"))
    module = shared_object(needs=("libnothere.so.1",))
    members = {"apex/__init__.py": b"from apex import _c\n", "apex/_c.cpython-311-x86_64-linux-gnu.so": module}
    lame = wheel(wheels, "apex", "1.0", members, "cp311-cp311-linux_x86_64")
    packages = tuple(sorted((*lock.packages, lame), key=lambda one: one.name))
    files.write(msgspec.structs.replace(lock, packages=packages), str(folder))
    names = references()
    done = envdoctor(
        "build-image", str(folder), "--base", world.base, "--wheel-cache", str(wheels), "--tag", "envdoctor-test/broken:1"
    )
    assert done.returncode == 1, done.stderr
    assert "libnothere.so.1" in done.stdout
    assert "apex" in done.stdout
    assert "ED310" in done.stdout
    assert references() == names


@pytest.mark.parametrize("base", ["debian", "debian:latest"])
def test_a_floating_base_is_refused(base: str) -> None:
    done = envdoctor("build-image", str(CI), "--base", base)
    assert done.returncode == 2
    assert "floats" in done.stderr
