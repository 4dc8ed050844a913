"""Which installed modules were built against NumPy 1 and therefore fail under NumPy 2; read from their strings."""

import re

from .elf import Elf, NotElf
from .machine import Missing, Trouble, known, reason, unknown

# NumPy's import_array() says one of these when it fails; NumPy 2 headers also look for numpy._core, NumPy 1 headers do not
NUMPY_API = (b"_ARRAY_API not found", b"_ARRAY_API is not PyCapsule")
NUMPY_2 = b"numpy._core"
# measured on pandas, scipy, h5py, scikit-learn, numba and pyarrow: of the modules, largest first, the second at the latest tells
MAX_MODULES = 4
MAX_MODULE_BYTES = 16 * 1024 * 1024
MAX_RODATA_BYTES = 8 * 1024 * 1024
# torch does not require numpy by its metadata, but its bindings are built against it
TORCH_BINDINGS = "torch/lib/libtorch_python.so"
RECORDED_MODULE = re.compile(rb"\.so,[^,\n]*,(\d+)")


def numpy1_modules(machine, installed):
    """Leaf: NumpyAbi of each distribution built against NumPy 1, looked for under NumPy 2 only.

    ``installed`` maps normalized names to distributions.
    """
    numpy = installed.get("numpy")
    if numpy is None:
        return known([], "numpy is not installed")
    major = numpy["version"].split(".")[0]
    if not major.isdigit():
        return unknown("the version of numpy in %s/%s cannot be read" % (numpy["location"], numpy["metadata_dir"]))
    if int(major) < 2:
        return known([], "numpy %s is installed" % numpy["version"])
    found, troubles = [], []
    for name in sorted(installed):
        try:
            path = numpy1_module(machine, name, installed[name])
        except (Missing, Trouble) as error:
            troubles.append(str(error))
            continue
        if path is not None:
            found.append({"package": name, "path": path})
    return known(found, "; ".join(["strings of the modules that use numpy's C interface", *troubles]))


def numpy1_module(machine, name, distribution):
    """The first module that tells and was built with NumPy 1 headers, else None. Raises Missing or Trouble."""
    for path in numpy_users(machine, name, distribution):
        built_for = numpy_of(machine, distribution["location"] + "/" + path)
        if built_for is not None:
            return path if built_for == 1 else None
    return None


def numpy_users(machine, name, distribution):
    """Paths, largest file first, of modules that may use numpy's C interface. Raises Missing or Trouble."""
    if name == "torch":
        return [TORCH_BINDINGS]
    tags = distribution["wheel_tags"]
    if name == "numpy" or not tags or any(tag.endswith("-none-any") or "abi3" in tag for tag in tags):
        return []
    if not any(re.match(r"numpy(?![\w.-])(?!.*\bextra\b)", requirement, re.I) for requirement in distribution["requires"]):
        return []
    listing = record(machine, distribution)
    modules = []
    for line in RECORDED_MODULE.finditer(listing):
        path = listing[listing.rfind(b"\n", 0, line.start()) + 1 : line.start() + len(b".so")].decode("utf-8", "replace")
        # what is installed outside the site folder is a script or data, never a module
        inside = not path.startswith(("/", "..", '"')) and "\0" not in path
        if inside and int(line.group(1)) <= MAX_MODULE_BYTES:
            modules.append((int(line.group(1)), path))
    return [path for _size, path in sorted(modules, reverse=True)[:MAX_MODULES]]


def numpy_of(machine, path):
    """The major NumPy version whose headers this module was built with (1 or 2); None if it does not tell."""
    with opened(machine, path) as library:
        start, end = rodata(library, path)
        # part of the strings would not do: the absence of one is what tells
        if end - start > MAX_RODATA_BYTES:
            return None
        if library.data.find(NUMPY_2, start, end) >= 0:
            return 2
        return 1 if any(library.data.find(text, start, end) >= 0 for text in NUMPY_API) else None


def record(machine, distribution):
    """Bytes of a distribution's RECORD, lines of "path,hash,size in bytes". Raises Missing or Trouble."""
    return machine.read("%s/%s/RECORD" % (distribution["location"], distribution["metadata_dir"]))


def opened(machine, path):
    """The ELF file at ``path``. Raises Missing or Trouble."""
    try:
        return Elf(machine.at(path))
    except FileNotFoundError:
        raise Missing(path + " does not exist")
    except OSError as error:
        raise Trouble(reason(path, error))
    except NotElf as error:
        raise Trouble("%s is damaged: %s" % (path, error))


def rodata(library, path):
    """(start, end) of the read-only data in the file. Raises Trouble."""
    try:
        found = library.section(b".rodata")
    except NotElf as error:
        raise Trouble("%s is damaged: %s" % (path, error))
    if found is None:
        raise Trouble(path + " has no section .rodata")
    return found[0], found[0] + found[1]
