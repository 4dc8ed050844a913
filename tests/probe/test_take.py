"""The whole document: it decodes into the typed facts, keeps to its budget, and one bad section costs its own leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import envdoctor
from envdoctor import facts as f
from envdoctor.probe import __main__ as probe
from envdoctor.probe import interpreter
from envdoctor.probe.machine import Machine
from tests.probe.machines import WAITS_S
from tests.probe.recorded import MACHINES, recorded

ROOT = Path(envdoctor.__file__).parent.parent
RUN = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from envdoctor.probe.__main__ import main; main()"


def decoded(document: dict[str, Any]) -> f.Facts:
    return f.decode(json.dumps(document).encode())


def with_section(monkeypatch: pytest.MonkeyPatch, name: str, behaviour: Any) -> None:
    """Put a section of the same leaves and another behaviour in the place of ``name``."""
    changed = [
        (one, SimpleNamespace(LEAVES=module.LEAVES, probe=behaviour) if one == name else module, after)
        for one, module, after in probe.SECTIONS
    ]
    monkeypatch.setattr(probe, "SECTIONS", tuple(changed))


def unknown_leaves(part: Any) -> list[str]:
    return [name for name in part.__struct_fields__ if isinstance(getattr(part, name), f.Unknown)]


def test_the_document_of_the_live_machine_decodes_into_facts() -> None:
    facts = decoded(probe.take(Machine(), {}))
    assert facts.schema_version == f.SCHEMA_VERSION
    assert isinstance(facts.python, f.Known)
    assert facts.python.value.version.startswith(".".join(map(str, sys.version_info[:2])))
    assert isinstance(facts.host.kernel, f.Known)
    assert isinstance(facts.environ, f.Known)
    assert facts.extras == {}
    bugs = [leaf for leaf in leaves_of(facts) if isinstance(leaf, f.Unknown) and "the probe failed here" in leaf.why]
    assert bugs == []


def leaves_of(node: Any) -> list[Any]:
    if isinstance(node, f.Known | f.Unknown):
        return [node]
    return [leaf for name in getattr(node, "__struct_fields__", ()) for leaf in leaves_of(getattr(node, name))]


@pytest.mark.parametrize("name", sorted(one.name for one in MACHINES.iterdir() if (one / "root").is_dir()))
def test_the_document_of_every_recorded_machine_decodes_into_facts(name: str) -> None:
    facts = decoded(probe.take(recorded(name), {"extras": True}))
    assert set(facts.extras) == {"gcc", "clang", "cmake", "lscpu", "topology", "nvcc"}


@pytest.mark.parametrize("python", [sys.executable, "python3.8"], ids=["this", "3.8"])
def test_the_probe_runs_isolated_under_another_interpreter_in_a_locale_that_is_not_utf8(python: str, tmp_path: Path) -> None:
    program = shutil.which(python)
    if program is None or subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no {python} here")
    odd = tmp_path / "größe"
    odd.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LC_ALL": "POSIX",
        "CUDA_HOME": str(odd),
        "NCCL_DEBUG_FILE": "/x/\udcff\udce4",
    }
    done = subprocess.run(
        [program, "-I", "-S", "-X", "utf8=0", "-c", RUN, "{}"], capture_output=True, env=env, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr.decode()
    facts = f.decode(done.stdout)
    assert isinstance(facts.environ, f.Known)
    # file names are bytes: those that the target's locale cannot read arrive with marks, not as an error
    assert set(facts.environ.value) == {"CUDA_HOME", "NCCL_DEBUG_FILE", "LC_ALL"}
    assert facts.environ.value["CUDA_HOME"].startswith("~/gr")
    assert isinstance(facts.cuda.toolkits, f.Known)


def test_a_section_that_hangs_costs_its_own_leaves_and_no_more_time_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    with_section(monkeypatch, "host", lambda *_: time.sleep(60))
    started = time.monotonic()
    facts = decoded(probe.take(Machine(), {"deadline_s": 2}))
    assert time.monotonic() - started < WAITS_S
    assert unknown_leaves(facts.host) == list(facts.host.__struct_fields__)
    assert facts.host.kernel == f.Unknown("no answer in 2 s")
    assert isinstance(facts.container.nofile, f.Known)
    assert isinstance(facts.environ, f.Known)
    assert isinstance(facts.cuda.libraries, f.Known)


def test_what_a_late_section_had_found_before_the_deadline_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(out: dict[str, Any], machine: Any, ask: Any) -> None:
        out["kernel"] = {"is": "known", "value": "6.1", "via": "uname"}
        time.sleep(60)

    with_section(monkeypatch, "host", slow)
    facts = decoded(probe.take(Machine(), {"deadline_s": 1}))
    assert facts.host.kernel == f.Known("6.1", "uname")
    assert facts.host.arch == f.Unknown("no answer in 1 s")


def test_a_section_that_raises_says_so_in_the_leaves_it_had_not_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(out: dict[str, Any], machine: Any, ask: Any) -> None:
        out["runtime"] = {"is": "known", "value": "docker", "via": "/.dockerenv"}
        raise ValueError("odd machine")

    with_section(monkeypatch, "container", bad)
    facts = decoded(probe.take(Machine(), {}))
    assert facts.container.runtime == f.Known("docker", "/.dockerenv")
    assert facts.container.nofile == f.Unknown("the probe failed here: ValueError: odd machine")
    assert isinstance(facts.host.kernel, f.Known)


def test_sections_built_on_one_that_fails_say_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(out: dict[str, Any], machine: Any, ask: Any) -> None:
        raise RuntimeError("no interpreter")

    with_section(monkeypatch, "python", bad)
    facts = decoded(probe.take(Machine(), {}))
    why = "the probe failed here: RuntimeError: no interpreter"
    assert facts.python == f.Unknown(why)
    assert facts.cuda.libraries == f.Unknown("the folders of the wheels are not known: " + why)
    assert isinstance(facts.cuda.toolkits, f.Known)
    assert isinstance(facts.packages.distributions, f.Unknown)


def test_sections_wait_for_the_one_they_are_built_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(out: dict[str, Any], machine: Any, ask: Any) -> None:
        time.sleep(0.5)
        interpreter.probe(out, machine, ask)

    with_section(monkeypatch, "python", slow)
    facts = decoded(probe.take(Machine(), {}))
    for leaf in (facts.cuda.libraries, facts.packages.distributions, facts.builds.torch):
        assert isinstance(leaf, f.Known), leaf


def test_a_wedged_program_leaves_nothing_behind_and_the_document_comes_in_time(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    smi = tmp_path / "gcc"
    smi.write_text(f'#!/bin/sh\ntrap "" TERM\necho $$ >> {pid}\nwhile :; do sleep 1; done\n')
    smi.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    started = time.monotonic()
    ask = ["deadline_s=2", "extras=yes"]
    done = subprocess.run([sys.executable, "-I", "-S", "-c", RUN, *ask], capture_output=True, env=env, check=True, timeout=30)
    assert time.monotonic() - started < WAITS_S
    facts = f.decode(done.stdout)
    assert facts.extras["gcc"] == f.Unknown("no answer in 2 s")
    for line in pid.read_text().split():
        assert not Path(f"/proc/{line}").exists()
