"""``envdoctor rules``."""

from __future__ import annotations

import click


@click.command()
def command() -> int:
    """List the rules: code, the joint of the stack each judges ("image": a Dockerfile), and what it finds."""
    from envdoctor import dockerfiles  # noqa: PLC0415
    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.manual import title  # noqa: PLC0415
    from envdoctor.rules import all_rules  # noqa: PLC0415

    lines = [f"{rule.CODE}  {rule.JOINT.value:<8} {title(rule)}\n" for rule in all_rules()]
    lines += [f"{rule.CODE}  image    {title(rule)}\n" for rule in dockerfiles.all_rules()]
    emit("".join(lines), None)
    return 0
