"""Section ``linking``: what the dynamic loader would refuse when the GPU stack is imported; nothing is imported or run.

The process is played as an import builds it: the interpreter, ``import torch``, then each module in a fork of its own.
"""

import re
import time

from .copies import Copies
from .elf import NotElf
from .ldso import PLATFORMS, NoLoader, Refused, System
from .linkmap import Problem, Process
from .machine import Missing, Trouble, known, unknown
from .modules import OPEN_NVIDIA_WHEELS, Inventory
from .packages import by_name, of_earlier
from .symbols import gnu_hash
from .torch_import import TorchImport, import_numpy, suffixes

LEAVES = (
    "torch",
    "modules",
    "copies",
    "driver_libraries",
)
MAX_SHOWN = 8
MAX_OPENED_FIRST = 32
MAX_DEPTH = 6
MAX_SEARCHED_BYTES = 1 << 30  # libtriton.so of triton 3.2 has 535 MB
PYBIND11 = b"Python version mismatch: module was compiled for Python "  # what its modules say when they are imported
TRANSFORMER_ENGINE = "transformer-engine"
USED_BY_TRANSFORMER_ENGINE = re.compile(r"lib(?:cudart|nvrtc|cudnn|curand|cublas|cublasLt|cusolver|cufft)\.so\.\d+$")


def probe(out, machine, ask):
    """Fill the section from what the sections python and packages found."""
    started = time.perf_counter()
    try:
        fill(out, machine, ask)
    finally:
        out["seconds"] = round(time.perf_counter() - started, 4)


def fill(out, machine, ask):
    """The leaves of the section."""
    try:
        _sites, distributions = of_earlier(ask)
        judge = Judge(machine, ask["sections"]["python"]["interpreter"]["value"], by_name(distributions))
    except (NoLoader, Missing, Trouble, NotElf) as error:
        out.update(dict.fromkeys(LEAVES, unknown(str(error))))
        return
    if not ask.get("alone"):
        judge.import_torch()
    judge.run(ask.get("deep_link", ""), bare=bool(ask.get("bare")))
    via = "ld.so's rules over %d files, nothing loaded" % judge.system.count()
    out["torch"] = judge.torch_leaf(via)
    out["modules"] = known(judge.modules, via)
    out["copies"] = known(judge.copies.found(), via)
    out["driver_libraries"] = known("assumed" if judge.process.assumed else "present", "the loader's search for libcuda.so.1")


class Lazy:
    """The result of a function, which is called when it is first asked for."""

    def __init__(self, make):
        self.make, self.made = make, None

    def __call__(self):
        if self.made is None:
            self.made = self.make()
        return self.made


