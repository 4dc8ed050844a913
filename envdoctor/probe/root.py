"""``root:DIR``: an unpacked image or a chroot, judged from outside. What only a running machine tells is not told.

Nothing of the doctor's own machine is looked at: every path goes through RootFolder, and the sections that ask a kernel, a
driver or the environment are answered here instead.
"""

import re
import struct

from . import driver, host, interpreter, loader, pythons
from .machine import NOT_TOLD, Missing, RootFolder, Trouble, fill, known, unknown
from .numpy_abi import opened

LATER = NOT_TOLD + ": %s"
DRIVER = (
    LATER
    % "the driver and the GPUs are those of the machine that it will run on; say --suppose gpu=h100 and --suppose driver=VERSION"
)
KERNEL = LATER % "the kernel, the processor and the memory are those of the machine that it will run on"
LIMITS = LATER % "they are set when a container is started"
VARIABLES = LATER % "environment variables are kept in the image's configuration and set when a container is started"
ROOTS = ("usr", "etc", "opt", "root", "home", "var", "srv", "app", "workspace")  # a layer may hold one of them only
ARCHS = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "armv7l", 21: "ppc64le", 22: "s390x", 243: "riscv64"}
GLIBC_START = b"GNU C Library "
GLIBC = re.compile(rb"GNU C Library [^\n]{0,200} version (\d+\.\d+(?:\.\d+)?)")
MUSL_START = b"\x001."
MUSL = re.compile(rb"\0(1\.\d{1,2}\.\d{1,2})\0")
HEADER_BYTES = 20


class Refused(Exception):
    """This folder cannot be judged: (what is wrong, what to do)."""


def entered(ask):
    """(the machine, the request with what was chosen) for ``ask["root"]`` and perhaps ``ask["inside"]``. Raises Refused."""
    folder = ask["root"]
    machine = RootFolder(folder)
    if machine.root == "/":
        raise Refused("root:/ is this machine itself", "Check an environment of it: envdoctor check PATH")
    try:
        names = machine.listdir("/")
    except (Missing, Trouble) as error:
        raise Refused("%s cannot be listed: %s" % (folder, str(error).rpartition(": ")[2]), "Run as a user who may read it.")
    if not set(names) & set(ROOTS):
        raise Refused(*no_root(folder, names))
    troubles = []
    found = pythons.search(machine, troubles)
    unread = "; not all was read: %s" % "; ".join(troubles[: pythons.MAX_TOLD]) if troubles else ""
    wanted = ask.get("inside")
    if wanted:
        chosen = pythons.named(machine, found, wanted)
        if chosen is None:
            raise Refused(
                "%s in %s is no Python environment" % (wanted, folder), told(found) or "No Python was found in it" + unread
            )
    elif found:
        # the first of those that hold the most of the stack
        chosen = max(found, key=lambda one: len(one.stack))
    else:
        raise Refused(
            "no Python was found in %s%s" % (folder, unread),
            "An environment that lies elsewhere in it is named so: root:%s::/path/in/it" % folder,
        )
    leaf = {}
    fill(leaf, "interpreter", lambda: described(machine, chosen))
    return machine, dict(ask, python=chosen, chosen=why(chosen, found, wanted) + unread, describe=lambda: leaf["interpreter"])


def no_root(folder, names):
    """What is wrong with a folder that has nothing of a root, and what to do."""
    if "oci-layout" in names or "manifest.json" in names:
        what = "%s holds an image in packed layers, not its root" % folder
        return what, "Unpack it: docker export CONTAINER | tar -x -C DIR, or umoci unpack"
    if set(names) & {"pyvenv.cfg", "conda-meta"}:
        return "%s is an environment, not the root that holds it" % folder, "Check it so: envdoctor check %s" % folder
    what = "%s is not a root folder: it has neither /usr nor /etc nor /opt" % folder
    return what, "Give the folder that holds usr and etc of the unpacked image."


