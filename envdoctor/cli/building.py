"""What ``envdoctor build-image`` does once its words are known."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envdoctor.images.asked import Place
    from envdoctor.images.wishes import Wishes
    from envdoctor.locks.document import Lock


def run_dockerfile(target: str, *, only_print: bool, check: bool) -> int:
    """Write, print or compare the Dockerfile of a target; gives the exit status. Raises UserError."""
    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.images import writing  # noqa: PLC0415
    from envdoctor.images.asked import read  # noqa: PLC0415

    place = read(target)
    if only_print:
        emit(writing.text(place, lock_of(place)), None)
        return 0
    path, same = writing.write(place, lock_of(place), dry=check)
    if check:
        emit(f"{path} is {'up to date' if same else f'out of date: envdoctor build-image {target} --write-only'}\n", None)
        return 0 if same else 1
    emit(f"{'unchanged' if same else 'written'}: {path}\n", None)
    return 0


def run_context(target: str, folder: str) -> int:
    """Write the build context of a target; gives the exit status. Raises UserError."""
    from envdoctor.cli.output import emit  # noqa: PLC0415
    from envdoctor.images import context, writing  # noqa: PLC0415
    from envdoctor.images.asked import read  # noqa: PLC0415
    from envdoctor.images.dockerfile import epoch  # noqa: PLC0415
    from envdoctor.render import shell  # noqa: PLC0415

    place = read(target)
    lock = lock_of(place)
    writing.text(place, lock)  # refuses a base without a digest
    context.write(folder, place.asked, lock)
    build = shell(
        ("docker", "buildx", "build", "--provenance=false", "-o", "type=oci,dest=image.tar,rewrite-timestamp=true", folder)
    )
    emit(f"written: {folder}\nnext:\n  SOURCE_DATE_EPOCH={epoch(lock)} {build}\n", None)
    return 0


def lock_of(place: Place) -> Lock:
    """The lock that an image.toml names. Raises UserError."""
    from envdoctor.locks import files  # noqa: PLC0415

    named = place.asked.lock
    path = named.endswith(".toml") or "/" in named
    return files.read(os.path.join(place.folder, named) if path else named)


def _again() -> str:
    """The command as it was typed, without addresses, which may hold a password."""
    from envdoctor.render import shell  # noqa: PLC0415
    from envdoctor.resolver import without_addresses  # noqa: PLC0415

    return shell(("envdoctor", *map(without_addresses, sys.argv[1:])))


def run_build(target: str, wishes: Wishes, *, data: str | None, form: str) -> int:
    """Build, and print what came of it; gives the exit status. Raises UserError."""
    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.cli.watching import Watching  # noqa: PLC0415
    from envdoctor.images import writing  # noqa: PLC0415
    from envdoctor.images.asked import read  # noqa: PLC0415
    from envdoctor.images.building import build_image  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.images import document, render  # noqa: PLC0415
    from envdoctor.session import passed_over  # noqa: PLC0415

    place = read(target)
    lock = lock_of(place)
    matrix = opened(data, os.environ)
    with Watching(sys.stderr, again=_again()) as watching:
        built = build_image(place, lock, wishes, matrix, os.environ, watching)
    notes = (*writing.stale(place, lock), *passed_over(matrix))
    page = Page(color=wants_color(None), width=width(None), notes=notes)
    emit(document(built) if form == "json" else render(built, page, target), None, exact=form == "json")
    return 0 if built.ok else 1
