"""``envdoctor lock``."""

from __future__ import annotations

import click

WITH = "Lock this package too: NAME or NAME==VERSION. Repeatable."
EXCLUDE = "Do not consider files uploaded after this day (2026-11-25), moment, or days ago (7d)."
AS_OF = "Resolve as of a day, or of the release of the engine (else trainer) whose version was named."
UPGRADE = "Take the newest of this package, or with no name of all; the rest stays as locked. Repeatable."
INDEX = "Ask this index too, before the default one: for +cu126 builds. Repeatable."
BACKEND = "torch and its family from PyTorch's own index of that name: cu126, cpu."
BUILD = "Allow this package as a source distribution, which is built where it is installed. Repeatable."
FORMAT = "lock: TARGET.txt and TARGET.toml; pylock: pylock.TARGET.toml (PEP 751) beside them."
CHECK = "Write nothing; exit with 1 if the lock on disk is not what would be made."
ALL = "*"
"""What --upgrade without a name means."""


@click.command()
@click.argument("target")
@click.option("--vllm", metavar="VERSION", help="This vLLM; a trainer that goes with it is chosen by the data.")
@click.option("--trl", metavar="VERSION", help="This TRL; a vLLM that goes with it is chosen by the data.")
@click.option("--torch", metavar="VERSION", help="This torch; engine and trainer that go with it are chosen by the data.")
@click.option("--with", "more", multiple=True, metavar="NAME[==VERSION]", help=WITH)
@click.option("--python", metavar="VERSION", help="For this Python, not the profile's: 3.12.")
@click.option("--exclude-newer", metavar="WHEN", help=EXCLUDE)
@click.option("--as-of", metavar="release|DATE", help=AS_OF)
@click.option("--upgrade", multiple=True, is_flag=False, flag_value=ALL, metavar="[PACKAGE]", help=UPGRADE)
@click.option("--index", multiple=True, metavar="URL", help=INDEX)
@click.option("--default-index", metavar="URL", help="Ask this index instead of the one that uv is configured to use.")
@click.option("--torch-backend", metavar="NAME", help=BACKEND)
@click.option("--build", multiple=True, metavar="PACKAGE", help=BUILD)
@click.option("--format", "form", type=click.Choice(["lock", "pylock"]), default="lock", show_default=True, help=FORMAT)
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(), default="lockfiles", show_default=True, help="Folder to write to."
)
@click.option("--data", metavar="DIR", type=click.Path(), help="Compatibility data that lies over the shipped one.")
@click.option("--check", is_flag=True, help=CHECK)
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    target: str,
    vllm: str | None,
    trl: str | None,
    torch: str | None,
    more: tuple[str, ...],
    python: str | None,
    exclude_newer: str | None,
    as_of: str | None,
    upgrade: tuple[str, ...],
    index: tuple[str, ...],
    default_index: str | None,
    torch_backend: str | None,
    build: tuple[str, ...],
    form: str,
    output: str,
    data: str | None,
    check: bool,
) -> int:
    """Resolve the stack of a target, and lock it if the rules find it clean.

    TARGET is one of a100, b200, cpu, h100, h200, l40s, rtx4090, or the path of a profile of your own (./gh200.toml). uv
    resolves for that machine's platform and Python, not for this one's; what metadata leaves open and the compatibility data
    knows is bounded, and the lock says so. Two files are written: TARGET.txt, hashed requirements that name no index, and
    TARGET.toml, what was assumed and why.

    What is locked stays locked until --upgrade or another version asks for a change.

    \b
    Exit status: 0 locked, 1 with --check: the lock on disk is another one,
    2 wrong usage, or nothing fits together, or what does is known to break.
    """  # noqa: D301 - click keeps the lines after \b
    from envdoctor.cli.locking import run_lock  # noqa: PLC0415 - `envdoctor lock --help` needs none of this
    from envdoctor.locks.asking import Ask  # noqa: PLC0415
    from envdoctor.resolver import Index  # noqa: PLC0415
    from envdoctor.views import normalized  # noqa: PLC0415

    named = {"vllm": vllm, "trl": trl, "torch": torch}
    ask = Ask(
        packages=(*(f"{name}=={version}" for name, version in named.items() if version), *more),
        python=python,
        exclude_newer=exclude_newer,
        as_of=as_of,
        upgrade=tuple(normalized(name) for name in upgrade if name != ALL),
        upgrade_all=ALL in upgrade,
        build=tuple(normalized(name) for name in build),
        index=Index(default=default_index, extra=index, torch_backend=torch_backend),
    )
    return run_lock(target, ask, form=form, output=output, data=data, check=check)
