"""Section ``cuda``: CUDA toolkits on disk, and every copy of the CUDA libraries that the target could load."""

import json
import os
import re

from . import loader, vendor
from .machine import Missing, Trouble, fill, known, unknown

LEAVES = ("toolkits", "libraries")

# the SONAME carries the major; that of the runtime carried the minor as well until CUDA 11
SONAME = re.compile(r"(libcudart|libcublas|libcudnn|libnccl|libnvJitLink)\.so\.(\d+|1[01]\.\d)$")
# a file may be preloaded under its full name, which its SONAME begins
PRELOADED = re.compile(r"((?:libcudart|libcublas|libcudnn|libnccl|libnvJitLink)\.so\.\d+)\.[\d.]+$")
FILE_VERSION = re.compile(r"\.so\.(\d+(?:\.\d+)+)$")
# the distributions that bring each library; most names end in the CUDA major, -cu12
WHEELS = {
    "libcudart": "nvidia_cuda_runtime",
    "libcublas": "nvidia_cublas",
    "libcudnn": "nvidia_cudnn",
    "libnccl": "nvidia_nccl",
    "libnvJitLink": "nvidia_nvjitlink",
}
DIST_INFO = re.compile(r"(nvidia_[a-z_]+?)(?:_cu\d+)?-([^-]+)\.dist-info$")
IN_WHEEL = re.compile(r"(.*)/nvidia/[^/]+/lib/[^/]+$")
HEADER_BYTES = 65536
SCRIPT_BYTES = 4096


def probe(out, machine, ask):
    """Fill the section. The site folders come from the section ``python``, which has run before."""
    places = "/usr/local" if machine.at_rest else "PATH, CUDA_HOME, CUDA_PATH and /usr/local"
    fill(out, "toolkits", lambda: known(toolkits(machine), places))
    fill(out, "libraries", lambda: libraries(machine, ask["sections"]["python"]["interpreter"]))


def toolkits(machine):
    """Each toolkit folder once, with all the ways that lead to it; first what a build would take."""
    found = {}
    for how, folder in toolkit_places(machine):
        real = machine.realpath(folder)
        found.setdefault(real, []).append(how)
    out = []
    for real, ways in found.items():
        version = toolkit_version(machine, real)
        # a folder of /usr/local that holds nothing but cuda-compat is no toolkit; what a variable names is used, whatever it is
        named = any(not how.startswith("/") for how in ways)
        if named or version is not None or machine.exists(real + "/bin/nvcc"):
            out.append({"path": real, "version": version, "found_by": ", ".join(ways)})
    return out


def toolkit_places(machine):
    """(how it was found, folder) pairs."""
    for name in ("CUDA_HOME", "CUDA_PATH"):
        if machine.environ.get(name):
            yield name, machine.environ[name]
    nvcc = vendor.which(machine, "nvcc")
    if nvcc:
        yield "nvcc on PATH", os.path.dirname(os.path.dirname(unwrapped(machine, nvcc)))
    try:
        names = machine.listdir("/usr/local")
    except (Missing, Trouble):
        names = []
    for name in names:
        path = "/usr/local/" + name
        if (name == "cuda" or name.startswith("cuda-")) and machine.exists(path):
            yield path, path


def unwrapped(machine, path):
    """The real nvcc behind links, and behind a shell script that only hands on to it."""
    real = machine.realpath(path)
    try:
        script = machine.read(real, SCRIPT_BYTES)
    except (Missing, Trouble):
        return real
    found = re.search(rb"^exec\s+[\"']?(/\S*/nvcc)\b", script, re.M) if script.startswith(b"#!") else None
    return machine.realpath(os.fsdecode(found.group(1))) if found else real


def toolkit_version(machine, folder):
    """Version of the toolkit from its files, else from its nvcc; None if nothing says it."""
    for read in (from_version_json, from_version_txt, from_header, from_runtime, from_nvcc):
        try:
            version = read(machine, folder)
        except (Missing, Trouble, ValueError, KeyError, TypeError):
            continue
        if version:
            return version
    return None


def from_version_json(machine, folder):
    """CUDA 11.1 and later."""
    return json.loads(machine.text(folder + "/version.json"))["cuda"]["version"]


def from_version_txt(machine, folder):
    """CUDA up to 11.0: "CUDA Version 10.2.89"."""
    return group(re.search(r"CUDA Version ([\d.]+)", machine.text(folder + "/version.txt")))


