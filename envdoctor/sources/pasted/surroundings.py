"""What stands around a line of a pasted text: which package failed or imports there, what system the text is about. Pure."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.packages import MAX_PATH, OF_MODULE, package_named, package_of_library, package_of_path, root
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.sources.pasted.sides import Sides

REACH = 60
"""Lines back, where the frames of a traceback are looked for: what an exception's own chain needs."""
NEAR = 6
"""Lines around, where a library or a package is looked for that a line itself does not name."""
HEAD = 20_000
"""Lines in which a text says what system it is about."""
_FRAME = re.compile(r'File "(?P<path>[^"]{1,400})", line \d{1,7}')
_WSL = re.compile(r"microsoft-standard|(?<!including )(?<!use )\bWSL ?2?\b|/usr/lib/wsl|^\W{0,3}wsl\b|`wsl ")
_WINDOWS = re.compile(
    r"\bMicrosoft Windows\b|\bPS [A-Z]:\\|\bWindows[- ]1[01]\b|\bwin_amd64\b|\bwin32\b|[A-Z]:\\\\?(?:Users|Program|Windows|\w{1,30}\\)"
)
_WIN = re.compile(
    r"(?<![A-Za-z])(?:Windows|(?:on|under|for|using|native|my) windows)(?![A-Za-z])"
    r"|(?<![A-Za-z])windows[ -]?(?:7|8|10|11|server|pc|machine|laptop|os|系统|电脑|平台)|[_/-]windows[_./-]|(?<![A-Za-z])[Ww]in ?(?:7|8|10|11)(?!\d)"
)
_PYNVML = re.compile(r"^\W{0,12}(?:\[pip3?\] |\[conda\] )?pynvml(?:==|[ =]{1,40})(?P<major>\d{1,2})\.")
_SEES = re.compile(r"\bCUDA available\W{1,6}(?:True|Yes)\b")
_LISTED = re.compile(r"^\W{0,6}\|\s{1,4}\d{1,2}  ?(?:NVIDIA|Tesla|GeForce|Quadro|RTX|A\d{2,3}|H\d{2,3})\b|^\W{0,6}GPU \d{1,2}: ")
_NO_SMI = re.compile(
    r"nvidia-smi['\"]?: (?:command )?not found|command not found: nvidia-smi|Found no NVIDIA driver on your system"
)
_NO_FIELD = re.compile(r"^\W{0,8}(?P<field>Nvidia driver version|GPU models and configuration)\s{0,20}: Could not collect")
_NO_CUDA = re.compile(r"^\W{0,8}Nvidia driver version\s{0,20}: No CUDA")
_A_DRIVER = re.compile(r"Driver Version\s{0,20}: ?\d|vidia driver version\s{0,20}: ?\d")
_OTHER_GRAPHICS = re.compile(
    r"(?i)^[\W\d.:a-f]{0,16}(?:graphics(?: card)?|gpus?|vga compatible controller|display controller|video card)\b"
    r"[^\n]{0,60}\b(?:intel|amd|ati|radeon|apple)\b"
)
_NVIDIA_GPU = re.compile(
    r"(?i)\b(?:geforce|quadro|tesla|titan|dgx|orin\b|jetson|[rg]tx ?(?:pro |a)?\d|nvidia (?:corporation|rtx|gtx|[a-z]{0,2}\d)"
    r"|(?<!thinkpad )(?:[abhkmpv]\d{1,3}0\d?|l(?:4|20|40)|gb?\d{3}|t4|a2|a16|p4|m6)(?:s|x|g|pcie|-sxm\d?)?\b)"
)
_ROW = re.compile(
    r"(?i)^\W{0,12}(?:(?:pip3?|conda)\] {1,4})?[A-Z][\w.-]{1,80}(?: version)?(?: {0,60}[=@:]{1,3} {0,8}| {1,60})\(?v?\d"
)
"""A row of a list of packages, or a field: that a package is installed does not say that it failed."""
_TRAINER = re.compile(r"(?i)\b(?:verl|openrlhf|trl|axolotl|unsloth(?:[-_]zoo)?|ms-swift|swift|rllm|easyr1|skyrl)\b")
_HIDDEN = re.compile(r"CUDA_VISIBLE_DEVICES ?= ?(?:\"\"|''|-1\b|\s|$)")
_CUDA_OF_CONDA = re.compile(r"\bpytorch[- :][^\n]{0,60}py3[\w.]{0,6}_cuda\d")
_PRETRAINED = re.compile(r"(?i)transformers?\b|from_pretrained|trust_remote_code|tokenization_\w")
_A_LINUX = re.compile(
    r"(?i)\b(?:ubuntu|debian|centos|rhel|red ?hat|fedora|rocky|manylinux\w{0,20})\b|\b(?:in(?:side)?|with|using|under) docker\b|\bdocker (?:run|exec|compose|image|container)\b|dockerfile"
)
_ROLLOUT = re.compile(r"\bGRPO\b|\bRLHF\b|(?i:\b(?:vllm|sglang)[ _]rollout|\brollout[ _](?:worker|engine|actor|manager|model))")
_SAYS = (
    "verl",
    "trl",
    "TRL",
    "axolotl",
    "nsloth",
    "swift",
    "rllm",
    "EasyR1",
    "SkyRL",
    "OpenRLHF",
    "openrlhf",
    "microsoft",
    "nvidia-smi",
    "NVIDIA driver",
    "vidia driver version",
    "Driver Version",
    "GPU models",
    "WSL",
    "wsl",
    "indows",
    "win_amd64",
    "win32",
    ":\\",
    "pynvml",
    "CUDA available",
    "NVIDIA",
    "GPU ",
    "Tesla",
)
_OLD_SYSTEMS = re.compile(
    r"\bCentOS(?: Linux)?(?: release)? 7\b|\bRHEL ?7\b|Red Hat Enterprise Linux[^\n]{0,20} 7\b|\bel7\b|\bUbuntu 1[46]\.04"
    r"|\b[Gg](?:LIBC|libc)[- :]{1,3}2\.(?:1\d|2[0-3])\b|\bAmazon Linux 2\b(?!02)"
)
_LINUX_ONLY = re.compile(r"(?i)\b(?:vllm|sglang|triton|deepspeed)\b")
_BY_CONDA = re.compile(r"\b(?:conda|mamba) (?:create|install)\b[^\n]{0,200}(?:torch|cudatoolkit|conda-forge)")
_OTHER_MACHINE = re.compile(
    r"(?i)\b(?:aarch64|arm64|armv\d\w{0,2}|ppc64le|s390x|riscv64|musl|alpine|jetson|raspberry|i686)\b|\(32-bit runtime\)|32[- ]bit python"
    r"|connection (?:broken|refused|reset|error)|Max retries exceeded|Network is unreachable|Read timed out|ProxyError|SSLError"
)
_CUDA_BUILD = re.compile(
    r"\+cu1\d\d\b|/whl/cu|used to build PyTorch\W{1,6}\d|\bcudatoolkit\b|\bpytorch-cuda\b|py3[\w.]{0,6}_cuda\d|is_available\W{1,6}True"
)
_WANTS_CUDA = re.compile(
    r"\bcudatoolkit\b|\bpytorch-cuda\b|\bis_available\(\)[^\n]{0,20}(?<![A-Za-z])False\b|(?:CUDA|[Cc]uda)'?s? (?:is )?(?:false|not available|unavailable)"
    r"|\bis_available\W{1,6}False\b|[Nn]ot using CUDA|(?i:(?:not|n't) (?:find|detect|see|use) (?:my |the |any )?gpu)"
    r"|not compiled with CUDA"
    r"|(?:\bI|(?i:even though|although|despite|but)[^\n]{0,20}) (?:do )?hav(?:e|ing) (?:a |an |my )?(?:[Nn]vidia |NVIDIA )?(?:GPU|gpu|[RG]TX ?\d{3,4})\b"
    r"|(?i:\bgpu\b[^\n.]{0,40}(?:\bnot|n't)(?: being)? (?:detected|recogni[sz]ed|found|used|available|showing|visible|working)\b)"
    r"|(?i:requires a CUDA GPU but only CPU)|GPU (?:is )?(?:False|unavailable|not available|not used)"
    r"|[\\/]nvidia-smi(?:\.(?:exe|EXE))?\W{0,4}$"
)
_SYSTEMS = ("CentOS", "RHEL", "Red Hat", "el7", "Ubuntu 1", "libc", "LIBC", "Amazon Linux")
"""A line that names an old system has one of these."""
_ADAPTERS = ("raphics", "RAPHICS", "GPU", "gpu", "VGA", "isplay", "ideo")
"""A line that names the graphics adapter has one of these."""
OLD_PYNVML = 12
"""From its release 12 on pynvml holds no module of its own and asks for nvidia-ml-py."""


