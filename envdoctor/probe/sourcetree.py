"""Source text of installed packages, as files under one site folder."""

from .machine import MAX_FILE_BYTES, Missing, Trouble

MAX_FILES = 20000  # of one package; the largest of the stack, torch and transformers, have some 2,500
MAX_DEPTH = 24
SOURCE = ".py"
COMPILED = ".so"
NO_PACKAGE = ("__pycache__",)


class Folder:
    """The packages under ``site``. A tree of another kind needs ``paths`` and ``read`` only."""

    def __init__(self, machine, site):
        self.machine = machine
        self.site = site.rstrip("/")
        self._listed = {}

    def read(self, path):
        """Bytes of a file, named relative to the site folder. Raises Missing or Trouble, also for one that is too large."""
        data = self.machine.read(self.site + "/" + path)
        if len(data) >= MAX_FILE_BYTES:
            raise Trouble("%s is larger than %d MiB" % (path, MAX_FILE_BYTES // 1024 // 1024))
        return data

    def listing(self, folder):
        """Names in a folder, empty when it is none; one look each."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(self.machine.listdir(self.site + "/" + folder))
            except (Missing, Trouble):
                self._listed[folder] = frozenset()
        return self._listed[folder]

    def paths(self, package):
        """Sorted paths of the package's source files and compiled modules, relative to the site folder."""
        found = [package + SOURCE] if package + SOURCE in self.listing("") else []
        waiting = [(package, 0)]
        while waiting and len(found) < MAX_FILES:
            folder, depth = waiting.pop()
            for name in self.listing(folder):
                if name.endswith((SOURCE, COMPILED)):
                    found.append(folder + "/" + name)
                elif "." not in name and name not in NO_PACKAGE and depth < MAX_DEPTH:
                    # a folder, most likely; what is none lists nothing
                    waiting.append((folder + "/" + name, depth + 1))
        return sorted(found[:MAX_FILES])
