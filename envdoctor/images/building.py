"""``envdoctor build-image``: judge, resolve, build, look at it from outside, write down what was built, push. In this order.

Nothing gets its name before it was found to be right: what is being built is loaded under a name of its own
(``envdoctor-unverified``), which is taken away again however the build ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import msgspec

from envdoctor.engine import buildx, client, images
from envdoctor.errors import UserError
from envdoctor.images import archive, bases, context, noting, secrets, sizes, trying, verifying
from envdoctor.images.archive_diff import differences
from envdoctor.images.dockerfile import dockerfile, epoch
from envdoctor.images.wishes import Wishes, checked
from envdoctor.locks.judging import judged
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envdoctor.engine.buildx import Made, Step
    from envdoctor.engine.client import Engine
    from envdoctor.images.archive import Archive
    from envdoctor.images.asked import Asked, Place
    from envdoctor.images.bases import Resolved
    from envdoctor.images.manifest import Manifest
    from envdoctor.images.trying import Tried
    from envdoctor.images.verifying import Outside
    from envdoctor.locks.document import Lock
    from envdoctor.locks.judging import Judged
    from envdoctor.matrix import Matrix

UNVERIFIED = "envdoctor-unverified"
GATE = "envdoctor check "
"""In the name of the step that judges the environment inside the build."""
MAX_LOG_LINES = 400
MAX_LOG_CHARACTERS = 400_000


class Stage(NamedTuple):
    """One step, and how it ended. "stopped" ends the whole build."""

    name: str
    state: Literal["ok", "stopped", "skipped"]
    says: str
    seconds: float


class Telling(Protocol):
    """Who is told how the build goes on."""

    def begin(self, name: str) -> None:
        """A stage begins."""

    def step(self, one: Step) -> None:
        """A step of the engine began, ended, or printed a line."""

    def end(self, stage: Stage) -> None:
        """A stage ended."""


class Built(msgspec.Struct, kw_only=True):
    """What came of it; filled as the stages go by."""

    asked: Asked
    lock: Lock
    stages: list[Stage]
    judged: Judged | None = None
    base: Resolved | None = None
    dockerfile: str = ""
    epoch: int = 0
    """SOURCE_DATE_EPOCH."""
    diff_ids: tuple[str, ...] = ()
    made: Made | None = None
    archive: Archive | None = None
    compared: tuple[str, ...] = ()
    """How large the images of others are beside it, where it is for a GPU as they are."""
    reproducible: bool | None = None
    differences: tuple[str, ...] = ()
    outside: Outside | None = None
    before: Manifest | None = None
    """What was written down of exactly these bytes, which need not be judged again."""
    tried: Tried | None = None
    manifest: Manifest | None = None
    reference: str | None = None
    pushed: str | None = None
    """Digest in the registry."""
    gate: str = ""
    """The last line of the check inside the build; empty where the cache had it."""
    log: tuple[str, ...] = ()
    """What the step that failed had printed."""

    @property
    def ok(self) -> bool:
        """Whether every stage went well."""
        return all(one.state != "stopped" for one in self.stages)


class _Stop(Exception):  # noqa: N818 - not an error: an answer
    """A stage says no."""


class _Building:
    """One build, stage by stage."""

    def __init__(self, place: Place, lock: Lock, wishes: Wishes, matrix: Matrix, tell: Telling) -> None:
        self.place = place
        self.wishes = wishes
        self.matrix = matrix
        self.tell = tell
        self.built = Built(asked=place.asked, lock=lock, stages=[])
        self.failed: Step | None = None
        self.printed = ""

    def run(self, environ: Mapping[str, str]) -> Built:
        """All of it; stops at the first stage that says no. Raises UserError: something on the way cannot be had."""
        with contextlib.suppress(_Stop), contextlib.ExitStack() as stack:
            checked(self.place.asked, self.built.lock, self.wishes)
            self._stage("judge the lock", self._judge)
            buildx.version(environ)
            engine = stack.enter_context(client.connect(environ))
            self._stage("resolve the base", lambda: self._base(engine))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="envdoctor-image-"))
            handed = stack.enter_context(secrets.handed(self.wishes.index, self.wishes.ca_bundle, environ))
            self._room(folder)
            build = self._request(folder, handed, engine)
            unverified = build.name or ""
            stack.callback(_untagged, engine, unverified)
            stack.callback(_unlinked, build.archive)
            self._stage("build", lambda: self._build(build, engine))
            if self.wishes.verify:
                self._stage("compare a second build", lambda: self._again(build, folder, engine))
            self._stage("look from outside", lambda: self._outside(build, engine, unverified))
            self._stage("try on a GPU", lambda: self._try(engine, unverified))
            self._stage("name it", lambda: self._name(engine, unverified))
            self._stage("write down", lambda: self._write(engine, environ))
            if self.wishes.push:
                self._stage("push", lambda: self._push(engine))
        return self.built

    def _stage(self, name: str, do: Callable[[], tuple[Literal["ok", "skipped"], str]]) -> None:
        self.tell.begin(name)
        started = time.monotonic()
        try:
            state, says = do()
        except _Stop as stop:
            self._end(Stage(name, "stopped", str(stop), time.monotonic() - started))
            raise
        self._end(Stage(name, state, says, time.monotonic() - started))

    def _end(self, stage: Stage) -> None:
        self.built.stages.append(stage)
        self.tell.end(stage)

    def _judge(self) -> tuple[Literal["ok"], str]:
        found = self.built.judged = judged(self.built.lock, self.matrix)
        if not found.clean():
            count = len(found.errors) + len(found.lacks)
            raise _Stop(f"the rules find {plural(count, 'error')} in the lock, so nothing was built")
        return "ok", found.verdict

    def _base(self, engine: Engine) -> tuple[Literal["ok"], str]:
        base = bases.resolved(self.place.asked.base, self.wishes.base, lambda ref: buildx.digest_of(ref, engine))
        self.built.base = base
        self.built.asked = msgspec.structs.replace(self.place.asked, base=base.base)
        return "ok", f"{base.base.image} is {base.base.digest} ({base.how})"

    def _room(self, folder: str) -> None:
        """Refuse early what the disk cannot hold: the archive is about as large as all wheels."""
        needed = (self.built.lock.download_bytes or 0) * (2 if self.wishes.verify else 1)
        folder = os.path.dirname(os.path.abspath(self.wishes.archive)) if self.wishes.archive else folder
        free = shutil.disk_usage(folder).free
        if free < needed:
            what = f"the image's archive needs about {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB free"
            raise UserError(what, "Make room, or put temporary files elsewhere: TMPDIR=/big/disk envdoctor build-image ...")

    def _request(self, folder: str, handed: dict[str, str], engine: Engine) -> buildx.Build:
        self.built.dockerfile = dockerfile(self.built.asked, self.built.lock)
        self.built.epoch = epoch(self.built.lock)
        where = os.path.join(folder, "context")
        context.write(where, self.built.asked, self.built.lock)
        contexts = {} if self.built.base is None or self.built.base.context is None else {"base": self.built.base.context}
        if self.wishes.wheel_cache is not None:
            contexts["wheels"] = self.wishes.wheel_cache
        return buildx.Build(
            context=where,
            archive=f"{self.wishes.archive}.unverified" if self.wishes.archive else os.path.join(folder, "image.tar"),
            # a name for each run: two builds of one target on one engine must not take each other's image for theirs
            name=f"{UNVERIFIED}:{self.built.asked.target}-{os.getpid()}",
            epoch=self.built.epoch,
            contexts=contexts,
            secrets=handed,
            no_cache=self.wishes.no_cache,
            oci=engine.containerd_store,
        )

    def _build(self, build: buildx.Build, engine: Engine) -> tuple[Literal["ok"], str]:
        try:
            made = self.built.made = buildx.build(build, engine, self._heard)
        except UserError:
            if self.failed is None or GATE not in self.failed.name:
                raise
            self.built.log = tuple(self.printed.splitlines()[-MAX_LOG_LINES:])
            raise _Stop("the check inside the build found what would break; the image was not made") from None
        before = self.built.before = noting.known(self.place.folder, made.digest, self.built.lock, self.matrix)
        if build.oci:
            # it is ours and was written just now; unpacking it only tells sizes, which are known of bytes that were seen before
            made_of = self.built.archive = archive.read(build.archive, verify=False, unpack=before is None)
            if self.built.lock.gpu:
                found = sizes.comparison(made_of.size_bytes, made_of.unpacked_bytes, self.matrix)
                self.built.compared = tuple(map(str, found))
        self.built.gate = next((line for line in reversed(self.printed.splitlines()) if line.strip()), "")
        cached = f", {made.cached} of {plural(made.steps, 'step')} from the cache" if made.cached else ""
        return "ok", f"{made.digest}{cached}"

    def _heard(self, one: Step) -> None:
        """Keep what the running check prints: if it fails, that is the answer."""
        if one.log is not None and GATE in one.name:
            self.printed = (self.printed + one.log)[-MAX_LOG_CHARACTERS:]
        if one.state == "failed":
            self.failed = one
        self.tell.step(one)

    def _again(self, build: buildx.Build, folder: str, engine: Engine) -> tuple[Literal["ok", "skipped"], str]:
        if not build.oci:
            return "skipped", "this engine keeps no OCI manifests, so its images are not bit-reproducible"
        second = msgspec.structs.replace(build, archive=os.path.join(folder, "again.tar"), no_cache=True)
        buildx.build(second, engine, self.tell.step)
        found = differences(build.archive, second.archive)
        os.unlink(second.archive)
        self.built.reproducible = not found
        self.built.differences = tuple(str(one) for one in found)
        if found:
            raise _Stop(f"a second build differs in {plural(len(found), 'place')}: {self.built.differences[0]}")
        return "ok", "built again without caches: every byte is the same"

    def _outside(self, build: buildx.Build, engine: Engine, unverified: str) -> tuple[Literal["ok"], str]:
        images.load(engine, build.archive, self.tell.step)
        self.built.diff_ids = images.inspect(engine, unverified).layers
        before = self.built.before
        if before is not None:
            return "ok", f"the same bytes as on {before.made}, which were found right"
        found = self.built.outside = verifying.outside(unverified, self.built.lock, self.matrix)
        if not found.right:
            raise _Stop(found.says)
        return "ok", found.says

    def _try(self, engine: Engine, unverified: str) -> tuple[Literal["ok", "skipped"], str]:
        tried = self.built.tried = trying.tried(
            engine, unverified, wanted=self.wishes.smoke, gpu=self.built.lock.gpu, matrix=self.matrix
        )
        if tried.state == "failed":
            raise _Stop(tried.says)
        return "ok" if tried.state == "passed" else "skipped", tried.says

    def _name(self, engine: Engine, unverified: str) -> tuple[Literal["ok"], str]:
        self.built.reference = self.wishes.tag or f"envdoctor/{self.built.asked.target}:{self.built.lock.made}"
        images.tag(engine, unverified, self.built.reference)
        if self.wishes.archive:
            os.replace(f"{self.wishes.archive}.unverified", self.wishes.archive)
        return "ok", self.built.reference

    def _push(self, engine: Engine) -> tuple[Literal["ok"], str]:
        pushed = self.built.pushed = images.push(engine, self.built.reference or "", self.tell.step)
        made = self.built.made
        if made is not None and self.built.archive is not None and pushed != made.digest:
            raise _Stop(f"the registry has {pushed}, but {made.digest} was built")
        return "ok", f"{(self.built.reference or '').partition('@')[0]}@{pushed}"

    def _write(self, engine: Engine, environ: Mapping[str, str]) -> tuple[Literal["ok"], str]:
        seconds = {one.name: one.seconds for one in self.built.stages}
        paths = noting.written(self.place.folder, self.built, engine, buildx.version(environ), self.matrix, seconds)
        return "ok", ", ".join(paths)


def build_image(place: Place, lock: Lock, wishes: Wishes, matrix: Matrix, environ: Mapping[str, str], tell: Telling) -> Built:
    """Build the image of a target.

    Args:
        place: its image.toml and where that stands; the manifest is written beside it.
        lock: what it installs.
        wishes: of the command line.
        matrix: the compatibility data.
        environ: of this process: where the engine is, which certificates and indexes are used.
        tell: who is told.

    Raises:
        UserError: the engine, the base or a file cannot be had; what was begun is taken back.
    """
    return _Building(place, lock, wishes, matrix, tell).run(environ)


def _unlinked(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _untagged(engine: Engine, reference: str) -> None:
    with contextlib.suppress(UserError):
        images.remove(engine, reference)
