"""``image:REF`` with an engine that is played: the probe really travels over standard input, and really runs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor import session
from envdoctor.compare import compare
from envdoctor.engine import client, containers, images
from envdoctor.engine.client import Engine
from envdoctor.engine.containers import Ran
from envdoctor.engine.images import Config
from envdoctor.errors import UserError
from envdoctor.facts import Facts, Image, Known, Unknown, decode, encode, need
from envdoctor.findings import Outcome
from envdoctor.prescribe import commands
from envdoctor.sources import image, parse_target
from envdoctor.suppose import supposing
from envdoctor.traits import Area
from envdoctor.views import elsewhere, in_image, in_root
from tests.factory import MATRIX, judged
from tests.probe.images import SITE, base, venv
from tests.probe.images import image as root_folder
from tests.test_demands import CUDA_12_8

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

REFERENCE = "mine/h100:1"
CONFIG = Config(
    digest="sha256:" + "0123456789abcdef" * 4,
    os="linux",
    architecture="amd64",
    user="1000",
    entrypoint=("/opt/nvidia/nvidia_entrypoint.sh",),
    command=("serve", "--index=https://me:secret@index.example/simple"),
    env={
        "PATH": "/opt/venv/bin:/usr/local/cuda/bin:/usr/bin:/bin",
        "NVARCH": "x86_64",
        "NVIDIA_REQUIRE_CUDA": CUDA_12_8,
        "NVIDIA_VISIBLE_DEVICES": "all",
        "LD_LIBRARY_PATH": "/usr/local/cuda-12.8/compat:lib",
        "HF_TOKEN": "hf_secret",
        "MY_PASSWORD": "secret",
    },
    labels={"org.opencontainers.image.base.digest": "sha256:ba5e", "maintainer": "somebody <somebody@example.com>"},
    layers=("sha256:1111111111111111", "sha256:2222222222222222"),
    size_bytes=1,
)
ENGINE = Engine(
    client=None,
    socket="unix:///run/docker.sock",
    version="28.5.2",
    containerd_store=True,
    podman=False,
    rootless=False,
    architecture="amd64",
)


class Played:
    """An engine with one image; ``ran`` answers instead of its container, ``root`` is what an export gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config = CONFIG
        self.ran: Ran | UserError | None = None
        self.root: str | None = None
        self.commands: list[Sequence[str]] = []
        self.python = sys.executable
        monkeypatch.setattr(client, "connect", self.connect)
        monkeypatch.setattr(images, "inspect", self.inspect)
        monkeypatch.setattr(containers, "run", self.run)
        monkeypatch.setattr(containers, "export", self.export)

    @contextmanager
    def connect(self, _environ: object) -> Iterator[Engine]:
        """As client.connect."""
        yield ENGINE

    def inspect(self, _engine: Engine, reference: str) -> Config:
        """As images.inspect."""
        assert reference == REFERENCE
        return self.config

    def run(self, _engine: Engine, reference: str, argv: Sequence[str], **options: Any) -> Ran:
        """As containers.run, with our own Python in the place of the image's."""
        assert reference == REFERENCE
        self.commands.append(argv)
        if isinstance(self.ran, UserError):
            raise self.ran
        if self.ran is not None:
            return self.ran
        env = {"PATH": os.environ["PATH"], "HOME": "/root"}
        done = subprocess.run([self.python, *argv[1:]], input=options["stdin"], capture_output=True, env=env, check=False)
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def export(self, _engine: Engine, _reference: str) -> Iterator[str]:
        """As containers.export."""
        assert self.root is not None
        yield self.root


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(monkeypatch)


@pytest.fixture
def outside(engine: Played, tmp_path: Path) -> Played:
    """An engine whose image holds torch in /opt/venv, and another Python."""
    torch = {f"{SITE}/torch/version.py": "__version__ = '2.9.1+cu128'\ncuda = '12.8'\n", f"{SITE}/torch/__init__.py": ""}
    links = {"/opt/venv/bin/python3": "/usr/bin/python3.11"}
    engine.root = root_folder(tmp_path, base(), venv(packages={"torch": "2.9.1+cu128"}), torch, links=links)
    return engine


