"""What the classes of TRL and transformers have and take over their releases, with what they inherit: histories. Pure.

An owner is what ``tools/members.py`` calls it: ``PPOTrainer`` for what an object of the class has, ``PPOTrainer()`` for what it
takes when it is made, ``PPOTrainer.forward()`` for a method's arguments, ``prepare_peft_model()`` for a function's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.nametables import covers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from envdoctor.nametables import Exports, ModuleRow

    History = list[tuple[Version, bool]]
    """The releases that have the owner, oldest first, and whether each has the member."""

MAX_DEPTH = 12
"""Classes that inherit from each other in a row; no chain of ours has more than seven."""
RENAMED = {"PretrainedConfig": "PreTrainedConfig"}
"""A class that others inherit from -> its name in the releases that come after (transformers 5)."""
BASE, INHERITED, ANYTHING = "<", "...", "**"
"""How a table writes a class that is inherited from, that it says what is taken, and that anything is."""


def history(table: Exports, owner: str, name: str, *, by_name: bool = False) -> History:
    """Whether each release of a package has a member; empty where no release has the owner.

    Args:
        table: the package's.
        owner: the class, or what is called.
        name: of the member.
        by_name: what takes anything counts only where it looks for that name.
    """
    class_name = class_of(owner)
    after = RENAMED.get(class_name)
    if after is not None:
        renamed = after + owner.removeprefix(class_name)
        return [*_of_one(table, owner, name, by_name=by_name), *_of_one(table, renamed, name, by_name=by_name)]
    return _of_one(table, owner, name, by_name=by_name)


def _of_one(table: Exports, owner: str, name: str, *, by_name: bool) -> History:
    there = _row(table, owner)
    places = [(version, at) for version, at in table.places.items() if there is not None and covers(there.there, at)]
    named = [(version, _has(table, owner, name, at, MAX_DEPTH, by_name=True)) for version, at in places]
    # what takes anything is no evidence of an argument that nobody ever named
    if by_name or not any(has for _, has in named):
        return named
    return [(version, _has(table, owner, name, at, MAX_DEPTH, by_name=False)) for version, at in places]


def known(table: Exports, owner: str) -> bool:
    """Whether a release of the package has the class or the function."""
    return _row(table, owner) is not None


def _row(table: Exports, owner: str) -> ModuleRow | None:
    return table.modules.get(class_of(owner)) or table.modules.get(owner)


def outside(table: Exports, owner: str) -> Iterator[str]:
    """The owners in other packages that an owner of this one ever inherits from: ``Trainer()`` for ``GRPOTrainer()``."""
    seen, waiting = set[str](), [class_of(owner)]
    while waiting:
        class_name = waiting.pop()
        if class_name in seen:
            continue
        seen.add(class_name)
        row = table.modules.get(class_name)
        if row is None:
            yield class_name + owner.removeprefix(class_of(owner))
            continue
        texts = (row.always, *(text for _, text in row.names))
        waiting += [word.removeprefix(BASE) for text in texts for word in text.split() if word.startswith(BASE)]


def class_of(owner: str) -> str:
    """The class of an owner, or the name of the function that it is."""
    return owner.removesuffix("()").partition(".")[0]


def _has(table: Exports, owner: str, name: str, at: int, depth: int, *, by_name: bool) -> bool:
    if covers(table.spans(owner, name), at) or (not by_name and covers(table.spans(owner, ANYTHING), at)):
        return True
    class_name = class_of(owner)
    own = table.modules.get(owner)
    says_itself = owner != class_name and own is not None and covers(own.there, at)
    if depth == 0 or (says_itself and not covers(table.spans(owner, INHERITED), at)):
        return False
    suffix = owner.removeprefix(class_name)
    return any(_has(table, base + suffix, name, at, depth - 1, by_name=by_name) for base in _bases(table, class_name, at))


def _bases(table: Exports, class_name: str, at: int) -> Iterator[str]:
    row = table.modules.get(class_name)
    if row is None:
        return
    for spans, text in ((row.there, row.always), *row.names):
        if BASE in text and covers(spans, at):
            yield from (word.removeprefix(BASE) for word in text.split() if word.startswith(BASE))
