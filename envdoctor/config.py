"""``[tool.envdoctor]`` in pyproject.toml, or envdoctor.toml, found from the working folder upwards."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

KEYS = ("profile", "select", "skip", "ignore", "fail-on")
IGNORE_KEYS = ("code", "reason", "until", "package")
OF_PACKAGES = "DRIFT-"
"""How codes begin that can be ignored for one package alone."""
OWN_FILE = "envdoctor.toml"
NAME = b"envdoctor"
MAX_BYTES = 4 * 1024 * 1024


class Ignore(msgspec.Struct, frozen=True, kw_only=True):
    """One ignored rule, or one kind of drift: never without a reason, perhaps until a day (that day included)."""

    code: str
    reason: str
    until: dt.date | None = None
    package: str | None = None
    """Of a kind of drift: of this package only, as it was written."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration; ``path`` is where it was read, None for the defaults."""

    path: str | None = None
    profile: str | None = None
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    fail_on: str = "error"

    def in_force(self, today: dt.date) -> dict[str, str]:
        """Code -> reason of the ignores that have not expired."""
        return {one.code: one.reason for one in self.ignore if one.until is None or today <= one.until}

    def expired(self, today: dt.date) -> tuple[Ignore, ...]:
        """The ignores whose day is past: their rules count again."""
        return tuple(one for one in self.ignore if one.until is not None and today > one.until)


def find(start: str, codes: Collection[str], others: Collection[str] = ()) -> Config:
    """The nearest configuration at or above the folder ``start``; envdoctor.toml wins over pyproject.toml beside it.

    Args:
        start: where to begin.
        codes: of the rules of a check.
        others: further codes that may be ignored: of Dockerfiles, and of drift.

    Raises:
        UserError: unreadable, not TOML, a wrong key (names the nearest right one) or a wrong value.
    """
    folder = start
    while True:
        own, project = os.path.join(folder, OWN_FILE), os.path.join(folder, "pyproject.toml")
        data = _bytes(own)
        if data is not None:
            return parse(data, own, (), codes, others)
        data = _bytes(project)
        if data is not None and NAME in data and has_table(data, project):
            return parse(data, project, ("tool", "envdoctor"), codes, others)
        above = os.path.dirname(folder)
        if above == folder:
            return Config()
        folder = above


def _bytes(path: str) -> bytes | None:
    try:
        return read_file(path, MAX_BYTES)
    except (FileNotFoundError, PermissionError):
        # a folder above that is not ours to read is not configured by us
        return None
    except OSError as error:
        hint = f"Mend its permissions, or run where there is no {os.path.basename(path)}."
        raise UserError(f"{path} cannot be read: {error.strerror}", hint) from error


def has_table(data: bytes, path: str) -> bool:
    """Whether a pyproject.toml configures envdoctor, in whatever way TOML may write that. Raises UserError."""
    tool = _toml(data, path).get("tool", {})
    return isinstance(tool, dict) and "envdoctor" in tool


def _toml(data: bytes, path: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = msgspec.toml.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}", "Mend the line it names.") from error
    return values


def parse(data: bytes, path: str, table: tuple[str, ...], codes: Collection[str], others: Collection[str] = ()) -> Config:
    """Read the table of one file. Raises UserError."""
    where = f"{path}: [{'.'.join(table)}]" if table else path
    values: Any = _toml(data, path)
    for key in table:
        values = values.get(key, {}) if isinstance(values, dict) else None
    if not isinstance(values, dict):
        raise UserError(f"{where} is not a table", "Write [tool.envdoctor] and keys below it.")
    _only(values, KEYS, where)
    ignore = tuple(_ignore(one, where, (*codes, *others)) for one in _list(values, "ignore", dict, where))
    fail_on = values.get("fail-on", "error")
    if fail_on not in {"error", "warning"}:
        raise UserError(f"{where}: fail-on is {fail_on!r}", 'Write fail-on = "error" or fail-on = "warning".')
    profile = values.get("profile")
    if profile is not None and not isinstance(profile, str):
        raise UserError(f"{where}: profile is {profile!r}, not a string", 'Write profile = "h100".')
    return Config(
        path=path,
        profile=profile,
        select=known_codes(_list(values, "select", str, where), codes, f"{where}: select"),
        skip=known_codes(_list(values, "skip", str, where), codes, f"{where}: skip"),
        ignore=ignore,
        fail_on=fail_on,
    )


def known_codes(wanted: Collection[str], codes: Collection[str], where: str) -> tuple[str, ...]:
    """Codes or beginnings of codes, in capitals.

    Raises:
        UserError: one that matches no rule.
    """
    found = tuple(word.strip().upper() for word in wanted)
    for word in found:
        if not word or not any(code.startswith(word) for code in codes):
            raise UserError(f"{where}: no rule is called {word!r}", f"{nearest(word, codes)} `envdoctor rules` lists them all.")
    return found


def _ignore(value: dict[str, Any], where: str, codes: Collection[str]) -> Ignore:
    _only(value, IGNORE_KEYS, f"{where}: ignore")
    code, reason, until = value.get("code"), value.get("reason"), value.get("until")
    if not isinstance(code, str) or code.upper() not in codes:
        hint = f"{nearest(str(code).upper(), codes)} One rule an ignore; a whole group can be left out by skip."
        raise UserError(f"{where}: ignore has code {code!r}", hint)
    if not isinstance(reason, str) or not reason.strip():
        raise UserError(f"{where}: the ignore of {code} has no reason", 'Say why: reason = "..."; an ignore must carry one.')
    if isinstance(until, str):
        try:
            until = dt.date.fromisoformat(until)
        except ValueError:
            until = 0
    if isinstance(until, dt.datetime) or not (until is None or isinstance(until, dt.date)):
        raise UserError(f"{where}: the ignore of {code} has until = {value['until']!r}", "Write a date: until = 2026-12-31")
    package = value.get("package")
    if package is not None and not (isinstance(package, str) and package.strip() and code.upper().startswith(OF_PACKAGES)):
        hint = 'Only drift is ignored for one package: code = "DRIFT-EXTRA", package = "deepspeed".'
        raise UserError(f"{where}: the ignore of {code} has package = {package!r}", hint)
    return Ignore(code=code.upper(), reason=reason.strip(), until=until, package=package)


def _only(values: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in keys:
            raise UserError(f'{where}: "{key}" is not a key', nearest(key, keys))


def _list(values: dict[str, Any], key: str, kind: type, where: str) -> list[Any]:
    found = values.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        what = "tables: [[tool.envdoctor.ignore]]" if kind is dict else f'strings: {key} = ["ED301"]'
        raise UserError(f"{where}: {key} is {found!r}", f"Write a list of {what}")
    return found
