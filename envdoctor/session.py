"""One command's way from the user's words to a report: target, configuration, facts, judgement.

The probe is started first and everything else is imported while it works, which is why the imports here are local.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.sources import interpreter, parse_target

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from typing_extensions import Self

    from envdoctor.config import Config
    from envdoctor.examine import Wishes
    from envdoctor.facts import Facts
    from envdoctor.findings import Report, Severity
    from envdoctor.matrix import Matrix
    from envdoctor.sources import TargetSpec


class Pending:
    """A target whose facts are being read. As a context: if it is left by an error or an interrupt, the probe is ended."""

    def __init__(self, spec: TargetSpec, running: interpreter.Running | None, ask: dict[str, str], *, run: bool = True) -> None:
        self.spec = spec
        self.running = running
        self.ask = ask
        self.run = run
        """Of an image: whether the probe may run in a container of it."""
        self.program = ""
        """Of an image whose facts were read: its Python, as it is named in it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None and self.running is not None:
            interpreter.stop(self.running.child)


RECORDS_DEADLINE_S = 300
"""For hashing every file of an environment; a full vLLM environment has 10 GB."""


def start(
    target: str | None,
    *,
    extras: bool = False,
    deep_link: str | None = None,
    names: tuple[str, ...] = (),
    records: bool = False,
    run: bool = True,
) -> Pending:
    """Parse the target and start its probe. An image is read when its facts are asked for: nothing of it is to be left behind.

    Args:
        target: as on the command line; None for the active environment.
        extras: also run compilers, lscpu and nvidia-smi topo.
        deep_link: "all", or distributions by comma whose modules are linked too.
        names: "IMPORTER:EXPORTER" pairs whose names are compared too.
        records: also compare every installed file with its hash; seconds to minutes, by the size of the environment.
        run: False judges an image from outside, and starts nothing of it.

    Raises:
        UserError: the target or a pair makes no sense.
    """
    spec = parse_target(target, os.environ)
    ask = {
        **({"extras": "yes"} if extras else {}),
        **({"deep_link": deep_link} if deep_link else {}),
        **({"name_pairs": _pairs(names)} if names else {}),
        **({"records": "yes", "deadline_s": str(RECORDS_DEADLINE_S)} if records else {}),
    }
    running = None
    if not run and spec.scheme != "image":
        from envdoctor.errors import UserError  # noqa: PLC0415

        raise UserError(
            f"--no-run is for images, and {target or 'the active environment'} is none", "Leave it away, or name image:REF."
        )
    if spec.scheme in {"lock", "report"} and (deep_link or names):
        from envdoctor.errors import UserError  # noqa: PLC0415

        hint = "Check the environment itself with these options."
        raise UserError(f"--names and --deep-link read installed files, and a {spec.scheme} has none", hint)
    if spec.scheme == "venv":
        running = interpreter.start(spec.path, ask)
    elif spec.scheme == "root":
        from envdoctor.sources import root  # noqa: PLC0415

        running = root.start(spec.path, spec.inside, ask)
    return Pending(spec, running, ask, run=run)


def _pairs(words: tuple[str, ...]) -> str:
    """``("trl:peft",)`` as the probe wants them. Raises UserError."""
    from envdoctor.errors import UserError  # noqa: PLC0415

    for word in words:
        importer, sign, exporter = word.partition(":")
        if not sign or not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) for name in (importer, exporter)):
            raise UserError(
                f"--names {word!r} is not IMPORTER:EXPORTER", "Name two installed packages, for instance --names trl:peft"
            )
    return ",".join(word.replace(":", ">") for word in words)


