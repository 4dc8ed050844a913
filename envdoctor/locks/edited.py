"""Writing the TOML form of a lock over the one that is there, so that a person's comments and order stay. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, InlineTable, Table, Whitespace

if TYPE_CHECKING:
    from tomlkit.items import AoT, Array, Item

ABOUT = {
    "assumes": "What the machine is taken to be; judge it for another one with envdoctor check lock:{target} --suppose ...",
    "stack": "What of the stack came of it.",
    "asked": "What was asked for, and what the resolver was allowed to see.",
    "size": "Of all files together; exact bytes.",
    "made": "When and from what; requirements_sha256 ties {target}.txt to this file.",
    "bounds": "Ranges that no metadata states; the compatibility data does.",
    "packages": "One line a package: what {target}.txt pins, with sizes in bytes and the digest of the wheel's RECORD.",
}
ABOUT_ALL = "One line a package"
HEAD = "{target}: a locked environment. Install it from {target}.txt; envdoctor check lock:{target} judges it."


def document(tables: dict[str, Any], old: str | None) -> str:
    """The TOML text of these values, over ``old`` if there is one: its comments and the order of what stays are kept.

    Args:
        tables: plain values as ``form.tables`` gives them.
        old: the text that is there, or None.

    Raises:
        ValueError: the old text is not TOML.
    """
    target = tables["target"]
    try:
        made = tomlkit.document() if old is None else tomlkit.parse(old)
    except (TOMLKitError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if old is None:
        made.add(tomlkit.comment(HEAD.format(target=target)))
    tables = {name: value for name, value in tables.items() if value != []}
    for gone in [name for name in made if name not in tables]:
        del made[gone]
    for name, value in tables.items():
        before = made.get(name)
        if before is not None and before.unwrap() == value:
            continue
        if isinstance(before, Table) and isinstance(value, dict):
            made[name] = _packages(value, before) if name == "packages" else _table(value, before)
        elif before is not None:
            made[name] = _item(name, value, target)
        else:
            made.add(name, _item(name, value, target))
    return tomlkit.dumps(made)


def _item(name: str, value: Any, target: str) -> Item:  # noqa: ANN401 - what TOML can say
    if not isinstance(value, (dict, list)):
        plain: Item = tomlkit.item(value)
        return plain
    table = tomlkit.table()
    table.add(tomlkit.comment(ABOUT[name].format(target=target)))
    if isinstance(value, list):
        return _many(value, table)
    return _packages(value, table) if name == "packages" else _table(value, table)


def _many(rows: list[dict[str, str]], first: Table) -> AoT:
    """One table a row, the values of the first one under what is said of them all."""
    made = tomlkit.aot()
    for number, row in enumerate(rows):
        made.append(_table(row, tomlkit.table() if number else first))
    if rows:
        made[-1].add(tomlkit.nl())
    return made


def _table(value: dict[str, Any], table: Table) -> Table:
    """The table with these values: keys that stay keep their place and their comment."""
    for gone in [key for key in table if key not in value]:
        del table[gone]
    for key, one in value.items():
        if key not in table or table[key].unwrap() != one:
            table[key] = _rows(one) if isinstance(one, list) else one
    return table


def _rows(values: list[str]) -> Array:
    """A list as one line an entry."""
    made = tomlkit.array()
    made.extend(values)
    return made.multiline(multiline=len(values) > 1)


def _packages(value: dict[str, Any], before: Table) -> Table:
    """One inline table a line. New packages come before the first that follows them by name; comments stay above theirs."""
    made = tomlkit.table()
    new = sorted(name for name in value if name not in before)
    above: list[Comment | Whitespace] = []
    for key, item in before.value.body:
        if key is None and isinstance(item, (Comment, Whitespace)):
            if ABOUT_ALL in item.as_string():  # what is said of all packages stays above the first
                made.add(item)
            else:
                above.append(item)
        if key is None:
            continue
        while new and new[0] < key.key:
            made.add(new[0], _line(value[new.pop(0)], None))
        for one in above:
            made.add(one)
        above = []
        if key.key in value:
            made.add(key.key, item if item.unwrap() == value[key.key] else _line(value[key.key], item))
    for name in new:
        made.add(name, _line(value[name], None))
    for one in above:
        made.add(one)
    return made


def _line(value: dict[str, Any], old: Item | None) -> InlineTable:
    line = tomlkit.inline_table()
    line.update(value)
    if old is not None and old.trivia.comment:
        line.comment(old.trivia.comment)
        line.trivia.comment_ws = old.trivia.comment_ws
    return line
