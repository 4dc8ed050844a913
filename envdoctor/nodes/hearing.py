"""What one node prints, read as it comes and bounded: the document behind its mark, or why there is none. Pure.

A login shell, a banner or a job manager may print before the document, even without ending its line, and after it. The mark
is a line of its own with a random part, so nothing that was printed by chance or echoed (the program itself, by a terminal)
passes for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.sources.interpreter import NO_ISOLATION, OLDEST, TOO_OLD

if TYPE_CHECKING:
    from typing import Final

MAX_BEFORE_BYTES: Final = 1024 * 1024
MAX_DOCUMENT_BYTES: Final = 8 * 1024 * 1024
"""A node with 158 distributions tells 150 KB; many nodes are heard at once."""
MAX_ERRORS_BYTES: Final = 1024 * 1024
KEPT_BYTES: Final = 4096
LAST: Final = 300
"""Characters of a line that is quoted."""
PRINTED: Final = 100
NOT_FOUND: Final = 127
NOT_ALLOWED: Final = 126
UNREACHED: Final = 255
"""Exit status of ssh itself (ssh(1): "255 if an error occurred"); of other programs it is any status."""


class Hearing:
    """The output of one node. ``document`` is set once it is whole, ``over`` once it has printed too much."""

    def __init__(self, mark: bytes) -> None:
        self.mark = b"\n" + mark + b"\n"
        self.document: bytes | None = None
        self.over = ""
        self.begun = False
        """Whether the mark was there: the probe has started."""
        self._out = bytearray(b"\n")
        self._parts: list[bytes] = []
        self._size = 0
        self._before = 0
        self._err = bytearray()
        self._errors = 0
        self._tail = b""

    def out(self, data: bytes) -> None:
        """Bytes of its standard output; b"" is none."""
        if self.document is not None or self.over:
            return
        if not self.begun:
            self._before += len(data)
            self._tail = (self._tail + data)[-KEPT_BYTES:]
            self._out += data
            place = self._out.find(self.mark)
            if place < 0:
                # the mark may lie across two reads
                del self._out[: -len(self.mark)]
                if self._before > MAX_BEFORE_BYTES:
                    self.over = f"it printed more than {MAX_BEFORE_BYTES >> 20} MiB before the probe's document"
                return
            self.begun = True
            data = bytes(self._out[place + len(self.mark) :])
            self._out.clear()
        line, end, _ = data.partition(b"\n")
        self._parts.append(line)
        self._size += len(line)
        if self._size > MAX_DOCUMENT_BYTES:
            self._parts.clear()
            self.over = f"its document is larger than {MAX_DOCUMENT_BYTES >> 20} MiB"
        elif end:
            self.document = b"".join(self._parts)

    def err(self, data: bytes) -> None:
        """Bytes of its standard error, and of the prefix's own."""
        self._errors += len(data)
        self._err = (self._err + data)[-KEPT_BYTES:]
        if self._errors > MAX_ERRORS_BYTES and self.document is None:
            self.over = f"it printed more than {MAX_ERRORS_BYTES >> 20} MiB of errors"

    def last_words(self) -> str:
        """The last line of its standard error that says anything; "" if there is none."""
        lines = [line.strip() for line in self._err.decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")[:LAST]

    def why_none(self, status: int | None, late_s: float | None, program: str, python: str) -> str:
        """Why there is no document, for a person.

        Args:
            status: exit status of the command, negative for a signal; None where it did not end.
            late_s: the deadline that it missed, in seconds; None where it did not miss it.
            program: the prefix's own program, "ssh".
            python: what was to be started on the node.
        """
        last = self.last_words()
        said = f": {last}" if last else ""
        if self.over:
            return self.over
        if late_s is not None:
            return f"no answer in {late_s:g} s{f'; its last words: {last}' if last else ''}"
        old = self._too_old(last)
        if old:
            return f"its {python} is Python {old}; the probe needs {OLDEST[0]}.{OLDEST[1]} or newer"
        if self.begun:
            return f"the probe broke off (exit status {status}){said}"
        if status in {NOT_FOUND, NOT_ALLOWED}:
            return f"{python} cannot be started there (exit status {status}){said}"
        if status == UNREACHED:
            return f"{program} did not reach it (exit status {status}){said}"
        if status == 0:
            return f"it ended well without the probe's document; it printed {self._printed()}"
        how = f"exit status {status}" if status is not None and status > 0 else f"signal {-(status or 0)}"
        return f"{program} ended with {how}{said or f'; it printed {self._printed()}'}"

    def _too_old(self, last: str) -> str:
        """Which Python says that it is too old, or says it by what it does not know."""
        _, told, version = last.rpartition(TOO_OLD)  # what was printed before it may not have ended its line
        if told:
            return version.strip()
        return "2, or 3.3 or older" if NO_ISOLATION in self._err.decode("utf-8", "replace") else ""

    def _printed(self) -> str:
        text = " ".join(self._tail.decode("utf-8", "replace").split())[-PRINTED:]
        return f"{text!r}" if text else "nothing"
