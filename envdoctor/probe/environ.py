"""Section ``environ``: the environment variables that matter to a GPU stack, by an allow-list; never a secret or an address."""

import re

from .machine import fill, known
from .redaction import without_credentials

LEAVES = ("variables",)

PREFIXES = (
    "CUDA_", "NVIDIA_", "NCCL_", "VLLM_", "TORCH_", "PYTORCH_", "TRITON_", "CUBLAS_", "CUDNN_", "RAY_",
)  # fmt: skip
NAMES = (
    "HF_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT", "PYTHONPATH", "PYTHONHOME",
    "PYTHONNOUSERSITE", "PYTHONUSERBASE", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "MAX_JOBS", "OMP_NUM_THREADS",
    "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM", "LANG", "LC_ALL", "SLURM_JOB_GPUS", "FLASHINFER_DISABLE_VERSION_CHECK", "GLOO_SOCKET_IFNAME",
    "TP_SOCKET_IFNAME",
)  # fmt: skip
# the short words only as whole ones: CUDA_PATH and NVIDIA_..._COMPAT hold PAT
DENIED = re.compile(
    r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|BEARER|COOKIE|SIGNATURE|HEADERS|RUNTIME_ENV|HOST|ADDR|ENDPOINT|COMM_ID"
    r"|_(PAT|USER|USERNAME|IP|URL|URI)(_|$)",
    re.I,
)
MAX_CHARACTERS = 4096

# compiled when a value first needs them, as in redaction.py
# a signed address carries its signature behind the question mark
URL_QUERY = r"(\w://[^\s?]*)\?\S*"
GPU_UUID = r"(?i)\b(?:(?:GPU|MIG)-[0-9a-f][0-9a-f-]*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
HEX_DIGIT = r"(?i)(?<!\w)(GPU|MIG)|[0-9a-f]"


def probe(out, machine, ask):
    """Fill the section."""
    fill(out, "variables", lambda: known(variables(machine.environ), "the environment of the target"))


def variables(env):
    """The allowed variables of ``env`` that are set, with what could identify a person, a machine or a GPU taken out."""
    return {name: cleaned(env[name]) for name in sorted(env) if allowed(name)}


def allowed(name):
    """Whether the variable is on the allow-list; a prefix lets in no name that speaks of a secret or an address."""
    return name in NAMES or (name.startswith(PREFIXES) and not DENIED.search(name))


def cleaned(value):
    """The value cut at MAX_CHARACTERS, without credentials in addresses and with the digits of GPU UUIDs as 0."""
    if value.lstrip().startswith("{"):
        # Ray hands whole runtime environments to its workers as JSON, tokens included
        return "(JSON of %d characters, not collected)" % len(value)
    value = shortened(value)
    if "://" in value:
        value = re.sub(URL_QUERY, r"\1", without_credentials(value))
    return re.sub(GPU_UUID, zeroed, value) if "-" in value else value


def shortened(value):
    """The value cut between two words: no pattern knows half a credential."""
    if len(value) <= MAX_CHARACTERS:
        return value
    ends = ", ;\t\n" if "://" in value else ", ;\t\n:"
    last = max(value.rfind(end, 0, MAX_CHARACTERS) for end in ends)
    return value[:last] if last > 0 else "(%d characters, not collected)" % len(value)


def zeroed(found):
    """A UUID in its own form with its digits as 0."""
    return re.sub(HEX_DIGIT, lambda digit: digit.group(1) or "0", found.group())
