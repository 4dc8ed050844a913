"""Memory and CPU limits of the control group we run in, versions 1 and 2 (see cgroups(7))."""

from .machine import Missing, known, unknown

MOUNTS = "/proc/self/mountinfo"
# version 1 writes "no limit" as the largest count of pages in bytes, a number just below 2**63
UNLIMITED_BYTES = 1 << 60


def memory_limit(machine):
    """The smallest memory limit from our group up, in bytes; None if there is none."""
    folders, version = groups(machine, "memory")
    if not folders:
        return unknown("no cgroup file system with the memory controller is mounted")
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    found = []
    for path, text in read_all(machine, folders, name):
        if text != "max" and int(text) < UNLIMITED_BYTES:
            found.append((int(text), path))
    return smallest(found, folders, name)


def cpu_limit(machine):
    """The smallest CPU bandwidth limit from our group up, in CPUs; None if there is none."""
    folders, version = groups(machine, "cpu")
    if not folders:
        return unknown("no cgroup file system with the cpu controller is mounted")
    name = "cpu.max" if version == 2 else "cpu.cfs_quota_us"
    found = []
    for path, text in read_all(machine, folders, name):
        if version == 2:
            quota, period = text.split()
        else:
            quota, period = text, machine.text(path.replace("cfs_quota_us", "cfs_period_us")).strip()
        if quota not in ("max", "-1"):
            found.append((int(quota) / int(period), path))
    return smallest(found, folders, name)


def smallest(found, folders, name):
    """The leaf of the smallest (limit, path), or of no limit at all."""
    if found:
        return known(*min(found))
    return known(None, "no limit in %s/%s" % (folders[0], name))


def read_all(machine, folders, name):
    """(path, stripped text) of the file of that name in each folder that has it; the root group has none."""
    for folder in folders:
        path = folder + "/" + name
        try:
            yield path, machine.text(path).strip()
        except Missing:
            continue


def groups(machine, controller):
    """(folders of our group and of those above it that can be seen, cgroup version) for the controller; ([], 0) if not mounted."""
    ours = {}
    for line in machine.text("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            ours[name if controllers else number] = path
    version = 1 if controller in ours else 2
    path = ours.get(controller, ours.get("0"))
    mount = mounted(machine, controller, version)
    if path is None or mount is None:
        return [], 0
    root, point = mount
    # in a container the group of the path may lie outside what is mounted: then what is mounted is ours
    inner = path[len(root.rstrip("/")) :] if (path + "/").startswith(root.rstrip("/") + "/") else ""
    if "/.." in inner or not machine.exists(point + inner):
        inner = ""
    folders = []
    while inner.strip("/"):
        folders.append(point + inner)
        inner = inner.rpartition("/")[0]
    return [*folders, point], version


def mounted(machine, controller, version):
    """(root within the hierarchy, mount point) of the controller's hierarchy, or None."""
    for line in machine.text(MOUNTS).splitlines():
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5 or len(kind) < 3:
            continue
        if (version == 2 and kind[0] == "cgroup2") or (version == 1 and kind[0] == "cgroup" and controller in kind[2].split(",")):
            return fields[3], fields[4]
    return None