def facts_of(pending: Pending, matrix: Matrix | None = None) -> Facts:
    """The facts of a target. ``matrix`` is the data that says what a lock's packages require. Raises UserError."""
    import msgspec  # noqa: PLC0415

    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.facts import BadDocument, Image, Known, Target, decode  # noqa: PLC0415
    from envdoctor.sources import root, saved  # noqa: PLC0415

    spec = pending.spec
    if spec.scheme == "lock":
        from envdoctor.overlay import opened  # noqa: PLC0415
        from envdoctor.sources import lock  # noqa: PLC0415

        return lock.facts_of(spec.path, matrix or opened(None, os.environ), shown(spec.path))
    if spec.scheme == "report":
        from envdoctor.sources import pasted  # noqa: PLC0415

        return pasted.facts_at(spec.path, shown(spec.path), matrix)
    if spec.scheme == "image":
        from envdoctor.sources import image  # noqa: PLC0415

        seen = image.read(spec.path, spec.inside, pending.ask, run=pending.run)
        pending.program = seen.program
        return seen.facts
    if pending.running is None:
        facts = saved.read(spec.path)
        was = facts.target.spec
        chosen = f"a record of {was}" if was else "a record"
        target = Target(spec=f"saved:{shown(spec.path)}", chosen=chosen, broken=facts.target.broken)
        return msgspec.structs.replace(facts, target=target)
    none: Known[Image | None] = Known(None, "the target is no image")
    if spec.scheme == "root":
        facts = decode(root.finish(pending.running, spec.path))
        told = facts.target
        target = msgspec.structs.replace(told, spec=f"root:{shown(spec.path)}{root.SEPARATOR}{told.spec}")
        return msgspec.structs.replace(facts, target=target, image=none)
    document, broken = interpreter.finish(pending.running, spec.path, pending.ask)
    try:
        facts = decode(document)
    except BadDocument as bad:
        raise UserError(
            f"the probe under {pending.running.interpreter} printed something else than its document: {bad}",
            "Does this interpreter print at start-up? Try: " + pending.running.interpreter + " -I -S -c 'pass'",
        ) from bad
    target = Target(spec=shown(spec.path), chosen=spec.chosen, broken=None if broken is None else shown(broken))
    return msgspec.structs.replace(facts, target=target, image=none)


def unheard(facts: Facts, ask: dict[str, str]) -> tuple[str, ...]:
    """What was asked for by --names and had no answer, as notes.

    Raises:
        UserError: a package that --names or --deep-link names is not installed.
    """
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.facts import Known  # noqa: PLC0415
    from envdoctor.takings import in_data  # noqa: PLC0415
    from envdoctor.views import distributions, normalized  # noqa: PLC0415
    from envdoctor.wording import nearest  # noqa: PLC0415

    if not isinstance(facts.packages.distributions, Known):
        return ()
    present = {in_data(name) for name in distributions(facts)} | set(distributions(facts))
    pairs = [tuple(map(normalized, pair.split(">"))) for pair in ask.get("name_pairs", "").split(",") if pair]
    deep = [normalized(name) for name in ask.get("deep_link", "").split(",") if name.strip() not in {"", "all"}]
    for option, names in (("--names", [name for pair in pairs for name in pair]), ("--deep-link", deep)):
        for name in names:
            if name not in present:
                meant = nearest(name, present)
                hint = meant if meant.startswith("Did you") else "Name an installed distribution, as `pip list` shows them."
                raise UserError(f"{option} names {name}, which is not installed in this environment", hint)
    read = facts.names.pairs.value if isinstance(facts.names.pairs, Known) else ()
    told = {(in_data(one.importer), in_data(one.exporter)) for one in read}
    silent = [pair for pair in pairs if (in_data(pair[0]), in_data(pair[1])) not in told]
    return tuple(f"--names {':'.join(pair)}: {pair[0]} takes no names of {pair[1]}, so nothing was compared" for pair in silent)


def anonymous(facts: Facts) -> Facts:
    """The facts for a file that leaves this machine: what the session itself wrote into them is redacted as the probe does."""
    import msgspec  # noqa: PLC0415

    from envdoctor.probe.machine import Machine  # noqa: PLC0415
    from envdoctor.probe.redaction import homes_of, redacted, users_of  # noqa: PLC0415

    machine, target = Machine(), facts.target
    spec, chosen, broken = redacted([target.spec, target.chosen, target.broken], homes_of(machine), users_of(machine))
    return msgspec.structs.replace(facts, target=msgspec.structs.replace(target, spec=spec, chosen=chosen, broken=broken))


