"""On a real engine, with a root made of this machine's own shell: no registry is asked, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.engine import buildx, containers, images, unpack
from envdoctor.engine.buildx import Build
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.engine.client import Engine
    from envdoctor.engine.containers import Ran
    from envdoctor.engine.progress import Step

pytestmark = pytest.mark.engine
EPOCH = 1764028800


def nothing(step: Step) -> None:
    pass


def request(folder: Path, root: Path, *lines: str) -> Build:
    """A build of the small root and some lines."""
    text = ("FROM scratch", "COPY --from=root / /", *lines)
    (folder / "Dockerfile").write_text("\n".join(text) + "\n")
    return Build(
        context=str(folder),
        archive=str(folder / "image.tar"),
        name=f"engine-room/{uuid.uuid4().hex[:12]}:1",
        epoch=EPOCH,
        contexts={"root": str(root)},
        oci=True,
    )


@pytest.fixture(scope="module")
def image(engine: Engine, small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A loaded image with a shell."""
    what = request(
        tmp_path_factory.mktemp("image"),
        small_root,
        "USER 1000",
        "ENV A=b=c",
        "LABEL x=y",
        'ENTRYPOINT ["/bin/cat"]',
        "VOLUME /kept",
    )
    what = msgspec.structs.replace(what, oci=engine.containerd_store)
    made = buildx.build(what, engine, nothing)
    digest = images.load(engine, what.archive, nothing)
    assert digest in {made.digest, made.config_digest}
    yield what.name or ""
    images.remove(engine, what.name or "")


@pytest.fixture(autouse=True)
def _nothing_is_left(engine: Engine, tmp_path: Path) -> Iterator[None]:
    ours = {"label": "io.envdoctor.role=probe"}
    before = {one["Id"] for one in engine.client.api.containers(all=True, filters=ours)}
    yield
    left = [one for one in engine.client.api.containers(all=True, filters=ours) if one["Id"] not in before]
    # other tests may look at their own images at the same time
    assert not [one for one in left if one["Image"].startswith("engine-room/")]
    assert not list(tmp_path.glob("*.unfinished"))


def run(engine: Engine, image: str, *argv: str, stdin: bytes = b"", deadline_s: float = 30, gpus: bool = False) -> Ran:
    return containers.run(engine, image, argv, stdin=stdin, deadline_s=deadline_s, max_bytes=1_000_000, gpus=gpus)


def test_two_builds_are_the_same_bytes_and_the_second_comes_from_the_cache(
    engine: Engine, small_root: Path, tmp_path: Path
) -> None:
    if not engine.containerd_store:
        pytest.skip("an old store writes no OCI archives")
    what = request(tmp_path, small_root, "RUN --network=none touch /now")
    first = buildx.build(what, engine, nothing)
    again = msgspec.structs.replace(what, archive=str(tmp_path / "again.tar"))
    assert buildx.build(msgspec.structs.replace(again, no_cache=True), engine, nothing).digest == first.digest
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "image.tar").read_bytes()
    steps: list[Step] = []
    cached = buildx.build(again, engine, steps.append)
    assert (cached.digest, cached.cached, cached.steps) == (first.digest, cached.steps, 2)
    assert any(step.state == "cached" and "touch /now" in step.name for step in steps)


def test_a_run_line_that_fails_shows_what_it_printed(engine: Engine, small_root: Path, tmp_path: Path) -> None:
    what = request(tmp_path, small_root, "RUN --network=none echo found a mistake; echo in two lines >&2; exit 3")
    steps: list[Step] = []
    with pytest.raises(UserError) as error:
        buildx.build(msgspec.structs.replace(what, oci=engine.containerd_store), engine, steps.append)
    assert error.value.what.endswith("exit 3 failed (exit status 3)")
    assert sorted(error.value.more) == ["found a mistake", "in two lines"]
    assert any(step.state == "failed" for step in steps)
    assert not (tmp_path / "image.tar").exists()


