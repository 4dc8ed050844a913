"""Make an environment of 200 packages without installing one: the metadata of real wheels, read by range from the index.

``envdoctor fix`` plans from metadata alone, so this is what it sees of a real environment, at 1 MB and in half a minute instead
of 8 GB. Of torch there is version.py as well, which says which CUDA it was built with.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.remote import Client
from envdoctor.resolver import Pinned, Question, resolve

if TYPE_CHECKING:
    from pathlib import Path

CUDA = {"2.14": "13.0", "2.13": "13.0", "2.10": "12.8", "2.5": "12.4"}
"""Of torch's wheels on PyPI, by its minor release."""


def build(folder: Path, interpreter: str, requirements: tuple[str, ...]) -> tuple[Pinned, ...]:
    """An environment in ``folder`` for that interpreter, with the metadata of what uv resolves for the requirements."""
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(folder)], check=True)
    ask = [interpreter, "-c", "import platform; print(platform.python_version())"]
    version = subprocess.run(ask, check=True, capture_output=True)
    asked = version.stdout.decode().strip()
    pins = resolve(Question(requirements=requirements, python=asked, platform="x86_64-manylinux_2_35"))
    site = next((folder / "lib").glob("python*/site-packages"))
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda one: _put(site, one), pins))
    torch = next((one.version for one in pins if one.name == "torch"), None)
    if torch is not None:
        (site / "torch").mkdir()
        cuda = CUDA[".".join(torch.split(".")[:2])]
        lines = (f"__version__ = '{torch}+cu{cuda.replace('.', '')}'", "debug = False", f"cuda = '{cuda}'", "hip = None", "")
        (site / "torch" / "version.py").write_text("\n".join(lines), encoding="utf-8")
    return pins


def _put(site: Path, one: Pinned) -> None:
    """Its METADATA, as an installer leaves it; an empty RECORD, for nothing of it is there."""
    file = next(each for each in one.files if each.is_wheel)
    folder = site / f"{one.name.replace('-', '_')}-{one.version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(Wheel(Client(), file.url).metadata())
    (folder / "INSTALLER").write_text("uv\n", encoding="utf-8")
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", encoding="utf-8")
