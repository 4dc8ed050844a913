"""Section ``python``: which interpreter this is, and the folders it would import from.

The probe runs with ``-I -S``: site.py has not run, no line of a .pth file was executed and PYTHONPATH was ignored. The
path that a plain ``python`` would have is worked out here from files alone, in the order site.py builds it.
"""

import importlib.machinery
import json
import os
import re
import sys

from .machine import Missing, Trouble, fill, known, unknown

LEAVES = ("interpreter",)


def probe(out, machine, ask):
    """Fill the section.

    ``ask["venv"]``: describe that folder, whose own interpreter does not start. ``ask["describe"]``: a function that
    gives the leaf, of a root folder.
    """
    if ask.get("describe"):
        fill(out, "interpreter", ask["describe"])
    elif ask.get("venv"):
        fill(out, "interpreter", lambda: described(machine, stopped(machine, ask["venv"])))
    elif machine.live:
        fill(out, "interpreter", lambda: described(machine, running()))
    else:
        fill(out, "interpreter", lambda: described(machine, json.loads(machine.text("/recorded/python.json"))))


def running():
    """What only the running interpreter knows of itself; the rest is read from files."""
    stdlib = os.path.dirname(os.__file__)
    version = "%d.%d" % sys.version_info[:2]
    places = (os.path.join(os.path.dirname(stdlib), "python%s.zip" % version.replace(".", "")), stdlib, stdlib + "/lib-dynload")
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return {
        "executable": sys.executable or "",
        "version": sys.version.split()[0],
        "implementation": sys.implementation.name,
        "abi": suffix[1 : -len(".so")] if suffix.count(".") > 1 else "",
        "free_threaded": "t" in getattr(sys, "abiflags", ""),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "base_prefix": sys.base_prefix,
        "stdlib": stdlib,
        # exactly these, because the probe's own zip may be on sys.path as well
        "stdlib_path": [place for place in sys.path if place in places],
        "same_user": os.getuid() == os.geteuid() and os.getgid() == os.getegid(),
    }


def stopped(machine, folder):
    """The same of an environment whose interpreter does not start, as far as its files tell; what they do not tell is ""."""
    folder = os.path.abspath(folder)
    configuration = settings(machine, folder + "/pyvenv.cfg")
    version = configuration.get("version") or configuration.get("version_info") or ""
    version = ".".join(version.split(".")[:3])
    libraries = library_folders(machine, folder)
    name = "python" + ".".join(version.split(".")[:2])
    chosen = next((one for one in libraries if one.rstrip("t") == name), libraries[-1] if libraries else None)
    if chosen is None:
        raise Trouble("%s/lib holds no python folder: this is not a Python environment, or it is empty" % folder)
    home = configuration.get("home")
    return {
        "executable": folder + "/bin/python",
        "version": version or chosen[len("python") :].rstrip("t"),
        "implementation": configuration.get("implementation", "cpython").lower(),
        "abi": "",
        "free_threaded": chosen.endswith("t"),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "base_prefix": os.path.dirname(home) if home else folder,
        "stdlib": "%s/lib/%s" % (os.path.dirname(home) if home else folder, chosen),
        "stdlib_path": [],
        "same_user": True,
    }


def library_folders(machine, prefix):
    """Names such as "python3.11" under ``prefix``/lib, oldest first."""
    try:
        names = machine.listdir(prefix + "/lib")
    except Missing:
        return []
    found = [name for name in names if re.match(r"python3\.\d+t?$", name)]
    return sorted(found, key=lambda name: int(name.split(".")[1].rstrip("t")))


def described(machine, base):
    """The leaf: ``base`` (what the interpreter knows of itself) completed from the files around it."""
    if not base["executable"]:
        return unknown("this Python does not know where its own executable is (sys.executable is empty)")
    found = pyvenv(machine, base["executable"])
    prefix = os.path.dirname(found) if found else base["base_prefix"]
    configuration = settings(machine, found) if found else {}
    conda = machine.is_folder(prefix + "/conda-meta")
    system_site = configuration.get("include-system-site-packages", "").lower() == "true"
    wanted = machine.environ.get("PYTHONPATH")
    # an empty entry ("/a::/b", or a colon at the end) is the current folder, as in Python
    pythonpath = [os.path.abspath(entry) for entry in wanted.split(os.pathsep)] if wanted else []
    user_site = None
    if (system_site or not found) and base["same_user"]:
        user_site = user_folder(machine, os.path.basename(base["stdlib"]))
    path = SearchPath(machine)
    for folder in pythonpath:
        path.add(folder)
    first_site = len(path.folders)
    if found:
        path.add_site(venv_folders(prefix, base["stdlib"]))
    if user_site:
        path.add_site([user_site])
    if system_site or not found:
        path.add_site(system_folders(machine, base["base_prefix"], base["stdlib"]))
    via = "the files of %s, in site.py's order%s" % (prefix, path.noted())
    return known(
        {
            "executable": base["executable"],
            "version": base["version"],
            "implementation": base["implementation"],
            "abi": base["abi"],
            "free_threaded": base["free_threaded"],
            "bits": base["bits"],
            "kind": "venv" if found else "conda" if conda else "system",
            "prefix": prefix,
            "base_prefix": base["base_prefix"],
            "externally_managed": not found and machine.exists(base["stdlib"] + "/EXTERNALLY-MANAGED"),
            "include_system_site": system_site,
            "site_dirs": known(path.folders, via),
            "user_site": known(user_site, via),
            "pythonpath": pythonpath,
            "sys_path": known(list(dict.fromkeys(pythonpath + base["stdlib_path"] + path.folders[first_site:])), via),
        },
        base["executable"],
    )


