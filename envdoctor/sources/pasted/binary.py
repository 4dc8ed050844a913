"""Files that are no text, told by their start: an archive, a picture, a program, noise. Pure, and cheap however large they are.

The readers take any bytes, and of noise they would say "nothing found", which reads as a clean bill. So a file is looked at before it
is read. The bound is generous: a text in any encoding has next to none of the bytes that are counted here, of noise and of compressed
data they are a tenth, of programs more.
"""

from __future__ import annotations

SAMPLE = 64 * 1024
MOST = 0.05
"""Share of NUL and control characters of a text that is still read: logs hold some."""
FEW = 8
"""As many are no sign of anything, however short the text is."""
ALTERNATE = 0.4
"""Share of NUL among every other byte from which on it may be UTF-16 without its mark; a program has them in pairs, too."""
MARKS = (b"\xff\xfe", b"\xfe\xff")
_SPACES_AND_COLOURS = b"\a\b\t\n\v\f\r\x0e\x0f\x1b"  # and what terminals are told, as `script` writes it down
_ODD = bytes(code for code in (*range(32), 127) if code not in _SPACES_AND_COLOURS)
_KINDS = (
    (b"\x7fELF", "a compiled program or library"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF87a", "a picture"),
    (b"GIF89a", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ\0", "a compressed file"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
    (b"7z\xbc\xaf", "an archive"),
    (b"PK\3\4", "an archive"),
    (b"%PDF-", "a PDF document"),
)
"""By the beginnings of files. One alone convicts nobody: it only puts a name to what was counted."""


def no_text(document: bytes) -> str | None:
    """Why it is no text, as the end of "it is no text: ..."; None where it may be one."""
    if document.startswith(MARKS):
        return None
    kept = document.lstrip(b"\0") if document.startswith(b"\0") else document
    if document and not kept:
        return "all of it is NUL"
    sample = _narrow(kept[:SAMPLE])  # a log that was emptied while a program wrote it begins with a hole
    odd = len(sample) - len(sample.translate(None, _ODD))
    if odd <= max(FEW, MOST * len(sample)):
        return None
    kind = next((f"it begins as {what} does, and " for start, what in _KINDS if document.startswith(start)), "")
    return f"{kind}{100 * odd // len(sample)} % of its first {min(len(document), SAMPLE)} bytes are NUL or control characters"


def _narrow(sample: bytes) -> bytes:
    """Of UTF-16 without its mark the text in UTF-8, in which a letter is no half of NUL; else the sample itself."""
    for high, codec in ((sample[1::2], "utf-16-le"), (sample[0::2], "utf-16-be")):
        if high and high.count(0) >= ALTERNATE * len(high):
            return sample.decode(codec, "replace").encode("utf-8", "replace")
    return sample
