"""The doors to NVIDIA's own programs and libraries: NVML and libcuda in a killable process, nvidia-smi, threads for both."""

import json
import os
import sys
import threading

from . import loader
from .machine import DEADLINE_S, Trouble

NVML = "libnvidia-ml.so.1"
WSL_DIR = "/usr/lib/wsl/lib"
TRAVELS = "travels"  # of ask["pynvml"]: its text is with the probe's own, and no file of this machine


class NoDriver(Exception):
    """NVML says that no driver is loaded: an answer, not a failure."""


def which(machine, name, *more_dirs):
    """The full path of a program on PATH or in ``more_dirs``, or None; starts nothing."""
    for folder in machine.environ.get("PATH", "").split(":") + list(more_dirs):
        path = folder.rstrip("/") + "/" + name
        if folder.startswith("/") and machine.exists(path):
            return path
    return None


def nvidia_smi(machine):
    """The path of nvidia-smi, or None. On WSL it often is not on PATH."""
    return which(machine, "nvidia-smi", WSL_DIR)


def libraries(machine, soname):
    """[(path, origin)] as loader.find, and the folder that WSL fills when the loader does not know it."""
    found = loader.find(machine, soname)
    in_wsl = WSL_DIR + "/" + soname
    if machine.exists(in_wsl) and machine.realpath(in_wsl) not in [machine.realpath(path) for path, _origin in found]:
        found.append((in_wsl, "wsl"))
    return found


def no_library(soname):
    """The words for a library that is nowhere."""
    return "no %s in LD_LIBRARY_PATH, %s or the default folders" % (soname, loader.CACHE)


def question(machine, ask, words, seconds=DEADLINE_S):
    """What nvml_worker.py answers to ``words``, asked in a process of its own that is killed after ``seconds``.

    Raises NoDriver, Missing or Trouble.
    """
    pynvml = ask.get("pynvml")
    source = worker_source()
    if pynvml == TRAVELS:
        source, pynvml = with_pynvml(source)
    if not pynvml and words[0] != "cuda":
        raise Trouble("NVML was not asked: pynvml (the nvidia-ml-py package) did not come with the probe")
    # a recorded machine must not depend on where the recording Python lay
    python = sys.executable if machine.live else "python3"
    if not python:
        raise Trouble("NVML was not asked: this Python does not know its own path (sys.executable is empty)")
    environ = dict(machine.environ, ENVDOCTOR_PYNVML=pynvml or "")
    try:
        status, out, err = machine.run([python, "-I", "-S", "-B", "-", *words], seconds, stdin=source, env=environ)
    except Trouble as error:
        raise Trouble(str(error).replace(python, "libcuda" if words[0] == "cuda" else "NVML", 1))
    try:
        # a library put in front of NVML (a GPU-sharing shim) may print lines of its own first
        answer = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        last = (err.strip().splitlines() or ["it printed nothing"])[-1]
        raise Trouble("the process that asked %s ended with status %d: %s" % (" ".join(words), status, last))
    if answer.get("no_driver"):
        raise NoDriver("NVML: " + answer["error"])
    if "error" in answer:
        raise Trouble(answer["error"] if words[0] == "cuda" else "NVML: " + answer["error"])
    return answer["value"]


def worker_source():
    """The bytes of nvml_worker.py, from a folder or from the zip that the probe travels in."""
    return __loader__.get_data(os.path.join(os.path.dirname(__file__), "nvml_worker.py"))


def with_pynvml(source):
    """(the worker's program with the text of pynvml in it, what to call it), or (the program, None) where it did not arrive."""
    try:
        text = __loader__.get_data(os.path.join(os.path.dirname(__file__), "pynvml.py"))
    except OSError:
        return source, None
    return b"TRAVELLED = %s\n%s" % (ascii(text.decode()).encode("ascii"), source), TRAVELS


def together(jobs):
    """Run the functions in threads of their own and wait for all; each must keep its own deadline."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