def from_header(machine, folder):
    """cuda.h of a toolkit, or of one laid out by target as conda's: "#define CUDA_VERSION 12040"."""
    for path in ("/include/cuda.h", "/targets/x86_64-linux/include/cuda.h", "/targets/sbsa-linux/include/cuda.h"):
        try:
            found = re.search(r"#define\s+CUDA_VERSION\s+(\d+)", machine.text(folder + path, HEADER_BYTES))
        except Missing:
            continue
        if found:
            number = int(found.group(1))
            return "%d.%d" % (number // 1000, number % 1000 // 10)
    return None


def from_runtime(machine, folder):
    """The runtime library of images that have no compiler: lib64/libcudart.so.12 -> libcudart.so.12.4.127."""
    names = [name for name in machine.listdir(folder + "/lib64") if name.startswith("libcudart.so.")]
    return next((file_version(name) for name in names if file_version(name)), None)


def from_nvcc(machine, folder):
    """By running it: it prints "Cuda compilation tools, release 12.4, V12.4.131"."""
    path = folder + "/bin/nvcc"
    if not machine.exists(path):
        return None
    _status, text, _errors = machine.run([path, "--version"])
    return group(re.search(r"\bV(\d[\d.]*)", text)) or group(re.search(r"release ([\d.]+)", text))


def file_version(name):
    """The version in a library's full name (libcudart.so.11.8.89); None for a SONAME, the 11.0 of libcudart.so.11.0 too."""
    return None if SONAME.match(name) else group(FILE_VERSION.search(name))


def group(found):
    """The first group of a match, or None."""
    return found.group(1) if found else None


def libraries(machine, interpreter):
    """The leaf of all copies, per library in the order the loader tries them."""
    leaf = interpreter
    if leaf["is"] == "known":
        leaf = interpreter["value"]["site_dirs"]
    if leaf["is"] != "known":
        return unknown("the folders of the wheels are not known: " + leaf["why"])
    unreadable = []
    out = []
    seen = set()
    versions = {}
    for path, origin in copies(machine, interpreter["value"], unreadable):
        name = os.path.basename(path)
        found = SONAME.match(name if origin != "LD_PRELOAD" else PRELOADED.sub(r"\1", name))
        real = machine.realpath(path)
        if found is None or real in seen or not machine.exists(path) or loader.is_32_bit(machine, path):
            continue
        seen.add(real)
        version = file_version(os.path.basename(real)) or wheel_version(machine, real, found, versions)
        out.append({"stem": found.group(1), "soname": found.group(0), "path": path, "version": version, "origin": origin})
    return known(out, "; ".join(["the loader's search path", *unreadable]))


def copies(machine, python, unreadable):
    """(path, origin) of every file named like one of the libraries, in the loader's order; adds folders it cannot list to ``unreadable``."""
    for path in re.split(r"[:\s]+", machine.environ.get("LD_PRELOAD", "")):
        if path.startswith("/"):
            yield path, "LD_PRELOAD"
    listed = set()
    for folder, origin in own_folders(machine, python):
        yield from named_in(machine, folder, origin, listed, unreadable)
    try:
        cache = loader.cache_entries(machine)
    except (Missing, Trouble):
        cache = {}  # Alpine and minimal images have none
    for soname in sorted(cache):
        if SONAME.match(soname):
            for path in cache[soname]:
                yield path, "ld.so.cache"
    for folder in loader.DEFAULT_DIRS:
        yield from named_in(machine, folder, "default", listed, unreadable)


def own_folders(machine, python):
    """(folder, origin) in the order of the search, as far as it goes by folders that the environment itself brings."""
    for folder in loader.library_path(machine):
        yield folder, "LD_LIBRARY_PATH"
    for site in python["site_dirs"]["value"]:
        try:
            names = machine.listdir(site + "/nvidia")
        except (Missing, Trouble):
            names = []
        for name in names:
            yield "%s/nvidia/%s/lib" % (site, name), "wheel"
        yield site + "/torch/lib", "wheel"
    if machine.exists(python["base_prefix"] + "/conda-meta"):
        # conda's interpreter has its own lib folder as run path
        yield python["base_prefix"] + "/lib", "conda"


def named_in(machine, folder, origin, listed, unreadable):
    """(path, origin) of the files in a folder that are named like one of the libraries; no real folder is listed twice."""
    real = machine.realpath(folder)
    if real in listed:
        return
    listed.add(real)
    try:
        names = machine.listdir(folder)
    except Missing:
        return
    except Trouble as trouble:
        unreadable.append(str(trouble))
        return
    for name in names:
        if name.startswith("lib") and SONAME.match(name):
            yield folder + "/" + name, origin


def wheel_version(machine, real, soname, cache):
    """Version of the wheel that brought the file, from the dist-info beside its ``nvidia`` folder; None if it is not certain.

    ``cache`` holds what was listed before. Two wheels of one library and major (cuDNN for CUDA 12 and for 13) write the
    same file, and which of them did last cannot be told.
    """
    place = IN_WHEEL.match(real)
    if place is None:
        return None
    site = place.group(1)
    if site not in cache:
        try:
            cache[site] = [found.groups() for found in map(DIST_INFO.match, machine.listdir(site)) if found]
        except (Missing, Trouble):
            cache[site] = []
    stem, major = soname.group(1), soname.group(2).split(".")[0]
    versions = {version for name, version in cache[site] if name == WHEELS[stem] and version.split(".")[0] == major}
    return versions.pop() if len(versions) == 1 else None
