"""What is written down of a build: ``manifest.json`` and the SBOM, beside image.toml."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from typing import TYPE_CHECKING

from envdoctor import __version__
from envdoctor.errors import UserError
from envdoctor.images import manifest as form
from envdoctor.images.manifest import BaseUsed, EngineUsed, LayerBuilt, LockUsed, Manifest, Smoke, Verdict, Verdicts
from envdoctor.locks import sbom

if TYPE_CHECKING:
    from envdoctor.engine.client import Engine
    from envdoctor.images.archive import Archive
    from envdoctor.images.building import Built
    from envdoctor.images.verifying import Outside
    from envdoctor.locks.document import Lock
    from envdoctor.matrix import Matrix

SBOM = "sbom.cdx.json"


def known(folder: str, digest: str, lock: Lock, matrix: Matrix) -> Manifest | None:
    """What is known of exactly these bytes: judged by this envdoctor, on data as new as now; else None."""
    try:
        there = form.read(folder)
    except UserError:
        return None
    same = (there.digest, there.lock.requirements_sha256, there.envdoctor) == (digest, lock.requirements_sha256, __version__)
    newest = there.data_as_of == matrix.as_of()
    right = there.verdicts.drift.word == "no drift" and there.verdicts.image.counts.get("errors") == 0
    return there if same and newest and right else None


def written(folder: str, built: Built, engine: Engine, buildx: str, matrix: Matrix, seconds: dict[str, float]) -> tuple[str, ...]:
    """Write both files; gives their paths.

    Args:
        folder: where image.toml stands.
        built: what was built, with its verdicts or with the manifest that knows them.
        engine: what built it.
        buildx: its version.
        matrix: the data that the verdicts rest on.
        seconds: what each stage took, by its name.

    Raises:
        UserError: they cannot be written.
    """
    path = os.path.join(folder, SBOM)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(sbom.of_lock(built.lock))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", "Run it in a checkout that you may write.") from error
    built.manifest = _manifest(built, engine, buildx, matrix, seconds)
    return form.write(folder, built.manifest), path


def _manifest(built: Built, engine: Engine, buildx: str, matrix: Matrix, seconds: dict[str, float]) -> Manifest:
    if built.made is None or built.base is None or built.tried is None:
        raise ValueError("it is written down before it is built")
    lock, before = built.lock, built.before
    return Manifest(
        target=built.asked.target,
        references=tuple(dict.fromkeys((*(before.references if before else ()), built.reference or ""))),
        digest=built.made.digest,
        config_digest=built.made.config_digest,
        diff_ids=built.archive.diff_ids if built.archive else built.diff_ids,
        layers=before.layers if before else _layers(built.archive) if built.archive else (),
        base=BaseUsed(image=built.base.base.image, digest=built.base.base.digest or "", how=built.base.how),
        lock=LockUsed(name=lock.target, requirements_sha256=lock.requirements_sha256, made=lock.made),
        dockerfile_sha256=hashlib.sha256(built.dockerfile.encode()).hexdigest(),
        source_date_epoch=built.epoch,
        sbom=SBOM,
        engine=EngineUsed(
            version=engine.version, buildx=buildx, store="containerd" if engine.containerd_store else "graphdriver"
        ),
        envdoctor=__version__,
        data_as_of=matrix.as_of(),
        verdicts=_verdicts(built),
        # bytes that have run on a GPU have run there, whatever this run left out
        smoke=before.smoke
        if before and built.tried.state == "not run"
        else Smoke(state=built.tried.state, says=built.tried.says, gpus=built.tried.gpus),
        reproducible=built.reproducible if built.reproducible is not None or before is None else before.reproducible,
        differences=built.differences,
        seconds=before.seconds if before else {name: round(value, 1) for name, value in seconds.items()},
        made=dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
    )


def _layers(archive: Archive) -> tuple[LayerBuilt, ...]:
    return tuple(
        LayerBuilt(
            digest=one.digest,
            diff_id=one.diff_id,
            size_bytes=one.size_bytes,
            unpacked_bytes=one.unpacked_bytes,
            says=one.instruction,
        )
        for one in archive.layers
    )


def _verdicts(built: Built) -> Verdicts:
    """Of a build whose bytes are those of the manifest that is there: what stands in that one."""
    judged = built.judged
    lock = Verdict(word="clean" if judged and judged.clean() else "broken", says=judged.verdict if judged else "")
    if built.outside is None:
        if built.before is None:
            raise ValueError("it is written down before it is judged")
        there = built.before.verdicts
        return Verdicts(lock=lock, build=there.build, image=there.image, drift=there.drift)
    return Verdicts(
        lock=lock,
        # a step that fails ends the build, so that this one ended without errors, now or when it went into the cache
        build=Verdict(word="no errors", says=built.gate or "the step was in the cache, where it had passed"),
        image=_image(built.outside),
        drift=_drift(built.outside),
    )


def _image(found: Outside) -> Verdict:
    word = "errors" if found.errors else "warnings" if found.warnings else "clean"
    return Verdict(word=word, counts={"errors": found.errors, "warnings": found.warnings}, says=found.says)


def _drift(found: Outside) -> Verdict:
    drift = found.drift
    counts = {"departures": len(drift.departures), "locked": drift.locked, "as_locked": drift.as_locked, "proven": drift.proven}
    return Verdict(word="drift" if drift.departures else "no drift", counts=counts)
