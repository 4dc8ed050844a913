"""``envdoctor build-image``."""

from __future__ import annotations

import click

from envdoctor.cli.complete import image_targets

WRITE_ONLY = "Only write the Dockerfile beside image.toml; needs no container engine."
CONTEXT = "Only write the whole build context into this folder, to build it with docker, podman or buildah."
PRINT = "Only print the Dockerfile."
CHECK = "Write nothing; exit with 1 if the Dockerfile on disk is not what would be written."
TAG = "The image's name [envdoctor/TARGET:DAY-OF-THE-LOCK]."
PUSH = "Push it once it was found to be right, and say by which digest it is pulled."
BASE = "Stand on this instead: NAME:TAG, NAME@sha256:..., or oci-layout://FOLDER[@sha256:...]."
CA = "Certificates to trust while building (a TLS proxy's); leaves no trace in the image [SSL_CERT_FILE]."
INDEX = "Ask this index too, before the default one; leaves no trace in the image. Repeatable."
DEFAULT_INDEX = "Ask this index instead of the usual one [UV_DEFAULT_INDEX, PIP_INDEX_URL]."
WHEELS = "A folder of wheels to take before any index is asked."
VERIFY = "Build a second time without caches, and compare every byte."
SMOKE = "Do not try the image on the GPU of this machine."
ARCHIVE = "Keep the OCI archive here."


@click.command()
@click.argument("target", shell_complete=image_targets)
@click.option("--write-only", is_flag=True, help=WRITE_ONLY)
@click.option("--context", metavar="DIR", type=click.Path(), help=CONTEXT)
@click.option("--print", "only_print", is_flag=True, help=PRINT)
@click.option("--check", is_flag=True, help=CHECK)
@click.option("--tag", metavar="REF", help=TAG)
@click.option("--push", is_flag=True, help=PUSH)
@click.option("--base", metavar="REF", help=BASE)
@click.option("--ca-bundle", metavar="FILE", type=click.Path(), help=CA)
@click.option("--index", multiple=True, metavar="URL", help=INDEX)
@click.option("--default-index", metavar="URL", help=DEFAULT_INDEX)
@click.option("--wheel-cache", metavar="DIR", type=click.Path(), help=WHEELS)
@click.option("--verify-reproducible", is_flag=True, help=VERIFY)
@click.option("--no-smoke", is_flag=True, help=SMOKE)
@click.option("--no-cache", is_flag=True, help="Build every step anew.")
@click.option("--archive", metavar="FILE", type=click.Path(), help=ARCHIVE)
@click.option("--data", metavar="DIR", type=click.Path(), help="Compatibility data that lies over the shipped one.")
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True)
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    target: str,
    write_only: bool,
    context: str | None,
    only_print: bool,
    check: bool,
    tag: str | None,
    push: bool,
    base: str | None,
    ca_bundle: str | None,
    index: tuple[str, ...],
    default_index: str | None,
    wheel_cache: str | None,
    verify_reproducible: bool,
    no_smoke: bool,
    no_cache: bool,
    archive: str | None,
    data: str | None,
    form: str,
) -> int:
    """Build the image of a target from its lock, and prove that it is right before it gets its name.

    TARGET is a folder under images/ (h100, h200, a100, b200, l40s, rtx4090, cpu), or the path of any folder with an
    image.toml. The lock is judged first; the base is taken by digest; the build installs by hash and judges the
    environment inside; the image is then looked at from outside and compared with the lock. What was built is written
    beside image.toml as manifest.json. The same lock gives the same bytes.

    \b
    Exit status: 0 built and found right, 1 it is not right (what and why is said, and it gets no name),
    2 wrong usage, or the engine, the base or an index cannot be had.
    """  # noqa: D301 - click keeps the lines after \b
    from envdoctor.cli import building  # noqa: PLC0415 - `--help` needs none of this

    words = {"--context": context, "--write-only": write_only, "--print": only_print, "--check": check}
    alone = [word for word, asked in words.items() if asked]
    beside = [word for word, asked in {"--base": base, "--tag": tag, "--push": push, "--archive": archive}.items() if asked]
    if len(alone) > 1 or (alone and beside):
        raise click.UsageError(f"{alone[0]} builds nothing and does not go with {(alone[1:] + beside)[0]}")
    if context is not None:
        return building.run_context(target, context)
    if write_only or only_print or check:
        return building.run_dockerfile(target, only_print=only_print, check=check)
    from envdoctor.images.wishes import Wishes  # noqa: PLC0415
    from envdoctor.resolver import Index  # noqa: PLC0415

    wishes = Wishes(
        tag=tag,
        push=push,
        base=base,
        ca_bundle=ca_bundle,
        index=Index(default=default_index, extra=index),
        wheel_cache=wheel_cache,
        verify=verify_reproducible,
        smoke=not no_smoke,
        no_cache=no_cache,
        archive=archive,
    )
    return building.run_build(target, wishes, data=data, form=form)
