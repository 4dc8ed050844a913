"""Section ``device_code``: the GPU code in every installed library, counted by the architectures it was compiled for.

Which libraries there are is taken from the RECORDs of the wheels that hold machine code, and from the folders of the GPU
stack for installs without a RECORD. Only headers are read: some hundred pages of files of gigabytes.
"""

import os
import re

from .builds import ALIASES, MODULES
from .elf import NotElf
from .fatbin import containers
from .machine import Missing, Trouble, fill, known, unknown
from .numpy_abi import opened, record
from .packages import normalized, of_earlier

LEAVES = ("libraries",)

RECORDED = re.compile(rb"\.so(?:\.\d+)*,[^,\n]*,(\d*)")
MIN_BYTES = 64 * 1024
"""Smaller ones hold no GPU code: the CUDA runtime that nvcc links into them by itself has 600 KB."""
# a full vLLM environment has 400 libraries of that size
MAX_LIBRARIES = 4000
MAX_TROUBLES = 8


def probe(out, machine, ask):
    """Fill the section from the site folders and distributions that earlier sections found."""
    try:
        sites, distributions = of_earlier(ask)
    except Trouble as error:
        out["libraries"] = unknown(str(error))
        return
    fill(out, "libraries", lambda: libraries(machine, sites, distributions))


def libraries(machine, sites, distributions):
    """Leaf: a DeviceCode of each library that holds GPU code."""
    found, troubles = [], []
    for package, site, path in candidates(machine, sites, distributions):
        try:
            with opened(machine, "%s/%s" % (site, path)) as library:
                counted = containers(library)
        except Missing:
            continue  # listed, and not on disk: another rule's finding
        except (Trouble, NotElf) as error:
            troubles.append(str(error))
            continue
        if counted:
            found.append({"package": package, "path": path, "containers": counted})
    found.sort(key=lambda one: (one["package"], one["path"]))
    return known(found, "; ".join(["fat binaries of the libraries under " + ", ".join(sites), *troubles[:MAX_TROUBLES]]))


def candidates(machine, sites, distributions):
    """[(normalized distribution, site folder, path in it)] of the libraries that can hold GPU code, each once."""
    found, installed = {}, {}
    for one in distributions:
        # the first on the path is the one that is imported
        name = normalized(one["name"])
        if installed.setdefault(name, one) is one and not pure(one):
            for path in recorded(machine, one):
                found.setdefault((one["location"], path), name)
    for package, folder, prefix in MODULES:
        owner = next((one for one in (package, *ALIASES.get(package, ())) if one in installed), package)
        for site in sites:
            for path in listed(machine, site, folder, prefix):
                found.setdefault((site, path), owner)
    return [(name, site, path) for (site, path), name in list(found.items())[:MAX_LIBRARIES]]


def pure(distribution):
    """Whether its wheel is for any machine: such a one holds no machine code."""
    tags = distribution["wheel_tags"]
    return bool(tags) and all(tag.endswith("-any") for tag in tags)


def recorded(machine, distribution):
    """Paths of the libraries that a RECORD lists inside the site folder, without the small ones."""
    try:
        listing = record(machine, distribution)
    except (Missing, Trouble):
        return
    for line in RECORDED.finditer(listing):
        if line.group(1) and int(line.group(1)[:20]) < MIN_BYTES:
            continue
        start = listing.rfind(b"\n", 0, line.start()) + 1
        path = listing[start : listing.index(b",", line.start())].decode("utf-8", "replace")
        # what lies outside the site folder, or has a comma in its name, is no library of a package
        if not path.startswith(("/", "..", '"')) and "/../" not in path and "\0" not in path:
            yield path


def listed(machine, site, folder, prefix):
    """Paths of the libraries in one folder of the GPU stack, relative to the site folder."""
    try:
        names = machine.listdir(os.path.join(site, folder))
    except (Missing, Trouble):
        return []
    return [os.path.join(folder, name) for name in names if name.startswith(prefix) and name.endswith(".so")]
