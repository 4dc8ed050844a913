"""``envdoctor matrix``: the compatibility data. One command a file, imported only when it is called."""

from __future__ import annotations

import click

from envdoctor.cli.lazy import Lazy

COMMANDS = {
    "show": "Which stacks work together, newest first.",
    "why": "Why named versions go together, or do not.",
    "refresh": "Read the package index and renew the data.",
    "diff": "Say what changed between two states of the data.",
    "verify": "Read a sample of rows from the index again and compare.",
}


@click.group(cls=Lazy, module="envdoctor.cli.matrix", commands_said=COMMANDS)
def command() -> None:
    """Ask and renew the compatibility data: which releases of the stack work together, and how that is known.

    \b
      envdoctor matrix show --gpu h100 --driver 535.161.08 --python 3.11
      envdoctor matrix why vllm==0.33.0 trl==1.16.0 driver=535
      envdoctor matrix refresh
    """  # noqa: D301 - click's \b keeps the lines