def pyvenv(machine, executable):
    """pyvenv.cfg next to the executable or one folder above it (PEP 405), or None. Links are not followed, as in Python."""
    folder = os.path.dirname(executable)
    for path in (folder + "/pyvenv.cfg", os.path.dirname(folder) + "/pyvenv.cfg"):
        if machine.exists(path):
            return path
    return None


def settings(machine, path):
    """The ``key = value`` lines of a pyvenv.cfg; empty when there is no such file. Raises Trouble."""
    try:
        lines = machine.text(path, 65536).splitlines()
    except Missing:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}


def user_folder(machine, library):
    """The per-user site-packages when it is enabled and exists, else None."""
    home = machine.environ.get("HOME")
    base = machine.environ.get("PYTHONUSERBASE") or (home + "/.local" if home else None)
    if machine.environ.get("PYTHONNOUSERSITE") or base is None:
        return None
    folder = os.path.join(base, "lib", library, "site-packages")
    return folder if machine.is_folder(folder) else None


def venv_folders(prefix, stdlib):
    """Where a venv keeps its packages: under lib64 too where the base Python does so."""
    names = [os.path.basename(os.path.dirname(stdlib)), "lib"]
    return ["%s/%s/%s/site-packages" % (prefix, name, os.path.basename(stdlib)) for name in dict.fromkeys(names)]


def system_folders(machine, prefix, stdlib):
    """Where a Python that is no venv keeps its packages. Debian and Fedora have patched their own site.py."""
    library = os.path.basename(stdlib)
    if prefix == "/usr" and machine.is_folder("/usr/lib/python3/dist-packages"):
        return [
            "/usr/local/lib/%s/dist-packages" % library,
            "/usr/lib/python3/dist-packages",
            "/usr/lib/%s/dist-packages" % library,
        ]
    prefixes = [prefix]
    if prefix == "/usr" and stdlib.startswith("/usr/lib64/") and names_local(machine, stdlib + "/site.py"):
        prefixes.insert(0, "/usr/local")
    return [folder for one in prefixes for folder in venv_folders(one, stdlib)]


def names_local(machine, path):
    """Whether this site.py has /usr/local in its code; the original has it in its comments only."""
    try:
        text = machine.text(path)
    except (Missing, Trouble):
        return False
    return re.search(r"""["']/usr/local["']""", text) is not None


class SearchPath:
    """The folders of sys.path that can hold distributions; a folder counts once, whatever its names."""

    def __init__(self, machine):
        self.machine = machine
        self.folders = []
        self.trouble = []
        self._real = set()

    def add(self, folder):
        """Add a folder if it exists; True if it is new."""
        real = self.machine.realpath(folder)
        if real in self._real or not self.machine.is_folder(real):
            return False
        self._real.add(real)
        self.folders.append(folder)
        return True

    def add_site(self, folders):
        """Add site folders, each followed by the plain path lines of its .pth files."""
        for folder in folders:
            if not self.add(folder):
                continue
            try:
                names = self.machine.listdir(folder)
            except (Missing, Trouble) as error:
                self.trouble.append(str(error))
                continue
            for name in names:
                if name.endswith(".pth") and not name.startswith("."):
                    self._add_lines(folder, name)

    def _add_lines(self, folder, name):
        try:
            text = self.machine.text(folder + "/" + name)
        except (Missing, Trouble) as error:
            self.trouble.append(str(error))
            return
        for line in text.lstrip("\ufeff").split("\n"):
            entry = line.rstrip()
            # site.py would execute an import line; we never do
            if entry and not entry.startswith(("#", "import ", "import\t")) and "\0" not in entry:
                self.add(os.path.normpath(os.path.join(folder, entry)))

    def noted(self):
        """What could not be read, to be put behind the origin of the path."""
        return "".join("; not read: " + one for one in self.trouble)