class Judge:
    """Plays the imports of one environment."""

    def __init__(self, machine, interpreter, installed):
        self.machine, self.interpreter, self.installed = machine, interpreter, installed
        self.sites = interpreter["site_dirs"]["value"]
        self.system = System(machine, interpreter["executable"])
        self.endings = suffixes(interpreter, PLATFORMS[self.system.architecture])
        self.process = Process(self.system)
        self.process.assume_driver()
        self.alone = self.process.fork()
        self.inventory = Inventory(machine, installed, self.sites)
        self.copies = Copies(self.system, self.inventory)
        self.torch, self.trouble, self.modules, self._elsewhere = None, None, [], None

    def run(self, deep, bare=False):
        """Judge everything. ``bare`` opens each file with nothing of its own package before it, as a plain dlopen would."""
        asked = self.inventory.asked(deep)
        seen = set()
        for name in sorted(asked.union(self.inventory.default())):
            for one in self.inventory.candidates(name, self.endings, name in asked):
                place = self.system.place(one.place)
                if place is None or place[1] in seen:
                    continue
                seen.add(place[1])
                judged = self.judged(one, name in asked, bare)
                if judged is not None:
                    self.modules.append(judged)

    def import_torch(self):
        """Take the process to where ``import torch`` has ended."""
        site = next((one for one in self.sites if self.machine.exists(one + "/torch/__init__.py")), None)
        if site is None:
            import_numpy(self.machine, self.process, self.sites, self.endings)
            return
        try:
            self.torch = TorchImport(self.machine, self.process, self.sites, self.endings, site).run()
        except (Missing, Trouble) as error:
            self.trouble = str(error)
        self.copies.take_torch(self.process)

    def torch_leaf(self, via):
        """The leaf ``torch``."""
        if self.trouble is not None:
            return unknown(self.trouble)
        if self.torch is None:
            return known(None, "no torch folder in " + (", ".join(self.sites) or "any site folder"))
        shown = [self.shown(one) for one in self.torch.problems[:MAX_SHOWN]]
        return known({"problems": shown, "preloads": self.torch.opened}, via)

    def judged(self, one, deep, bare):
        """The LinkedModule of one candidate; None for a library that is not loaded by itself."""
        module = self.import_name(one)
        if module is None and one.stem.startswith("lib") and "/_C/" in one.path and not deep:
            return None
        other = one.misfit if module is not None or not one.stray else None
        other = None if bare else other or self.refused_by_itself(one, module)
        if other is not None:
            problems = [self.wrong_python(one, other)]
        else:
            world = self.world_for(one)
            if bare:
                problems = world.open(one.place)
            else:
                self.open_for_all(world, one)
                problems = self.opened_after(world, one, deep)
            if self.torch is not None and one.place == self.torch.module:
                problems = self.torch.problems
            self.copies.take(one.package, world.group_of(one.place), self.alone.fork().mapped(one.place))
        return {
            "package": one.package,
            "path": one.path,
            "module": module,
            "problems": [self.shown(problem) for problem in problems[:MAX_SHOWN]],
            "problem_count": len(problems),
            "optional": one.optional,
        }

    def world_for(self, one):
        """A process to open it in: after torch, but what a failed import of torch has mapped is judged for itself."""
        failed = self.torch is not None and self.torch.problems
        known = failed and self.system.place(one.place)[1] in self.process.by_identity
        return self.alone.fork() if known else self.process.fork()

    def import_name(self, one):
        """The name under which Python imports it; None for a library that has no PyInit function."""
        if one.misfit is not None and not one.stray:
            return one.dotted
        start = b"PyInit_" + one.stem.encode("utf-8", "replace")
        try:
            return one.dotted if self.system.file(one.place).defines(start, gnu_hash(start)) else None
        except (NotElf, Refused, Missing, Trouble):
            return None

    def wrong_python(self, one, other):
        """The problem of a module that is there for other Pythons only."""
        wanted = self.endings[0][1 : -len(".so")]
        words = "No module named '%s': the file is for %s, this Python is %s" % (one.dotted or one.path, other, wanted)
        return Problem("wrong-python", one.place, wanted, None, words)

    def refused_by_itself(self, one, module):
        """The tag of the other Python for which a module without a tag in its name was built, if it looks for that itself."""
        tags = self.installed[one.package]["wheel_tags"]
        fits = self.inventory.fits(one.package, [ending[1 : -len(".so")] for ending in self.endings[:-1]])
        if module is None or fits or not tags or not one.path.endswith("/" + one.stem + ".so"):
            return None
        found = self.system.file(one.place).data.find(PYBIND11, 0, MAX_SEARCHED_BYTES) >= 0
        return tags[0].partition("-")[0] if found else None

    def opened_after(self, world, one, deep):
        """The problems of opening a candidate after what its package opens before it."""
        brought = Lazy(lambda: self.brought(one))
        problems = self.opened(world, one.place, brought, set(), MAX_DEPTH)
        if deep:
            # of other distributions only what its own source names: cupy 13 does not open the wheels' cuSOLVER, cupy 14 does
            lacking = {each.wants for each in problems if each.kind == "missing-library"}
            for name in sorted(lacking.intersection(self.elsewhere()).difference(brought())):
                if self.inventory.names(one.package, name):
                    brought()[name] = self.elsewhere()[name]
                    problems = self.opened(world, one.place, brought, set(), MAX_DEPTH)
        return problems

    def open_for_all(self, world, one):
        """Open with RTLD_GLOBAL what Transformer Engine opens so before its modules, which name none of it as needed."""
        if not one.package.startswith(TRANSFORMER_ENGINE):
            return
        for name, path in self.copies.nvidia_wheels().items():
            if USED_BY_TRANSFORMER_ENGINE.match(name):
                world.open(path, everywhere=True)
        for name in self.installed:
            if name.startswith(TRANSFORMER_ENGINE):
                for site, path in self.inventory.files(name):
                    if path.endswith("/libtransformer_engine.so") and site + "/" + path != one.place:
                        world.open(site + "/" + path, everywhere=True)

    def opened(self, world, path, brought, tried, depth):
        """The problems of opening a file, after its package has opened those of ``brought`` that it lacks."""
        problems = world.open(path)
        lacking = [one.wants for one in problems if one.kind == "missing-library" and one.wants not in tried]
        lacking = [name for name in dict.fromkeys(lacking) if name in brought()][:MAX_OPENED_FIRST]
        if not lacking or not depth:
            return problems
        for name in lacking:
            tried.add(name)
            own = self.opened(world, brought()[name], brought, tried, depth - 1)
            if own:
                return own
        return self.opened(world, path, brought, tried, depth - 1)

    def brought(self, one):
        """{name: path} of libraries that the candidate's package may open before it: its own, and those of what it requires."""
        found = {}
        for name in self.inventory.required(one.package):
            for site, path in self.inventory.files(name):
                found[path.rpartition("/")[2]] = site + "/" + path
        if OPEN_NVIDIA_WHEELS.match(one.package):
            found.update(self.copies.nvidia_wheels())
        for site, path in self.inventory.files(one.package):
            found[path.rpartition("/")[2]] = site + "/" + path
        return found

    def elsewhere(self):
        """{name: path} of every library of every distribution."""
        if self._elsewhere is None:
            self._elsewhere = {}
            for name in sorted(self.installed):
                for site, path in self.inventory.files(name):
                    self._elsewhere.setdefault(path.rpartition("/")[2], site + "/" + path)
        return self._elsewhere

    def shown(self, problem):
        """A LinkProblem as the facts have it."""
        file = problem.file
        for site in self.sites:
            if file.startswith(site + "/"):
                file = file[len(site) + 1 :]
                break
        return {"kind": problem.kind, "file": file, "wants": problem.wants, "of": problem.of, "message": problem.message}
