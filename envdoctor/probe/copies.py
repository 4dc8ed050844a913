"""The shadowing map: the libraries of CUDA, torch and the C++ runtime that are there more than once, and which copy wins."""

import os
import re

from .machine import Missing, Trouble
from .packages import normalized

WATCHED = re.compile(
    r"lib(?:cuda|cudart|cublas|cublasLt|cudnn\w*|nccl|nvJitLink|nvrtc|cusparse|cusparseLt|cufft|curand|cusolver|cupti|cufile"
    r"|nvToolsExt|nvshmem_host|nvidia-ml|nvtx\w*|c10\w*|torch\w*|stdc\+\+|gcc_s|gomp|iomp5|omp|openblas\w*|mkl_rt|mpi)(?:-[0-9a-f]{8})?\.so"
)
MAX_COPIES = 200


class Copies:
    """Collects which package binds to which file."""

    def __init__(self, system, inventory):
        self.system, self.inventory, self._wheels, self._owners = system, inventory, None, {}
        self.by_soname = {}  # {SONAME: {identity: entry}}

    def take_torch(self, process):
        """What ``import torch`` has mapped."""
        for one in process.by_identity.values():
            self._note("torch", one, "taken_by", "import torch")

    def take(self, package, first, alone):
        """The libraries (Mapped) that a module of ``package`` binds to after torch, and without it."""
        for one in first:
            self._note(package, one, "taken_by", "opened by " + package)
        for one in alone:
            self._note(package, one, "taken_alone", "opened by " + package)

    def _note(self, package, one, how, opened):
        soname = one.library.soname or os.path.basename(one.path)
        if one.how in ("assumed", "program") or not WATCHED.match(soname):
            return
        entry = self._entry(soname, one.path, opened if one.how == "path" else one.how)
        if entry is not None:
            entry[how].setdefault(package)

    def _entry(self, soname, path, origin):
        place = self.system.place(path)
        if place is None:
            return None
        entries = self.by_soname.setdefault(soname, {})
        return entries.setdefault(place[1], {"path": path, "origin": origin, "taken_by": {}, "taken_alone": {}})

    def found(self):
        """The LibraryCopies of each library of which there is more than one file."""
        out = []
        for soname in sorted(self.by_soname):
            for path, origin in self._others(soname):
                self._entry(soname, path, origin)
            entries = list(self.by_soname[soname].values())
            if len(entries) < 2:
                continue
            for one in sorted(entries, key=lambda one: (not one["taken_by"], not one["taken_alone"])):
                out.append(
                    {
                        "soname": soname,
                        "path": one["path"],
                        "package": self.owner(one["path"]),
                        "origin": one["origin"],
                        "taken_by": sorted(one["taken_by"]),
                        "taken_alone": sorted(one["taken_alone"]),
                    }
                )
        return out[:MAX_COPIES]

    def _others(self, soname):
        """(path, how) of the copies that lie in folders of the search, or in an nvidia wheel."""
        system = self.system
        for folder in system.library_path:
            yield from self._if_there(folder, soname, "LD_LIBRARY_PATH")
        for pairs in list(system.run_paths()):
            for folder, how in pairs:
                yield from self._if_there(folder, soname, how)
        cached = system.cached(soname)
        if cached is not None and system.suitable(cached):
            yield cached, "ld.so.cache"
        for folder in system.default_folders:
            yield from self._if_there(folder, soname, "default")

    def _if_there(self, folder, soname, how):
        if soname in self.system.names_in(folder) and self.system.suitable(folder + "/" + soname):
            yield folder + "/" + soname, how

    def nvidia_wheels(self):
        """{name: path} of the libraries under nvidia/ in the site folders."""
        if self._wheels is None:
            self._wheels = {}
            for site in self.inventory.sites:
                for name in sorted(self.system.names_in(site + "/nvidia")):
                    folder = "%s/nvidia/%s/lib" % (site, name)
                    for library in sorted(self.system.names_in(folder)):
                        if ".so" in library:
                            self._wheels.setdefault(library, folder + "/" + library)
        return self._wheels

    def owner(self, path):
        """The distribution that lists the file in its RECORD; None if none does."""
        site = next((one for one in self.inventory.sites if path.startswith(one + "/")), None)
        if site is None:
            return None
        relative = path[len(site) + 1 :]
        top = relative.split("/")[0]
        start = normalized(top[: -len(".libs")] if top.endswith(".libs") else top)
        for name in sorted(self.inventory.installed, key=lambda one: (not one.startswith(start), one)):
            if top == "nvidia" or name.startswith(start) or start in name:
                try:
                    if (site, relative) in self.inventory.files(name):
                        return name
                except (Missing, Trouble):
                    continue
        return None
