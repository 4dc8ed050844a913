"""``envdoctor check`` on environments of real wheels: one fault each, one root cause each. Run by ``make real``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.environments import ENVIRONMENTS, Environment
from tests.real.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

ROOM_BYTES = 6 * 1000**3
PRINTED = "vllm-0.6.6-over-torch-2.6.0"
OF_THE_MACHINE = ("ED1", "ED305", "ED306", "ED5")
"""Rules on driver, GPUs, CUDA toolkits and container: they judge where the test runs, not the environment that was built."""


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with tempfile.TemporaryDirectory(prefix="envdoctor-real-", ignore_cleanup_errors=True) as folder:
        free = shutil.disk_usage(folder).free
        assert free >= ROOM_BYTES, (
            f"6 GB of disk are needed under {folder}, {free / 1e9:.1f} GB are free (TMPDIR chooses another place)"
        )
        yield Workshop(Path(folder))


@pytest.fixture
def built(row: Environment, workshop: Workshop) -> Iterator[Workshop]:
    try:
        workshop.build(row)
        if row.only_if is not None:
            name, ending = row.only_if
            if not workshop.version(name).endswith(ending):
                pytest.skip(f"the index in use gives {name} {workshop.version(name)}, this row is about a build {ending}")
        yield workshop
    finally:
        workshop.remove()


def of_the_environment(diagnoses: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["code"], one["cause"], one["subjects"][0]) for one in diagnoses if not one["code"].startswith(OF_THE_MACHINE)]


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.name)
def test_the_one_root_cause_is_named(row: Environment, built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    status, diagnoses = built.report()
    expected = [] if row.expected is None else [(row.expected.code, row.expected.cause, row.expected.blamed)]
    assert of_the_environment(diagnoses) == expected
    errors = [one["code"] for one in diagnoses if one["severity"] == "error"]
    assert status == (1 if errors else 0)
    if not Path("/proc/driver/nvidia").exists():
        assert not [code for code in errors if code.startswith(OF_THE_MACHINE)], "a machine without GPU is no error"
    if row.really_fails is not None:
        module, message = row.really_fails
        works, said = built.imports(module)
        assert not works
        assert message in said
    if row.name == PRINTED:
        page = built.check("terminal").stdout
        with capsys.disabled():
            print(f"\n{page}")  # noqa: T201 - the page that README shows
