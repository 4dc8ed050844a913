"""Runs under the environment's own Python (standard library only, 3.8+): the probe's loader judges every shared object.

argv: the site folder. Prints {context: {"torch": messages, "said": {file: problems}}}
for the same files and contexts that dlopens.py really opens, a problem as [kind, wants, message] in the order of the loader.
Nothing is opened or imported.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from envdoctor.probe import interpreter, linking, machine
from tests.truth.dlopens import shared_objects


def main() -> None:
    """Judge and print."""
    site = sys.argv[1]
    here = machine.Machine()
    section: dict[str, Any] = {}
    interpreter.probe(section, here, {})
    python = machine.value_of(section["interpreter"])
    judge = linking.Judge(here, python, {})
    answer: dict[str, Any] = {"plain": {"torch": [], "said": judged(judge.process, shared_objects(site))}}
    judge.import_torch()
    if judge.torch is not None:
        ended = judge.torch.problems
        files = [] if ended else shared_objects(site)
        answer["torch"] = {"torch": [problem.message for problem in ended], "said": judged(judge.process, files)}
    json.dump(answer, sys.stdout)


def judged(process: Any, files: list[str]) -> dict[str, list[list[str]]]:
    """{file: problems} of each file, opened in a fork of its own."""
    return {path: [[one.kind, one.wants, one.message] for one in process.fork().open(path)] for path in files}


if __name__ == "__main__":
    main()
