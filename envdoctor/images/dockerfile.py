"""The Dockerfile of an image: what is asked and what is locked, as stages. Pure; the same two give the same text.

It is written for BuildKit and for buildah alike: no ``# syntax=`` line, no heredoc, no ``COPY --link``. What changes rarely
comes first: the machine below Python, then the environment, then envdoctor, then the lock. docs/images.md explains the layout.
"""

from __future__ import annotations

import calendar
import re
import time
from typing import TYPE_CHECKING

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.images.asked import Asked, Base
    from envdoctor.locks.document import Lock

ENVIRONMENT = "/opt/venv"
OWN = "/opt/envdoctor"
LAUNCHER = f"{OWN}/bin/envdoctor"
LOCKS = f"{OWN}/lock"
CACHE = "/cache"
"""Of models and compiled kernels: one folder, so that one volume keeps them."""
WORK = "/workspace"
PREFIX = "io.envdoctor."
"""Of labels that only envdoctor writes."""

_SECRETS = ("ca", "pip", "uv")
_CLEAN = (
    "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old",
    "find /var/log /tmp -mindepth 1 -type f -delete",
)
"""What apt, dpkg and ldconfig leave that holds a time or an order, or that nobody reads again."""
_SNAPSHOT = "{snapshot}"
_DRIVER = re.compile(r"\d+(?:\.\d+){1,3}")


def epoch(lock: Lock) -> int:
    """SOURCE_DATE_EPOCH of an image: midnight UTC of the day its lock was made."""
    return calendar.timegm(time.strptime(lock.made, "%Y-%m-%d"))


def dockerfile(asked: Asked, lock: Lock) -> str:
    """The Dockerfile.

    Args:
        asked: the image.toml; with another base in it, the Dockerfile of an image on that base.
        lock: the lock that it names.

    Raises:
        UserError: the base has no digest, or the two cannot go together.
    """
    if asked.base.digest is None:
        raise UserError(
            f"the base {asked.base.image} has no digest, so that the next build may stand on another image",
            'Write digest = "sha256:..." under [base] of image.toml: docker buildx imagetools inspect NAME tells it.',
        )
    parts = (
        _head(asked, lock),
        _bases(asked.base),
        _machine(asked),
        _tools(asked),
        _doctor(asked, lock),
        _environment(asked, lock),
        _image(asked, lock),
    )
    return "\n".join(parts)


def _head(asked: Asked, lock: Lock) -> str:
    return (
        f"# {asked.says}\n"
        f"# Generated from images/{asked.target}/image.toml and the lock of {lock.target} by\n"
        f"# `envdoctor build-image {asked.target} --write-only`; edit those, not this. docs/images.md explains every step.\n"
    )


def _bases(base: Base) -> str:
    return (
        f"FROM {base.image}@{base.digest} AS base\n\n"
        "# Wheels that are at hand already: --build-context wheels=DIR puts them here. They are read, never kept.\n"
        "FROM scratch AS wheels\n"
        "COPY wheels/ /\n"
    )


def _machine(asked: Asked) -> str:
    """What stands below Python, and the user."""
    steps = ["FROM base AS machine"]
    if asked.apt.packages or asked.strip:
        steps.append(_run(*_apt(asked, asked.apt.packages), *_strip(asked.strip), *(_CLEAN if asked.apt.packages else ())))
    name, number = asked.user.name, asked.user.id
    steps += [
        "# Not useradd: it writes the day into /etc/shadow, and the image would be another one tomorrow.",
        _run(
            f"printf '%s\\n' '{name}:x:{number}:{number}::/home/{name}:/bin/bash' >> /etc/passwd",
            f"printf '%s\\n' '{name}:x:{number}:' >> /etc/group",
            f"install -d -m 0755 -o {number} -g {number} /home/{name} {WORK}",
            f"install -d -m 1777 {CACHE}",
        ),
    ]
    return _lines(steps)


