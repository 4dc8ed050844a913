"""Section ``container``, with the helper ``cgroup``.

The two docker machines were recorded in containers of a real engine (26.1.5, cgroup version 1); the NVIDIA files of the second
are stand-ins at the places where the container toolkit mounts the real ones.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.probe import container
from envdoctor.probe.machine import Machine
from tests.probe.recorded import known, recorded, section, written

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = "7634 6900 0:1178 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c\n"
CGROUP2 = "7641 7640 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n"
KUBELET = "7642 7634 8:1 /var/lib/kubelet/pods/6bcf846c-5fe3/etc-hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw,commit=30\n"
DISK = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"


def value(machine: Any, leaf: str) -> Any:
    return section(container, machine)[leaf].get("value", "unknown")


def v2(folder: Path, cgroup: str = "/", **files: str) -> Any:
    """A cgroup version 2 machine; files by path under /sys/fs/cgroup."""
    paths = {"/sys/fs/cgroup" + path: text for path, text in files.items()}
    return written(folder, {"/proc/self/cgroup": f"0::{cgroup}\n", "/proc/self/mountinfo": OVERLAY + CGROUP2, **paths})


def test_a_docker_container_with_limits_shows_every_one_of_them() -> None:
    out = section(container, recorded("docker-256-mib-of-memory-1.5-cpus-64-mib-of-shm"))
    assert out == {
        "runtime": known("docker", "/.dockerenv"),
        "memory_limit_bytes": known(256 << 20, "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        "cpu_limit": known(1.5, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        "shm_bytes": known(64 << 20, "statvfs /dev/shm"),
        "memlock_bytes": known(65536, "RLIMIT_MEMLOCK"),
        "nofile": known(1024, "RLIMIT_NOFILE"),
        "device_nodes": known([], "/dev"),
        "nvidia_mounts": known(value=False, via="/proc/self/mountinfo"),
    }


def test_a_docker_container_with_gpus_shows_nodes_and_mounts_and_no_limit_where_there_is_none() -> None:
    out = section(container, recorded("docker-unlimited-with-nvidia-mounts"))
    assert out["device_nodes"]["value"] == [
        "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl",
    ]  # fmt: skip
    assert out["nvidia_mounts"] == known(value=True, via="/proc/self/mountinfo: /usr/bin/nvidia-smi")
    assert out["memory_limit_bytes"] == known(None, "no limit in /sys/fs/cgroup/memory/memory.limit_in_bytes")
    assert out["cpu_limit"] == known(None, "no limit in /sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    assert out["shm_bytes"]["value"] == 16 << 30


def test_unlimited_memlock_is_none(tmp_path: Path) -> None:
    limits = "Max locked memory         unlimited            unlimited            bytes     \n"
    assert value(written(tmp_path, {"/proc/self/limits": limits}), "memlock_bytes") is None


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({"/proc/self/mountinfo": OVERLAY + KUBELET}, {}, "kubernetes"),
        ({"/.dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "kubernetes"),
        ({"/run/.containerenv": 'engine="podman-4.3.1"\n', "/.dockerenv": ""}, {}, "podman"),
        ({"/.singularity.d/env/01-base.sh": ""}, {}, "apptainer"),
        ({"/proc/1/environ": "PATH=/bin\0container=lxc\0TERM=linux\0"}, {}, "lxc"),
        ({"/proc/1/cgroup": "0::/system.slice/docker-9acf24ddd.scope\n"}, {}, "docker"),
        ({"/proc/1/cgroup": "12:pids:/kubepods/burstable/pod9dcdb600\n"}, {}, "kubernetes"),
        ({"/.dockerenv": "", "/proc/self/mountinfo": OVERLAY}, {}, "docker"),
        ({"/.dockerenv": "", "/proc/self/mountinfo": DISK}, {}, None),
        ({"/proc/1/cgroup": "0::/init.scope\n", "/proc/self/mountinfo": DISK}, {}, None),
    ],
)
def test_runtime_is_named_by_its_most_particular_sign(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], expected: str | None
) -> None:
    assert value(written(tmp_path, files, environ), "runtime") == expected


def test_a_host_that_runs_containers_is_none_itself(tmp_path: Path) -> None:
    merged = "90 27 0:39 / /var/lib/docker/overlay2/l/merged rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l\n"
    machine = written(tmp_path, {"/proc/1/cgroup": "0::/init.scope\n", "/proc/self/mountinfo": DISK + merged})
    assert value(machine, "runtime") is None


def test_a_machine_whose_proc_cannot_be_read_is_not_called_a_plain_one(tmp_path: Path) -> None:
    assert section(container, written(tmp_path, {}))["runtime"] == {
        "is": "unknown",
        "why": "neither /proc/1/cgroup nor /proc/self/mountinfo can be read",
    }


def test_cgroup_2_limits_of_the_own_group_are_read(tmp_path: Path) -> None:
    machine = v2(tmp_path, **{"/memory.max": "17179869184\n", "/cpu.max": "200000 100000\n"})
    assert value(machine, "memory_limit_bytes") == 16 << 30
    assert value(machine, "cpu_limit") == 2.0


def test_cgroup_2_max_is_no_limit_and_so_is_a_root_group_without_files(tmp_path: Path) -> None:
    assert value(v2(tmp_path), "memory_limit_bytes") is None
    machine = v2(tmp_path, **{"/memory.max": "max\n", "/cpu.max": "max 100000\n"})
    assert value(machine, "memory_limit_bytes") is None
    assert value(machine, "cpu_limit") is None


def test_the_smallest_limit_from_the_own_group_up_counts(tmp_path: Path) -> None:
    # as Slurm sets it: the task's own group says "max", the step above it is limited
    machine = v2(
        tmp_path,
        "/slurm/job_1/step_0/task_0",
        **{
            "/slurm/job_1/step_0/task_0/memory.max": "max\n",
            "/slurm/job_1/step_0/memory.max": "4194304000\n",
            "/slurm/job_1/memory.max": "8388608000\n",
            "/slurm/job_1/cpu.max": "800000 100000\n",
            "/slurm/cpu.max": "3200000 100000\n",
        },
    )
    out = section(container, machine)
    assert out["memory_limit_bytes"] == known(4194304000, "/sys/fs/cgroup/slurm/job_1/step_0/memory.max")
    assert out["cpu_limit"] == known(8.0, "/sys/fs/cgroup/slurm/job_1/cpu.max")


@pytest.mark.parametrize("cgroup", ["/kubepods/burstable/pod1/c2", "/../../other"])
def test_a_group_outside_of_what_is_mounted_falls_back_to_what_is_mounted(tmp_path: Path, cgroup: str) -> None:
    assert value(v2(tmp_path, cgroup, **{"/memory.max": "1073741824\n"}), "memory_limit_bytes") == 1 << 30


def test_controllers_mounted_together_in_version_1_are_found(tmp_path: Path) -> None:
    files = {
        "/proc/self/cgroup": "8:cpu,cpuacct:/docker/abc\n9:memory:/docker/abc\n",
        "/proc/self/mountinfo": "36 30 0:32 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    out = section(container, written(tmp_path, files))
    assert out["cpu_limit"]["value"] == 0.5
    assert out["memory_limit_bytes"] == {"is": "unknown", "why": "no cgroup file system with the memory controller is mounted"}


def test_garbage_in_a_limit_costs_that_leaf_only(tmp_path: Path) -> None:
    out = section(container, v2(tmp_path, **{"/memory.max": "\0\xff?", "/cpu.max": "100000 100000\n"}))
    assert out["memory_limit_bytes"]["is"] == "unknown"
    assert out["cpu_limit"]["value"] == 1.0


def test_no_shm_is_none_and_wsl_and_amd_nodes_are_listed(tmp_path: Path) -> None:
    machine = written(tmp_path, {"/dev/dxg": "", "/dev/kfd": "", "/dev/null": "", "/recorded/space.json": "{}"})
    out = section(container, machine)
    assert out["shm_bytes"] == known(None, "/dev/shm does not exist")  # noqa: S108 - a message
    assert out["device_nodes"]["value"] == ["/dev/dxg", "/dev/kfd"]


@pytest.mark.parametrize("point", ["/usr/local/nvidia", "/.singularity.d/libs/libcuda.so.1", "/run/nvidia-persistenced/socket"])
def test_other_ways_of_mounting_the_driver_are_known(tmp_path: Path, point: str) -> None:
    mount = f"93 72 254:0 /x {point} ro,relatime - ext4 /dev/sda1 rw\n"
    assert value(written(tmp_path, {"/proc/self/mountinfo": OVERLAY + mount}), "nvidia_mounts") is True


def test_the_limits_of_the_live_machine_are_those_of_this_process() -> None:
    out = section(container, Machine())
    for leaf, number in (("memlock_bytes", resource.RLIMIT_MEMLOCK), ("nofile", resource.RLIMIT_NOFILE)):
        soft = resource.getrlimit(number)[0]
        assert out[leaf]["value"] == (None if soft == resource.RLIM_INFINITY else soft)
