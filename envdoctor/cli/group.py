"""The command group. Commands are imported only when they are called."""

from __future__ import annotations

import click

from envdoctor import __version__
from envdoctor.cli.lazy import Lazy

COMMANDS = {
    "check": "Find the root cause of what is wrong with an environment, and what mends it.",
    "smoke": "Prove with a short, verified GRPO training run that the stack works on this device.",
    "preflight": "Stop a broken machine before it costs money: every check that a job needs, cheapest first.",
    "fix": "Plan the smallest change of packages that mends an environment, and make it with --apply.",
    "lock": "Lock the stack of a target with hashes, once the rules find it clean.",
    "build-image": "Build the pinned image of a target, and prove that it is right before it gets its name.",
    "lint": "Find the GPU-stack mistakes in a Dockerfile that break the build or let the image drift.",
    "triage": "For maintainers: the answer to a pasted report, ready to post, or which causes many have.",
    "explain": "Show the manual page of a rule.",
    "rules": "List the rules.",
    "libs": "Show which libraries lie here more than once, and which copy wins.",
    "facts": "Show what the probe found, as JSON or as a block for a GitHub issue.",
    "diff": "Say in words what differs between two targets: environments, locks, records of two machines.",
    "sbom": "Write the software bill of materials of a lock or an environment, as CycloneDX JSON.",
    "matrix": "Ask and renew the compatibility data: which releases work together.",
    "completion": "Print the shell's completion script.",
}
EXIT_CODES = """\b
Exit status: 0 no errors, 1 errors found (or warnings, with --fail-on warning),
2 wrong usage or unreadable input, 3 something could not be told (with --strict),
4 a bug of envdoctor."""


@click.group(
    cls=Lazy,
    module="envdoctor.cli",
    commands_said=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
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