def _apt(asked: Asked, packages: Iterable[str], *, first: bool = True) -> Iterable[str]:
    """Commands that install packages of the pinned archive; the first use writes down where that is."""
    if not packages:
        return
    if first and asked.apt.sources:
        sources = [line.replace(_SNAPSHOT, asked.apt.snapshot or "") for line in asked.apt.sources]
        yield "rm -rf /etc/apt/sources.list.d/*"
        yield f"printf '%s\\n' {_quoted(sources)} > /etc/apt/sources.list"
    if first and asked.apt.snapshot:
        yield "printf '%s\\n' 'Acquire::Check-Valid-Until \"false\";' > /etc/apt/apt.conf.d/10snapshot"
    yield "export DEBIAN_FRONTEND=noninteractive"
    yield "apt-get update"
    yield f"apt-get install -y --no-install-recommends {' '.join(sorted(packages))}"


def _strip(patterns: Iterable[str]) -> Iterable[str]:
    if patterns:
        yield f"rm -rf {' '.join(sorted(patterns))}"


def _tools(asked: Asked) -> str:
    """The stage that installs: pip brings uv, and is not seen again."""
    steps = ["# From here to the last FROM nothing is shipped but what is copied out.", "FROM machine AS tools"]
    if asked.apt.packages:
        steps.append(_run(*_apt(asked, (f"{asked.python}-venv",), first=False)))
    steps += [
        "COPY requirements/uv.txt /tmp/uv.txt",
        _run(
            *_secrets(),
            f"{asked.python} -m venv /opt/tools",
            "/opt/tools/bin/pip install --disable-pip-version-check --no-cache-dir --retries 8 --find-links /wheels"
            " --only-binary :all: --require-hashes --no-deps -r /tmp/uv.txt",
            mounts=(*_mounts(), _WHEELS),
        ),
        f'ENV UV_CACHE_DIR="{_UV_CACHE}" UV_LINK_MODE="copy" UV_PYTHON_DOWNLOADS="never" UV_HTTP_RETRIES="8" PYTHONHASHSEED="0"',
    ]
    return _lines(steps)


def _doctor(asked: Asked, lock: Lock) -> str:
    """Envdoctor with what it needs, in an environment of its own."""
    site = f"{OWN}/python/lib/python{lock.python}/site-packages"
    return _lines([
        "FROM tools AS doctor",
        "COPY requirements/envdoctor.txt /tmp/envdoctor.txt",
        _run(
            *_secrets(),
            *_installed(asked, f"{OWN}/python", "/tmp/envdoctor.txt"),  # noqa: S108 - in the image's build
            mounts=(*_mounts(), _WHEELS, _CACHED),
        ),
        f"COPY envdoctor/ {site}/envdoctor/",
        f"COPY launcher {LAUNCHER}",
        _run(*_compiled(f"{OWN}/python")),
    ])  # fmt: skip


def _environment(asked: Asked, lock: Lock) -> str:
    """The locked environment, its largest folders set apart for layers of their own."""
    site = f"{ENVIRONMENT}/lib/python{lock.python}/site-packages"
    wheels = all(one.file.endswith(".whl") for one in lock.packages)
    commands = [
        *_secrets(),
        *_installed(asked, ENVIRONMENT, f"/lock/{lock.target}.txt", only_wheels=wheels),
        f"if ! [ -d {site} ]; then echo '{asked.python} is no Python {lock.python}, which the lock is for' >&2; exit 1; fi",
    ]
    commands += _settled(lock, site, only_wheels=wheels)
    if asked.bytecode:
        commands += _compiled(ENVIRONMENT)
    for folder in asked.apart:
        commands += [f"mkdir -p {_apart(folder)}{site}", f"mv {site}/{folder} {_apart(folder)}{site}/"]
    return _lines([
        "FROM tools AS environment",
        _run(*commands, mounts=(*_mounts(), _WHEELS, _CACHED, "type=bind,source=lock,target=/lock", _COLLISIONS)),
    ])  # fmt: skip


