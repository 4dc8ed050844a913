"""``envdoctor rules``."""

from __future__ import annotations

import click


@click.command()
def command() -> int:
    """List the rules: code, the joint of the stack each judges, and what it finds."""
    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.manual import title  # noqa: PLC0415
    from envdoctor.rules import all_rules  # noqa: PLC0415

    emit("".join(f"{rule.CODE}  {rule.JOINT.value:<8} {title(rule)}\n" for rule in all_rules()), None)
    return 0
