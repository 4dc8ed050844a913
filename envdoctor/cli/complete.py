"""What the shell offers after TAB: codes of rules, and what can be supposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Codes that begin so."""
    from envdoctor.rules import REGISTRY, code_of  # noqa: PLC0415

    return [code for code in map(code_of, REGISTRY) if code.startswith(incomplete.upper())]


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
