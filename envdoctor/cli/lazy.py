"""Groups of commands that are imported only when they are called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click


class Lazy(click.Group):
    """A group whose commands live in modules of the same name, with "_" for "-".

    Args:
        module: the package that holds them.
        commands_said: what each is for, in the order of the help page.
    """

    def __init__(self, *args: Any, module: str, commands_said: dict[str, str], **kwargs: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*args, **kwargs)
        self.module = module
        self.commands_said = commands_said

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the table."""
        return list(self.commands_said)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in self.commands_said:
            return None
        command: click.Command = import_module(f"{self.module}.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.commands_said.items()))
