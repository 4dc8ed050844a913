"""Runs under the environment's own Python (standard library only, 3.8+): really opens every shared object.

argv: one word for the context ("plain", or "torch": after ``import torch``), then the site folders. Prints one JSON object:
``torch`` is what ``import torch`` ended in, ``said`` maps each file to "" (it loads) or to what dlerror() said. Each file is
opened in a forked child of its own, with RTLD_NOW and RTLD_LOCAL, which is how CPython opens an extension module.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 600
ENDED = "ended the process: "
CONTEXTS = ("plain", "torch")


def shared_objects(folder: str) -> list[str]:
    """Real files under the folder that are named like shared objects, sorted."""
    found = []
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if (name.endswith(".so") or ".so." in name) and not os.path.islink(path):
                found.append(path)
    return sorted(found)


def loader() -> Any:
    """The process's own dlopen and dlerror."""
    program = ctypes.CDLL(None)
    program.dlopen.restype = ctypes.c_void_p
    program.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    program.dlerror.restype = ctypes.c_char_p
    return program


def in_a_child(work: Callable[..., str], *values: Any) -> str:
    """What ``work(*values)`` returns in a forked child; how the child ended if it did not come so far."""
    pipe, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            os.close(pipe)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(nowhere, standard)
            said = b"+" + work(*values).encode("utf-8", "backslashreplace")  # the "+" tells that there was an answer
            while said:
                said = said[os.write(into, said) :]
        finally:
            os._exit(0)
    os.close(into)
    got, late = b"", False
    while True:
        if not select.select([pipe], [], [], PATIENCE_S)[0]:
            late = True
            os.kill(child, signal.SIGKILL)
            break
        part = os.read(pipe, 65536)
        if not part:
            break
        got += part
    os.close(pipe)
    _, status = os.waitpid(child, 0)
    if late:
        return f"{ENDED}no answer in {PATIENCE_S} s"
    return got.decode("utf-8", "replace")[1:] if got else f"{ENDED}status {status}"


def opened(program: Any, path: str) -> str:
    """What dlerror() says of the file; "" if it loads."""
    handle = program.dlopen(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
    return "" if handle else str(program.dlerror().decode("utf-8", "replace"))


def imported(module: str) -> str:
    """How the import of this name ends: "" or the error in one line."""
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - some packages end the process when they find no GPU
        return in_one_line(error)
    return ""


def in_one_line(error: BaseException) -> str:
    """Its class and what it says."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def main() -> None:
    """Measure and print."""
    context, folders = sys.argv[1], sys.argv[2:]
    warnings.simplefilter("ignore")
    answer = os.dup(1)
    os.dup2(2, 1)  # what an import prints is no part of the answer
    program = loader()
    ended = imported("torch") if context == "torch" else ""
    said = {}
    if not ended:
        for folder in folders:
            for path in shared_objects(folder):
                said[path] = in_a_child(opened, program, path)
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump({"torch": ended, "said": said}, out)
        out.flush()
    os._exit(0)  # a library's destructor must not take the answer back


if __name__ == "__main__":
    main()
