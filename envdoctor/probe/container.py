"""Section ``container``: the container runtime, cgroup and login limits, /dev/shm, GPU device nodes and driver mounts."""

import re

from . import cgroup
from .machine import Missing, Trouble, fill, known, unknown

LEAVES = (
    "runtime", "memory_limit_bytes", "cpu_limit", "shm_bytes", "memlock_bytes", "nofile", "device_nodes", "nvidia_mounts",
)  # fmt: skip

MOUNTS = "/proc/self/mountinfo"
# files that runtimes lay over a container's own; lxcfs lays itself over /proc/cpuinfo
TELLTALE_MOUNTS = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/proc/cpuinfo")
RUNTIME_WORDS = (
    ("kubepods", "kubernetes"), ("/kubelet/", "kubernetes"), ("libpod", "podman"), ("/containers/storage/", "podman"),
    ("/docker/", "docker"), ("docker-", "docker"), ("crio-", "cri-o"),
    ("containerd", "containerd"), ("/lxc/", "lxc"), ("lxcfs", "lxc"),
)  # fmt: skip
LIMIT_LABELS = {"memlock": "Max locked memory", "nofile": "Max open files"}
# what the NVIDIA container toolkit, Apptainer's --nv and the device plugins of cloud providers mount
DRIVER_MOUNT = re.compile(r"/libcuda\.so|/libnvidia-ml\.so|^/usr/bin/nvidia-smi$|^/run/nvidia|^/usr/local/nvidia(/|$)")
WHOLE_DISK = re.compile(r"/dev/(vd|sd|xvd|nvme|pmem)\w+$")


def probe(out, machine, ask):
    """Fill the section."""
    fill(out, "runtime", lambda: runtime(machine))
    fill(out, "memory_limit_bytes", lambda: cgroup.memory_limit(machine))
    fill(out, "cpu_limit", lambda: cgroup.cpu_limit(machine))
    fill(out, "shm_bytes", lambda: shm(machine))
    fill(out, "memlock_bytes", lambda: limit(machine, "memlock"))
    fill(out, "nofile", lambda: limit(machine, "nofile"))
    fill(out, "device_nodes", lambda: known(device_nodes(machine), "/dev"))
    fill(out, "nvidia_mounts", lambda: nvidia_mounts(machine))


def runtime(machine):
    """What runs this container; None outside of one. The most particular sign is asked first."""
    env = machine.environ
    if env.get("KUBERNETES_SERVICE_HOST"):
        return known("kubernetes", "KUBERNETES_SERVICE_HOST is set")
    if machine.exists("/.singularity.d"):
        return known("apptainer", "/.singularity.d")
    if machine.exists("/run/.containerenv"):
        return known("podman", "/run/.containerenv")
    if machine.exists("/.dockerenv"):
        disk = whole_disk(machine)
        if disk:
            return known(None, "/.dockerenv is there, but / is the disk %s: a virtual machine made from a container image" % disk)
        return known("docker", "/.dockerenv")
    named = named_by_init(machine)
    if named:
        return known(named, "the variable container of process 1")
    read = []
    for path in ("/proc/1/cgroup", MOUNTS):
        try:
            text = laid_over(machine) if path == MOUNTS else machine.text(path)
        except (Missing, Trouble):
            continue
        read.append(path)
        for word, name in RUNTIME_WORDS:
            if word in text:
                return known(name, "%s has %r" % (path, word))
    if not read:
        return unknown("neither /proc/1/cgroup nor %s can be read" % MOUNTS)
    return known(None, "/.dockerenv, /run/.containerenv, " + ", ".join(read))


def named_by_init(machine):
    """The variable ``container`` that systemd's container interface sets for process 1, or None (also when it is not ours to read)."""
    try:
        pairs = machine.text("/proc/1/environ").split("\0")
    except (Missing, Trouble):
        return None
    return next((pair[len("container=") :] for pair in pairs if pair.startswith("container=")), None)


def mounts(machine):
    """The mounts as lists of the fields of proc(5): [3] is the root within its file system, [4] the mount point."""
    return [fields for fields in (line.split(" ") for line in machine.text(MOUNTS).splitlines()) if len(fields) > 6]


def laid_over(machine):
    """What is mounted over the files that runtimes provide, one a line."""
    return "\n".join(" ".join(fields[3:]) for fields in mounts(machine) if fields[4] in TELLTALE_MOUNTS)


def whole_disk(machine):
    """The block device mounted as / with its own root as root, or None. A container's / is an overlay or a folder of a disk."""
    try:
        roots = [fields for fields in mounts(machine) if fields[4] == "/"]
    except (Missing, Trouble):
        return None
    if not roots or roots[-1][3] != "/" or "-" not in roots[-1]:
        return None
    source = roots[-1][roots[-1].index("-") + 2]
    return source if WHOLE_DISK.match(source) else None


def shm(machine):
    """Size of /dev/shm, None if there is none."""
    try:
        return known(machine.space("/dev/shm")[0], "statvfs /dev/shm")
    except Missing:
        return known(None, "/dev/shm does not exist")


def limit(machine, name):
    """The soft resource limit of that name, None if unlimited."""
    via = "RLIMIT_" + name.upper()
    if not machine.live:
        words = re.search(r"^%s +(\S+)" % LIMIT_LABELS[name], machine.text("/proc/self/limits"), re.M)
        return known(None if words.group(1) == "unlimited" else int(words.group(1)), via)
    import resource  # noqa: PLC0415 - a bare build of Python may lack this module: that costs two leaves, not the section

    soft, _hard = resource.getrlimit(getattr(resource, via))
    return known(None if soft == resource.RLIM_INFINITY else soft, via)


def device_nodes(machine):
    """The device nodes of GPU drivers: NVIDIA's with those of MIG and IMEX in their folders, WSL's dxg, AMD's kfd."""
    found = []
    for name in machine.listdir("/dev"):
        path = "/dev/" + name
        if name in ("dxg", "kfd"):
            found.append(path)
        elif name.startswith("nvidia"):
            try:
                found.extend(path + "/" + inner for inner in machine.listdir(path))
            except Missing:  # a node, not a folder
                found.append(path)
            except Trouble:  # a folder that is not ours to read
                found.append(path)
    return found


def nvidia_mounts(machine):
    """Whether files of the NVIDIA driver are mounted from outside."""
    for fields in mounts(machine):
        if DRIVER_MOUNT.search(fields[4]):
            return known(value=True, via="%s: %s" % (MOUNTS, fields[4]))
    return known(value=False, via=MOUNTS)
