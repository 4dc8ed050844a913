"""Finding an engine, from what real ones answered; and each way of not finding one."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from typing import TYPE_CHECKING

import pytest

from envdoctor.engine import client
from envdoctor.errors import UserError
from tests.engine_room.conftest import Say, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from envdoctor.engine.client import Engine


def found(environ: Mapping[str, str]) -> Engine:
    with client.connect(environ) as engine:
        return engine


def refusal(environ: Mapping[str, str]) -> UserError:
    with pytest.raises(UserError) as error:
        found(environ)
    return error.value


@pytest.fixture(autouse=True)
def _no_engine_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client, "DOCKER_SOCKET", str(tmp_path / "none" / "docker.sock"))
    monkeypatch.setattr(client, "PODMAN_SOCKET", str(tmp_path / "none" / "podman.sock"))


def test_docker_with_a_containerd_store(replayed: Callable[[Say], str]) -> None:
    address = replayed(answers("docker"))
    engine = found({"DOCKER_HOST": address})
    assert (engine.socket, engine.version, engine.architecture) == (address, "26.1.5+dfsg1", "amd64")
    assert (engine.containerd_store, engine.podman, engine.rootless) == (True, False, False)


def test_docker_with_its_old_store(replayed: Callable[[Say], str]) -> None:
    engine = found({"DOCKER_HOST": replayed(answers("graphdriver"))})
    assert (engine.containerd_store, engine.podman) == (False, False)


def test_podman(replayed: Callable[[Say], str]) -> None:
    engine = found({"DOCKER_HOST": replayed(answers("podman"))})
    assert (engine.version, engine.podman, engine.containerd_store) == ("4.3.1", True, False)


def test_a_rootless_engine(replayed: Callable[[Say], str]) -> None:
    says = answers("docker")
    # edited: none ran rootless here; the option is documented
    says["/info"]["SecurityOptions"] = ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]
    assert found({"DOCKER_HOST": replayed(says)}).rootless


def test_the_context_of_docker_names_the_engine(replayed: Callable[[Say], str], tmp_path: Path) -> None:
    address = replayed(answers("docker"))
    place = tmp_path / "cfg" / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest()
    place.mkdir(parents=True)
    (place / "meta.json").write_text(
        json.dumps({"Name": "far", "Endpoints": {"docker": {"Host": address, "SkipTLSVerify": False}}})
    )
    (tmp_path / "cfg" / "config.json").write_text(json.dumps({"auths": {}, "currentContext": "far"}))
    assert found({"DOCKER_CONFIG": str(tmp_path / "cfg")}).socket == address
    assert found({"DOCKER_CONFIG": str(tmp_path / "cfg"), "DOCKER_CONTEXT": "far"}).socket == address
    gone = refusal({"DOCKER_CONFIG": str(tmp_path / "cfg"), "DOCKER_CONTEXT": "near"})
    assert "'near' is chosen, and there is none" in gone.what
    assert "docker context ls" in gone.hint


def test_a_rootless_socket_is_found_by_looking_around(replayed: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    address = replayed(answers("podman"), "podman/podman.sock")
    assert found({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}).socket == address
    address = replayed(answers("docker"), "docker.sock")
    assert found({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}).socket == address


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    error = refusal({"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    assert error.what == f"there is no engine at {tmp_path}/no.sock (DOCKER_HOST names it): No such file or directory"
    assert "sudo systemctl start docker" in error.hint


def test_a_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    path = str(tmp_path / "dead.sock")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)
    error = refusal({"DOCKER_HOST": f"unix://{path}"})
    assert error.what == f"{path} is there, but no engine answers on it"
    assert error.hint == "Start it: sudo systemctl start docker"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
def test_a_socket_that_this_user_may_not_use(replayed: Callable[[Say], str]) -> None:
    address = replayed(answers("docker"))
    path = address.removeprefix("unix://")
    os.chmod(path, 0o600)
    # the user is nobody in a child, whose tests are these lines
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            refused = client._try(path)
            code = 0 if refused is not None and "may not use it" in client._no_engine([refused], {}, named=True).what else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    error = client._no_engine([client._Refused(path, 13)], {}, named=True)
    assert "sudo usermod -aG docker $USER" in error.hint


@pytest.mark.parametrize(
    ("installed", "what", "hint"),
    [
        ((), "no container engine is here", "Install Docker"),
        (("docker",), "Docker is installed, but its daemon is not running", "systemctl start docker"),
        (("podman",), "podman is installed, but its API socket is off", "systemctl --user enable --now podman.socket"),
    ],
)
def test_nothing_listens_anywhere(installed: tuple[str, ...], what: str, hint: str, tmp_path: Path) -> None:
    for name in installed:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    error = refusal({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert what in error.what
    assert hint in error.hint


def test_something_else_listens(replayed: Callable[[Say], str]) -> None:
    error = refusal({"DOCKER_HOST": replayed({"/version": {"ApiVersion": "1.45", "Version": 7}, "/info": {}})})
    assert "does not answer like a container engine" in error.what


def test_an_engine_that_is_too_old_to_talk_to(replayed: Callable[[Say], str]) -> None:
    says = answers("docker")
    says["/version"]["ApiVersion"] = "1.12"
    assert "too old" in refusal({"DOCKER_HOST": replayed(says)}).what


def test_an_address_that_cannot_be_talked_to_is_not_printed() -> None:
    error = refusal({"DOCKER_HOST": "ssh://somebody@host.invalid"})
    assert "somebody" not in error.what
    assert "ssh -N -L" in error.hint


def test_patience_ends_with_its_block(replayed: Callable[[Say], str]) -> None:
    with client.connect({"DOCKER_HOST": replayed(answers("docker"))}) as engine:
        with client.patience(engine):
            assert engine.client.api.timeout == client.PATIENT_S
        assert engine.client.api.timeout == client.ANSWER_S