def _installed(asked: Asked, folder: str, requirements: str, *, only_wheels: bool = True) -> Iterable[str]:
    """Commands that make an environment of exactly what a hashed file lists: nothing is resolved, nothing is built."""
    yield f"/opt/tools/bin/uv venv --python {asked.python} {folder}"
    yield (
        f"/opt/tools/bin/uv pip install --python {folder}/bin/python --find-links /wheels"
        f"{' --no-build' if only_wheels else ''} --require-hashes --no-deps -r {requirements}"
    )


def _settled(lock: Lock, site: str, *, only_wheels: bool) -> Iterable[str]:
    """Commands that install packages which wrote the same file once more, in the order of their names.

    Installers unpack many wheels at once, so it is chance whose contents such a file has (measured: build_backend.py at the top
    of site-packages, which packages of the h100 lock bring by mistake). ``check`` names them (ED208).
    """
    no_build = " --no-build" if only_wheels else ""
    again = (
        f"/opt/tools/bin/uv pip install --python {ENVIRONMENT}/bin/python --find-links /wheels{no_build}"
        f' --require-hashes --no-deps --reinstall-package "$name" -r /lock/{lock.target}.txt'
    )
    yield f"for name in $({ENVIRONMENT}/bin/python -I -S /collisions {site}); do {again} || exit 1; done"


def _compiled(folder: str) -> Iterable[str]:
    """Commands that compile .pyc files in one process and in one order, which gives the same bytes on every machine.

    Without site: a .pth file would import its package, and what such an import has compiled carries a time and is kept.
    They carry hashes that are not checked: times of files are rewritten afterwards, and nobody edits an image's files. A
    file that is no Python of this version (a template, an old test) stays as it is, as it would with any installer.
    """
    yield (
        f"{{ {folder}/bin/python -I -S -B -m compileall -qq -f -j 1 --invalidation-mode unchecked-hash {folder}/lib"
        " || echo 'some files are no Python source of this version and were not compiled'; }"
    )


def _image(asked: Asked, lock: Lock) -> str:
    """What is shipped."""
    steps = ["FROM machine"]
    steps += [f"COPY --from=environment {_apart(folder)}/ /" for folder in asked.apart]
    steps += [
        f"COPY --from=environment {ENVIRONMENT}/ {ENVIRONMENT}/",
        f"COPY --from=doctor {OWN}/ {OWN}/",
        f"COPY lock/ {LOCKS}/",
        f"COPY sbom/ {OWN}/sbom/",
        f"ENV {_pairs(variables(asked, lock))}",
        f"LABEL {_pairs(labels(asked, lock))}",
        f"WORKDIR {WORK}",
        f"USER {asked.user.id}:{asked.user.id}",
        f'HEALTHCHECK --interval=5m --timeout=2m --start-period=1m --retries=2 CMD ["{LAUNCHER}", "check", "{ENVIRONMENT}"]',
        "# The build ends here if what was installed does not fit together or cannot be loaded on the machine it is for.",
        "RUN --network=none " + " ".join([LAUNCHER, *gate(asked, lock)]),
        'CMD ["bash"]',
    ]
    return _lines(steps)


def gate(asked: Asked, lock: Lock) -> tuple[str, ...]:
    """The arguments of the check inside the build, as if on the machine that is assumed.

    Not ``--deep-link all``: wheels of NVIDIA hold plug-ins for MPI and InfiniBand and stubs for other processors, which nobody
    loads. What the container of the build has of shared memory and locked pages says nothing of the one that will run.
    """
    supposed = [("gpu", lock.gpu), ("driver", lock.driver_floor)] if lock.gpu else []
    words = [word for name, value in supposed if value for word in ("--suppose", f"{name}={value}")]
    links = ("--deep-link", ",".join(sorted(asked.linked))) if asked.linked else ()
    return ("check", ENVIRONMENT, *words, *links, "--skip", "ED502,ED503,ED504")


