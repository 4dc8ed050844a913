"""Where glibc's dynamic loader looks for a library, and whether it takes what it finds there (ld.so(8), elf/dl-load.c).

The order: the run paths of those that ask (DT_RPATH, only without DT_RUNPATH), LD_LIBRARY_PATH, DT_RUNPATH, ld.so.cache,
the default folders. Nothing is loaded or run; folders are listed once. It works on another root as well.
"""

import os
import re

from . import loader
from .elf import NotElf
from .machine import Missing, Trouble, reason
from .symbols import Library

ET_EXEC, ET_DYN = 2, 3
EM_X86_64, EM_AARCH64 = 62, 183
PLATFORMS = {EM_X86_64: "x86_64", EM_AARCH64: "aarch64"}
# what the CPU must have beyond the level before; the x86-64 psABI's micro-architecture levels by the kernel's names
LEVELS = (
    ("x86-64-v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
HWCAPS = "glibc-hwcaps"
PRIVATE_STORES = ("/nix/store/", "/gnu/store/")  # their glibc looks into its own folder only
CONF = "/etc/ld.so.conf"
TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)\b)")
MAX_CONF_FILES = 64
MAX_CPUINFO_BYTES = 65536


class NoLoader(Exception):
    """This program is not started by a dynamic loader that is known here; the message says which it is."""


class Refused(Exception):
    """ld.so would refuse the file itself; ``kind`` is that of a LinkProblem, the message what dlerror() says behind the path."""

    def __init__(self, kind, message, wants=""):
        super().__init__(message)
        self.kind, self.wants = kind, wants


