"""Section ``extras``, on request only: what a GitHub issue asks for and no rule needs (compilers, lscpu, GPU topology)."""

import threading

from .machine import Trouble, fill, known


def whole(text):
    """All of it."""
    return text.strip("\n")


def first_line(text):
    """The first line."""
    return text.strip().split("\n", 1)[0]


def release_line(text):
    """The line of ``nvcc --version`` that names the release: the last but one."""
    lines = text.strip().splitlines()
    return lines[-2] if len(lines) > 1 else text.strip()


QUESTIONS = (
    ("gcc", ["gcc", "--version"], first_line),
    ("clang", ["clang", "--version"], first_line),
    ("cmake", ["cmake", "--version"], first_line),
    ("lscpu", ["lscpu"], whole),
    ("topology", ["nvidia-smi", "topo", "-m"], whole),
    ("nvcc", ["nvcc", "--version"], release_line),
)
LEAVES = tuple(name for name, _argv, _part in QUESTIONS)


def probe(out, machine, ask):
    """Fill the section; the programs run at the same time, each with its own deadline."""
    threads = [threading.Thread(target=answer, args=(out, machine, *question), daemon=True) for question in QUESTIONS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def answer(out, machine, name, argv, part):
    """Set one leaf."""
    fill(out, name, lambda: known(output(machine, argv, part), " ".join(argv)))


def output(machine, argv, part):
    """The wanted part of the program's output, in English. Raises Missing or Trouble."""
    status, text, errors = machine.run(argv, env=dict(machine.environ, LC_ALL="C"))
    if status:
        raise Trouble("%s ended with status %d: %s" % (" ".join(argv), status, first_line(errors or text) or "no output"))
    return part(text)
