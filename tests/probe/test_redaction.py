"""What the document must never carry: home folders by name, tokens, bytes that JSON cannot hold."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from envdoctor.probe import __main__ as probe
from envdoctor.probe import environ
from envdoctor.probe.machine import Machine
from envdoctor.probe.redaction import redacted, users_of
from tests.probe.recorded import written


def clean(text: str, *homes: str, users: tuple[str, ...] = ()) -> Any:
    return redacted({"x": [text]}, homes, users)["x"][0]


def test_the_home_folder_becomes_a_tilde_wherever_a_path_names_it() -> None:
    home = "/home/alice"
    assert clean("/home/alice/venv/bin/python", home) == "~/venv/bin/python"
    assert clean("/home/alice", home) == "~"
    assert clean("/home/alice/lib:/usr/lib:/home/alice/lib64", home) == "~/lib:/usr/lib:~/lib64"
    assert clean("--prefix=/home/alice/x", home + "/") == "--prefix=~/x"


def test_a_longer_name_that_begins_or_ends_like_the_home_folder_is_not_it() -> None:
    assert clean("/root/venv /rootfs/venv /mnt/root/venv", "/root") == "~/venv /rootfs/venv /mnt/root/venv"
    assert clean("/home/alice2/x", "/home/alice") == "/home/USER/x"


def test_the_home_folder_is_known_by_its_real_name_too() -> None:
    assert clean("/mnt/nfs/people/alice/venv and /home/alice/venv", "/home/alice", "/mnt/nfs/people/alice") == "~/venv and ~/venv"


def test_home_folders_of_other_people_lose_their_names() -> None:
    assert clean("/home/bob/.cache and /Users/carol/lib", "/home/alice") == "/home/USER/.cache and /Users/USER/lib"
    assert clean("/gpfs/home/dave/envs/x", "/home/alice") == "/gpfs/home/USER/envs/x"
    assert clean("/home/USER/x", "/home/alice") == "/home/USER/x"


def test_without_a_home_folder_or_with_the_root_as_home_paths_stay() -> None:
    assert clean("/usr/lib/x", "") == "/usr/lib/x"
    assert clean("/usr/lib/x", "/") == "/usr/lib/x"


def test_keys_are_redacted_and_other_values_stay_as_they_are() -> None:
    document = {"/home/alice/x.py": ["a", 1, None, True, 2.5], "b": {"c": "no path"}}
    assert redacted(document, ("/home/alice",)) == {"~/x.py": ["a", 1, None, True, 2.5], "b": {"c": "no path"}}


def test_file_names_that_are_not_utf8_can_be_printed_and_read_back() -> None:
    name = b"/data/\xff\xe4/lib".decode("utf-8", "surrogateescape")
    text = json.dumps(redacted({name: name}, ()))
    text.encode("utf-8")
    assert json.loads(text) == {"/data/??/lib": "/data/??/lib"}
    assert clean("/data/größe") == "/data/größe"


def test_no_token_of_a_usual_environment_reaches_the_document() -> None:
    secrets = {
        "HF_TOKEN": "hf_SECRET",
        "HUGGING_FACE_HUB_TOKEN": "hf_SECRET",
        "WANDB_API_KEY": "SECRET",
        "VLLM_API_KEY": "SECRET",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "RAY_AUTH_TOKEN": "SECRET",
        "VLLM_ASSETS_URL": "https://user:SECRET@example.com/x",
        "TORCH_MODEL_ZOO": "https://user:SECRET@example.com/x?X-Signature=SECRET",
        "RAY_JOB_CONFIG_JSON_ENV_VAR": '{"runtime_env": {"env_vars": {"HF_TOKEN": "hf_SECRET"}}}',
        "NVIDIA_PASSWORD": "SECRET",
        "USER": "SECRET",
        "HOSTNAME": "SECRET",
        "VLLM_HOST_IP": "10.0.0.SECRET",
        "RAY_ADDRESS": "SECRET:6379",
        "NCCL_COMM_ID": "SECRET:29500",
    }
    assert "SECRET" not in json.dumps(environ.variables(secrets))


def test_identifiers_of_containers_are_cut_out_of_control_group_paths() -> None:
    path = "/sys/fs/cgroup/memory/docker/" + "8d31fcc1" * 8 + "/memory.limit_in_bytes"
    assert clean(path, "/root") == "/sys/fs/cgroup/memory/docker/ID/memory.limit_in_bytes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x @ git+https://me:SECRET@example.com/x@v1", "x @ git+https://example.com/x@v1"),
        ("x @ https://SECRET@example.com/x.whl", "x @ https://example.com/x.whl"),
        ("--index-url https://me:SEC/RET@example.com/simple", "--index-url https://example.com/simple"),
        ("https://me:SEC@RET@example.com", "https://example.com"),
        ("https://:SECRET@a.org https://u:SECRET@b.org/c", "https://a.org https://b.org/c"),
        ("x @ git+ssh://git@example.com/x@v1", "x @ git+ssh://example.com/x@v1"),
        ("x @ git+https://example.com/x@v1", "x @ git+https://example.com/x@v1"),
        ("mail me@example.com, see https://example.com", "mail me@example.com, see https://example.com"),
    ],
)
def test_credentials_leave_every_address_and_tags_stay(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    "token",
    ["ghp_" + "a1B2" * 9, "gho_" + "a1B2" * 9, "github_pat_" + "11AB_cd" * 8, "hf_" + "aBcD" * 8, "sk-" + "a1B2" * 12,
     "sk-proj-" + "a1-B2_c3d4e5f6g7h8i9j0k1" * 4, "sk-ant-api03-" + "a1B2" * 12, "glpat-" + "a1-B" * 5, "AKIA" + "A1B2" * 4,
     "xoxb-1234567890-abcdefghij"],
)  # fmt: skip
def test_tokens_are_known_by_their_shape_in_any_string(token: str) -> None:
    assert clean(f"failed with {token}.") == "failed with TOKEN."
    assert redacted({token: 1}, ()) == {"TOKEN": 1}


@pytest.mark.parametrize(
    "text",
    [
        "hf_transfer>=0.1.4",
        "hf_xet<2,>=1.1.3",
        "dask-expr-with-a-long-name",
        "task-0123456789abcdef0123",
        "sk-learn-2024",
        "highlighting",
    ],
)
def test_what_only_begins_like_a_token_stays(text: str) -> None:
    assert clean(text) == text


def test_folders_named_like_the_user_become_the_variable_that_a_shell_fills_in() -> None:
    assert clean("/scratch/alice/venv/bin/python", users=("alice",)) == "/scratch/$USER/venv/bin/python"
    assert clean("/a/alice:/b/alice/lib, /c/alice.", users=("alice",)) == "/a/$USER:/b/$USER/lib, /c/$USER."
    assert clean("/mnt/home/alice/x", "/home/alice", users=("alice",)) == "/mnt/home/$USER/x"
    assert clean("/home/alice/alice/x", "/home/alice", users=("alice",)) == "~/$USER/x"


def test_a_name_that_is_no_whole_folder_or_a_folder_of_every_machine_stays() -> None:
    for path in ("/data/alice2/x", "/data/alice.bak/x", "alice/x", "/data/my-alice"):
        assert clean(path, users=("alice",)) == path
    for path in ("/proc/driver/nvidia/version", "/x/site-packages/nvidia/cublas/lib", "a; /usr/local/nvidia/lib64"):
        assert clean(path, users=("nvidia",)) == path
    assert clean("/usr/lib:/scratch/nvidia", users=("nvidia",)) == "/usr/lib:/scratch/$USER"


def test_the_user_is_named_by_the_environment_or_by_the_password_file_and_root_by_none(tmp_path: Path) -> None:
    assert users_of(Machine(environ={"USER": "alice", "LOGNAME": "al"})) == {"alice", "al"}
    assert users_of(Machine(environ={"USER": "root", "LOGNAME": "x"})) == set()
    assert users_of(written(tmp_path, {}, {})) == set()


def test_without_the_variables_the_name_of_the_password_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = next(line.split(":") for line in Path("/etc/passwd").read_text().splitlines() if line.startswith("nobody:"))
    monkeypatch.setattr(os, "getuid", lambda: int(entry[2]))
    assert users_of(Machine(environ={})) == {"nobody"}


def test_the_whole_document_of_a_user_names_neither_the_user_nor_the_home(tmp_path: Path) -> None:
    files = {"/scratch/alice/cuda/bin/nvcc": "", "/etc/os-release": 'ID=debian\nPRETTY_NAME="https://u:SECRET@x"\n'}
    environ = {"USER": "alice", "HOME": "/home/alice", "CUDA_HOME": "/scratch/alice/cuda", "NCCL_DEBUG_FILE": "/home/alice/log"}
    document = json.dumps(probe.take(written(tmp_path, files, environ), {}))
    assert '"CUDA_HOME": "/scratch/$USER/cuda"' in document
    assert '"NCCL_DEBUG_FILE": "~/log"' in document
    assert "alice" not in document
    assert "SECRET" not in document


@pytest.mark.parametrize(
    "text", ["a://" * 50_000 + "@", "@://" * 50_000, "sk-" * 50_000, "sk-_" * 50_000, "a://b:" * 30_000 + "@"]
)
def test_no_string_takes_long(text: str) -> None:
    started = time.process_time()
    clean(text, users=("alice",))
    assert time.process_time() - started < 1.0