class System:
    """What is the same for every process that ``program`` (the interpreter) starts on ``machine``."""

    def __init__(self, machine, program):
        """Raises NoLoader, Missing or Trouble."""
        self.machine = machine
        self._files, self._places, self._listings, self._found, self._expanded, self._short = {}, {}, {}, {}, {}, {}
        self.program = machine.realpath(program)
        try:
            library = self.file(self.program)
        except Refused as error:
            raise NoLoader("%s is no 64-bit ELF program: %s" % (self.program, error))
        self.architecture = library.machine
        loader_path = library.interpreter()
        if loader_path is None:
            raise NoLoader("%s is a static program: it loads no libraries" % self.program)
        if self.architecture not in PLATFORMS or "ld-musl" in loader_path:
            words = "%s is started by %s, whose rules are not simulated here" % (self.program, os.path.basename(loader_path))
            raise NoLoader(words)
        self.levels = cpu_levels(machine) if self.architecture == EM_X86_64 else ()
        self.default_folders = tuple(self._default_folders(loader_path))
        self._cache = {} if loader_path.startswith(PRIVATE_STORES) else self._read_cache()
        self.library_path = self._expand_path(machine.environ.get("LD_LIBRARY_PATH", "").replace(";", ":"), self.program)

    def _default_folders(self, loader_path):
        if loader_path.startswith(PRIVATE_STORES):
            return [os.path.dirname(loader_path)]
        # Debian's glibc is built for its folders by architecture, that of others for lib64, and Arch's for /usr/lib
        triplet = PLATFORMS[self.architecture] + "-linux-gnu"
        folders = (triplet, "") if self.names_in("/usr/lib/" + triplet) or self.names_in("/lib/" + triplet) else ("64", "")
        return [
            prefix + ("64" if one == "64" else "/" + one if one else "") for one in folders for prefix in ("/lib", "/usr/lib")
        ]

    def _read_cache(self):
        """{SONAME: path}: of several entries the one that ld.so prefers on this CPU."""
        best = {}
        try:
            for soname, path, hwcap in loader.cache_list(self.machine):
                if hwcap is not None and hwcap not in self.levels:
                    continue
                rank = len(self.levels) if hwcap is None else self.levels.index(hwcap)
                if soname not in best or rank < best[soname][0]:
                    best[soname] = rank, path
        except Missing:
            if self.machine.root != "/":
                # a layer of an image in which ldconfig is still to run: the folders that it would read
                self.default_folders = (*conf_folders(self.machine), *self.default_folders)
        except Trouble:
            pass  # as ld.so does with a cache that it cannot use
        return {soname: path for soname, (_rank, path) in best.items()}

    def place(self, path):
        """(where to open it, its identity) of an absolute path, links followed; None if there is nothing."""
        if path not in self._places:
            machine = self.machine
            where = path if machine.root == "/" else machine.at(machine.realpath(path))
            try:
                found = os.stat(where)
                self._places[path] = where, (found.st_dev, found.st_ino)
            except (OSError, ValueError):
                self._places[path] = None
        return self._places[path]

    def file(self, path):
        """The Library at a path that exists; the same object for the same file. Raises Missing, Trouble or Refused."""
        place = self.place(path)
        if place is None:
            raise Missing(path + " does not exist")
        where, identity = place
        if identity not in self._files:
            try:
                self._files[identity] = Library(where)
            except OSError as error:
                self._files[identity] = Trouble(reason(path, error))
            except NotElf as error:
                self._files[identity] = refusal(self.machine, path, error)
        found = self._files[identity]
        if isinstance(found, Exception):
            raise found
        return found

    def suitable(self, path):
        """Whether ld.so takes the file when it meets it on a search path: one for another machine is passed over."""
        try:
            library = self.file(path)
        except Refused as error:
            return error.kind != "wrong-machine"
        except (Missing, Trouble):
            return False
        return library.machine == self.architecture

    def cached(self, name):
        """The path that ld.so.cache has for a SONAME, or None."""
        return self._cache.get(name)

    def run_paths(self):
        """Each run path that was read, as (folder, "run path of FILE") pairs."""
        return self._expanded.values()

    def count(self):
        """How many files were looked into."""
        return len(self._files)

    def names_in(self, folder):
        """The names in a folder, once; empty if it cannot be listed."""
        found = self._listings.get(folder)
        if found is None:
            try:
                found = frozenset(self.machine.listdir(folder))
            except (Missing, Trouble, ValueError):
                found = frozenset()
            self._listings[folder] = found
        return found

    def search(self, name, asking):
        """(path, how it was found) of a library without a slash in its name; None if ld.so does not find it.

        ``asking`` are the folders as :meth:`folders_of` gives them.
        """
        key = name, asking
        if key not in self._found:
            self._found[key] = self._search(name, asking)
        return self._found[key]

    def _search(self, name, asking):
        before, after, no_default_folders = asking
        for folders, how in ((before, None), (self.library_path, "LD_LIBRARY_PATH"), (after, None)):
            for entry in folders:
                folder, asker = (entry, how) if how else entry
                path = self._in_folder(folder, name)
                if path is not None:
                    return path, asker
        cached = self._cache.get(name)
        allowed = cached is not None and not (no_default_folders and os.path.dirname(cached) in self.default_folders)
        if allowed and self.place(cached) is not None and self.suitable(cached):
            return cached, "ld.so.cache"
        if not no_default_folders:
            for folder in self.default_folders:
                path = self._in_folder(folder, name)
                if path is not None:
                    return path, "default"
        return None

    def _in_folder(self, folder, name):
        """The file of that name that fits this machine, in the folder or its folders for better CPUs."""
        names = self.names_in(folder)
        if HWCAPS in names:
            for level in self.levels:
                better = "%s/%s/%s" % (folder, HWCAPS, level)
                if name in self.names_in(better) and self.suitable(better + "/" + name):
                    return better + "/" + name
        path = folder + "/" + name
        return path if name in names and self.suitable(path) else None

    def folders_of(self, library, path, above):
        """What :meth:`search` wants of the one that asks, which lies at ``path``.

        ``above`` are the (library, path) pairs of those that it was loaded for, nearest first, the program last.
        """
        if library.runpath is not None:
            return (), self._named(library.runpath, path), library.no_default_folders
        before = []
        for one, place in ((library, path), *above):
            if one.rpath is not None:
                before += self._named(one.rpath, place)
        return tuple(before), (), library.no_default_folders

    def _named(self, text, path):
        """(folder, "run path of FILE") pairs."""
        key = text, path
        if key not in self._expanded:
            how = "run path of " + path
            self._expanded[key] = tuple((folder, how) for folder in self._expand_path(text, path))
        return self._expanded[key]

    def _expand_path(self, text, path):
        """The absolute folders of a run path; a relative one means the user's current folder, which is not known."""
        if not text:
            return ()
        origin = os.path.dirname(path)
        found = []
        for entry in text.split(":"):
            folder = self._replaced(entry, origin)
            if folder.startswith("/"):
                found.append(self._folded(folder))
        return tuple(dict.fromkeys(found))

    def _folded(self, folder):
        """The folder without "..", where that is the same one: behind a link it is not."""
        if folder not in self._short:
            short = os.path.normpath(folder)
            same = ".." not in folder or self.machine.realpath(folder) == self.machine.realpath(short)
            self._short[folder] = short if same else folder.rstrip("/")
        return self._short[folder]

    def expanded(self, name, path):
        """A DT_NEEDED of the file at ``path`` with its tokens replaced."""
        return self._replaced(name, os.path.dirname(path))

    def _replaced(self, text, origin):
        return TOKEN.sub(lambda one: self._token(one, origin), text)

    def _token(self, found, origin):
        token = found.group(1) or found.group(2)
        if token == "ORIGIN":
            return origin
        platform = PLATFORMS[self.architecture]
        if token == "PLATFORM":
            return platform
        return "lib/%s-linux-gnu" % platform if self.names_in("/lib/%s-linux-gnu" % platform) else "lib64"

    def preloaded(self):
        """The words of LD_PRELOAD and /etc/ld.so.preload, in the order in which ld.so takes them."""
        words = re.split(r"[:\s]+", self.machine.environ.get("LD_PRELOAD", ""))
        try:
            lines = self.machine.text("/etc/ld.so.preload", MAX_CPUINFO_BYTES).splitlines()
        except (Missing, Trouble):
            lines = []
        words += [word for line in lines for word in re.split(r"[:\s]+", line.partition("#")[0])]
        return [word for word in words if word]