def why(chosen, found, wanted):
    """Why this Python, and which others there are, in a phrase."""
    if wanted:
        return "named on the command line"
    others = [one for one in found if one is not chosen]
    if not others:
        return "the only Python in it"
    reason = "it holds " + ", ".join(chosen.stack) if chosen.stack else "the first that was found; none holds torch"
    return "%s; also in it: %s, to be named as root:DIR::PATH" % (reason, names_of(others))


def told(found):
    """The Pythons that there are, as a hint; "" if there are none."""
    return "In it are %s: root:DIR::PATH" % names_of(found) if found else ""


def names_of(found):
    """The first few by name."""
    more = ["and %d more" % (len(found) - pythons.MAX_TOLD)] if len(found) > pythons.MAX_TOLD else []
    return ", ".join([one.name for one in found[: pythons.MAX_TOLD]] + more)


def target(machine, ask):
    """What the document says of its target; the doctor puts the folder in front of ``spec``."""
    dead = pythons.dead(machine, ask["python"])
    return {"spec": plain(ask["python"].name), "chosen": plain(ask["chosen"]), "broken": dead and plain(dead)}


def plain(text):
    """The text with "?" for bytes of file names that are not UTF-8: JSON cannot carry them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def probe(name, module, out, machine, ask):
    """Fill the section ``name`` of a root folder."""
    if name == "driver":
        out.update(dict.fromkeys(module.LEAVES, unknown(DRIVER)))
        # the image may bring one, for forward compatibility or by mistake
        fill(out, "libcuda", lambda: driver.libcuda(machine))
    elif name == "gpus":
        out.update(dict.fromkeys(module.LEAVES, unknown(DRIVER)))
    elif name == "container":
        out.update(dict.fromkeys(module.LEAVES, unknown(LIMITS)))
    elif name == "environ":
        out.update(dict.fromkeys(module.LEAVES, unknown(VARIABLES)))
    elif name == "extras":
        out.update(dict.fromkeys(module.LEAVES, unknown(LATER % "programs of it are not run")))
    elif name == "host":
        out.update(dict.fromkeys(module.LEAVES, unknown(KERNEL)))
        host.release(out, machine)
        fill(out, "arch", lambda: arch(machine, ask["python"]))
        fill(out, "libc", lambda: libc(machine))
    else:
        module.probe(out, machine, ask)


def arch(machine, python):
    """The processor that its Python, else its C library, was built for."""
    for path in (pythons.program(machine, python), *libc_paths(machine)):
        try:
            start = machine.read(path, HEADER_BYTES)
        except (Missing, Trouble):
            continue
        if len(start) == HEADER_BYTES and start[:4] == b"\x7fELF" and start[5] == 1:
            (number,) = struct.unpack_from("<H", start, 18)
            return known(ARCHS.get(number, "ELF machine %d" % number), path)
    return unknown("neither its Python nor its C library is an ELF file that can be read")


def libc_paths(machine):
    """Where the C library may lie."""
    return [path for path, _origin in loader.find(machine, "libc.so.6")]


def libc(machine):
    """The C library by what it would print of itself."""
    for path in libc_paths(machine):
        with opened(machine, path) as library:
            said = pythons.texts(library.data, GLIBC_START, GLIBC)
        if len(said) == 1:
            return known({"name": "glibc", "version": said[0]}, path)
    try:
        names = [name for name in machine.listdir("/lib") if name.startswith("ld-musl-")]
    except (Missing, Trouble):
        names = []
    for name in names:
        with opened(machine, "/lib/" + name) as library:
            said = pythons.texts(library.data, MUSL_START, MUSL)
        if len(said) == 1:
            return known({"name": "musl", "version": said[0]}, "/lib/" + name)
    return unknown("no libc.so.6 in the folders of the loader says its version")


def described(machine, python):
    """The leaf ``interpreter`` of the chosen Python."""
    leaf = interpreter.described(machine, pythons.complete(machine, python))
    value = leaf["value"]
    if value["kind"] != "venv" or value["include_system_site"]:
        value["user_site"] = unknown(LATER % "which user starts its Python, and so whose site-packages count")
    return leaf
