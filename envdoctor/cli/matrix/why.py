"""``envdoctor matrix why``."""

from __future__ import annotations

import click

from envdoctor.cli.matrix.options import data_option, format_option, output_option


@click.command()
@click.argument("versions", nargs=-1, metavar="NAME==VERSION...")
@click.option("-v", "--verbose", is_flag=True, help="Also show what is known of its NCCL and base images.")
@format_option
@output_option
@data_option
def command(versions: tuple[str, ...], verbose: bool, form: str, output: str | None, data: str | None) -> int:
    """Explain each joint between named versions: what breaks, which layer of truth says so, and the source.

    Besides packages, the machine can be named: driver=535, gpu=h100, python=3.11, glibc=2.31. Answers from the data alone,
    offline.

    \b
      envdoctor matrix why vllm==0.33.0 trl==1.16.0 driver=535

    \b
    Exit status: 0 nothing known speaks against it, 1 a joint is broken, 2 wrong usage,
    3 the data does not know enough of it.
    """  # noqa: D301 - click keeps the lines after \b
    import os  # noqa: PLC0415 - `--help` needs none of this

    from envdoctor.asking import wishes  # noqa: PLC0415
    from envdoctor.cli.matrix.options import answer, today  # noqa: PLC0415
    from envdoctor.cli.output import width  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.reasons import reasons  # noqa: PLC0415
    from envdoctor.render import tables  # noqa: PLC0415

    matrix = opened(data, os.environ)
    found = reasons(wishes(matrix, versions), matrix)
    answer(
        form,
        output,
        lambda: tables.why(found, width(output), today(), verbose=verbose),
        lambda: tables.why_document(found),
        matrix,
    )
    return 1 if not found.works() else 0 if found.told() else 3
