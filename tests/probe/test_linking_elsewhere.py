"""The section ``linking`` where the environment is not this one: nothing known of it, a recorded machine, another root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envdoctor.probe import linking
from envdoctor.probe.machine import Machine
from tests.probe.linked import Environment
from tests.probe.recorded import MACHINES, recorded, written
from tests.probe.shared_objects import X86_64, Asks, Gives, shared_object
from tests.probe.test_ldso import program
from tests.probe.test_linkmap import supported

pytestmark = pytest.mark.skipif(not supported(), reason="this Python is not started by glibc's loader")


def test_what_is_not_known_of_the_interpreter_or_the_packages_is_the_reason(tmp_path: Path) -> None:
    made = Environment(tmp_path)
    sections = made.sections()
    sections["packages"]["distributions"] = {"is": "unknown", "why": "the folder cannot be read"}
    out: dict[str, Any] = {}
    linking.probe(out, Machine(environ={}), {"sections": sections})
    assert {leaf["why"] for name, leaf in out.items() if name != "seconds"} == {"the folder cannot be read"}
    gone = made.linked(python={"executable": str(tmp_path / "gone/python3")})
    assert {leaf["why"] for name, leaf in gone.items() if name != "seconds"} == {f"{tmp_path}/gone/python3 does not exist"}


@pytest.mark.parametrize("name", sorted(one.name for one in MACHINES.iterdir() if (one / "root").is_dir())[:3])
def test_a_recorded_machine_holds_no_interpreter_and_says_so(name: str) -> None:
    machine = recorded(name)
    sections = Environment.__new__(Environment)
    sections.site, sections.distributions = MACHINES / name, []
    out: dict[str, Any] = {}
    linking.probe(out, machine, {"sections": sections.sections(executable="/usr/bin/python3.99")})
    assert out["modules"]["why"] == "/usr/bin/python3.99 does not exist"


def test_another_root_is_judged_by_its_own_files_alone(tmp_path: Path) -> None:
    """The same module in two images: one has the C++ library that it was built with, the other an older one."""
    found = {}
    for name, versions in (("new", ("V_1", "V_2")), ("old", ("V_1",))):
        (tmp_path / name).mkdir()
        cxx = shared_object("libstdc++.so.6", gives=tuple(Gives(f"f{one}", one) for one in versions), machine=X86_64)
        user = shared_object(
            needs=("libstdc++.so.6",), asks=(Asks("fV_2", "V_2", "libstdc++.so.6"),), gives=(Gives("PyInit__C"),), machine=X86_64
        )
        files: dict[str, str | bytes] = {
            "usr/bin/python3": program(),
            "usr/lib64/libc.so.6": shared_object("libc.so.6", machine=X86_64),
            "usr/lib64/libstdc++.so.6": cxx,
            "site/vllm/_C.abi3.so": user,
            "site/vllm-1.0.dist-info/RECORD": "vllm/_C.abi3.so,,\n",
        }
        machine = written(tmp_path / name, files)
        made = Environment.__new__(Environment)
        made.site = Path("/site")
        made.distributions = [
            {"name": "vllm", "version": "1.0", "location": "/site", "metadata_dir": "vllm-1.0.dist-info", "requires": [], "wheel_tags": []}
        ]  # fmt: skip
        out: dict[str, Any] = {}
        sections = made.sections(executable="/usr/bin/python3", abi="cpython-39-x86_64-linux-gnu")
        linking.probe(out, machine, {"sections": sections})
        found[name] = [(one["path"], one["problems"]) for one in out["modules"]["value"]]
    assert found["new"] == [("vllm/_C.abi3.so", [])]
    assert found["old"] == [
        (
            "vllm/_C.abi3.so",
            [
                {
                    "kind": "missing-version", "file": "vllm/_C.abi3.so", "wants": "V_2", "of": "libstdc++.so.6",
                    "message": "/usr/lib64/libstdc++.so.6: version `V_2' not found (required by /site/vllm/_C.abi3.so)",
                }
            ],
        )
    ]  # fmt: skip