def refusal(machine, path, error):
    """What ld.so says of a file that is no ELF file of 64 bits."""
    try:
        start = machine.read(path, 64)
    except (Missing, Trouble):
        start = b""
    if start[:5] == b"\x7fELF\x01":
        return Refused("wrong-machine", "wrong ELF class: ELFCLASS32", "64-bit")
    if start[:6] == b"\x7fELF\x02\x02":
        return Refused("wrong-machine", "ELF file data encoding not little-endian", "little-endian")
    if start[:4] == b"\x7fELF" and len(start) == 64:
        return Refused("not-elf", "damaged ELF file: %s" % error)
    return Refused("not-elf", "invalid ELF header" if len(start) == 64 else "file too short")


def cpu_levels(machine):
    """The glibc-hwcaps folders that this CPU may use, best first; none if it does not tell."""
    try:
        found = re.search(r"^flags\s*:(.*)$", machine.text("/proc/cpuinfo", MAX_CPUINFO_BYTES), re.M)
    except (Missing, Trouble):
        return ()
    flags, levels = set(found.group(1).split()) if found else set(), []
    for name, wanted in LEVELS:
        if not flags.issuperset(wanted.split()):
            break
        levels.insert(0, name)
    return tuple(levels)


def conf_folders(machine):
    """The folders of /etc/ld.so.conf and the files that it includes, in their order (ldconfig(8))."""
    found, waiting, read = [], [CONF], 0
    while waiting and read < MAX_CONF_FILES:
        path = waiting.pop(0)
        read += 1
        try:
            lines = machine.text(path).splitlines()
        except (Missing, Trouble):
            continue
        included = []
        for line in lines:
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                included += [
                    one for pattern in words[1:] for one in matching(machine, os.path.join(os.path.dirname(path), pattern))
                ]
            elif words and words[0].startswith("/"):
                found.append(words[0].rstrip("/"))
        waiting[:0] = included
    return list(dict.fromkeys(found))


def matching(machine, pattern):
    """Paths that match a shell pattern in their last component."""
    folder, wanted = os.path.split(pattern)
    expression = re.compile(re.escape(wanted).replace(r"\*", ".*").replace(r"\?", "."))
    try:
        return [folder + "/" + name for name in machine.listdir(folder) if expression.fullmatch(name)]
    except (Missing, Trouble):
        return []
