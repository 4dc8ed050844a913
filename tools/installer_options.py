"""Write the options that pip and uv really have, by asking many of their releases; ``python -m tools.installer_options``.

pip is asked through its own option parser, from the wheel, which also knows the options that its help page hides. uv is asked by
passing it each option that any of the two has: clap says "unexpected argument" of one that it does not know, and "unexpected
value" of one that takes none. What uv knows only to refuse ("pip's `--user` is unsupported") is marked as refused.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.version import Version

TABLE = Path(__file__).resolve().parent.parent / "envdoctor" / "data" / "tables" / "installer_options.jsonl"
PIPS = ("20.3.4", "21.3.1", "22.3.1", "23.3.2", "24.3.1", "25.3", "26.3")
UVS = ("0.1.45", "0.2.37", "0.3.5", "0.4.30", "0.5.31", "0.6.17", "0.7.22", "0.8.24", "0.9.30", "0.10.12", "0.11.21", "0.13.9")
COMMANDS = ("pip install", "sync")
ASK_PIP = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pip._internal.commands import create_command
parser = create_command("install").parser
options = list(parser.option_list) + [one for group in parser.option_groups for one in group.option_list]
print(json.dumps([[name, bool(one.takes_value())] for one in options for name in one._long_opts + one._short_opts]))
"""
Known = dict[str, dict[str, tuple[bool, bool]]]
"""Option -> version -> whether it takes a value, whether it is refused."""


def fetched(name: str, version: str, folder: Path) -> Path | None:
    """The one file of a release in a folder of its own, None where the index has no such release."""
    into = folder / f"{name}-{version}"
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(into)]
    done = subprocess.run([*argv, f"{name}=={version}"], check=False, capture_output=True)  # noqa: S603
    return next(iter(into.glob("*.whl")), None) if done.returncode == 0 else None


def pip_options(folder: Path) -> Known:
    """What the option parsers of pip's releases take."""
    known: Known = {}
    for version in PIPS:
        wheel = fetched("pip", version, folder)
        if wheel is None:
            continue
        done = subprocess.run([sys.executable, "-c", ASK_PIP, str(wheel)], check=True, capture_output=True)  # noqa: S603
        for name, takes in json.loads(done.stdout):
            known.setdefault(name, {})[version] = (takes, False)
    return known


def uvs(folder: Path) -> dict[str, str]:
    """The releases of uv that the index has, unpacked: version -> program."""
    found = {}
    for version in UVS:
        wheel = fetched("uv", version, folder)
        if wheel is None:
            continue
        place = folder / f"uv-{version}"
        subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(place)], check=True)  # noqa: S603
        program = next(place.glob("*.data/scripts/uv"))
        program.chmod(0o755)
        found[version] = str(program)
    return found


def uv_options(programs: dict[str, str], command: str, candidates: set[str]) -> Known:
    """What the releases of uv say of each candidate, and of whatever the help page of any of them names."""
    helped = {}
    for version, program in programs.items():
        done = subprocess.run([program, *command.split(), "--help"], check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode == 0:  # else a release that did not have the command yet
            helped[version] = done.stdout
    shown = {
        version: set(re.findall(r"^\s+(?:-\w, )?(--[a-z][a-z0-9-]+)", text, re.MULTILINE)) for version, text in helped.items()
    }
    known: Known = {}
    for version, text in helped.items():
        uv = [programs[version], *command.split()]
        for name in sorted(candidates.union(*shown.values())):
            answer = asked(uv, name)
            if answer is not None:
                known.setdefault(name, {})[version] = (answer, version == max(helped, key=Version) and refused(uv, name))
        for short, long in re.findall(r"^\s+(-[a-zA-Z]), (--[a-z0-9-]+)", text, re.MULTILINE):
            known.setdefault(short, {})[version] = known[long][version]
    return known


def asked(uv: list[str], name: str) -> bool | None:
    """Whether an option takes a value; None: there is no such option."""
    done = subprocess.run([*uv, f"{name}=x", "--help"], check=False, capture_output=True, text=True)  # noqa: S603
    if "unexpected argument" in done.stderr:
        return None
    return "unexpected value" not in done.stderr


def refused(uv: list[str], name: str) -> bool:
    """Whether an option is known only to be refused with a sentence."""
    for words in ([name], [f"{name}=x"]):
        argv = [*uv, *words, "--offline", "--dry-run", "--no-index", "not-there"]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd="/")  # noqa: S603
        if f"`{name}` is unsupported" in done.stderr:
            return True
    return False


def rows(tool: str, known: Known, read: str) -> list[dict[str, object]]:
    """One row an option: from which release asked to which, and how it was known."""
    found = []
    program = tool.split(maxsplit=1)[0]
    order = sorted({one for seen in known.values() for one in seen}, key=Version)
    for name, seen in sorted(known.items()):
        having = sorted(seen, key=Version)
        takes, refuses = seen[having[-1]]
        found.append(
            {
                "tool": tool,
                "option": name,
                "takes_value": takes,
                "refused": refuses,
                "first": having[0],
                "last": having[-1],
                "source": f"measured by asking the option parser of {program}: {len(order)} releases, {order[0]} to {order[-1]}",
                "read": read,
            }
        )
    return found


def main() -> int:
    """Ask them all and write the table."""
    read = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = pip_options(folder)
        table = rows("pip install", pip, read)
        programs = uvs(folder)
        for command in COMMANDS:
            candidates = {one for one in pip if one.startswith("--")}
            table += rows(f"uv {command}", uv_options(programs, command, candidates), read)
    TABLE.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    print(f"{len(table)} options written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