def pasteable(facts: Facts, pending: Pending) -> Facts:
    """The facts with the interpreter by its real path, for commands on the page.

    The probe hides other people's home folders; root, who checks one of them, needs it. What is recorded stays as probed.
    """
    import msgspec  # noqa: PLC0415

    from envdoctor.facts import Known  # noqa: PLC0415

    python = facts.python
    if not (pending.running or pending.program) or facts.target.broken is not None or not isinstance(python, Known):
        return facts
    if pending.spec.scheme in {"root", "image"}:
        # of a root folder the target's name ends in the environment's folder, or in the program itself
        inside, program = pending.program or facts.target.spec.rpartition("::")[2], os.path.basename(python.value.executable)
        executable = inside if os.path.basename(inside) == program else f"{inside}/bin/{program}"
    elif pending.running is not None:
        executable = shown(os.path.abspath(pending.running.interpreter))
    return msgspec.structs.replace(facts, python=Known(msgspec.structs.replace(python.value, executable=executable), python.via))


def shown(text: str) -> str:
    """A text with the user's home folder as ``~``; bytes of file names that are no UTF-8 as a replacement character."""
    home = os.path.expanduser("~")
    told = re.sub(re.escape(home) + r"(?![\w.-])", "~", text) if home not in {"/", "~"} and home in text else text
    return os.fsencode(told).decode("utf-8", "replace")


def preload() -> None:
    """Import what the rest needs, while the probe works in its own process."""
    import envdoctor.examine  # noqa: F401, PLC0415
    from envdoctor.facts import decoder  # noqa: PLC0415
    from envdoctor.rules import all_rules  # noqa: PLC0415

    decoder()
    all_rules()


class Options(NamedTuple):
    """What the command line said about judging."""

    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    suppose: tuple[str, ...] = ()
    fail_on: str | None = None
    data: str | None = None


class Plan(NamedTuple):
    """Options and configuration together."""

    wishes: Wishes
    fail_on: Severity
    profile: str | None
    notes: tuple[str, ...]
    matrix: Matrix
    today: str
    """ISO date; the age of the data is told against it."""
    config: Config


def plan(options: Options) -> Plan:
    """Read the configuration and put the command line over it. Raises UserError."""
    import datetime as dt  # noqa: PLC0415

    from envdoctor.config import find, known_codes  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.examine import Wishes, codes  # noqa: PLC0415
    from envdoctor.findings import Severity  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.suppose import parse, validate  # noqa: PLC0415
    from envdoctor.wording import nearest, plural  # noqa: PLC0415

    every = codes()
    config = find(here(), every, waivable())
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    select = known_codes(_words(options.select, "--select"), every, "--select") or config.select
    skip = known_codes(_words(options.skip, "--skip"), every, "--skip") or config.skip
    left_out = tuple(code for code in every if (select and not code.startswith(select)) or (skip and code.startswith(skip)))
    if len(left_out) == len(every):
        raise UserError("no rule is left to judge by", "Select or skip fewer; `envdoctor rules` lists them all.")
    suppose = parse(options.suppose)
    matrix = opened(options.data, os.environ)
    validate(suppose, matrix)
    if config.profile is not None and config.profile not in {row.key for row in matrix.gpu_products()}:
        hint = nearest(config.profile, [row.key for row in matrix.gpu_products()])
        raise UserError(f"{config.path}: profile is {config.profile!r}, which is no GPU in the data", hint)
    return Plan(
        wishes=Wishes(select=select, skip=skip, ignores=config.in_force(today), suppose=suppose),
        fail_on=Severity(options.fail_on or config.fail_on),
        profile=config.profile,
        notes=(
            *_notes(config, today),
            *([f"{plural(len(left_out), 'rule')} left out: {', '.join(left_out)}"] if left_out else []),
        ),
        matrix=matrix,
        today=today.isoformat(),
        config=config,
    )


def waivable() -> tuple[str, ...]:
    """Codes that a configuration may ignore besides those of a check: of Dockerfiles and of drift, which the preflight judges."""
    from envdoctor import dockerfiles  # noqa: PLC0415
    from envdoctor.departures import What  # noqa: PLC0415

    return (*map(dockerfiles.code_of, dockerfiles.REGISTRY), *(f"DRIFT-{kind.name}" for kind in What))


