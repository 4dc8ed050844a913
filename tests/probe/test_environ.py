"""Section ``environ``: what is let in, and what is taken out of the values."""

from __future__ import annotations

import time

import pytest

from envdoctor.probe import environ
from envdoctor.probe.machine import Machine
from tests.probe.recorded import known, section


def test_variables_of_the_stack_are_taken_and_all_others_left() -> None:
    env = {
        "CUDA_HOME": "/usr/local/cuda",
        "NCCL_SOCKET_IFNAME": "eth0",
        "VLLM_USE_V1": "0",
        "LD_LIBRARY_PATH": "/a:/b",
        "PYTHONUSERBASE": "/data/py",
        "PATH": "/usr/bin",
        "HOME": "/root",
        "SSH_CONNECTION": "10.0.0.1",
        "MY_CUDA_HOME": "x",
        "WSL_DISTRO_NAME": "Alice's",
    }
    out = section(environ, Machine("/nowhere", env, {}))
    taken = {name: env[name] for name in ("CUDA_HOME", "LD_LIBRARY_PATH", "NCCL_SOCKET_IFNAME", "PYTHONUSERBASE", "VLLM_USE_V1")}
    assert out == {"variables": known(taken, "the environment of the target")}


@pytest.mark.parametrize(
    "name",
    ["VLLM_API_KEY", "RAY_REDIS_PASSWORD", "NVIDIA_NGC_TOKEN", "VLLM_HOST_IP", "RAY_ADDRESS", "VLLM_DP_MASTER_IP", "TORCH_CREDENTIALS",
     "VLLM_S3_ENDPOINT", "VLLM_ASSETS_URL", "NCCL_COMM_ID", "NCCL_HOSTID", "VLLM_api_key", "NVIDIA_GIT_PAT", "RAY_PASSPHRASE",
     "VLLM_BEARER", "RAY_SESSION_COOKIE", "TORCH_HUB_SIGNATURE", "NVIDIA_USER", "CUDA_MIRROR_USERNAME", "VLLM_EXTRA_HEADERS",
     "RAY_RUNTIME_ENV_HOOK"],
)  # fmt: skip
def test_a_name_that_speaks_of_a_secret_or_an_address_is_left_out_in_spite_of_its_prefix(name: str) -> None:
    assert environ.variables({name: "x"}) == {}


@pytest.mark.parametrize(
    "name",
    ["PYTHONNOUSERSITE", "PYTHONUSERBASE", "NVIDIA_VISIBLE_DEVICES", "NCCL_SOCKET_IFNAME", "TORCH_CUDA_ARCH_LIST", "VLLM_SKIP_P2P_CHECK",
     "CUDA_PATH", "LD_LIBRARY_PATH", "NVIDIA_DRIVER_CAPABILITIES", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_NVML_BASED_CUDA_CHECK",
     "FLASHINFER_DISABLE_VERSION_CHECK", "CUDA_ENABLE_FORWARD_COMPAT"],
)  # fmt: skip
def test_a_name_that_only_looks_like_one_is_kept(name: str) -> None:
    assert environ.variables({name: "x"}) == {name: "x"}


def test_gpu_uuids_keep_their_form_and_lose_their_digits() -> None:
    value = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-1b51f1a2-e3c4-5f6d-8a9b-0c1d2e3f4a5b"
    zeroed = "GPU-00000000-0000-0000-0000-000000000000,MIG-00000000-0000-0000-0000-000000000000"
    assert environ.cleaned(value) == zeroed
    assert environ.cleaned("MIG-GPU-8932f937/1/2") == "MIG-GPU-00000000/1/2"
    assert environ.cleaned("8932f937-d72c-4106-C12F-20bd9faed9f6") == "00000000-0000-0000-0000-000000000000"
    assert environ.cleaned("0,1,3") == "0,1,3"
    assert environ.cleaned("max_split_size-128") == "max_split_size-128"


def test_credentials_and_queries_leave_addresses() -> None:
    assert environ.cleaned("https://me:pw@example.com/simple") == "https://example.com/simple"
    assert environ.cleaned("a https://t0k3n@example.com/x?sig=abc b") == "a https://example.com/x b"
    assert environ.cleaned("/lib@2/x") == "/lib@2/x"


def test_json_is_counted_and_long_values_are_cut() -> None:
    assert environ.cleaned('{"env_vars": {}}') == "(JSON of 16 characters, not collected)"
    assert environ.cleaned("/x:" * 5000) == ("/x:" * 5000)[:4094]
    assert environ.cleaned("x" * 5000) == "(5000 characters, not collected)"


def test_a_credential_that_the_cut_would_halve_is_left_out_whole() -> None:
    value = "a " * 2040 + "https://me:SECRETSECRETSECRET@example.com"
    assert len(value) > 4096
    assert "SEC" not in environ.cleaned(value)


@pytest.mark.parametrize("value", ["a://" * 50_000, "a://" * 1000 + "@ ", "GPU-" * 50_000, "-0" * 50_000, "a://?" * 20_000])
def test_no_value_takes_long(value: str) -> None:
    started = time.process_time()
    environ.cleaned(value)
    assert time.process_time() - started < 0.5
