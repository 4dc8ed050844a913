"""The command that asks one node: a prefix of the user's, the node, and words that no shell changes. Pure.

ssh joins the words of a command and lets the node's shell read them; srun and kubectl hand them on as they are. Words of
these few characters mean the same both ways, so nothing is quoted, and what would need quotes is refused.
"""

from __future__ import annotations

import os
import re
import shlex

from envdoctor.errors import UserError

HOST = "{host}"
PYTHON = "python3"
MAX_CONNECT_S = 10
"""A node that needs longer to take a connection is no node to train on."""
WORD = re.compile(r"(?:~[A-Za-z0-9._-]*/|[A-Za-z0-9_./])[A-Za-z0-9_./+@%,:~-]*")
PROGRAM = re.compile(r"(?:python|pypy)[0-9.]*[a-z]?")
SCHEME = re.compile(r"([a-z]+):(.*)", re.DOTALL)
EXAMPLES = 'For instance --via ssh, --via "ssh -p 2222", --via "srun -N1 -n1 -w {host}", --via "kubectl exec -i {host} --".'


def words_of(via: str) -> tuple[str, ...]:
    """The words of the prefix, as a shell would split them. Raises UserError."""
    try:
        words = shlex.split(via)
    except ValueError as error:
        raise UserError(f"--via {via!r} cannot be read: {str(error).lower()}", EXAMPLES) from error
    if not words:
        raise UserError("--via names no command", EXAMPLES)
    return tuple(words)


def command(words: tuple[str, ...], node: str, python: str, deadline_s: float) -> list[str]:
    """The whole command for a node: its Python reads the program from standard input.

    Args:
        words: of the prefix; ``{host}`` stands for the node, which is appended where it stands nowhere.
        node: a name that :data:`envdoctor.nodes.naming.NAME` allows.
        python: from :func:`program`.
        deadline_s: after which the node is given up.
    """
    named = [word.replace(HOST, node) for word in words]
    if not any(HOST in word for word in words):
        named.append(node)
    return [named[0], *_quiet(named, deadline_s), *named[1:], python, "-I", "-S", "-"]


def _quiet(words: list[str], deadline_s: float) -> list[str]:
    """Options for ssh, and no other program, that keep it from asking a person and from waiting: those that were not given."""
    if os.path.basename(words[0]) != "ssh":
        return []
    given = {option.lower() for word, after in zip(words, [*words[1:], ""], strict=True) for option in _option(word, after)}
    wanted = {"BatchMode": "yes", "ConnectTimeout": f"{max(1, min(MAX_CONNECT_S, int(deadline_s / 2)))}"}
    quiet = [word for name, value in wanted.items() if name.lower() not in given for word in ("-o", f"{name}={value}")]
    # with a terminal the program would be echoed, and cut to lines of 4,096 bytes
    return quiet if any(re.fullmatch(r"-[A-Za-z46]*[tT]+", word) for word in words[1:]) else ["-T", *quiet]


def _option(word: str, after: str) -> list[str]:
    if not word.startswith("-o"):
        return []
    return re.split(r"[\s=]", (word[2:] or after).strip())[:1]


def program(target: str | None) -> str:
    """The Python to start on the nodes: one on their PATH, a path, or that of an environment's folder.

    Raises:
        UserError: it is no path that means the same on every node and in every shell.
    """
    if target is None:
        return PYTHON
    scheme = SCHEME.fullmatch(target)
    path = scheme.group(2) if scheme and scheme.group(1) == "venv" else target
    if scheme and scheme.group(1) != "venv":
        what = f"{target} is nothing that can be asked on a node"
        raise UserError(what, "Name an environment or an interpreter as it lies on the nodes: /opt/venv, ~/venv/bin/python3.")
    if not WORD.fullmatch(path):
        raise UserError(
            f"{target!r} cannot be asked for on a node: a shell there could read it as something else",
            "Letters, digits and _ . / + @ % , : ~ - are safe. Make a link with a plain name on the nodes.",
        )
    folder, name = os.path.split(path.rstrip("/"))
    if not folder and PROGRAM.fullmatch(name):
        return name
    return path if PROGRAM.fullmatch(name) and os.path.basename(folder) == "bin" else f"{path.rstrip('/')}/bin/python3"