def here() -> str:
    """The working folder; the root when it has been deleted under us."""
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _words(values: tuple[str, ...], option: str) -> tuple[str, ...]:
    from envdoctor.errors import UserError  # noqa: PLC0415

    words = tuple(word for value in values for word in value.split(",") if word.strip())
    if values and not words:
        raise UserError(f"{option} names no rule", f"Name one, or leave {option} away.")
    return words


def _notes(config: Config, today: dt.date) -> Iterator[str]:
    if config.path is not None:
        yield f"configured by {shown(config.path)}"
    yield from lapsed(config, today)


def lapsed(config: Config, today: dt.date) -> Iterator[str]:
    """What is said of ignores whose day is past."""
    for one in config.expired(today):
        yield f"the ignore of {one.code} expired on {one.until}, so it counts again (its reason was: {one.reason})"


def judge(facts: Facts, made: Plan, started: float, *, remedies: bool = True) -> tuple[Facts, Report, tuple[str, ...]]:
    """Examine the facts; gives the facts that were judged, the report, and notes for the page. Raises UserError."""
    from envdoctor.examine import examine  # noqa: PLC0415
    from envdoctor.suppose import require_known  # noqa: PLC0415

    require_known(made.wishes.suppose, facts, made.matrix)
    wishes, notes = supposed(facts, made)
    judged, report = examine(facts, made.matrix, wishes, started, remedies=remedies)
    return judged, report, (*made.notes, *notes, *_about(judged), *passed_over(made.matrix))


def supposed(facts: Facts, made: Plan) -> tuple[Wishes, tuple[str, ...]]:
    """What is supposed of these facts: what was asked for, and the profile's GPU where none is here; with a note of that."""
    import msgspec  # noqa: PLC0415

    from envdoctor.facts import Known  # noqa: PLC0415
    from envdoctor.views import in_lock  # noqa: PLC0415

    wishes = made.wishes
    devices = facts.gpus.devices
    told = isinstance(devices, Known) and (devices.value or in_lock(facts))  # a lock says that it is for no GPU
    if made.profile and "gpu" not in wishes.suppose and not told:
        # the profile says what the environment is for; a machine with a GPU is judged by that GPU
        more = {"gpu": made.profile, **wishes.suppose}
        note = f"no GPU is here, so the one of the profile, {made.profile}, was supposed"
        return msgspec.structs.replace(wishes, suppose=more), (note,)
    return wishes, ()


def passed_over(matrix: Matrix) -> tuple[str, ...]:
    """Files of the user's own refreshed data that are damaged; the shipped ones were used."""
    return tuple(
        f"refreshed data was passed over because it is damaged ({why}); `envdoctor matrix refresh` makes it anew"
        for why in dict.fromkeys(matrix.passed_over)
    )


def _about(facts: Facts) -> Iterator[str]:
    """What a user should know of the target before a clean page misleads."""
    from envdoctor.examine import EMPTY, TOO_LITTLE, too_little  # noqa: PLC0415
    from envdoctor.facts import Known, NotObserved  # noqa: PLC0415
    from envdoctor.views import ENGINES, TRAINERS, distributions, in_image, in_lock, in_report, inside, is_empty  # noqa: PLC0415

    if in_report(facts):
        yield from (EMPTY if is_empty(facts) else TOO_LITTLE,) if too_little(facts) else ()
        return
    try:
        present = distributions(facts)
    except NotObserved:
        return
    if not any(name in present for name in ("torch", *ENGINES, *TRAINERS)) and in_lock(facts):
        yield "neither torch nor vLLM nor a trainer is in it"
    elif not any(name in present for name in ("torch", *ENGINES, *TRAINERS)):
        own = not inside(facts) and isinstance(facts.python, Known) and facts.python.value.prefix == shown(sys.prefix)
        other = f"{facts.target.spec.partition('::')[0]}::PATH" if in_image(facts) else "PATH"
        whose = "this is envdoctor's own environment, and " if own else ""
        lacking = f"{whose}neither torch nor vLLM nor a trainer is installed in it"
        yield f"{lacking}; another one is checked by: envdoctor check {other}"
