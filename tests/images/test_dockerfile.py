"""The Dockerfile: what it promises to engines, to registries and to NVIDIA's container toolkit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.errors import UserError
from envdoctor.images import asked as images
from envdoctor.images.asked import Asked, Base
from envdoctor.images.dockerfile import dockerfile, epoch, gate, labels, requirement, variables
from envdoctor.locks import files

if TYPE_CHECKING:
    from envdoctor.locks.document import Lock

ROOT = Path(__file__).resolve().parents[2]
TARGETS = images.names(str(ROOT / "images"))


def pair(name: str = "h100", **changes: Any) -> tuple[Asked, Lock]:
    wanted = images.read(name, str(ROOT / "images")).asked
    return msgspec.structs.replace(wanted, **changes), files.read(str(ROOT / "lockfiles" / f"{name}.toml"))


def runs(text: str) -> list[str]:
    """What the shell of each RUN gets, as an engine reads it."""
    joined = re.sub(r"\\\n\s*", "", text)
    found = [line.removeprefix("RUN ") for line in joined.splitlines() if line.startswith("RUN ")]
    return [re.sub(r"^(?:--\S+ +)*", "", line) for line in found]


@pytest.mark.parametrize("name", TARGETS)
def test_the_committed_one_is_what_would_be_generated(name: str) -> None:
    assert (ROOT / "images" / name / "Dockerfile").read_text(encoding="utf-8") == dockerfile(*pair(name))


@pytest.mark.parametrize("name", TARGETS)
def test_buildah_and_old_frontends_can_read_it(name: str) -> None:
    text = dockerfile(*pair(name))
    assert "<<" not in text
    assert "# syntax" not in text
    assert "--link" not in text


@pytest.mark.parametrize("name", TARGETS)
def test_every_run_is_a_command_that_a_shell_can_parse(name: str) -> None:
    shell = shutil.which("dash") or "/bin/sh"
    scripts = runs(dockerfile(*pair(name)))
    assert len(scripts) >= 6
    for script in scripts:
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (script, done.stderr)


def test_a_failed_install_is_not_taken_for_another_python() -> None:
    [script] = [one for one in runs(dockerfile(*pair("h100"))) if "/lock/h100.txt" in one]
    failing = script.replace("/opt/tools/bin/uv", "false")
    done = subprocess.run(["/bin/sh", "-c", failing], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "is no Python" not in done.stderr


def test_the_base_is_named_by_its_digest_and_can_be_replaced() -> None:
    assert re.search(r"^FROM nvidia/cuda:\S+@sha256:[0-9a-f]{64} AS base$", dockerfile(*pair()), re.MULTILINE)


def test_a_base_without_a_digest_is_refused() -> None:
    with pytest.raises(UserError, match="no digest"):
        dockerfile(*pair(base=Base(image="ubuntu:24.04")))


def test_the_rarely_changing_comes_first() -> None:
    text = dockerfile(*pair())
    shipped = text[text.rindex("\nFROM ") :]
    order = [
        "/apart/nvidia/",
        "/apart/torch/",
        "/apart/vllm/",
        "/opt/venv/ ",
        "/opt/envdoctor/ ",
        "lock/ ",
        "LABEL",
        "USER",
        "RUN",
    ]
    places = [shipped.index(one) for one in order]
    assert places == sorted(places)


def test_nothing_of_pip_or_uv_is_shipped() -> None:
    text = dockerfile(*pair())
    shipped = text[text.rindex("\nFROM ") :]
    assert set(re.findall(r"--from=(\w+)", shipped)) == {"environment", "doctor"}
    assert "/opt/tools" not in shipped


def test_secrets_are_mounted_and_never_copied() -> None:
    text = dockerfile(*pair())
    shipped = text[text.rindex("\nFROM ") :]
    assert "secret" not in shipped
    assert not re.search(r"^(?:ARG|ENV).*(?:CERT|CONFIG|INDEX)", text, re.MULTILINE)


def test_the_gate_runs_as_the_user_without_a_network() -> None:
    text = dockerfile(*pair())
    assert text.index("\nUSER 10001:10001\n") < text.index("\nRUN --network=none ")
    left_out = ("--skip", "ED502,ED503,ED504")
    assert gate(*pair()) == ("check", "/opt/venv", "--suppose", "gpu=h100", "--suppose", "driver=580.65.06", *left_out)
    image, lock = pair("cpu")
    assert gate(image, lock) == ("check", "/opt/venv", *left_out)
    more = msgspec.structs.replace(image, linked=("peft", "numpy"))
    assert gate(more, lock) == ("check", "/opt/venv", "--deep-link", "numpy,peft", *left_out)


def test_a_lock_with_a_source_distribution_may_build_it() -> None:
    wanted, lock = pair()
    first = msgspec.structs.replace(lock.packages[0], file="a-1.tar.gz")
    mixed = msgspec.structs.replace(lock, packages=(first, *lock.packages[1:]))
    assert dockerfile(wanted, mixed).count("--no-build") == dockerfile(wanted, lock).count("--no-build") - 2


def test_nvidias_toolkit_gets_both_demands_at_once_and_numbers_that_it_can_read() -> None:
    # libnvidia-container splits alternatives at spaces and joins what must hold at commas; 06 is no semantic version
    assert requirement(pair()[1]) == "cuda>=13.0,driver>=580.65.6"


def test_an_image_without_a_gpu_asks_nothing_of_a_driver() -> None:
    assert not [name for name in variables(*pair("cpu")) if name.startswith("NVIDIA")]
    assert variables(*pair())["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"


def test_image_toml_has_the_last_word_on_the_environment_but_not_on_our_labels() -> None:
    wanted, lock = pair(environment={"NVIDIA_VISIBLE_DEVICES": "void"}, labels={"io.envdoctor.lock": "other", "org.me": "x"})
    assert variables(wanted, lock)["NVIDIA_VISIBLE_DEVICES"] == "void"
    found = labels(wanted, lock)
    assert found["io.envdoctor.lock"] == f"sha256:{lock.requirements_sha256}"
    assert found["org.me"] == "x"


def test_the_snapshot_stands_in_every_source() -> None:
    text = dockerfile(*pair())
    assert "{snapshot}" not in text
    assert text.count("snapshot.ubuntu.com/ubuntu/20261124T000000Z ") == 3


def test_without_packages_apt_is_left_alone() -> None:
    wanted, lock = pair(apt=images.Apt(), strip=())
    assert "apt-get" not in dockerfile(wanted, lock)


def test_bytecode_is_asked_for() -> None:
    wanted, lock = pair(bytecode=False)
    assert "compileall" in dockerfile(wanted, lock)  # envdoctor's own
    compiled = "/opt/venv/bin/python -I -S -B -m compileall -qq -f"
    assert compiled not in dockerfile(wanted, lock)
    assert compiled in dockerfile(*pair())


def test_packages_that_wrote_the_same_file_are_installed_again_one_after_another() -> None:
    text = dockerfile(*pair())
    assert text.index("/collisions ") < text.index("/opt/venv/bin/python -I -S -B -m compileall")
    assert '--reinstall-package "$name" -r /lock/h100.txt || exit 1; done' in text


def test_the_epoch_is_the_day_of_the_lock() -> None:
    lock = msgspec.structs.replace(pair()[1], made="2026-11-25")
    assert epoch(lock) == 1795564800
