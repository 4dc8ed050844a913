"""The three commands that deal with derived data as a whole: refresh, verify, diff."""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.harvest import store
from envdoctor.harvest.compare import differences
from envdoctor.harvest.plan import PACKAGES
from envdoctor.matrix import DATA, MANIFEST
from envdoctor.overlay import home, opened
from envdoctor.wording import harmless, nearest, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.harvest.store import Derived

MANY_TROUBLES = 20
CANNOT_TELL = 3


def refresh(
    environ: Mapping[str, str],
    folder: str,
    *,
    packages: tuple[str, ...],
    url: str | None,
    into: str | None,
    full: bool,
    may_lose: bool,
    day: str,
) -> int:
    """Renew the derived data; gives the exit status.

    Args:
        environ: the process's environment variables.
        folder: the working folder, for uv's project configuration.
        packages: names from the plan; empty for all.
        url: --index, or None.
        into: the folder of data to write, or None for the user's own.
        full: read unchanged releases again.
        may_lose: write even if known rows are gone from the index.
        day: today's ISO date.

    Raises:
        UserError: a package that is not in the plan, no index that answers, rows that would be lost, a folder not to be written.
    """
    from envdoctor.harvest.index import configured  # noqa: PLC0415 - requests and rich are slow to import
    from envdoctor.harvest.progress import Progress  # noqa: PLC0415
    from envdoctor.harvest.refresh import Refresh  # noqa: PLC0415
    from envdoctor.harvest.remote import Client  # noqa: PLC0415

    unknown = next((name for name in packages if name not in PACKAGES), None)
    if unknown is not None:
        raise UserError(
            f"--package {unknown}: this package is not read", f"{nearest(unknown, PACKAGES)} Read are {', '.join(PACKAGES)}."
        )
    target = into or home(environ)
    started = time.monotonic()
    client, index = Client(), configured(environ, folder, url)
    with store.locked(target), Progress(sys.stderr) as tell, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parsers, about strangers' pages and code
        store.recover(target)
        old = store.load(into) if into is not None else store.of(opened(None, environ))
        tell.begin(f"reading {plural(len(packages or PACKAGES), 'package')} from the package index ({index.chosen})")
        outcome = Refresh(client, index, target, day, tell).run(old, packages or PACKAGES, full=full, may_lose=may_lose)
    traffic, seconds = client.traffic, time.monotonic() - started
    said = [f"{plural(outcome.read, 'release')} read, {outcome.kept} unchanged"]
    said += [f"{outcome.resumed} from a refresh that was interrupted"] if outcome.resumed else []
    said += [f"the Python names of {plural(outcome.named, 'release')}"] if outcome.named else []
    volume = f"{traffic.body_bytes / 1e6:.1f} MB in {plural(traffic.requests, 'request')}, {seconds:.1f} s"
    sys.stdout.write(f"{', '.join(said)}; {volume}.\nWritten to {_shown(target)}.\n")
    changes = list(differences(old, outcome.derived))
    _print_some(changes, "changed", "envdoctor matrix diff says what")
    for trouble in outcome.troubles[:MANY_TROUBLES]:
        sys.stderr.write(harmless(f"could not be read: {trouble}") + "\n")
    if len(outcome.troubles) > MANY_TROUBLES:
        sys.stderr.write(f"... and {len(outcome.troubles) - MANY_TROUBLES} more could not be read\n")
    return 1 if outcome.troubles else 0


def _print_some(lines: list[str], what: str, more: str) -> None:
    """The first few differences."""
    for line in lines[:MANY_TROUBLES]:
        sys.stdout.write(f"  {harmless(line)}\n")
    if len(lines) > MANY_TROUBLES:
        sys.stdout.write(f"  ... {len(lines) - MANY_TROUBLES} more {what}; {more}\n")
    if not lines:
        sys.stdout.write("  nothing has changed\n")


def verify(environ: Mapping[str, str], folder: str, *, rows: int, seed: int | None, url: str | None, data: str | None) -> int:
    """Compare a sample with the index; gives the exit status.

    Raises:
        UserError: the data cannot be read, or the index is no address.
    """
    from envdoctor.harvest.index import configured  # noqa: PLC0415 - requests is slow to import
    from envdoctor.harvest.remote import Client  # noqa: PLC0415
    from envdoctor.harvest.verify import verify as compare  # noqa: PLC0415

    derived = store.of(opened(data, environ))
    if not derived.packages:
        raise UserError("there is no derived data to verify", "Make some with: envdoctor matrix refresh")
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parsers, about strangers' pages and code
        checked = compare(Client(), configured(environ, folder, url), derived, rows, chosen)
    for one in checked:
        if one.unread is not None:
            sys.stdout.write(harmless(f"?       {one.package} {one.version}: could not be read: {one.unread}") + "\n")
        elif one.differs:
            sys.stdout.writelines(harmless(f"DIFFERS {one.package} {one.version}: {what}") + "\n" for what in one.differs)
        else:
            sys.stdout.write(f"agrees  {one.package} {one.version}\n")
    wrong, unread = sum(bool(one.differs) for one in checked), sum(one.unread is not None for one in checked)
    ending = f", {unread} could not be read" if unread else ""
    sys.stdout.write(
        f"{len(checked) - wrong - unread} of {plural(len(checked), 'row')} agree, {wrong} differ{ending} (--seed {chosen})\n"
    )
    return 1 if wrong else CANNOT_TELL if unread else 0


def diff(environ: Mapping[str, str], old: str, new: str) -> int:
    """Print the differences; gives the exit status. Raises UserError: a folder without derived data."""
    before, after = _state(environ, old), _state(environ, new)
    lines = list(differences(before, after))
    _write(lines or ["nothing has changed"])
    return 0


def _state(environ: Mapping[str, str], word: str) -> Derived:
    folder = {"shipped": DATA, "refreshed": home(environ)}.get(word, word)
    if not os.path.exists(os.path.join(folder, MANIFEST)):
        hint = "Make it with: envdoctor matrix refresh" + ("" if word == "refreshed" else " --into DIR")
        raise UserError(f"{word}: there is no derived data{'' if word == folder else f' in {_shown(folder)}'}", hint)
    return store.load(folder)


def _write(lines: Iterable[str]) -> None:
    sys.stdout.writelines(harmless(line) + "\n" for line in lines)


def _shown(path: str) -> str:
    home_folder = os.path.expanduser("~")
    return "~" + path[len(home_folder) :] if path.startswith(home_folder + os.sep) else path