def test_secrets_are_there_in_the_build_and_nowhere_after_it(engine: Engine, small_root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush-hush-value")
    line = "RUN --network=none --mount=type=secret,id=ca cat /run/secrets/ca | wc -c > /length"
    what = request(tmp_path, small_root, line)
    what = msgspec.structs.replace(what, secrets={"ca": str(tmp_path / "secret")}, oci=engine.containerd_store)
    buildx.build(what, engine, nothing)
    images.load(engine, what.archive, nothing)
    try:
        with containers.export(engine, what.name or "") as root:
            assert Path(root, "length").read_text().strip() == "15"
            found = [path for path in Path(root).rglob("*") if path.is_file() and b"hush-hush" in path.read_bytes()]
            assert not found
    finally:
        images.remove(engine, what.name or "")


def test_an_interrupt_stops_the_engine_too(engine: Engine, small_root: Path, tmp_path: Path) -> None:
    mark = f"7{uuid.uuid4().int % 10**6:06}"
    what = request(tmp_path, small_root, f"RUN --network=none echo waiting; sleep {mark}")

    def listen(step: Step) -> None:
        if step.log and "waiting" in step.log:
            os.kill(os.getpid(), signal.SIGINT)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        buildx.build(msgspec.structs.replace(what, oci=engine.containerd_store), engine, listen)
    assert time.monotonic() - started < 60
    for _ in range(100):
        if not sleeping(mark):
            break
        time.sleep(0.1)
    assert not sleeping(mark)
    assert not (tmp_path / "image.tar").exists()


def sleeping(seconds: str) -> bool:
    """Whether a process of this machine sleeps for so long."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if place.read_bytes().split(b"\0")[:2] == [b"sleep", seconds.encode()]:
                return True
    return False


def test_what_the_image_says_of_itself(engine: Engine, image: str) -> None:
    config = images.inspect(engine, image)
    assert (config.user, config.env["A"], config.labels["x"], config.entrypoint) == ("1000", "b=c", "y", ("/bin/cat",))
    assert config.architecture == engine.architecture
    assert len(config.layers) == 1


def test_a_program_is_run_with_its_input_and_both_outputs(engine: Engine, image: str) -> None:
    assert run(engine, image, "/bin/cat", stdin=b"hello") == (0, b"hello", b"")
    ran = run(engine, image, "/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert ran == (7, b"out\n", b"err\n")
    many = b"x" * 20_000_000
    assert run(engine, image, "/bin/sh", "-c", "head -c 500000 /dev/zero; wc -c", stdin=many).out[500_000:].strip() == b"20000000"
    assert run(engine, image, "/bin/sh", "-c", "echo no thanks", stdin=many) == (0, b"no thanks\n", b"")


def test_it_can_only_compute(engine: Engine, image: str) -> None:
    tried = "id -u; touch /x || touch /bin/x || echo nowhere to write; cat /proc/net/dev /proc/self/status"
    ran = run(engine, image, "/bin/sh", "-c", tried)
    lines = ran.out.decode().splitlines()
    assert lines[:2] == ["1000", "nowhere to write"]
    devices = [line.partition(":")[0].strip() for line in lines if ": " in line and ":\t" not in line]
    assert "lo" in devices
    assert not [one for one in devices if one.startswith("eth")]
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}


def test_one_that_needs_room_has_it_at_tmp_alone(engine: Engine, image: str) -> None:
    tried = "echo yes >/tmp/x && cat /tmp/x; touch /x || touch /kept/x || echo nowhere else; head -c 3000000 /dev/zero >/tmp/y || echo full"
    argv = ("/bin/sh", "-c", tried)
    ran = containers.run(engine, image, argv, scratch_bytes=1 << 21, deadline_s=30, max_bytes=1_000_000)
    assert ran.out.decode().splitlines() == ["yes", "nowhere else", "full"], ran


def test_the_deadline_and_the_limit_stop_it_soon(engine: Engine, image: str) -> None:
    started = time.monotonic()
    with pytest.raises(UserError, match="it gave no answer in 1 s and was stopped"):
        run(engine, image, "/bin/sleep", "100", deadline_s=1)
    with pytest.raises(UserError, match="it printed more than 1 MB and was stopped"):
        run(engine, image, "/bin/yes")
    assert time.monotonic() - started < 30


def test_an_interrupt_removes_the_container(engine: Engine, image: str) -> None:
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run(engine, image, "/bin/sleep", "100", deadline_s=100)


def test_programs_and_images_that_are_not_there(engine: Engine, image: str) -> None:
    with pytest.raises(UserError, match="the image has no program /no/such"):
        run(engine, image, "/no/such")
    with pytest.raises(UserError, match="the engine has no such image"):
        run(engine, "engine-room/none:1", "/bin/cat")


def test_the_files_of_an_image_as_a_folder(engine: Engine, image: str, small_root: Path) -> None:
    with containers.export(engine, image) as root:
        assert Path(root, "bin", "sh").read_bytes() == (small_root / "bin" / "sh").read_bytes()
        assert os.access(Path(root, "bin", "sh"), os.X_OK)
    assert not os.path.exists(root)


def test_files_that_do_not_fit_are_refused(engine: Engine, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_ROOT_BYTES", 100_000)
    with pytest.raises(UserError, match="they are more than"), containers.export(engine, image):
        pass
    monkeypatch.setattr(containers, "MAX_ROOT_BYTES", 10**9)
    monkeypatch.setattr(unpack, "SPARE_BYTES", 10**18)
    with pytest.raises(UserError, match="they are more than"), containers.export(engine, image):
        pass


def test_gpus_come_through_descriptions_of_devices_where_there_is_no_toolkit(engine: Engine, image: str) -> None:
    folders = [one for one in engine.client.info().get("CDISpecDirs") or [] if os.access(one, os.W_OK)]
    if not folders:
        pytest.skip("this engine reads no CDI descriptions from a folder of ours")
    place = Path(folders[0]) / "engine-room-test.json"
    if any(b"nvidia.com/gpu" in path.read_bytes() for path in Path(folders[0]).glob("*") if path.is_file()):
        pytest.skip("GPUs are described already")
    with pytest.raises(UserError, match="the engine has no description of a GPU"):
        run(engine, image, "/bin/env", gpus=True)
    edits = {"env": ["ENGINE_ROOM_GPU=seen"]}
    spec = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "all", "containerEdits": edits}]}
    try:
        place.write_text(json.dumps(spec))
        ran = run(engine, image, "/bin/env", gpus=True)
        assert b"ENGINE_ROOM_GPU=seen" in ran.out
        assert b"ENGINE_ROOM_GPU" not in run(engine, image, "/bin/env").out
    finally:
        place.unlink()


def test_another_name_and_no_name(engine: Engine, image: str) -> None:
    other = f"{image}-other"
    images.tag(engine, image, other)
    assert images.inspect(engine, other).digest == images.inspect(engine, image).digest
    images.remove(engine, other)
    with pytest.raises(UserError, match="the engine has no such image"):
        images.remove(engine, other)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port of loopback."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    settings = {"version": "0.1", "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}}
    config = tmp_path / "registry.yml"
    config.write_text(json.dumps({**settings, "http": {"addr": f"127.0.0.1:{port}"}}))
    with subprocess.Popen([program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            for _ in range(100):
                with socket.socket() as one:
                    if one.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            child.kill()


def test_pushed_and_pulled_by_digest(engine: Engine, image: str, registry: str) -> None:
    there = f"{registry}/{image}"
    images.tag(engine, image, there)
    try:
        digest = images.push(engine, there, nothing)
        assert buildx.digest_of(there, engine) == digest
        if engine.containerd_store:
            assert digest == images.inspect(engine, image).digest
    finally:
        images.remove(engine, there)
    by_digest = f"{there.rpartition(':')[0]}@{digest}"
    images.pull(engine, by_digest, nothing)
    images.remove(engine, by_digest)
    with pytest.raises(UserError, match="no such tag or digest"):
        images.pull(engine, f"{registry}/engine-room/none:1", nothing)
    with pytest.raises(UserError, match="no such tag or digest"):
        buildx.digest_of(f"{registry}/engine-room/none:1", engine)
