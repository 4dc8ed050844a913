"""What engines really said, and what a user is told.

The texts in words/ are recordings (docker 26.1.5, buildx 0.13.1, both stores; host names and paths replaced); those in this
file are quoted where they could not be caused.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from envdoctor.engine.client import Engine
from envdoctor.engine.trouble import ENGINE, INSIDE, clean, told

WORDS = Path(__file__).parent / "words"
# file -> a piece of the sentence, a piece of the remedy
RECORDED = {
    "gpu_no_cdi_description": ("no description of a GPU (CDI)", "nvidia-ctk cdi generate"),
    "gpu_no_nvidia_runtime": ("does not know the nvidia runtime", "nvidia-ctk runtime configure"),
    "gpu_no_toolkit": ("NVIDIA Container Toolkit is not installed", "Install nvidia-container-toolkit"),
    "inspect_not_found": ("no such tag or digest", "docker buildx imagetools inspect"),
    "inspect_unauthorized": ("does not let this user in", "docker login"),
    "inspect_x509": ("a certificate that is not trusted", "update-ca-certificates"),
    "no_buildx": ("has no buildx", "docker-buildx-plugin"),
    "no_daemon": ("the engine does not answer", "systemctl status docker"),
    "no_layout": ("a file or folder that the build was given is not there", "--base oci-layout://"),
    "no_permission": ("permission denied on its socket", "sudo usermod -aG docker $USER"),
    "no_secret_file": ("a file or folder that the build was given is not there", "--ca-bundle"),
    "no_such_program": ("the image has no program /nosuch", "--no-run"),
    "old_store_disk_full": ("the disk is full", "docker builder prune"),
    "old_store_load_of_oci": ("old store reads no OCI archives", "containerd-snapshotter"),
    "old_store_manifest_unknown": ("no such tag or digest", "imagetools inspect"),
    "old_store_no_oci": ("no build of it is bit-reproducible", "containerd-snapshotter"),
    "old_store_unauthorized": ("does not let this user in", "docker login"),
    "old_store_x509": ("a certificate that is not trusted", "--ca-bundle"),
    "push_no_such_tag": ("the engine has no such image", "docker image ls"),
    "push_refused": ("the registry does not answer", "Start it"),
    "push_unauthorized": ("does not let this user in", "docker login"),
    "registry_no_such_host": ("the name of the registry cannot be resolved", "--base oci-layout:///"),
    "registry_not_found": ("no such tag or digest", "imagetools inspect"),
    "registry_plain_http": ("speaks plain HTTP", "insecure-registries"),
    "registry_refused": ("the registry does not answer", "Start it"),
    "registry_refused_pull": ("the registry does not answer", "Start it"),
    "registry_unauthorized": ("does not let this user in", "docker login"),
    "registry_unresolved_run": ("the name of the registry cannot be resolved", "offline"),
    "registry_x509": ("a certificate that is not trusted", "--ca-bundle"),
    "rewrite_conflicts_with_unpack": ("cannot rewrite the times of files", "OCI archive"),
    "run_disk_full": ("the disk is full (exit status 1: RUN cat /etc/passwd", "docker system df"),
    "run_failed": ("RUN echo one; for i in 1 2 3; do echo line $i; done; exit 3 failed (exit status 3)", "stands below"),
    "run_failed_beside_another": ('RUN sleep 1; echo "from a"; exit 9 failed (exit status 9)', "stands below"),
    "run_killed": ("the memory is full (exit status 137: RUN echo working; exit 137)", "more memory"),
    "run_no_names": ("inside the build no name can be resolved", "--wheel-cache"),
    "run_other_hashes": ("other bytes than those that the lock pins", "envdoctor lock"),
    "run_silent": ("RUN exit 4 failed (exit status 4)", "in the cache"),
    "run_x509": ("not trusted inside the build", "--ca-bundle FILE"),
    "tls_needed": ("the engine wants TLS", "DOCKER_TLS_VERIFY=1"),
}
# what could not be caused here, as documented by its makers or seen in bug reports
QUOTED = {
    "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open": ("could not use it", "nvidia-smi"),
    "toomanyrequests: You have reached your pull rate limit.": ("too much was asked", "docker login"),
    "denied: requested access to the resource is denied": ("does not let this user in", "docker login"),
    "unexpected status from HEAD request to https://r.invalid/v2/x/manifests/1: 403 Forbidden": ("refuses it", "docker login"),
    "failed to register layer: potentially insufficient UIDs or GIDs available in user namespace": ("too few user ids", "subuids"),
    "crun: executable file `/opt/venv/bin/python` not found: No such file or directory": ("no program /opt/venv/bin/python", "--no-run"),
    'exec: "/x": permission denied: unknown': ("may not run /x", "--no-run"),
    "exec /x: exec format error": ("another kind of processor", "--no-run"),
    "API versions below 1.24 are no longer supported by this library.": ("too old, or too new", "docker-ce"),
    "client version 1.99 is too new. Maximum supported API version is 1.45": ("too old, or too new", "docker-ce"),
    "conflict: unable to delete ce7038a4ee91 (must be forced) - image is being used by stopped container 1": ("a container", "docker rm"),
    "failed to resolve source metadata for base@sha256:0: unknown scheme oci-layout: not found": ("takes no OCI layout", "containerd-sn"),
    "HTTPConnectionPool(host='h', port=1): Max retries exceeded (NameResolutionError(\"Failed to resolve 'h'\"))": ("host", "unset"),
    "UnixHTTPConnectionPool(host='localhost', port=None): Read timed out. (read timeout=60)": ("no answer in time", "docker ps"),
}  # fmt: skip
OLD_STORE = Engine(None, "unix:///x", "26.1.5", False, False, False, "amd64")  # noqa: FBT003 - a record


@pytest.mark.parametrize("name", sorted(path.stem for path in WORDS.glob("*.txt")))
def test_each_recorded_text_is_told_with_its_remedy(name: str) -> None:
    what, hint = RECORDED[name]
    error = told((WORDS / f"{name}.txt").read_text(), doing="build the image")
    assert error.what.startswith("could not build the image: ")
    assert what in error.what
    assert hint in error.hint
    assert "\n" not in error.what + error.hint


@pytest.mark.parametrize("text", QUOTED)
def test_each_quoted_text_is_told_with_its_remedy(text: str) -> None:
    what, hint = QUOTED[text]
    error = told(text, doing="build the image")
    assert what in error.what
    assert hint in error.hint


def test_every_row_of_the_tables_speaks_up_for_one_of_the_texts() -> None:
    heard = [told((WORDS / f"{name}.txt").read_text(), doing="x") for name in RECORDED]
    heard += [told(text, doing="x") for text in QUOTED]
    for row in (*ENGINE, *INSIDE):
        assert any(row.what.partition("{")[0] in error.what and error.hint == row.hint for error in heard), row


def test_the_output_of_the_step_that_failed_follows_without_its_times() -> None:
    assert told((WORDS / "run_failed.txt").read_text(), doing="x").more == ("one", "line 1", "line 2", "line 3")


def test_the_step_that_was_stopped_because_another_failed_is_not_blamed() -> None:
    error = told((WORDS / "run_failed_beside_another.txt").read_text(), doing="x")
    assert error.more == ("from a",)


def test_refused_connections_of_a_run_line_are_not_taken_for_those_of_the_engine() -> None:
    text = (
        (WORDS / "run_silent.txt")
        .read_text()
        .replace(" > [1/2] RUN exit 4:\n", " > [1/2] RUN exit 4:\n0.1 dial tcp 1.2.3.4:5: connection refused\n")
    )
    assert "RUN exit 4 failed" in told(text, doing="x").what


def test_what_nobody_knows_is_told_in_the_engines_own_words() -> None:
    error = told("#1 DONE 0.0s\nERROR: something new\nand more of it", OLD_STORE, doing="load it")
    assert error.what == "could not load it: something new"
    assert error.more == ("and more of it",)
    assert told("", doing="load it").what == "could not load it: it said nothing"


@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "lookup ",
        "lookup x",
        "dial tcp a",
        "------\n > ",
        "------\n > a:\n",
        'exec: "a',
        "a://",
        "token=",
        "\n",
        "image ",
        "ERROR: a",
    ],
)
def test_hostile_text_costs_no_time(piece: str) -> None:
    text = piece * (400_000 // len(piece)) + "\nx did not complete successfully: exit code: 1"
    started = time.process_time()
    assert told(text, doing="build it").what.startswith("could not build it: ")
    assert time.process_time() - started < 5


def test_errors_tell_what_caused_them() -> None:
    error = RuntimeError("Error while fetching server API version")
    error.__cause__ = OSError(28, "No space left on device")
    assert told(error, doing="x").what == "could not x: the disk is full"


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        ('Head "https://user:pw@registry.invalid/v2/x": EOF', 'Head "<address>": EOF'),
        ("dial tcp: lookup secret.host.invalid on 192.0.2.53:53: no such host", "dial tcp: lookup <host>: no such host"),
        ("dial tcp 10.1.2.3:443: connect: connection refused", "dial tcp <address>: connect: connection refused"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer <secret>"),
        ("dial unix:///run/docker.sock and oci-layout:///base", "dial unix:///run/docker.sock and oci-layout:///base"),
        ("token=0123456789abcdef", "token=<secret>"),
        ("\x1b[31mred\x1b[0m\u202e", "\\x1b[31mred\\x1b[0m\\u202e"),
    ],
)
def test_addresses_hosts_and_credentials_are_left_out_and_controls_made_visible(line: str, cleaned: str) -> None:
    assert clean(line) == cleaned


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_no_address_is_printed(name: str) -> None:
    error = told((WORDS / f"{name}.txt").read_text(), doing="x")
    shown = " ".join((error.what, *error.more))
    assert not re.findall(r"(?<!unix)(?<!oci-layout)://(?!docs\.docker)", shown)
    assert "192.0.2.53" not in shown
