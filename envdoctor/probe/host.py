"""Section ``host``: operating system, kernel, C library, WSL, CPU, memory, cache folders."""

import ctypes
import os
import re
import shlex

from .machine import Missing, Trouble, fill, known, unknown

LEAVES = (
    "os_name", "os_id", "os_version", "kernel", "arch", "libc", "wsl", "cpu_model", "cpu_count", "memory_bytes", "caches",
)  # fmt: skip


def probe(out, machine, ask):
    """Fill the section. ``ask`` is the request (see __main__)."""
    fill(
        out,
        "kernel",
        lambda: known(os.uname().release if machine.live else machine.text("/proc/sys/kernel/osrelease").strip(), "uname"),
    )
    fill(out, "arch", lambda: known(os.uname().machine if machine.live else machine.text("/recorded/arch").strip(), "uname"))
    fill(out, "wsl", lambda: wsl(machine))
    fill(out, "libc", lambda: libc(machine))
    release(out, machine)
    fill(out, "cpu_model", lambda: cpu_model(machine))
    fill(out, "cpu_count", lambda: cpu_count(machine))
    fill(out, "memory_bytes", lambda: memory(machine))
    fill(out, "caches", lambda: caches(machine))


def release(out, machine):
    """OS name, id and version from os-release(5)."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            pairs = dict(os_release(machine.text(path)))
        except (Missing, Trouble):
            continue
        for key, name in (("os_name", "PRETTY_NAME"), ("os_id", "ID"), ("os_version", "VERSION_ID")):
            out[key] = known(pairs[name], path) if name in pairs else unknown("%s has no %s" % (path, name))
        return
    for key in ("os_name", "os_id", "os_version"):
        out[key] = unknown("neither /etc/os-release nor /usr/lib/os-release can be read")


def os_release(text):
    """(key, value) pairs of an os-release file."""
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign and not key.startswith("#"):
            try:
                words = shlex.split(value)
            except ValueError:
                words = [value]
            yield key.strip(), words[0] if words else ""


def wsl(machine):
    """Generation of WSL from the kernel's own words, or None."""
    path = "/proc/version"
    text = machine.text(path).lower()
    if "microsoft" not in text:
        return known(None, path)
    return known(2 if "wsl2" in text or machine.exists("/dev/dxg") else 1, path)


def libc(machine):
    """The C library that is loaded into this very process (gnu_get_libc_version), not what the platform says."""
    if not machine.live:
        name, _, version = machine.text("/recorded/libc").strip().partition(" ")
        return known({"name": name, "version": version}, "gnu_get_libc_version() in the target's interpreter")
    try:
        ask = ctypes.CDLL(None).gnu_get_libc_version
    except (AttributeError, OSError):
        for name in machine.listdir("/lib"):
            found = re.match(r"ld-musl-", name)
            if found:
                _status, out, err = machine.run(["/lib/" + name])
                version = re.search(r"Version ([\d.]+)", err + out)
                if version:
                    return known({"name": "musl", "version": version.group(1)}, "/lib/" + name)
        return unknown("the C library has no gnu_get_libc_version and is not musl")
    ask.restype = ctypes.c_char_p
    return known({"name": "glibc", "version": ask().decode()}, "gnu_get_libc_version() in the target's interpreter")


def cpu_model(machine):
    """Model name from /proc/cpuinfo."""
    found = re.search(r"^model name\s*:\s*(.+)$", machine.text("/proc/cpuinfo", 65536), re.M)
    return known(found.group(1).strip(), "/proc/cpuinfo") if found else unknown("/proc/cpuinfo has no model name")


def cpu_count(machine):
    """CPUs this process may run on."""
    if machine.live and hasattr(os, "sched_getaffinity"):
        return known(len(os.sched_getaffinity(0)), "sched_getaffinity")
    return known(len(re.findall(r"^processor\s*:", machine.text("/proc/cpuinfo"), re.M)), "/proc/cpuinfo")


def memory(machine):
    """MemTotal in bytes."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", machine.text("/proc/meminfo"), re.M)
    return known(int(found.group(1)) * 1024, "/proc/meminfo") if found else unknown("/proc/meminfo has no MemTotal")


def caches(machine):
    """Free space where models and compiled kernels are cached; the nearest folder that exists stands for one that does not."""
    env = machine.environ
    home = env.get("HOME") or "/"
    base = env.get("XDG_CACHE_HOME") or home + "/.cache"
    places = (
        ("models (HF_HOME)", env.get("HF_HOME") or base + "/huggingface"),
        ("torch (TORCH_HOME)", env.get("TORCH_HOME") or base + "/torch"),
        ("triton kernels (TRITON_CACHE_DIR)", env.get("TRITON_CACHE_DIR") or home + "/.triton"),
        ("vLLM (VLLM_CACHE_ROOT)", env.get("VLLM_CACHE_ROOT") or base + "/vllm"),
        ("temporary files (TMPDIR)", env.get("TMPDIR") or "/tmp"),
    )
    found = []
    for purpose, path in places:
        there = path
        while not machine.is_folder(there) and there not in ("/", ""):
            there = os.path.dirname(there)
        try:
            _size, free = machine.space(there or "/")
        except (Missing, Trouble):
            continue
        writable = os.access(machine.at(there), os.W_OK)
        found.append({"purpose": purpose, "path": path, "free_bytes": free, "writable": writable})
    return known(found, "statvfs")