def facts(target: str = f"image:{REFERENCE}", **options: Any) -> Facts:
    return session.facts_of(session.start(target, **options))


@pytest.mark.parametrize(
    ("word", "reference", "inside"),
    [
        ("image:vllm", "vllm", ""),
        ("image:127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1", ""),
        ("image:a/b@sha256:0123::/opt/venv", "a/b@sha256:0123", "/opt/venv"),
    ],
)
def test_an_image_and_the_python_in_it_are_told_apart(word: str, reference: str, inside: str) -> None:
    spec = parse_target(word, {})
    assert (spec.scheme, spec.path, spec.inside) == ("image", reference, inside)


@pytest.mark.parametrize("word", ["image:", "image:::/opt/venv", "image:a b", "image:-v", "image:a\x1b[31m"])
def test_what_is_no_reference_never_reaches_the_engine(word: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_target(word, {})
    assert "image:REPOSITORY:TAG" in caught.value.hint


def test_the_probe_runs_in_the_container_and_tells_nothing_of_our_machine(engine: Played) -> None:
    found = facts()
    assert engine.commands[0][:4] == ("python3", "-I", "-S", "-c")
    assert isinstance(found.packages.distributions, Known)
    assert need(found.host.arch) == os.uname().machine
    untold = (
        found.driver.kernel_module,
        found.gpus.devices,
        found.host.kernel,
        found.host.memory_bytes,
        found.container.shm_bytes,
    )
    for leaf in (*untold, found.container.runtime, found.container.device_nodes):
        assert isinstance(leaf, Unknown)
        assert leaf.why.startswith("an image does not tell this")
    assert isinstance(found.driver.libcuda, Known)
    assert isinstance(found.linking.modules, Known)
    assert isinstance(found.names.pairs, Known)


def test_the_page_says_which_image_it_is_and_the_document_can_be_read_again(engine: Played) -> None:
    found = facts()
    assert found.target.spec == f"image:{REFERENCE}"
    assert found.target.chosen.startswith("sha256:0123456789ab, linux/amd64; python3 on the image's PATH")
    assert in_image(found)
    assert elsewhere(found)
    assert not in_root(found)
    assert decode(encode(found)) == found


def test_the_configuration_becomes_facts_without_secrets(engine: Played) -> None:
    found = facts()
    environ = need(found.environ)
    assert environ["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert isinstance(found.environ, Known)
    assert found.environ.via == "the image's configuration"
    described = need(found.image)
    assert isinstance(described, Image)
    assert (described.user, described.architecture, len(described.layers)) == ("1000", "amd64", 2)
    assert described.labels == {"org.opencontainers.image.base.digest": "sha256:ba5e"}
    written = encode(found).decode()
    assert "secret" not in written
    assert "somebody" not in written


def test_a_python_that_is_named_is_started_by_its_own_path(engine: Played) -> None:
    found = facts(f"image:{REFERENCE}::/opt/venv")
    assert engine.commands[0][0] == "/opt/venv/bin/python3"
    assert found.target.spec == f"image:{REFERENCE}::/opt/venv"
    assert "named on the command line" in found.target.chosen
    facts(f"image:{REFERENCE}::/usr/local/bin/python3.12")
    assert engine.commands[1][0] == "/usr/local/bin/python3.12"


def test_files_are_compared_with_their_hashes_for_the_drift_report(engine: Played) -> None:
    found = facts(records=True)
    assert isinstance(found.records, Known)
    assert "deadline_s=300" in engine.commands[0]


def test_from_outside_the_python_on_the_images_path_is_judged_and_its_variables_count(outside: Played) -> None:
    found = facts(run=False)
    assert not outside.commands
    assert found.target.chosen.endswith("not run, as it was asked for")
    assert "also in it: /usr/bin/python3.11, to be named as image:REF::PATH" in found.target.chosen
    assert need(found.python).prefix == "/opt/venv"
    assert [one.name for one in need(found.packages.distributions)] == ["torch"]
    assert isinstance(found.driver.kernel_module, Unknown)
    assert found.driver.kernel_module.why.startswith("an image does not tell this")
    assert need(found.environ)["NVIDIA_VISIBLE_DEVICES"] == "all"
    pending = session.start(f"image:{REFERENCE}", run=False)
    shown = session.pasteable(session.facts_of(pending), pending)
    assert need(shown.python).executable == "/opt/venv/bin/python3"


def test_an_image_without_a_path_gets_the_engines_own(outside: Played) -> None:
    outside.config = msgspec.structs.replace(CONFIG, env={})
    found = facts(run=False)
    # as /usr/bin/python3.11 has no name python3 in it, none is on that path, and the one that holds torch is judged
    assert "it holds torch" in found.target.chosen
    assert outside.root is not None
    os.symlink("python3.11", f"{outside.root}/usr/bin/python3")
    assert (
        "python3 on the image's PATH; it holds nothing of the stack, but /opt/venv holds torch" in facts(run=False).target.chosen
    )


def test_libraries_that_the_image_names_by_ld_library_path_are_found_from_outside(outside: Played, tmp_path: Path) -> None:
    compat = tmp_path / "usr" / "local" / "cuda-12.8" / "compat"
    compat.mkdir(parents=True)
    (compat / "libcuda.so.570.86.15").touch()
    (compat / "libcuda.so.1").symlink_to("libcuda.so.570.86.15")
    found = facts(run=False)
    (library,) = need(found.driver.libcuda)
    assert (library.kind, library.version, library.origin) == ("compat", "570.86.15", "LD_LIBRARY_PATH")
    # and it stays in front of the driver that a machine would bring
    on_h100 = supposing(found, {"gpu": "h100", "driver": "580.95.05"}, MATRIX)
    assert [one.kind for one in need(on_h100.driver.libcuda)] == ["compat", "driver"]
    _, (finding,), _ = judged("ed105_cuda_compat_conflict", on_h100)
    assert "hides the newer driver" in finding.title
    older = supposing(found, {"gpu": "h100", "driver": "535.161.08"}, MATRIX)
    assert (need(older.driver.cuda_api), need(older.driver.smi).cuda_version) == ("12.8", "12.2")  # type: ignore[union-attr]
    assert judged("ed102_driver_too_old", older)[0] is Outcome.PASS


def test_an_image_for_another_architecture_is_judged_from_outside(outside: Played) -> None:
    outside.config = msgspec.structs.replace(CONFIG, architecture="arm64")
    found = facts()
    assert not outside.commands
    assert "it is for arm64 and this engine for amd64" in found.target.chosen


@pytest.mark.parametrize(
    ("ran", "says", "broken"),
    [
        (UserError('exec: "python3": executable file not found in $PATH', ""), "not run: exec", False),
        (Ran(1, b"", b"envdoctor: too old 3.6\n"), "is Python 3.6, too old for the probe", False),
        (Ran(137, b"", b""), "was killed (exit status 137)", False),
        (Ran(1, b"", b"Traceback (most recent call last):\nAttributeError: memfd_create\n"), "failed under its python3", False),
        (Ran(127, b"", b"python3: libc.so.6: cannot open\x1b[31m\n"), "does not start in it (exit status 127)", True),
    ],
)
def test_where_the_probe_cannot_run_the_root_is_judged_and_the_reason_said(
    outside: Played, ran: Ran | UserError, says: str, broken: bool
) -> None:
    outside.ran = ran
    found = facts()
    assert says in (found.target.broken if broken else found.target.chosen)  # type: ignore[operator]
    assert (found.target.broken is not None) is broken
    assert "\x1b" not in found.target.chosen + (found.target.broken or "")
    assert judged("ed207_interpreter_gone", found)[0] is (Outcome.FAIL if broken else Outcome.PASS)


@pytest.mark.parametrize("out", [b"hello\n", b"{}\n", b'{"schema_version": 1, "target": {}}\n', b"[" * 100_000 + b"{}\n", b""])
def test_a_hostile_answer_is_refused_with_the_way_round_it(engine: Played, out: bytes) -> None:
    engine.ran = Ran(0, out, b"")
    with pytest.raises(UserError) as caught:
        facts()
    assert f"envdoctor check --no-run image:{REFERENCE}" in caught.value.hint


def test_an_image_without_a_python_says_so(engine: Played, tmp_path: Path) -> None:
    engine.root = root_folder(tmp_path)
    engine.ran = UserError("no such file", "")
    with pytest.raises(UserError) as caught:
        facts()
    assert f"no Python was found in image:{REFERENCE}" in caught.value.what
    assert str(tmp_path) not in caught.value.what + caught.value.hint


def test_no_run_is_for_images_only() -> None:
    with pytest.raises(UserError, match="--no-run is for images"):
        session.start(sys.executable, run=False)


def test_remedies_are_lines_of_a_dockerfile(outside: Played) -> None:
    from envdoctor.findings import Change, Kind  # noqa: PLC0415

    found = facts(run=False)
    change = Change(kind=Kind.INSTALL, says="", install={"torch": "==2.9.1"}, env={"CUDA_HOME": "/usr/local/cuda"})
    install, env = commands(change, found)
    assert install[0] == "RUN"
    assert env == ("ENV", "CUDA_HOME=/usr/local/cuda")


def test_two_images_are_compared_by_their_configuration_too(outside: Played) -> None:
    first = facts(run=False)
    outside.config = msgspec.structs.replace(CONFIG, user="", layers=CONFIG.layers[:1], entrypoint=())
    found = compare(first, facts(run=False), MATRIX)
    changed = {one.name: (one.before, one.after) for one in found.traits if one.area is Area.IMAGE}
    assert changed == {
        "user": ("1000", "root"),
        "entry point": ("/opt/nvidia/nvidia_entrypoint.sh", None),
        "layers": ("2, the last sha256:222222222222", "1, the last sha256:111111111111"),
    }
    assert compare(first, first, MATRIX).same


def test_the_driver_of_the_node_is_judged_by_the_image(outside: Played) -> None:
    found = facts(run=False)
    on_rtx = supposing(found, {"gpu": "rtx4090", "driver": "550.54.15"}, MATRIX)
    assert judged("ed505_image_refuses_driver", on_rtx)[0] is Outcome.FAIL
    assert judged("ed502_container_without_gpu", on_rtx)[0] is Outcome.PASS
    on_h100 = supposing(found, {"gpu": "h100", "driver": "550.54.15"}, MATRIX)
    assert judged("ed505_image_refuses_driver", on_h100)[0] is Outcome.PASS


def test_the_archive_is_the_whole_probe_and_needs_no_zlib() -> None:
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    with zipfile.ZipFile(io.BytesIO(image.archive())) as packed:
        held = packed.infolist()
    assert {one.compress_type for one in held} == {zipfile.ZIP_STORED}
    here = {
        f"probe/{name}"
        for name in os.listdir(os.path.join(os.path.dirname(image.__file__), "..", "probe"))
        if name.endswith(".py")
    }
    assert {one.filename for one in held} == here


def test_a_record_of_an_image_is_still_one(engine: Played, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(encode(session.anonymous(facts())))
    again = facts(f"saved:{file}")
    assert again.target.chosen == f"a record of image:{REFERENCE}"
    assert in_image(again)
    assert need(again.environ) == need(facts().environ)
