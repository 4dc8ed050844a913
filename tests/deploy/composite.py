"""A small runner of composite GitHub Actions: what a real one does with inputs, steps, outputs and bash, and nothing more.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax (composite actions) and
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax (``shell: bash`` is
``bash --noprofile --norc -eo pipefail FILE``), read 2026-11-26.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXPRESSION = re.compile(r"\$\{\{\s*([a-z.-]+)\s*\}\}")


class Ran(NamedTuple):
    """What became of an action."""

    status: int
    """Of the step that failed, else 0."""
    stdout: str
    stderr: str
    outputs: dict[str, str]
    summary: str


def action() -> dict[str, Any]:
    """action.yml."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return read


def run(folder: Path, repository: Path, given: dict[str, str], *, env: dict[str, str], only: str | None = None) -> Ran:
    """Run the steps of action.yml in ``repository`` with these inputs; the runner's own files lie in ``folder``.

    Args:
        folder: an empty folder for what a runner keeps outside the repository.
        repository: the working folder of the job.
        given: inputs of the workflow; what is not given takes its default.
        env: the environment of the runner, PATH for instance.
        only: run this step (an id) alone, with ``steps.install.outputs.program`` taken from ``given``.
    """
    made = action()
    values = {f"inputs.{name}": given.get(name, one.get("default", "")) for name, one in made["inputs"].items()}
    assert set(given) - {"program"} <= set(made["inputs"]), "an input that the action does not have"
    if only is not None:
        values["steps.install.outputs.program"] = given["program"]
    said, complained = "", ""
    summary = folder / "summary"
    summary.touch()
    status = 0
    for number, step in enumerate(made["runs"]["steps"]):
        if only not in {None, step["id"]}:
            continue
        output, script = folder / f"output-{number}", folder / f"step-{number}.sh"
        output.touch()
        script.write_text(step["run"], encoding="utf-8")
        assert step["shell"] == "bash"
        of_runner = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_WORKSPACE": str(repository),
            "RUNNER_TEMP": str(folder),
        }
        asked = {name: filled(text, values) for name, text in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=repository,
            env=env | of_runner | asked,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        said, complained, status = said + done.stdout, complained + done.stderr, done.returncode
        values |= {f"steps.{step['id']}.outputs.{key}": value for key, value in keyed(output.read_text(encoding="utf-8")).items()}
        if status:
            break
    outputs = {name: filled(one["value"], values) for name, one in made["outputs"].items()}
    return Ran(status, said, complained, outputs, summary.read_text(encoding="utf-8"))


def filled(text: str, values: dict[str, str]) -> str:
    """The text with its expressions replaced; an output that no step has set is empty, as on a runner."""
    return EXPRESSION.sub(lambda found: values.get(found[1], "") if found[1].startswith("steps.") else values[found[1]], text)


def keyed(text: str) -> dict[str, str]:
    """What a step wrote to GITHUB_OUTPUT: NAME=VALUE lines, and NAME<<MARK blocks."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, block, mark = line.partition("<<")
        if block and "=" not in name:
            body = []
            for inner in lines:
                if inner == mark:
                    break
                body.append(inner)
            found[name] = "\n".join(body)
            continue
        name, _, value = line.partition("=")
        found[name] = value
    return found
