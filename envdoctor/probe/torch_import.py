"""What ``import torch`` maps: numpy's extension, libtorch_global_deps, the libraries that torch opens itself, torch._C.

Which ones it opens itself is read from its own source (torch/__init__.py), because it differs from release to release:
2.4 opens none unless its global dependencies fail, 2.5.1 to 2.8 two, 2.9 and later a list. Nothing is run.
"""

import ast
import re

from .builds import assignments
from .linkmap import Problem
from .machine import Trouble

MAX_SOURCE_BYTES = 1024 * 1024
CUFILE_SINCE = 12  # of CUDA: torch leaves it out of the table before
# numpy is imported first: by the user's code, by vLLM, or by torch._C itself
NUMPY = (("numpy/_core", "_multiarray_umath."), ("numpy/core", "_multiarray_umath."))
GLOBAL_DEPS = "torch/lib/libtorch_global_deps.so"
FUNCTIONS = re.compile(r"^def (_get_cuda_dep_paths|_preload_cuda_lib|_preload_cuda_deps|_load_global_deps)\(", re.M)
FUNCTION_END = re.compile(r"^(?=[^\s#)\]}])", re.M)
OPENERS = ("_preload_cuda_lib", "_preload_cuda_deps")
PATTERN = re.compile(r"lib[\w-]+\.so\.\*\[0-9\]$")


class Preloads:
    """What torch/__init__.py does about the CUDA libraries of other wheels; (folder, pattern) pairs in order."""

    def __init__(self):
        self.table, self.always, self.optional = [], [], []
        self.marker = None
        """What must be in the path of a mapped library before ``always`` is opened."""
        self.major_folders = False
        """Whether nvidia/cu13 and the like are looked into."""


def preloads(source):
    """Preloads from the text of torch/__init__.py. Raises Trouble if its functions cannot be read."""
    found, functions = Preloads(), {}
    for start in FUNCTIONS.finditer(source):
        end = FUNCTION_END.search(source, start.end())
        text = source[start.start() : end.start() if end else len(source)]
        try:
            functions[start.group(1)] = ast.parse(text).body[0]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise Trouble("the function %s of torch/__init__.py cannot be read" % start.group(1))
    paths = functions.get("_get_cuda_dep_paths")
    found.major_folders = paths is not None and any(getattr(node, "id", None) == "cuda_version" for node in ast.walk(paths))
    for function in functions.values():
        for node in ast.walk(function):
            found.table += pairs(node)
    load = functions.get("_load_global_deps")
    attempts = [node for node in ast.walk(load) if isinstance(node, ast.Try)] if load is not None else []
    # the one try inside the body of another is the workaround that runs when all is well
    for inner in (each for attempt in attempts for statement in attempt.body for each in ast.walk(statement)):
        if not isinstance(inner, ast.Try):
            continue
        for node in ast.walk(inner):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.NotIn):
                found.marker = constant(node.left) or found.marker
            elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in OPENERS:
                words = [constant(one) for one in node.args]
                if len(words) == 2 and all(words):
                    found.always.append(tuple(words))
                elif not words and found.marker:
                    found.always += found.table
    last = functions.get("_preload_cuda_deps")
    for node in ast.walk(last) if last is not None else ():
        words = [constant(one) for one in node.args] if isinstance(node, ast.Call) else []
        if len(words) == 2 and words[1] and PATTERN.match(words[1]):
            found.optional.append(tuple(words))
    return found


def pairs(node):
    """(folder, pattern) pairs of a table in torch's source: a dict, a list of tuples, or one more entry."""
    found = []
    if isinstance(node, ast.Dict):
        found = [(constant(key), constant(value)) for key, value in zip(node.keys, node.values)]  # noqa: B905 - Python 3.10's
    elif isinstance(node, ast.List):
        found = [tuple(map(constant, one.elts)) for one in node.elts if isinstance(one, ast.Tuple)]
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        key = node.targets[0].slice
        found = [(constant(getattr(key, "value", key)) or constant(key), constant(node.value))]
    return [one for one in found if len(one) == 2 and one[0] and one[1] and PATTERN.match(one[1])]


def constant(node):
    """The text of a string constant; None for anything else."""
    value = getattr(node, "value", getattr(node, "s", None)) if isinstance(node, ast.Constant) else node
    return value if isinstance(value, str) else None