_SUPPOSED = re.compile(
    r"(?i)\b(?:if|in case|whenever) (?:you|one|someone|users?) (?:see|sees|get|gets|encounter|encounters|hit|hits|meet|run into)\b"
)
_MENDED = re.compile(
    r"(?i)\b(?:is|are|was|were) gone\b|\bno longer (?:happens|occurs|appears)\b|\b(?:which|that|this|it|i|we)(?: have| had|'ve| was| is| got)?(?: already| now)? (?:fixed|solved|resolved|mended)\b"
)
AFTER = 300
"""Characters behind a text in which a sentence may say that it is over."""


def only_spoken_of(line: str, words: Sequence[str]) -> bool:
    """Whether a sentence names an error text without having it: "if you see ...", or "..., which I fixed by ..."."""
    place = min((found for word in words if (found := line.find(word)) >= 0), default=-1)
    if place < 0:
        return False
    return bool(_SUPPOSED.search(line[:place][-AFTER:]) or _MENDED.search(line[place : place + AFTER]))


OF_TRL = frozenset({"trl", "axolotl"})
"""TRL, and what starts its server."""


class Around:
    """A text's lines, asked about one of them."""

    def __init__(self, lines: Sequence[str], at: int) -> None:
        """Args: the cleaned lines, and which one is asked about."""
        self.lines = lines
        self.at = at

    @property
    def line(self) -> str:
        """The line itself."""
        return self.lines[self.at]

    def before(self, reach: int = REACH) -> Iterator[str]:
        """Lines above it, the nearest first."""
        return (self.lines[place] for place in range(self.at - 1, max(-1, self.at - 1 - reach), -1))

    def after(self, reach: int = NEAR) -> Iterator[str]:
        """Lines below it, the nearest first."""
        return (self.lines[place] for place in range(self.at + 1, min(len(self.lines), self.at + 1 + reach)))

    def near(self, reach: int) -> Iterator[str]:
        """The line itself, those above it and those below it, the nearest first."""
        yield self.line
        yield from self.before(reach)
        yield from self.after(reach)

    @cached_property
    def frames(self) -> tuple[str, ...]:
        """Paths of the frames above it, the innermost first, of one traceback and its chain."""
        return tuple(_paths(self.before()))

    @property
    def frames_below(self) -> tuple[str, ...]:
        """Those of a traceback that stands under a headline."""
        return tuple(_paths(self.after(REACH)))

    def package(self) -> str | None:
        """The package whose compiled part or code failed in this line: by the file that it names, then by lines near it."""
        texts = [self.line, *self.before(NEAR), *self.after(NEAR)]
        for text in texts:
            named = package_of_library(text)
            if named is not None:
                return named
        frame = next(iter(self.frames), None)
        package = package_of_path(frame) if frame is not None else None
        if package is not None and package not in {"torch", "importlib"}:
            return package
        passing = (text for text in texts if not _ROW.match(text[:MAX_PATH]))
        return next((named for text in passing if (named := package_named(text)) is not None), package)

    def importer(self, module: str) -> str | None:
        """The package that imports from a module: the innermost frame that is not the module's own."""
        own = normalized(OF_MODULE.get(root(module), root(module)))
        for path in self.frames:
            package = package_of_path(path)
            if package is not None and package not in {own, "importlib", "torch"}:
                return package
        return None


