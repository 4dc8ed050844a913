"""What images say of themselves, and the engine's answers to a load, push and pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.engine import client, images
from envdoctor.engine.client import Engine
from envdoctor.errors import UserError
from tests.engine_room.conftest import Say, answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envdoctor.engine.progress import Step

# docker 26.1.5, containerd store; what nobody reads is left out
SAID: dict[str, Any] = {
    "Id": "sha256:ce7038a4ee91e99f58e10855e056483ee919c52ea81a39f7d56e7df52751607e",
    "RepoTags": ["engine/t:1"],
    "Config": {
        "User": "1000",
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin", "A=b=c", "EMPTY="],
        "Cmd": ["/stamp"],
        "Volumes": None,
        "Entrypoint": ["/bin/cat"],
        "Labels": {"x": "y"},
    },
    "Architecture": "amd64",
    "Os": "linux",
    "Size": 83481896,
    "RootFS": {
        "Type": "layers",
        "Layers": [
            "sha256:db6e4ced0f18323d7b93cdec3f5271f202acd5951355ae6bbe1afdab0f4796a5",
            "sha256:de9695f4bf7241112befbeb4d7eb1d6c6af040ea8889eb1ffdd5e3c99419f714",
        ],
    },
}


class Api:
    """The SDK's streams, as recorded from docker 26.1.5 with a containerd store."""

    timeout = 60

    def __init__(self, *news: object) -> None:
        self.news = news
        self.asked: list[object] = []

    def push(self, repository: str, *, tag: str, **_how: bool) -> object:
        """News of a transfer."""
        self.asked.append((repository, tag))
        return iter(self.news)

    pull = push

    def tag(self, source: str, repository: str, name: str) -> None:
        """Nothing is said."""
        self.asked.append((source, repository, name))

    def load_image(self, file: Any, **_how: bool) -> object:
        """News of a load."""
        assert file.read(4) == b"data"
        return iter(self.news)

    def inspect_image(self, reference: str) -> object:
        """What the image says."""
        self.asked.append(reference)
        return SAID


class Client:
    """Holds it."""

    def __init__(self, *news: object) -> None:
        self.api = Api(*news)


def engine(*news: object) -> Engine:
    return Engine(Client(*news), "unix:///x", "26.1.5", True, False, False, "amd64")  # noqa: FBT003 - a record


def test_an_image_describes_itself(replayed: Callable[[Say], str]) -> None:
    says = answers("docker") | {"/images/engine/t:1/json": SAID}
    with client.connect({"DOCKER_HOST": replayed(says)}) as one:
        config = images.inspect(one, "engine/t:1")
    assert config.digest == SAID["Id"]
    assert (config.os, config.architecture, config.user, config.size_bytes) == ("linux", "amd64", "1000", 83481896)
    assert (config.entrypoint, config.command) == (("/bin/cat",), ("/stamp",))
    assert config.env == {"PATH": "/usr/local/sbin:/usr/local/bin", "A": "b=c", "EMPTY": ""}
    assert config.labels == {"x": "y"}
    assert config.layers == tuple(SAID["RootFS"]["Layers"])


def test_an_image_that_is_not_there(replayed: Callable[[Say], str]) -> None:
    with client.connect({"DOCKER_HOST": replayed(answers("docker"))}) as one, pytest.raises(UserError) as error:
        images.inspect(one, "engine/none:1")
    assert error.value.what == "could not look at the image engine/none:1: the engine has no such image"
    assert "docker pull" in error.value.hint


def test_an_image_with_nothing_to_say_and_podmans_bare_digests() -> None:
    config = images.described({"Id": "78" * 32, "Config": None, "RootFS": {"Type": "layers", "Layers": None}}, "x")
    assert config.digest == "sha256:" + "78" * 32
    assert (config.env, config.layers, config.user) == ({}, (), "")


@pytest.mark.parametrize(
    "change",
    [
        {"Id": 5},
        {"Config": {"Env": "PATH=/x"}},
        {"Config": {"Labels": ["x"]}},
        {"Config": {"Env": ["A=" + "x" * 100_000]}},
        {"Config": {"Env": [f"A{number}=x" for number in range(20_000)]}},
        {"RootFS": {"Layers": ["../../etc/passwd"]}},
        {"Size": "big"},
    ],
)
def test_a_hostile_description_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UserError, match="describes itself in a way that cannot be read"):
        images.described({**SAID, **change}, "engine/t:1")


def test_a_push_tells_its_layers_and_the_digest() -> None:
    news = (
        {"status": "The push refers to repository [127.0.0.1:5077/engine/t]"},
        {"status": "Waiting", "progressDetail": {}, "id": "d7933e7096a2"},
        {"status": "Pushing", "progressDetail": {"current": 5, "total": 9}, "id": "d7933e7096a2"},
        {"status": "Pushed", "progressDetail": {}, "id": "d7933e7096a2"},
        {"status": f"1: digest: {SAID['Id']} size: 840"},
        {"progressDetail": {}, "aux": {"Tag": "1", "Digest": SAID["Id"], "Size": 840}},
    )
    one, steps = engine(*news), list[Any]()
    assert images.push(one, "127.0.0.1:5077/engine/t:1", steps.append) == SAID["Id"]
    assert one.client.api.asked == [("127.0.0.1:5077/engine/t", "1")]
    assert [(step.state, step.done_bytes) for step in steps] == [("started", None), ("started", 5), ("done", None)]
    assert images.push(engine(*news[:-1]), "engine/t:1", steps.append) == SAID["Id"]


def test_an_error_in_the_stream_is_an_error_though_its_status_was_200() -> None:
    text = "push access denied, repository does not exist or may require authorization: authorization failed"
    with pytest.raises(UserError, match="does not let this user in"):
        images.push(engine({"errorDetail": {"message": text}, "error": text}), "engine/t:1", lambda _: None)


def test_a_push_without_a_digest_is_no_push() -> None:
    with pytest.raises(UserError, match="names no digest"):
        images.push(engine({"status": "done"}), "engine/t:1", lambda _: None)


def test_a_stream_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="no news of a transfer"):
        images.pull(engine({"status": 5}), "engine/t:1", lambda _: None)


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("engine/t", ("engine/t", "latest")),
        ("host:5000/engine/t", ("host:5000/engine/t", "latest")),
        ("host:5000/engine/t:1", ("host:5000/engine/t", "1")),
        (f"engine/t@{SAID['Id']}", ("engine/t", SAID["Id"])),
    ],
)
def test_names_are_taken_apart_where_their_tag_begins(reference: str, asked: tuple[str, str]) -> None:
    one = engine()
    images.tag(one, "source", reference)
    assert one.client.api.asked == [("source", *asked)]
    assert images.pull(one, reference, lambda _: None) == SAID["Id"]
    assert one.client.api.asked[1:] == [asked, reference]


def test_a_load_tells_the_name_that_the_engine_gave(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"data")
    one = engine({"stream": "Loaded image: engine/t:1\n"})
    steps: list[Step] = []
    assert images.load(one, str(tmp_path / "a.tar"), steps.append) == SAID["Id"]
    assert one.client.api.asked == ["engine/t:1"]
    with pytest.raises(UserError, match="names no image of it"):
        images.load(engine(), str(tmp_path / "a.tar"), steps.append)
    with pytest.raises(UserError, match="could not load the image into the engine"):
        images.load(engine(), str(tmp_path / "none.tar"), steps.append)
