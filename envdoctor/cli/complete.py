"""What the shell offers after TAB: kinds of targets, codes of rules, and what can be supposed."""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Codes that begin so."""
    from envdoctor.rules import REGISTRY, code_of  # noqa: PLC0415

    return [code for code in map(code_of, REGISTRY) if code.startswith(incomplete.upper())]


def lint_codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Codes of the rules for Dockerfiles that begin so."""
    from envdoctor.dockerfiles import REGISTRY, code_of  # noqa: PLC0415

    return [code for code in map(code_of, REGISTRY) if code.startswith(incomplete.upper())]


def every_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Codes of all rules that begin so."""
    return codes(ctx, param, incomplete) + lint_codes(ctx, param, incomplete)


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Files and folders; a kind of target where none of them begins so, and files after it; after ``lock:`` the locks found."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from envdoctor.sources import SCHEMES  # noqa: PLC0415

    if incomplete.startswith("image:"):
        return []  # the engine knows them, and asking it takes longer than a key press
    if incomplete.startswith("lock:"):
        from envdoctor.locks.files import names  # noqa: PLC0415

        return [CompletionItem(word) for name in names() if (word := f"lock:{name}").startswith(incomplete)]
    kind, colon, begun = incomplete.partition(":")
    if colon and kind in SCHEMES:
        # the shell knows files by their own names only
        found = sorted(glob.glob(glob.escape(begun) + "*"))
        return [CompletionItem(f"{kind}:{path}/" if os.path.isdir(path) else f"{kind}:{path}") for path in found]
    words = [f"{scheme}:" for scheme in SCHEMES if incomplete and scheme.startswith(incomplete)]
    if words and not glob.glob(glob.escape(incomplete) + "*"):
        return [CompletionItem(word) for word in words]
    return [CompletionItem(incomplete, type="file")]


def gpus(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """GPUs of the data."""
    from envdoctor.matrix import Matrix  # noqa: PLC0415

    return [row.key for row in Matrix().gpu_products() if row.key.startswith(incomplete.lower())]


def suppositions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Names, and after ``gpu=`` the GPUs of the data."""
    from envdoctor.matrix import Matrix  # noqa: PLC0415
    from envdoctor.suppose import REST  # noqa: PLC0415

    words = [f"{name}=" for name in REST if name != "gpu"] + [f"gpu={row.key}" for row in Matrix().gpu_products()]
    return [word for word in words if word.startswith(incomplete)]


def image_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Targets that have an image.toml here."""
    from envdoctor.images.asked import names  # noqa: PLC0415

    return [name for name in names() if name.startswith(incomplete)]
