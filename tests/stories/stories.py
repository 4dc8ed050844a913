"""Whole machines with a known root cause: facts in, codes out. Edits of the healthy node of tests/factory.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor import facts as f
from envdoctor.facts import Known, Unknown
from envdoctor.linkage import Overwritten
from envdoctor.loaded import Live
from tests import linked
from tests.factory import SITE, blind, dist, drop, edit, gpu, healthy, put, torch_build, with_driver, with_torch, without_driver
from tests.render import made_live

if TYPE_CHECKING:
    from envdoctor.facts import Facts

OLD_NVJITLINK = f.Library(
    stem="libnvJitLink", soname="libnvJitLink.so.12", path="/usr/local/cuda-12.1/lib64/libnvJitLink.so.12", version="12.1.105",
    origin="LD_LIBRARY_PATH",
)  # fmt: skip
OWN_NVJITLINK = f.Library(
    stem="libnvJitLink", soname="libnvJitLink.so.12", path=f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12", version="12.4.127",
    origin="wheel",
)  # fmt: skip


FLASH = "flash_attn_2_cuda.cpython-311-x86_64-linux-gnu.so"


REFUSED = made_live.imported(
    "vllm", state="raised", error=f"ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: {linked.THROW}"
)


class Story(NamedTuple):
    """``roots``: the codes of the errors' root causes in the report's order; ``symptoms``: of the first one."""

    name: str
    facts: Facts
    roots: tuple[str, ...]
    cause: str | None = None
    symptoms: tuple[str, ...] = ()
    proven: bool = True
    """Whether the first diagnosis offers a remedy that is proven."""


def image_for_a_newer_driver() -> Facts:
    """As `--suppose driver=550.54.15` judges an image of the CUDA 12.8 stack."""
    return edit(
        healthy(),
        target=f.Target(spec="image:lab/grpo:7", chosen="sha256:0123456789ab, linux/amd64; python3 on the image's PATH"),
        environ=Known({"NVIDIA_REQUIRE_CUDA": "cuda>=12.8", "LD_PRELOAD": "/opt/hook.so"}, "the image's configuration"),
        image=Known(
            f.Image(
                reference="lab/grpo:7",
                digest="sha256:" + "0123456789ab" * 5 + "0123",
                os="linux",
                architecture="amd64",
                user="",
                entrypoint=("/entrypoint.sh",),
                command=("bash",),
                labels={},
                layers=(),
            ),
            "the image's configuration",
        ),
        container__runtime=Unknown("an image does not tell this: they are set when a container is started"),
    )


def trl_over_a_newer_vllm() -> Facts:
    facts = with_torch(with_driver(healthy(), "590.44.01", "13.1"), "2.14.0+cu130", "13.0")
    facts = edit(
        facts,
        packages__distributions=Known(
            (
                dist("torch", "2.14.0"),
                dist("vllm", "0.33.0", "torch==2.14.0", "transformers<5.21.0,>=5.16.1", python=">=3.11"),
                dist("transformers", "5.17.0"),
                dist("trl", "1.16.0", "accelerate>=1.10.1", "transformers>=4.56.2", python=">=3.11"),
                dist("accelerate", "1.15.0"),
            ),
            SITE,
        ),
        builds__extensions=Known((), SITE),
        cuda__libraries=Known((), "the loader's search path"),
    )
    return edit(facts, builds__vllm=Known(f.VllmBuild(version="0.33.0", cuda_major=Known(13, "DT_NEEDED")), SITE))


def cuda_python_over_cuda_bindings() -> Facts:
    """What a plain install of vllm 0.32.0 gives: flashinfer takes any cuda-python from 12.0 on, the newest needs other bindings."""
    facts = put(
        healthy(),
        dist("cuda-bindings", "13.5.0"),
        dist("cuda-python", "12.6.2.post1"),
        dist("flashinfer-python", "0.7.0.post1", "cuda-python>=12.0"),
        dist("nvidia-cutlass-dsl-libs-base", "4.8.0", "cuda-bindings>=12.8"),
    )
    shared = Overwritten(
        path="cuda/bindings/__init__.py", count=12, owners=("cuda-bindings", "cuda-python"), winner="cuda-python", sampled=4
    )
    return edit(facts, overwritten=Known((shared,), "RECORD of 197 distributions"))


def trl_that_takes_a_name_that_is_gone() -> Facts:
    facts = edit(trl_over_a_newer_vllm(), names=linked.names(linked.use("GuidedDecodingParams")))
    return put(facts, dist("vllm", "0.12.0", "torch==2.14.0"), dist("trl", "0.25.0", "accelerate>=1.4.0", "transformers>=4.56.1"))


def upgraded_without_reboot() -> Facts:
    new = "550.90.07"
    libcuda = f.LibCuda(path=f"/usr/lib/x86_64-linux-gnu/libcuda.so.{new}", version=new, kind="driver", origin="ld.so.cache")
    mismatch = Unknown("nvidia-smi: Failed to initialize NVML: Driver/library version mismatch")
    return edit(
        healthy(),
        driver__libcuda=Known((libcuda,), "the loader's search path"),
        driver__nvml=mismatch,
        driver__smi=mismatch,
        driver__cuda_api=Unknown("cuDriverGetVersion returned error 803"),
        gpus__devices=mismatch,
    )


def docker_without_gpus() -> Facts:
    facts = without_driver(healthy())
    return edit(
        facts,
        container__runtime=Known("docker", "/.dockerenv"),
        container__device_nodes=Known((), "/dev"),
    )


STORIES = (
    Story("healthy", healthy(), ()),
    Story("cu124-on-driver-535", with_driver(healthy(), "535.161.08", "12.2"), ()),
    Story(
        "torch-2.6-under-vllm-0.6.6",
        with_torch(healthy(), "2.6.0+cu124", "12.4", ("sm_50", "sm_90")),
        ("ED201",),
        "torch-vllm-pin-mismatch",
        ("ED302", "ED302", "ED302"),
    ),
    Story("transformers-5-under-vllm-0.6.6", put(healthy(), dist("transformers", "5.0.0")), ("ED402",), "transformers-too-new"),
    Story(
        "torchvision-of-another-torch",
        put(healthy(), dist("torchvision", "0.21.0", "numpy", "torch==2.6.0")),
        ("ED201",),
        "torchvision-torch-mismatch",
        ("ED302",),
    ),
    Story("trl-1.16-over-vllm-0.33", trl_over_a_newer_vllm(), ("ED401",), "trl-vllm-unsupported"),
    Story(
        "cpu-torch-under-vllm",
        edit(
            with_torch(healthy(), "2.5.1+cpu", None),
            builds__torch=Known(torch_build("2.5.1+cpu", None, ()), f"{SITE}/torch/version.py"),
        ),
        ("ED301",),
        "torch-cpu-build",
        ("ED308",),
    ),
    Story(
        "cuda-13-torch-on-driver-550",
        edit(trl_over_a_newer_vllm(), **{
            f"driver__{name}": getattr(with_driver(healthy(), "550.54.15", "12.4").driver, name)
            for name in ("kernel_module", "sys_module", "nvml", "smi", "libcuda", "cuda_api")
        }),
        ("ED102", "ED401"),
        "driver-too-old-for-cuda",
    ),
    Story("no-driver", without_driver(healthy()), ("ED101",), "no-gpu-host"),
    Story("upgraded-without-reboot", upgraded_without_reboot(), ("ED104",), "driver-library-mismatch", proven=False),
    Story("docker-without-gpus", docker_without_gpus(), ("ED502",), "container-toolkit-missing", proven=False),
    Story("b200-under-torch-2.5", edit(healthy(), gpus__devices=Known((gpu(name="NVIDIA B200", sm="10.0", pci="0x2901"),), "NVML")), ("ED107",), "arch-not-in-torch-build", ("ED109",)),
    Story(
        "old-nvjitlink-on-ld-library-path",
        edit(
            healthy(),
            cuda__libraries=Known((OLD_NVJITLINK, OWN_NVJITLINK), "the loader's search path"),
            environ=Known({"LD_LIBRARY_PATH": "/usr/local/cuda-12.1/lib64"}, "the environment of the target"),
        ),
        ("ED305",),
        "ld-library-path-shadow",
    ),
    Story("cuda-python-over-cuda-bindings", cuda_python_over_cuda_bindings(), ("ED208",), "overwritten-files"),
    Story(
        "flash-attn-of-another-torch",
        edit(
            put(healthy(), dist("flash-attn", "2.7.3", "torch")),
            linking=linked.linking(linked.module("flash-attn", FLASH, linked.undefined(file=FLASH))),
        ),
        ("ED310",),
        "flash-attn-abi",
        proven=False,
    ),
    Story(
        "nccl-is-missing",
        edit(
            drop(healthy(), "nvidia-nccl-cu12"),
            linking=linked.linking(torch=(linked.not_found("libnccl.so.2", "torch/lib/libtorch_cuda.so"),)),
        ),
        ("ED203",),
        "missing-requirement",
        ("ED309",),
    ),
    Story("name-that-vllm-dropped", trl_that_takes_a_name_that_is_gone(), ("ED401",), "trl-vllm-unsupported", ("ED404",)),
    Story("image-for-a-newer-driver", image_for_a_newer_driver(), ("ED505",), "container-driver-requirement"),
    Story(
        "vllm-really-fails-as-the-link-said",
        msgspec.structs.replace(
            edit(healthy(), linking=linked.linking(linked.module("vllm", "vllm/_C.abi3.so", linked.undefined()))),
            live=Live(imports=Known((made_live.imported("torch"), REFUSED), "imported")),
        ),
        ("ED310",),
        "torch-vllm-pin-mismatch",
        ("ED706",),
    ),
    Story(
        "nothing-can-be-told",
        blind(healthy(), "driver__kernel_module", "driver__sys_module", "driver__nvml", "driver__smi", "builds__torch", "packages__distributions", "gpus__devices"),
        (),
    ),
)  # fmt: skip
