"""Writing the certificate of a proven smoke, and holding one against what is there now."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.proving.certificate import Certificate, Fact
    from envdoctor.proving.proof import Proof

HINT = "Give a file in a folder that you may write, on a disk with room: --certificate FILE, or --no-certificate for none."
VARIABLE = "ENVDOCTOR_IMAGE"
"""Whoever starts a container says here which image it is: from inside, no file tells."""
WORD = re.compile(r"[a-z0-9]+")
NOT_WRITTEN = "the certificate was NOT written to"


def checked_place(path: str | None, profile: str | None) -> None:
    """Refuse, before anything is run, a profile that makes no file's name, and the usual place where none can be written.

    A ``path`` of the user's own is checked with the other reports.

    Raises:
        UserError: says which of the two.
    """
    from envdoctor.locks.files import FOLDER, TARGET  # noqa: PLC0415

    if profile is not None and not TARGET.fullmatch(profile):
        raise UserError(
            f"--profile {profile!r} is no target's name", "It names lockfiles/smoke.NAME.json: h100, or one like my-node-2."
        )
    folder = FOLDER if os.path.lexists(FOLDER) else "."  # it is made there
    if path is None and not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        raise UserError(f"no certificate can be written to {folder}: it is no folder, or not to be written", HINT)


def certified(
    proof: Proof, facts: Facts, matrix: Matrix, *, profile: str | None, path: str | None, target: str | None = None
) -> Proof:
    """Write the certificate of a proven run, and give the proof with a note of where it is, or why it could not be written.

    Args:
        proof: of a run that passed.
        facts: of the target, from before the run.
        matrix: the compatibility data.
        profile: the target that it is for; None: the one that the GPU's name tells.
        path: where to write it; None: lockfiles/smoke.<target>.json.
        target: as it was named on the command line.
    """
    import datetime as dt  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from envdoctor import __version__  # noqa: PLC0415
    from envdoctor.check import check  # noqa: PLC0415
    from envdoctor.files import settled, staged  # noqa: PLC0415
    from envdoctor.locks.files import FOLDER  # noqa: PLC0415
    from envdoctor.proving.certificate import certify, encode  # noqa: PLC0415
    from envdoctor.render import shell  # noqa: PLC0415

    name = profile or target_of("" if proof.measured is None else proof.measured.device_name)
    place = path or os.path.join(FOLDER, f"smoke.{name}.json")
    given = dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    rests = now(facts, name, beside=os.path.dirname(place) or ".")
    check(facts, matrix)  # the data that the rules consult is what as_of() is about
    made = certify(proof, rests, target=name, given=given, envdoctor=__version__, data_as_of=matrix.as_of())
    notes = [*proof.notes, *replaced(place, made)]
    try:
        folder = os.path.dirname(place) or "."
        os.makedirs(folder, exist_ok=True)
        with staged(place, encode(made)) as new:
            os.replace(new, place)
        settled(folder)
    except OSError as error:
        notes.append(f"{NOT_WRITTEN} {place}: {error.strerror}. {HINT}")
    else:
        again = shell(("envdoctor", "smoke", *((target,) if target else ()), "--verify", place))
        notes.append(f"certificate: {place}; {again} says later whether it still holds")
    return msgspec.structs.replace(proof, notes=tuple(notes))


def replaced(place: str, made: Certificate) -> list[str]:
    """What is said of a certificate that is there already, if it was for other facts."""
    from envdoctor.proving.certificate import MILD, compared  # noqa: PLC0415

    try:
        old = read(place)
    except UserError:
        return []
    moved = [one for one in compared(old, made.facts).lines if one.how == "differs" and one.name not in MILD]
    if not moved:
        return [f"it takes the place of the certificate given {old.given} (engine {old.engine}, {old.loss}) for the same facts"]
    few = "; ".join(f"{one.name} {one.was or 'none'} -> {one.now or 'none'}" for one in moved[:3])
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""  # noqa: PLR2004
    return [f"it takes the place of a certificate given {old.given} for other facts: {few}{more}"]


def target_of(device: str) -> str:
    """The target whose GPU this is, by the words of its name; one of its own for a GPU that no target is for."""
    from envdoctor.targets import every  # noqa: PLC0415

    words = WORD.findall(device.lower())
    if words in ([], ["cpu"]):
        return "cpu"
    pairs = {a + b for a, b in pairwise(words)}
    for name, profile in every().items():
        if profile.gpu is not None and profile.gpu in {*words, *pairs}:
            return name
    return "-".join(word for word in words if word not in {"nvidia", "geforce", "tesla"})[:60] or "gpu"


def now(facts: Facts, target: str, *, beside: str) -> tuple[Fact, ...]:
    """What a proof for that target rests on, as it is now; its lock is looked for in that folder."""
    from envdoctor.proving.certificate import DIGEST, resting_on  # noqa: PLC0415

    said = os.environ.get(VARIABLE, "")
    image = said if DIGEST.fullmatch(said) else None
    return resting_on(facts, lock=lock_of(target, beside), image=image)


def lock_of(target: str, folder: str) -> Fact:
    """The hash of the lock of that target which lies in the folder; none if there is none."""
    from envdoctor.locks import files  # noqa: PLC0415
    from envdoctor.proving.certificate import LOCK, Fact  # noqa: PLC0415

    path = os.path.join(folder, f"{target}.toml")
    if not os.path.lexists(path):
        return Fact(name=LOCK, value=None, via=f"no {target}.toml beside the certificate")
    try:
        lock = files.read(path if "/" in path else f"./{path}")
    except UserError as damaged:
        # the file's name alone: the folder may be somebody's home, and this goes into the certificate
        return Fact(name=LOCK, value=None, untold=damaged.what.replace(os.path.join(folder, ""), ""))
    return Fact(name=LOCK, value=f"{target}, sha256:{lock.requirements_sha256}", via=path)


def read(path: str) -> Certificate:
    """A certificate. Raises UserError: it cannot be read, or is none."""
    from envdoctor.files import read_file  # noqa: PLC0415
    from envdoctor.proving.certificate import MAX_CERTIFICATE_BYTES, decode  # noqa: PLC0415
    from envdoctor.wording import harmless  # noqa: PLC0415

    try:
        return decode(read_file(path, MAX_CERTIFICATE_BYTES + 1))
    except OSError as error:
        hint = "A proven run of envdoctor smoke writes one: lockfiles/smoke.<target>.json."
        raise UserError(f"{path} cannot be read: {error.strerror or error}", hint) from error
    except ValueError as error:
        hint = "Give a file that envdoctor smoke wrote, unchanged; or make one: envdoctor smoke --certificate FILE"
        raise UserError(f"{path} is no certificate of a smoke: {harmless(str(error))}", hint) from error


def run_verify(certificate: str, target: str | None, *, form: str, output: str | None, data: str | None, verbose: bool) -> int:
    """Say whether the target still is what the certificate was given for; gives the exit status. Runs no training.

    Raises:
        UserError: the certificate is none, or the target is none that can be looked at.
    """
    from envdoctor import session  # noqa: PLC0415
    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.proving.certificate import compared  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.certificate import document, render  # noqa: PLC0415

    given = read(certificate)
    with session.start(target) as pending:
        facts = session.facts_of(pending, opened(data, os.environ))
    if facts.target.broken is not None:
        raise UserError(f"nothing can be compared: {facts.target.broken}", "envdoctor check says more of it.")
    found = compared(given, now(facts, given.target, beside=os.path.dirname(certificate) or "."))
    if form == "json":
        emit(document(found), output, exact=True)
    else:
        again = anew(given, target, certificate)
        emit(render(found, again, Page(color=wants_color(output), width=width(output), verbose=verbose)), output)
    return 0 if found.matches else 1


def anew(given: Certificate, target: str | None, place: str) -> tuple[str, ...]:
    """The command that proves the same again: what differs from the usual is said."""
    words = ["envdoctor", "smoke", *([target] if target else []), "--engine", given.engine]
    usual = {"loss": "grpo", "reward": "outcome", "seed": 0, "gpus": 1}
    asked = {"loss": given.loss, "reward": given.reward, "seed": given.seed, "gpus": given.settings.get("gpus", 1)}
    for name, value in asked.items():
        if value != usual[name]:
            words += [f"--{name}", str(value)]
    if str(given.settings.get("device")) == "cpu":
        words += ["--device", "cpu"]
    if given.model.endswith("from a folder"):
        words += ["--model", "PATH"]
    return (*words, "--certificate", place)
