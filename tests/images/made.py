"""A build that went well, as the stages would have filled it in, for tests of what is written and shown of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from envdoctor.departures import Departure, What
from envdoctor.drift import Drift
from envdoctor.findings import Report
from envdoctor.images.archive import Archive, Layer
from envdoctor.images.asked import Asked, Base
from envdoctor.images.bases import Resolved
from envdoctor.images.building import Built, Stage
from envdoctor.images.trying import Tried
from envdoctor.images.verifying import Outside
from envdoctor.locks.judging import Judged
from tests.factory import healthy
from tests.locks.sample import h100

DIGEST = "sha256:" + "1" * 64
ENGINE: Any = SimpleNamespace(version="26.1.5", containerd_store=True, socket="unix:///var/run/docker.sock")
DRIFTED = Departure(what=What.VERSION, name="numpy", locked="2.3.5", found="2.4.0", says="", via="METADATA")


def digest(sign: str) -> str:
    return "sha256:" + sign * 64


def archive() -> Archive:
    layers = tuple(
        Layer(digest=digest(sign), diff_id=digest(other), size_bytes=size, unpacked_bytes=size * 3, created_by=made)
        for sign, other, size, made in (
            ("a", "b", 30_000_000, "ADD rootfs.tar /"),
            ("c", "d", 2_000_000_000, "COPY /apart/nvidia/ /"),
        )
    )
    return Archive(digest=DIGEST, config_digest=digest("2"), layers=layers, config={}, annotations={})


def outside(*departures: Departure) -> Outside:
    count = len(h100().packages)
    drift = Drift(departures=departures, mild=(), untold=(), locked=count, as_locked=count, proven=count, by_size_only=0)
    return Outside(facts=healthy(), report=Report(diagnoses=(), verdicts=(), supposed={}, seconds=0.3), drift=drift)


def built() -> Built:
    base = Base(image="nvidia/cuda:13.0.1-base-ubuntu24.04", digest=digest("e"))
    asked = Asked(target="h100", says="One H100.", lock="h100", base=base, python="python3.12", why={"base": "It is small."})
    made: Any = SimpleNamespace(digest=DIGEST, config_digest=digest("2"), seconds=12.0, cached=3, steps=9)
    names = ("judge the lock", "resolve the base", "build", "look from outside", "try on a GPU", "name it")
    return Built(
        asked=asked,
        lock=h100(),
        stages=[Stage(one, "skipped" if "GPU" in one else "ok", "as it should be", 1.25) for one in names],
        judged=Judged(errors=(), warnings=(), lacks=(), verdict="clean", data_as_of="2026-11-25"),
        base=Resolved(base=base, context=None, how="pinned in image.toml"),
        dockerfile="FROM scratch\n",
        epoch=1764028800,
        made=made,
        archive=archive(),
        reproducible=True,
        outside=outside(),
        tried=Tried("not run", "no GPU is on this machine"),
        reference="envdoctor/h100:2026-11-25",
    )
