"""``root:DIR``: an unpacked image or a chroot, judged from outside. What only a running machine tells is not told.

Nothing of the doctor's own machine is looked at: every path goes through RootFolder, and the sections that ask a kernel, a
driver or the environment are answered here instead. A probe that runs in a container made of an image (image.py) shares what
is not told: the container is one of ours, on our machine.
"""

import json
import os
import re
import struct
import sys

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
NOT_TOLD_BY_AN_IMAGE = "an image does not tell this"
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
    machine = RootFolder(folder, json.loads(ask.get("environ", "{}")))
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
                "%s in %s is no Python environment" % (wanted, named(ask)),
                told(found, ask) or "No Python was found in it" + unread,
            )
        reason = "named on the command line"
    else:
        chosen, reason = best(machine, found, ask)
    if chosen is None:
        raise Refused(
            "no Python was found in %s%s" % (named(ask), unread),
            "An environment that lies elsewhere in it is named so: %s%s::/path/in/it"
            % ("" if ask.get("image") else "root:", named(ask)),
        )
    leaf = {}
    fill(leaf, "interpreter", lambda: described(machine, chosen))
    return machine, dict(ask, python=chosen, chosen=reason + unread, describe=lambda: leaf["interpreter"])


def named(ask):
    """What is judged, for messages: the folder, or the image whose root it is."""
    return "image:" + ask["image"] if ask.get("image") else ask["root"]


def typed(ask):
    """How a Python in it is named on the command line."""
    return "image:REF::PATH" if ask.get("image") else "root:DIR::PATH"


def no_root(folder, names):
    """What is wrong with a folder that has nothing of a root, and what to do."""
    if "oci-layout" in names or "manifest.json" in names:
        what = "%s holds an image in packed layers, not its root" % folder
        return what, "Unpack it: docker export CONTAINER | tar -x -C DIR, or umoci unpack"
    if set(names) & {"pyvenv.cfg", "conda-meta"}:
        return "%s is an environment, not the root that holds it" % folder, "Check it so: envdoctor check %s" % folder
    what = "%s is not a root folder: it has neither /usr nor /etc nor /opt" % folder
    return what, "Give the folder that holds usr and etc of the unpacked image."


def best(machine, found, ask):
    """(the Python that is judged where none was named, why this one); (None, "") if there is none.

    Of an image it is the one that a container would start, by PATH; of a root folder the first of those that hold the most
    of the stack.
    """
    for folder in machine.environ.get("PATH", "").split(":"):
        if folder.startswith("/") and machine.exists(folder + "/python3"):
            chosen = pythons.named(machine, found, folder + "/python3")
            if chosen is not None:
                return chosen, beside(machine, "python3 on the image's PATH", chosen, found, ask)
    if not found:
        return None, ""
    chosen = max(found, key=lambda one: len(one.stack))
    if len(found) == 1:
        return chosen, "the only Python in it"
    reason = "it holds " + ", ".join(chosen.stack) if chosen.stack else "the first that was found; none holds torch"
    return chosen, beside(machine, reason, chosen, found, ask)


def beside(machine, reason, chosen, found, ask):
    """The reason, followed by the other Pythons; what they hold of the stack is said where the chosen one holds none of it."""
    own = pythons.identity(machine, chosen)
    others = [one for one in found if pythons.identity(machine, one) != own]
    if not others:
        return reason
    how = "to be named as %s" % typed(ask)
    richer = [one for one in others if one.stack and not chosen.stack]
    if richer:
        return "%s; it holds nothing of the stack, but %s holds %s, %s" % (
            reason,
            richer[0].name,
            ", ".join(richer[0].stack),
            how,
        )
    return "%s; also in it: %s, %s" % (reason, names_of(others), how)


def told(found, ask):
    """The Pythons that there are, as a hint; "" if there are none."""
    return "In it are %s: %s" % (names_of(found), typed(ask)) if found else ""


def names_of(found):
    """The first few by name."""
    more = ["and %d more" % (len(found) - pythons.MAX_TOLD)] if len(found) > pythons.MAX_TOLD else []
    return ", ".join([one.name for one in found[: pythons.MAX_TOLD]] + more)


def target(machine, ask):
    """What the document says of its target; the doctor puts the folder in front of ``spec``."""
    dead = pythons.dead(machine, ask["python"])
    return {"spec": plain(ask["python"].name), "chosen": plain(ask["chosen"]), "broken": dead and plain(dead)}


def in_container(machine, ask):
    """The same of an image whose own Python runs the probe."""
    own = sys.executable or ""
    if ask.get("inside"):
        return {"spec": plain(own), "chosen": "named on the command line", "broken": None}
    reason = "python3 on the image's PATH"
    found = pythons.search(machine, [])
    chosen = pythons.named(machine, found, own) if own else None
    if chosen is not None:
        reason = beside(machine, reason, chosen, found, ask)
    return {"spec": plain(own), "chosen": plain(reason), "broken": None}


def plain(text):
    """The text with "?" for bytes of file names that are not UTF-8: JSON cannot carry them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def probe(name, module, out, machine, ask):
    """Fill the section ``name`` of a root folder, or of a container that was made of an image only to look into it."""

    def untold(why):
        return unknown(why.replace(NOT_TOLD, NOT_TOLD_BY_AN_IMAGE) if ask.get("image") else why)

    if name in ("driver", "gpus"):
        out.update(dict.fromkeys(module.LEAVES, untold(DRIVER)))
        if name == "driver":
            # the image may bring one, for forward compatibility or by mistake
            fill(out, "libcuda", lambda: driver.libcuda(machine))
    elif name == "container":
        out.update(dict.fromkeys(module.LEAVES, untold(LIMITS)))
    elif name == "environ":
        out.update(dict.fromkeys(module.LEAVES, untold(VARIABLES)))
    elif name == "extras":
        out.update(dict.fromkeys(module.LEAVES, untold(LATER % "programs of it are not run")))
    elif name == "host":
        out.update(dict.fromkeys(module.LEAVES, untold(KERNEL)))
        host.release(out, machine)
        fill(out, "arch", lambda: arch(machine, ask["python"]) if machine.at_rest else known(os.uname().machine, "uname"))
        fill(out, "libc", lambda: libc(machine) if machine.at_rest else host.libc(machine))
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
