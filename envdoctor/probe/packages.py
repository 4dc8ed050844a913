"""Section ``packages``: every installed distribution, and what interrupted installs left behind.

Metadata is read as bytes and only up to the blank line that ends its headers. importlib.metadata is not used: it is ten
times slower, and it hides exactly the broken installs that are looked for.
"""

import json
import re

from .machine import Missing, Trouble, known, unknown

LEAVES = ("distributions", "leftovers")
# headers of real wheels end within 16 KiB; a description of 100 KiB behind them is not wanted
HEADER_BYTES = 32 * 1024
BLANK_LINE = re.compile(rb"^\r?\n", re.M)
# far above real wheels: transformers 5.19.0 lists 257, and a whole environment of 161 distributions 1738
MAX_REQUIREMENTS = 2000
MAX_REQUIREMENTS_IN_ALL = 20000
MAX_CHARACTERS = 4096
SEPARATORS = re.compile(r"[-_.]+")
INSTALLER = re.compile(r"[A-Za-z0-9_.-]{1,40}$")
COMMIT = re.compile(r"[0-9a-f]{7,64}$")
FIELD = re.compile(rb"^(Name|Version|Requires-Python|Requires-Dist|Tag)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.I | re.M)


def probe(out, machine, ask):
    """Fill the section from the site folders that the interpreter section found."""
    interpreter = ask["sections"]["python"]["interpreter"]
    if interpreter["is"] != "known":
        out["distributions"] = out["leftovers"] = unknown(interpreter["why"])
        return
    site_dirs = interpreter["value"]["site_dirs"]
    if site_dirs["is"] != "known":
        out["distributions"] = out["leftovers"] = unknown(site_dirs["why"])
        return
    distributions, leftovers, read, trouble = [], [], [], []
    for folder in site_dirs["value"]:
        try:
            names = machine.listdir(folder)
        except Missing:
            continue
        except Trouble as error:
            trouble.append(str(error))
            continue
        read.append(folder)
        for name in names:
            if name.startswith("~"):
                leftovers.append({"location": folder, "entry": name})
            elif name.endswith(".dist-info"):
                distributions.append(wheel_installed(machine, folder, name))
            elif name.endswith(".egg-info"):
                distributions.append(egg_installed(machine, folder, name))
    if trouble:
        # what could not be listed may hold anything, also the copy that is imported first
        out["distributions"] = out["leftovers"] = unknown("; ".join(trouble))
        return
    keep_bounds(distributions)
    via = ", ".join(read) or "no site folder"
    out["distributions"] = known(distributions, via)
    out["leftovers"] = known(leftovers, via)


def normalized(name):
    """A distribution's name as indexes compare it (PEP 503)."""
    return SEPARATORS.sub("-", name).lower()


def by_name(distributions):
    """{normalized name: distribution}: of several the first on the path, which is the one that is imported."""
    found = {}
    for one in distributions:
        found.setdefault(normalized(one["name"]), one)
    return found


def of_earlier(ask):
    """(site folders, distributions) as the sections before found them. Raises Trouble with the reason why they did not."""
    interpreter = ask["sections"]["python"]["interpreter"]
    site_dirs = interpreter["value"]["site_dirs"] if interpreter["is"] == "known" else interpreter
    distributions = ask["sections"]["packages"]["distributions"]
    for leaf in (site_dirs, distributions):
        if leaf["is"] != "known":
            raise Trouble(leaf["why"])
    return site_dirs["value"], distributions["value"]


def keep_bounds(distributions):
    """Cut the requirements of distributions that list absurdly many, and say so in ``problem``."""
    room = MAX_REQUIREMENTS_IN_ALL
    for one in distributions:
        listed = len(one["requires"])
        one["requires"] = one["requires"][: min(MAX_REQUIREMENTS, room)]
        room -= len(one["requires"])
        if listed > MAX_REQUIREMENTS:
            one["problem"] = one["problem"] or "METADATA lists more than %d requirements" % MAX_REQUIREMENTS
        elif listed > len(one["requires"]):
            words = "its requirements were not all read: the distributions here list more than %d in all"
            one["problem"] = one["problem"] or words % MAX_REQUIREMENTS_IN_ALL


def wheel_installed(machine, site, entry):
    """A distribution with a .dist-info folder (PEP 376, 427, 610)."""
    folder = site + "/" + entry
    name, _, version = entry[: -len(".dist-info")].rpartition("-")
    found = distribution(machine, site, entry, folder + "/METADATA", (name or version, version if name else ""))
    installer = quiet(machine, folder + "/INSTALLER").decode("utf-8", "replace").strip()
    found["installer"] = installer if INSTALLER.match(installer) else None
    found["wheel_tags"] = headers(quiet(machine, folder + "/WHEEL")).get("tag", [])
    found["direct_url"] = direct_url(quiet(machine, folder + "/direct_url.json"))
    return found


def egg_installed(machine, site, entry):
    """A distribution with .egg-info: a folder (setuptools) or one file (distutils, Debian)."""
    path = site + "/" + entry
    is_folder = machine.is_folder(path)
    parts = entry[: -len(".egg-info")].split("-")
    named = parts[0], parts[1] if len(parts) > 1 else ""
    found = distribution(machine, site, entry, path + "/PKG-INFO" if is_folder else path, named)
    if is_folder:
        found["requires"] = found["requires"] or egg_requirements(
            quiet(machine, path + "/requires.txt").decode("utf-8", "replace")
        )
    return found


def distribution(machine, site, entry, path, named):
    """What the metadata file at ``path`` says; ``named`` is (name, version) by the entry's own name, where it says nothing."""
    fields, problem = {}, None
    file = "METADATA" if path.endswith("/METADATA") else "PKG-INFO"
    try:
        fields = headers(head(machine, path))
    except Missing:
        problem = file + " is missing"
    except Trouble as error:
        problem = "%s cannot be read: %s" % (file, str(error).rpartition(": ")[2])
    name, version = (fields.get(key, [""])[0] for key in ("name", "version"))
    if problem is None and not (name and version):
        lacking = [key for key, value in (("Name", name), ("Version", version)) if not value]
        problem = "%s has no %s" % (file, " and ".join(lacking))
    return {
        "name": name or named[0],
        "version": version or named[1],
        "location": site,
        "metadata_dir": entry,
        "installer": None,
        "requires_python": fields.get("requires-python", [None])[0],
        "requires": fields.get("requires-dist", []),
        "wheel_tags": [],
        "direct_url": None,
        "problem": problem,
    }


def head(machine, path):
    """Bytes of a metadata file, at least up to the blank line behind its headers. Raises Missing or Trouble."""
    data = machine.read(path, HEADER_BYTES)
    if len(data) == HEADER_BYTES and BLANK_LINE.search(data) is None:
        data = machine.read(path)
    return data


def headers(data):
    """The wanted fields before the first blank line: {lower-case key: [values]}; folded lines are joined by a blank."""
    end = BLANK_LINE.search(data)
    found = {}
    for key, value in FIELD.findall(data[: end.start()] if end else data):
        unfolded = b" ".join(line.strip() for line in value.split(b"\n")) if b"\n" in value else value.strip()
        found.setdefault(key.decode().lower(), []).append(unfolded.decode("utf-8", "replace")[:MAX_CHARACTERS])
    return found


def quiet(machine, path):
    """Bytes of a small file that need not be there; empty when it is not, or cannot be read."""
    try:
        return machine.read(path, HEADER_BYTES)
    except (Missing, Trouble):
        return b""


def direct_url(text):
    """PEP 610's direct_url.json without its address, which may hold credentials; None if there is none or it is damaged."""
    try:
        said = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    vcs, folder = said.get("vcs_info"), said.get("dir_info")
    commit = vcs.get("commit_id") if isinstance(vcs, dict) else None
    return {
        "kind": "vcs" if vcs is not None else "file" if folder is not None else "archive",
        "editable": isinstance(folder, dict) and folder.get("editable") is True,
        "commit": commit if isinstance(commit, str) and COMMIT.match(commit) else None,
    }


def egg_requirements(text):
    """Requirement strings of a requires.txt, its [extra:marker] headings turned into markers."""
    found, suffix = [], ""
    for line in map(str.strip, text.splitlines()):
        section = re.match(r"\[([^:\]]*):?(.*)\]$", line)
        if section:
            extra, marker = section.groups()
            terms = ["(%s)" % marker] if marker and extra else [marker] if marker else []
            terms += ['extra == "%s"' % extra] if extra else []
            suffix = "; " + " and ".join(terms) if terms else ""
        elif line and not line.startswith("#"):
            # a marker may only follow an address after a blank (PEP 508)
            found.append(line + (" " + suffix if " @ " in line and suffix else suffix))
    return found
