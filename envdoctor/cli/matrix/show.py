"""``envdoctor matrix show``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import gpus
from envdoctor.cli.matrix.options import data_option, format_option, output_option

FIRST = 20
"""Stacks that are shown without --all."""


@click.command()
@click.option("--gpu", metavar="GPU", shell_complete=gpus, help="That has code for this GPU: h100, rtx4090 ...")
@click.option("--driver", metavar="VERSION", help="That start on this NVIDIA driver, without cuda-compat.")
@click.option("--python", metavar="VERSION", help="With wheels for this Python.")
@click.option("--glibc", metavar="VERSION", help="That load on a system with this glibc (ldd --version).")
@click.option("--vllm", metavar="RANGE", help="With such a vLLM: 0.7.0, or '>=0.7,<0.8'. The same for the packages below.")
@click.option("--torch", metavar="RANGE")
@click.option("--transformers", metavar="RANGE")
@click.option("--trl", metavar="RANGE")
@click.option("--verl", metavar="RANGE", help="With verl as trainer, in place of TRL.")
@click.option("--openrlhf", metavar="RANGE", help="With OpenRLHF as trainer, in place of TRL.")
@click.option("--all", "every", is_flag=True, help=f"Show every stack, not only the newest {FIRST}.")
@format_option
@output_option
@data_option
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    gpu: str | None,
    driver: str | None,
    python: str | None,
    glibc: str | None,
    vllm: str | None,
    torch: str | None,
    transformers: str | None,
    trl: str | None,
    verl: str | None,
    openrlhf: str | None,
    every: bool,
    form: str,
    output: str | None,
    data: str | None,
) -> int:
    """Show the stacks that work under what is asked, newest vLLM first. Answers from the data alone, offline.

    \b
    Exit status: 0 a stack was found, 1 none was, 2 wrong usage.
    """  # noqa: D301 - click keeps the lines after \b
    import os  # noqa: PLC0415 - `--help` needs none of this

    from envdoctor.asking import asked  # noqa: PLC0415
    from envdoctor.cli.matrix.options import answer, today  # noqa: PLC0415
    from envdoctor.cli.output import width  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.render import tables  # noqa: PLC0415
    from envdoctor.stacks import table  # noqa: PLC0415

    words = {"gpu": gpu, "driver": driver, "python": python, "glibc": glibc, "vllm": vllm, "torch": torch}
    words |= {"transformers": transformers, "trl": trl, "verl": verl, "openrlhf": openrlhf}
    matrix = opened(data, os.environ)
    found = table(matrix, asked(matrix, words))
    most = None if every else FIRST
    answer(
        form,
        output,
        lambda: tables.stacks(found, found.trainer, width(output), most, today()),
        lambda: tables.stacks_document(found, most),
        matrix,
    )
    return 0 if found.stacks else 1
