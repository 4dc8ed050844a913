"""``envdoctor completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script of a shell.

    \b
      bash: envdoctor completion bash > ~/.local/share/bash-completion/completions/envdoctor
      zsh:  envdoctor completion zsh > "${fpath[1]}/_envdoctor"
      fish: envdoctor completion fish > ~/.config/fish/completions/envdoctor.fish
    """  # noqa: D301 - click keeps the lines after \b
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - the choices are click's own
        return 2
    click.echo(kind(ctx.find_root().command, {}, "envdoctor", "_ENVDOCTOR_COMPLETE").source())
    return 0
