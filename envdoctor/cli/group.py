"""The command group. Commands are imported only when they are called."""

from __future__ import annotations

from importlib import import_module

import click

from envdoctor import __version__

COMMANDS = {
    "check": "Find the root cause of what is wrong with an environment, and what mends it.",
    "explain": "Show the manual page of a rule.",
    "rules": "List the rules.",
    "facts": "Show what the probe found, as JSON or as a block for a GitHub issue.",
    "completion": "Print the shell's completion script.",
}
EXIT_CODES = """\b
Exit status: 0 no errors, 1 errors found (or warnings, with --fail-on warning),
2 wrong usage or unreadable input, 3 something could not be told (with --strict),
4 a bug of envdoctor."""


class Lazy(click.Group):
    """A group whose commands live in modules of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"envdoctor.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="envdoctor")
def group() -> None:
    """Find the one root cause in a broken GPU training environment, from driver to trainer, without importing it.

    \b
      envdoctor check                     the active environment
      envdoctor check ~/venvs/grpo        another one
      envdoctor check --suppose gpu=h100 --suppose driver=535.161.08
      envdoctor explain ED102             the page of one rule
    """  # noqa: D301 - click's \b keeps the lines


def run() -> int:
    """Parse the command line and run the command; wrong usage is shown as click shows it. Gives the exit status."""
    try:
        status: int | None = group.main(prog_name="envdoctor", standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        return 2
    except click.exceptions.Abort:
        return 130
    return status or 0