class TorchImport:
    """Plays ``import torch`` in a process."""

    def __init__(self, machine, process, sites, endings, site):
        """``sites`` are the folders of sys.path, ``site`` the one that torch lies in, ``endings`` as suffixes() gives them."""
        self.machine, self.process, self.sites, self.endings, self.site = machine, process, sites, endings, site
        self.opened, self.problems, self.module = [], [], None

    def run(self):
        """Do it; ``problems`` then are those for which it fails, ``opened`` what it preloaded. The process stays usable."""
        import_numpy(self.machine, self.process, self.sites, self.endings)
        self.rules = preloads(self.machine.text(self.site + "/torch/__init__.py", MAX_SOURCE_BYTES))
        said = assignments(self.machine.text(self.site + "/torch/version.py"))
        cuda = said.get("cuda")
        self.major = cuda.split(".")[0] if isinstance(cuda, str) else None
        self.problems = self._global_deps()
        self.module = extension(self.machine, self.site + "/torch", "_C.", self.endings)
        if self.module is None:
            words = "No module named 'torch._C'"
            self.problems.append(Problem("missing-library", self.site + "/torch", "torch/_C", None, words))
        else:
            self.problems += self.process.open(self.module, keep=True)
        return self

    def _global_deps(self):
        path = self.site + "/" + GLOBAL_DEPS
        problems = self.process.open(path, everywhere=True)
        if not problems:
            maps = [one.path for one in self.process.by_identity.values()]
            if self.rules.marker is not None and any(self.rules.marker in one for one in maps):
                # it swallows any exception, so the first that fails ends it
                for folder, pattern in self.rules.always:
                    found = self._find(folder, pattern)
                    if found is None and not self.rules.optional:
                        break
                    if found is not None and self._preload(found):
                        break
            return []
        said = problems[0].message
        if not any(pattern.split(".")[0] in said for _folder, pattern in self.rules.table):
            self.process.open(path, everywhere=True, keep=True)
            return problems
        problems = self._required()
        again = self.process.open(path, everywhere=True, keep=True)
        return problems or again

    def _required(self):
        """The way out when the global dependencies were not found: open all of the table, which must be there."""
        for folder, pattern in self.rules.table:
            if folder == "cufile" and (self.major or "").isdigit() and int(self.major) < CUFILE_SINCE:
                continue
            found = self._find(folder, pattern)
            if found is None:
                words = "ValueError: %s not found in the system path" % pattern
                return [Problem("preload", self.site + "/torch/__init__.py", pattern, None, words)]
            problems = self._preload(found)
            if problems:
                return problems
        for folder, pattern in self.rules.optional:
            found = self._find(folder, pattern)
            if found is not None:
                problems = self._preload(found)
                if problems:
                    return problems
        return []

    def _preload(self, path):
        problems = self.process.open(path)
        if not problems:
            self.opened.append(path)
        return problems

    def _find(self, folder, pattern):
        """As torch's own search on sys.path; None if it is nowhere."""
        stem = pattern.split("*")[0]
        for site in self.sites:
            places = ["%s/nvidia/%s/lib" % (site, folder)]
            if self.rules.major_folders and self.major:
                places.append("%s/nvidia/cu%s/lib" % (site, self.major))
            for place in (*places, "%s/%s/lib" % (site, folder)):
                for name in sorted(self.process.system.names_in(place)):
                    if name.startswith(stem) and name[-1:].isdigit() and len(name) > len(stem):
                        return place + "/" + name
        return None


def import_numpy(machine, process, sites, endings):
    """Map numpy's extension, if there is one that loads."""
    for site in sites:
        for folder, name in NUMPY:
            module = extension(machine, site + "/" + folder, name, endings)
            if module is not None:
                process.open(module)
                return


def extension(machine, folder, stem, endings):
    """The file that Python would import for a module, "_C." and the first ending that is there; None if there is none."""
    for ending in endings:
        if machine.exists(folder + "/" + stem[:-1] + ending):
            return folder + "/" + stem[:-1] + ending
    return None


def suffixes(interpreter, platform):
    """The endings of extension modules that this interpreter imports, in its order."""
    abi = interpreter["abi"]
    if not abi:
        # an environment that does not start tells its version only
        version = interpreter["version"].split(".")[:2]
        abi = "cpython-%s%s-%s-linux-gnu" % ("".join(version), "t" if interpreter["free_threaded"] else "", platform)
    return ("." + abi + ".so", *(() if interpreter["free_threaded"] else (".abi3.so",)), ".so")
