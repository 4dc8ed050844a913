"""Asking the resolver quickly: from what uv has in its cache where that is enough, and then whether the files are really there.

A whole environment is hundreds of pages of the index, and a server that forbids their caching makes each resolution ask for all
of them again (10 s for 200 packages). What a release asks for never changes; so versions are chosen by what is cached, and
of those that move each is asked for once more, by its exact version, before a plan is shown.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.resolver import Unresolvable, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envdoctor.resolver import Pinned, Question

    Resolve = Callable[[Question], tuple[Pinned, ...]]

_COLD = re.compile(r"network (?:connectivity )?(?:was|is) disabled|found in the cache", re.IGNORECASE)
"""What uv says of a question that its cache cannot answer."""


class Resolver:
    """uv for one plan. ``seconds`` and ``questions`` count what it took."""

    def __init__(self, *, offline: bool = False, resolve: Resolve = resolve) -> None:
        self.offline = offline
        self._resolve = resolve
        self._cached = True
        self.seconds = 0.0
        self.questions = 0

    def ask(self, question: Question) -> dict[str, Pinned]:
        """The releases by name, chosen from the cache where it holds enough.

        Raises:
            Unresolvable: no versions fit together.
            UserError: uv cannot answer.
        """
        if self._cached:
            try:
                return self._timed(msgspec.structs.replace(question, offline=True))
            except UserError as none:
                # its cache may lack a page: then it finds no solution and says so, or gives up
                if self.offline or (isinstance(none, Unresolvable) and not _COLD.search(none.says)):
                    raise
        return self._timed(msgspec.structs.replace(question, offline=self.offline))

    def confirmed(self, question: Question, moving: Iterable[Pinned]) -> dict[str, Pinned] | None:
        """The files of these exact releases as the index has them now; None if one of them is gone.

        With --offline nothing more can be asked, and what the index was just asked about is there.
        """
        pins = tuple(moving)
        if self.offline or not self._cached or not pins:
            return {one.name: one for one in pins}
        exact = msgspec.structs.replace(
            question,
            requirements=tuple(f"{one.name}=={one.version}" for one in pins),
            constraints=(),
            overrides=(),
            preferences={},
            with_dependencies=False,
            offline=False,
        )
        try:
            return self._timed(exact)
        except Unresolvable:
            self._cached = False  # the cache is behind the index
            return None

    def _timed(self, question: Question) -> dict[str, Pinned]:
        started = time.monotonic()
        try:
            return {one.name: one for one in self._resolve(question)}
        finally:
            self.seconds += time.monotonic() - started
            self.questions += 1
