"""Stands in for ssh: the node's name decides what it does, as a file of that name in $FAKE_NODES says (JSON).

``probe`` runs the words after the node by a shell, as sshd does. Everything else is what a node could do instead. It knows nothing of
envdoctor but the line that stands before a document, which it reads from the program on standard input.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from typing import Any

Plan = dict[str, Any]
FOREVER_S = 3600
MARK = rb"write\('\\n(envdoctor-document-)' '([0-9a-f]+)\\n'\)"


def main() -> None:
    words = sys.argv[1:]
    while words[0].startswith("-"):
        words = words[2 if words[0] == "-o" else 1 :]
    node, *command = words
    with open(os.path.join(os.environ["FAKE_NODES"], node), encoding="utf-8") as file:
        plan = json.load(file)
    say(plan.get("banner", "").encode())
    DOES[plan["do"]](plan, command)
    sys.stdout.buffer.flush()


def say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def probe(plan: Plan, command: list[str]) -> None:
    sys.exit(subprocess.call(["sh", "-c", " ".join(command)]))


def document(plan: Plan, command: list[str]) -> None:
    """The mark, where a program came that has one, and what stands in a file."""
    found = re.search(MARK, sys.stdin.buffer.read())
    with open(plan["file"], "rb") as file:
        say(b"\n" + b"".join(found.groups() if found else ()) + b"\n")
        shutil.copyfileobj(file, sys.stdout.buffer)
        say(plan.get("end", "\n").encode())


def hang(plan: Plan, command: list[str]) -> None:
    """With a child in the same group, that would outlive it."""
    with open(plan["pids"], "a", encoding="utf-8") as file:
        child = subprocess.Popen(["sleep", str(FOREVER_S)])
        file.write(f"{os.getpid()}\n{child.pid}\n")
    time.sleep(FOREVER_S)


def unreached(plan: Plan, command: list[str]) -> None:
    sys.stderr.write(plan["says"] + "\n")
    sys.exit(plan.get("status", 255))


def flood(plan: Plan, command: list[str]) -> None:
    while True:
        os.write(plan.get("to", 1), b"x" * 65536)


def echo(plan: Plan, command: list[str]) -> None:
    say(sys.stdin.buffer.read())


def ends(plan: Plan, command: list[str]) -> None:
    sys.exit(plan.get("status", 0))


def killed(plan: Plan, command: list[str]) -> None:
    os.kill(os.getpid(), 9)


def dangles(plan: Plan, command: list[str]) -> None:
    """Answers, and leaves a process of another session behind that holds the pipes, as a master connection of ssh does."""
    child = subprocess.Popen(["sleep", str(FOREVER_S)], start_new_session=True)
    with open(plan["pids"], "a", encoding="utf-8") as file:
        file.write(f"{child.pid}\n")
    document(plan, command)


DOES = {
    "probe": probe,
    "document": document,
    "hang": hang,
    "unreached": unreached,
    "flood": flood,
    "echo": echo,
    "ends": ends,
    "killed": killed,
    "dangles": dangles,
}

if __name__ == "__main__":
    main()