def variables(asked: Asked, lock: Lock) -> dict[str, str]:
    """The environment variables of the image, sorted; what image.toml says wins."""
    own = {"PATH": f"{ENVIRONMENT}/bin:{OWN}/bin:$PATH", "VIRTUAL_ENV": ENVIRONMENT}
    if lock.gpu:
        own |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
        needs = requirement(lock)
        own |= {"NVIDIA_REQUIRE_CUDA": needs} if needs else {}
    return dict(sorted({**own, **asked.environment}.items()))


def requirement(lock: Lock) -> str | None:
    """NVIDIA_REQUIRE_CUDA: what NVIDIA's container toolkit demands of the driver before it starts the container.

    A comma joins what must hold together (a space would join alternatives). The numbers lose leading zeros, 580.65.06 is
    580.65.6: one of the toolkit's two readers takes them as semantic versions, in which such a zero is an error, and the
    other compares numbers.
    """
    terms = [f"cuda>={lock.cuda}"] if lock.cuda else []
    if lock.driver_floor and _DRIVER.fullmatch(lock.driver_floor):
        terms.append("driver>=" + ".".join(str(int(number)) for number in lock.driver_floor.split(".")))
    return ",".join(terms) or None


def labels(asked: Asked, lock: Lock) -> dict[str, str]:
    """The labels of the image, sorted: OCI's own annotations, and which lock it was made of."""
    oci = {
        "title": f"envdoctor {asked.target}",
        "description": asked.says,
        "version": f"{lock.made}-{lock.requirements_sha256[:12]}",
        "created": f"{lock.made}T00:00:00Z",
        "base.name": asked.base.image,
        "base.digest": asked.base.digest or "",
    }
    own = {
        "target": asked.target,
        "lock": f"sha256:{lock.requirements_sha256}",
        "lock.path": f"{LOCKS}/{lock.target}.txt",
        "sbom.path": f"{OWN}/sbom/{lock.target}.cdx.json",
        "python": lock.python,
        "gpu": lock.gpu or "none",
        "cuda": lock.cuda or "none",
        "driver.floor": lock.driver_floor or "none",
    }
    return dict(
        sorted({
            **{f"org.opencontainers.image.{name}": value for name, value in oci.items()},
            **asked.labels,
            **{f"{PREFIX}{name}": value for name, value in own.items()},
        }.items())
    )  # fmt: skip


_UV_CACHE = "/var/cache/uv"
_CACHED = f"type=cache,id=envdoctor-uv,target={_UV_CACHE}"
_WHEELS = "type=bind,from=wheels,target=/wheels"
_COLLISIONS = "type=bind,source=collisions,target=/collisions"


def _mounts() -> Iterable[str]:
    return (f"type=secret,id={name}" for name in _SECRETS)


def _secrets() -> Iterable[str]:
    """Commands that take a private CA and an index from secrets, where they were given; nothing of them is kept."""
    yield "if [ -f /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca; fi"
    yield "if [ -f /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi"
    yield "if [ -f /run/secrets/uv ]; then export UV_CONFIG_FILE=/run/secrets/uv; fi"


def _apart(folder: str) -> str:
    return f"/apart/{folder}"


def _run(*commands: str, mounts: Iterable[str] = ()) -> str:
    """One RUN, a mount and a command a line."""
    given = "".join(f"--mount={mount} \\\n    " for mount in mounts)
    return f"RUN {given}" + " \\\n && ".join(commands)


def _pairs(values: dict[str, str]) -> str:
    return " \\\n    ".join(f'{name}="{value}"' for name, value in values.items())


def _quoted(words: Iterable[str]) -> str:
    return " ".join(f"'{word}'" for word in words)


def _lines(steps: Iterable[str]) -> str:
    return "".join(f"{step}\n" for step in steps)
