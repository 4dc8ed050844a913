"""The program that a node's Python reads from standard input: the probe in it as text, imported from memory.

Nothing is written on the node. The container's way (sources/image.py: a zip in an anonymous file) does not do here: its
bootstrap is a word that shells would have to leave alone, and Pythons built against an old glibc (conda's, uv's) have no
os.memfd_create. All is ASCII, and what older Pythons must still parse to say that they are too old is plain.
"""

from __future__ import annotations

import base64
import os
import zlib
from typing import TYPE_CHECKING

from envdoctor.sources import interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "envdoctor-document-"
"""Begins the line after which the document follows; the rest of that line is new in every run."""

_PROGRAM = """\
import sys
if sys.version_info < {oldest}: sys.exit('{too_old} %d.%d' % sys.version_info[:2])
TEXTS = {texts}
try:
    import binascii, zlib
    TEXTS['probe/pynvml.py'] = zlib.decompress(binascii.a2b_base64({pynvml})).decode()
except Exception:
    pass
from importlib.machinery import ModuleSpec
class Travelled:
    def find_spec(self, name, path=None, target=None):
        file = name.replace('.', '/') + ('/__init__.py' if name == 'probe' else '.py')
        if file not in TEXTS: return None
        spec = ModuleSpec(name, self, origin=file, is_package=name == 'probe')
        spec.has_location = True
        return spec
    def create_module(self, spec): return None
    def exec_module(self, module): exec(compile(TEXTS[module.__file__], module.__file__, 'exec'), module.__dict__)
    def get_data(self, path):
        if path not in TEXTS: raise OSError(path)
        return TEXTS[path].encode()
sys.meta_path.append(Travelled())
sys.argv[1:] = {words}
sys.stdout.write('\\n{mark}' '{once}\\n')
sys.stdout.flush()
from probe.__main__ import main
main()
"""


def mark(once: str) -> bytes:
    """The line that stands before the document. ``once``: random text of this run, of letters and digits."""
    return f"{MARK}{once}".encode("ascii")


def program(once: str, wanted: Mapping[str, str]) -> bytes:
    """The whole program.

    Args:
        once: as for :func:`mark`.
        wanted: words of the probe's request (its __main__ says what they mean).
    """
    folder = os.path.join(interpreter.PACKAGE, "probe")
    texts = {f"probe/{name}": _text(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name.endswith(".py")}
    pynvml = interpreter.travelling_pynvml()
    packed = b"" if pynvml is None else base64.b64encode(zlib.compress(_text(pynvml).encode(), 9))
    words = [f"{key}={value}" for key, value in {**wanted, "pynvml": "travels"}.items()]
    lines = ",\n".join(f"{name!r}: {text!a}" for name, text in texts.items())
    told = _PROGRAM.format(
        oldest=interpreter.OLDEST,
        too_old=interpreter.TOO_OLD,
        texts="{\n" + lines + "}",
        pynvml=repr(packed),
        words=ascii(words),
        mark=MARK,
        once=once,
    )
    return told.encode("ascii")


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