def _paths(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        match = _FRAME.search(line) if '"' in line else None
        if match is not None:
            yield match.group("path")


class About:
    """What a whole text is about, as far as its lines say; each question is answered when it is first asked."""

    def __init__(self, lines: Sequence[str], sides: Sides) -> None:
        """Args: the cleaned lines, and what the tables of names say of the releases in them."""
        self.sides = sides
        self._head = lines[:HEAD]

    @cached_property
    def _said(self) -> list[str]:
        """The lines that can tell most of it."""
        return [line[:MAX_PATH] for line in self._head if any(word in line for word in _SAYS)]

    def _says(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(line) for line in self._said)

    def _shows(self, pattern: re.Pattern[str], words: Sequence[str] = ("",)) -> bool:
        """The same of any line; where words are given, of those that have one of them."""
        return any(pattern.search(line[:MAX_PATH]) for line in self._head if any(word in line for word in words))

    @cached_property
    def wsl(self) -> bool:
        """It is about Linux under Windows."""
        return self._says(_WSL)

    @cached_property
    def says_windows(self) -> bool:
        """Windows is named, and WSL is not."""
        return not self.wsl and self._shows(_WIN, ("in",))

    @cached_property
    def windows(self) -> bool:
        """It is about Windows itself."""
        return not self.wsl and self._says(_WINDOWS)

    @cached_property
    def _pynvml(self) -> list[int]:
        return [int(match.group("major")) for line in self._said if (match := _PYNVML.search(line))]

    @cached_property
    def old_pynvml(self) -> bool:
        """A pynvml with a module of its own is installed."""
        return any(major < OLD_PYNVML for major in self._pynvml) or any("deprecated `pynvml`" in line for line in self._head)

    @cached_property
    def new_pynvml(self) -> bool:
        """The pynvml that is installed has no module of its own."""
        return any(major >= OLD_PYNVML for major in self._pynvml)

    @cached_property
    def linux_only(self) -> bool:
        """A package is named of which there is nothing for Windows."""
        return self._shows(_LINUX_ONLY)

    @cached_property
    def transformers(self) -> bool:
        """It names transformers."""
        return any("transformers" in line for line in self._head)

    @cached_property
    def wants_cuda(self) -> bool:
        """CUDA is asked for, or missed."""
        return self._shows(_WANTS_CUDA)

    @cached_property
    def other_machine(self) -> bool:
        """Its processor or C library is not of the kinds that most wheels are for, or the index was not reached."""
        return self._shows(_OTHER_MACHINE)

    @cached_property
    def cuda_build(self) -> bool:
        """A torch with CUDA is listed, or was asked for."""
        return self._shows(_CUDA_BUILD)

    @cached_property
    def by_conda(self) -> bool:
        """Torch, or what brings it, was installed by conda."""
        return self._shows(_BY_CONDA)

    @cached_property
    def torch_sees_gpu(self) -> bool:
        """It holds torch's word that CUDA is available: in a dump, or below the question."""
        asked = (at for at, line in enumerate(self._head) if "torch.cuda.is_available()" in line)
        answers = (line.strip("` >") for at in asked for line in self._head[at + 1 : at + 2])
        return self._says(_SEES) or "True" in answers

    @cached_property
    def trainer(self) -> str | None:
        """The framework that drives vLLM, where the text names one: another than TRL before TRL, which the others install too."""
        names = {match.group().lower() for line in self._said for match in _TRAINER.finditer(line)}
        return next(iter(sorted(names - OF_TRL) or sorted(names)), None)

    @cached_property
    def a_linux(self) -> bool:
        """A distribution of Linux, or a container of one, is named."""
        return self._shows(_A_LINUX)

    @cached_property
    def nvidia_gpu(self) -> bool:
        """A GPU of NVIDIA's is named."""
        return self._shows(_NVIDIA_GPU)

    @cached_property
    def hides_gpus(self) -> bool:
        """A variable hides all GPUs."""
        return self._shows(_HIDDEN, ("VISIBLE_DEVICES",))

    @cached_property
    def cuda_torch_of_conda(self) -> bool:
        """Conda lists a build of torch for CUDA, or is about to install one."""
        return self._shows(_CUDA_OF_CONDA, ("pytorch",))

    @cached_property
    def pretrained(self) -> bool:
        """It is about what transformers loads, by its name or by what its programs say."""
        return self._shows(_PRETRAINED, ("ransformer", "pretrained", "remote_code", "tokenization_"))

    @cached_property
    def rolls_out(self) -> bool:
        """It speaks of rollouts, as only reinforcement learning does."""
        return self._shows(_ROLLOUT, ("ollout", "GRPO", "RLHF"))

    @cached_property
    def no_driver(self) -> bool:
        """A missing nvidia-smi, or a tool that ran it and got neither a driver nor a GPU; and nothing else shows a driver."""
        fields = {match["field"] for line in self._said if (match := _NO_FIELD.match(line))}
        return (len(fields) > 1 or self._says(_NO_SMI)) and not self._says(_A_DRIVER)

    @cached_property
    def no_cuda(self) -> bool:
        """A tool found no CUDA at all: alone that says little, beside a libcuda that is missing that there is no driver."""
        return self._says(_NO_CUDA)

    @cached_property
    def other_graphics(self) -> bool:
        """The graphics adapter that it names is of another maker, and no GPU of NVIDIA's is named."""
        return self._shows(_OTHER_GRAPHICS, _ADAPTERS) and not self.nvidia_gpu

    @cached_property
    def old_glibc(self) -> bool:
        """The system is one whose glibc is older than 2.24, for which many wheels are not made any more."""
        return self._shows(_OLD_SYSTEMS, _SYSTEMS)

    @cached_property
    def driver_sees_gpu(self) -> bool:
        """A list of GPUs by nvidia-smi, or an environment dump, is in it."""
        return self._says(_LISTED)
