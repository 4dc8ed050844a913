"""How buildx is asked, followed and stopped: a stand-in for the docker command plays back what buildx 0.13.1 printed."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.engine import buildx
from envdoctor.engine.buildx import Build
from envdoctor.engine.client import Engine
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from envdoctor.engine.buildx import Step

WORDS = Path(__file__).parent / "words"
ENGINE = Engine(None, "unix:///run/x.sock", "26.1.5+dfsg1", True, False, False, "amd64")  # noqa: FBT003 - a record
DIGEST = "sha256:" + "ce" * 32
METADATA = f'{{"containerimage.digest": "{DIGEST}", "containerimage.config.digest": "sha256:{"78" * 32}"}}'
PLAYER = """#!/bin/sh
if [ "$2" = version ]; then echo "github.com/docker/buildx {version} 0123abc"; exit 0; fi
printf '%s\\n' "$@" > {here}/argv
env > {here}/env
for one in "$@"; do case "$one" in
  *dest=*) dest=${{one#*dest=}}; dest=${{dest%%,*}}; dest=${{dest%%\\"*}}; echo archive > "$dest";;
  */metadata.json) printf '%s' '{metadata}' > "$one";;
esac; done
{then}
"""


class Stand:
    """A folder with a docker command that does what a test says, first on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.delenv("DOCKER_HOST", raising=False)

    def plays(self, then: str, version: str = "0.13.1+ds1", metadata: str = METADATA) -> None:
        """What the command does."""
        path = self.folder / "docker"
        path.write_text(PLAYER.format(here=self.folder, version=version, metadata=metadata, then=then))
        path.chmod(0o755)

    def argv(self) -> list[str]:
        """How it was called last."""
        return (self.folder / "argv").read_text().splitlines()

    def env(self) -> dict[str, str]:
        """Its environment then."""
        return dict(line.partition("=")[::2] for line in (self.folder / "env").read_text().splitlines())

    def build(self, **more: object) -> Build:
        """What is asked for."""
        plain = Build(context="ctx", archive=str(self.folder / "image.tar"), name="a/b:1", epoch=1764028800)
        return msgspec.structs.replace(plain, **more)

    def left(self) -> set[str]:
        """Files that a build leaves."""
        return {path.name for path in self.folder.iterdir()} - {"docker", "argv", "env"}


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    return Stand(tmp_path, monkeypatch)


def refusal(what: Build, engine: Engine = ENGINE) -> UserError:
    with pytest.raises(UserError) as error:
        buildx.build(what, engine, lambda _: None)
    return error.value


def test_a_build_that_goes_well(stand: Stand) -> None:
    stand.plays(f"cat {WORDS}/made.rawjson >&2")
    steps: list[Step] = []
    made = buildx.build(stand.build(), ENGINE, steps.append)
    assert (made.digest, made.cached, made.steps) == (DIGEST, 0, 1)
    assert made.config_digest == "sha256:" + "78" * 32
    assert any(step.state == "done" and "RUN echo hello" in step.name for step in steps)
    assert stand.left() == {"image.tar"}


def test_what_makes_it_reproducible_is_asked_for(stand: Stand) -> None:
    stand.plays("")
    base = "oci-layout:///b@sha256:1"
    asked = stand.build(contexts={"base": base}, secrets={"ca": "/a,b.pem"}, dockerfile="D", no_cache=True, target="run")
    buildx.build(asked, ENGINE, lambda _: None)
    argv = stand.argv()
    archive = stand.folder / "image.tar.unfinished"
    assert argv[argv.index("--output") + 1] == f"type=oci,dest={archive},rewrite-timestamp=true,name=a/b:1"
    assert "--provenance=false" in argv
    assert argv[argv.index("--build-context") + 1] == f"base={base}"
    assert argv[argv.index("--secret") + 1] == 'id=ca,"src=/a,b.pem"'
    assert argv[argv.index("--file") + 1] == "D"
    assert argv[argv.index("--target") + 1] == "run"
    assert argv[-3:] == ["--no-cache", "--", "ctx"]
    assert stand.env()["SOURCE_DATE_EPOCH"] == "1764028800"


def test_the_users_environment_reaches_it_and_the_engine_that_was_found(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.plays("")
    monkeypatch.setenv("DOCKER_CONFIG", "/their/config")
    buildx.build(stand.build(), ENGINE, lambda _: None)
    assert stand.env()["DOCKER_CONFIG"] == "/their/config"
    assert stand.env()["DOCKER_HOST"] == "unix:///run/x.sock"
    monkeypatch.setenv("DOCKER_HOST", "unix:///theirs.sock")
    buildx.build(stand.build(), ENGINE, lambda _: None)
    assert stand.env()["DOCKER_HOST"] == "unix:///theirs.sock"


@pytest.mark.parametrize(("version", "shown"), [("v0.29.0", "rawjson"), ("0.13.1+ds1", "rawjson"), ("v0.12.1", "plain")])
def test_progress_is_asked_for_in_the_form_that_this_buildx_has(version: str, shown: str, stand: Stand) -> None:
    stand.plays("", version=version)
    buildx.build(stand.build(), ENGINE, lambda _: None)
    assert f"--progress={shown}" in stand.argv()


def test_a_failed_run_line_is_told_with_its_output_and_nothing_is_left(stand: Stand) -> None:
    stand.plays(f"cat {WORDS}/failed.rawjson >&2; exit 1")
    error = refusal(stand.build())
    assert "exit 3 failed (exit status 3)" in error.what
    assert error.more == ("one", "line 1", "line 2", "line 3")
    assert stand.left() == set()


def test_an_archive_of_before_stays_when_a_build_fails(stand: Stand) -> None:
    (stand.folder / "image.tar").write_text("of before")
    stand.plays("exit 1")
    assert "ended with status 1" in refusal(stand.build()).what
    assert (stand.folder / "image.tar").read_text() == "of before"


@pytest.mark.parametrize("metadata", ["", "{", '{"containerimage.digest": "x"}', "{}", '{"containerimage.digest": 5}'])
def test_a_build_without_a_digest_counts_as_failed(metadata: str, stand: Stand) -> None:
    stand.plays("", metadata=metadata)
    assert refusal(stand.build()).what.startswith("could not build the image: docker buildx")
    assert stand.left() == set()


def test_an_interrupt_stops_the_whole_group_and_leaves_nothing(stand: Stand) -> None:
    stand.plays(f"sleep 300 & echo $! > {stand.folder}/pid; wait")
    place = stand.folder / "pid"

    def interrupt() -> None:
        while not (place.exists() and place.read_text().strip()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        buildx.build(stand.build(), ENGINE, lambda _: None)
    assert time.monotonic() - started < 60
    assert stand.left() == {"pid"}
    number = int(place.read_text())
    for _ in range(100):
        state = ""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        if state in {"", "Z"}:
            break
        time.sleep(0.05)
    assert state in {"", "Z"}


def test_an_interrupt_while_the_build_is_being_started_leaves_nothing_either(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            if "build" in words[0]:
                started.append(self)
                signal.raise_signal(signal.SIGINT)

    stand.plays("sleep 300")
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        buildx.build(stand.build(), ENGINE, lambda _: None)
    assert [one.poll() is not None for one in started] == [True]


def test_a_listener_that_fails_stops_the_build(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildx, "STOP_S", 0.5)
    stand.plays(f"cat {WORDS}/made.rawjson >&2; sleep 300")

    def fail(step: Step) -> None:
        raise RuntimeError(step.name)

    with pytest.raises(RuntimeError):
        buildx.build(stand.build(), ENGINE, fail)
    assert stand.left() == set()


@pytest.mark.parametrize(
    ("engine", "oci", "what"),
    [
        (
            {"version": "25.0.5"},
            True,
            "Docker 25.0.5, and rewriting the times of files needs BuildKit 0.13, which came with Docker 26",
        ),
        ({"version": "20.10.24"}, False, "needs BuildKit 0.10, which came with Docker 23"),
        ({"podman": True, "version": "4.3.1"}, True, "podman has no BuildKit"),
    ],
)
def test_engines_that_cannot_are_told_before_anything_is_built(
    engine: dict[str, object], oci: bool, what: str, stand: Stand
) -> None:
    stand.plays("")
    assert what in refusal(stand.build(oci=oci), msgspec.structs.replace(ENGINE, **engine)).what.replace("need ", "needs ")
    assert not (stand.folder / "argv").exists()


def test_the_version_of_buildx(stand: Stand) -> None:
    stand.plays("")
    assert buildx.version(os.environ) == "0.13.1+ds1"
    stand.plays("", version="v0.29.1")
    assert buildx.version(os.environ) == "0.29.1"


def test_no_buildx(stand: Stand) -> None:
    path = stand.folder / "docker"
    path.write_text(f"#!/bin/sh\ncat {WORDS}/no_buildx.txt >&2; exit 1\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(UserError, match="the docker command here has no buildx"):
        buildx.version(os.environ)


def test_no_docker_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no docker command on PATH"):
        buildx.version({"PATH": str(tmp_path)})


def test_podmans_docker_command(stand: Stand) -> None:
    path = stand.folder / "docker"
    path.write_text('#!/bin/sh\necho "Emulate Docker CLI using podman." >&2; echo "buildah 1.28.2"\n')
    path.chmod(0o755)
    with pytest.raises(UserError, match="the docker command here is podman's"):
        buildx.version(os.environ)


@pytest.mark.parametrize(("out", "status"), [("not json", 0), ('{"digest": "sha256:1"}', 0), ("", 1)])
def test_an_answer_without_a_digest_is_no_answer(out: str, status: int, stand: Stand) -> None:
    stand.plays(f"echo '{out}'; exit {status}")
    with pytest.raises(UserError, match="could not look up debian:12"):
        buildx.digest_of("debian:12", ENGINE)


def test_the_digest_of_a_tag(stand: Stand) -> None:
    stand.plays(f"""echo '{{"mediaType": "x", "digest": "{DIGEST}", "size": 840}}'""")
    assert buildx.digest_of("debian:12", ENGINE) == DIGEST
    assert stand.argv() == ["buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", "--", "debian:12"]


def test_the_digest_of_a_layout_is_read_without_an_engine(tmp_path: Path) -> None:
    other = "sha256:" + "ab" * 32
    index = tmp_path / "index.json"
    index.write_text(f'{{"schemaVersion": 2, "manifests": [{{"digest": "{DIGEST}", "size": 1}}]}}')
    assert buildx.digest_of(f"oci-layout://{tmp_path}", ENGINE) == DIGEST
    assert buildx.digest_of(f"oci-layout://{tmp_path}@{DIGEST}", ENGINE) == DIGEST
    with pytest.raises(UserError, match="holds no image sha256:abab"):
        buildx.digest_of(f"oci-layout://{tmp_path}@{other}", ENGINE)
    index.write_text(f'{{"manifests": [{{"digest": "{DIGEST}"}}, {{"digest": "{other}"}}]}}')
    with pytest.raises(UserError, match="holds 2 images"):
        buildx.digest_of(f"oci-layout://{tmp_path}", ENGINE)
    index.write_text('{"manifests": [{"digest": 5}]}')
    with pytest.raises(UserError, match="is no OCI layout"):
        buildx.digest_of(f"oci-layout://{tmp_path}", ENGINE)
    with pytest.raises(UserError, match="is no OCI layout"):
        buildx.digest_of(f"oci-layout://{tmp_path}/nowhere", ENGINE)
