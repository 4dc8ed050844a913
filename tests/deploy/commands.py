"""The command lines of envdoctor in files for other programs, as argument lists."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import yaml

from tests.deploy.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "deploy"
PROGRAM = "/opt/envdoctor/bin/envdoctor"


def kubernetes(path: Path) -> list[list[str]]:
    """Of every container of a Job that runs envdoctor."""
    pod = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    commands = [one["command"] for one in [*pod.get("initContainers", []), *pod["containers"]]]
    return [one for one in commands if one[0] == PROGRAM]


def systemd(path: Path) -> list[list[str]]:
    """Of a unit, with the options that it sets by itself."""
    text = path.read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    (options,) = re.findall(r"^Environment=ENVDOCTOR_OPTIONS=(.*)$", text, re.MULTILINE)
    return [shlex.split(line.replace("$ENVDOCTOR_OPTIONS", options))]


def docker(path: Path) -> list[list[str]]:
    """Of a HEALTHCHECK, up to the shell's own words."""
    text = path.read_text(encoding="utf-8")
    return [shlex.split(line.partition(";")[0]) for line in re.findall(rf"^\s+CMD ({PROGRAM} .*)$", text, re.MULTILINE)]


FILES = [
    *((path, kubernetes) for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))),
    *((path, systemd) for path in sorted((DEPLOY / "systemd").glob("*.service"))),
    *((path, docker) for path in sorted((DEPLOY / "docker").glob("*.Dockerfile"))),
]
