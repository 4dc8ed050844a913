"""The shadowing map of `envdoctor libs`: every copy once, and which of them wins when."""

from __future__ import annotations

import json

from envdoctor.facts import Facts, Known, Unknown
from envdoctor.linkage import LibraryCopy, TorchImport
from envdoctor.render.libraries import document, render
from tests import linked
from tests.factory import SITE, edit, healthy

OWN = f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12"
OLD = "/usr/local/cuda-12.1/lib64/libnvJitLink.so.12"


def copy(
    path: str, origin: str, package: str | None = None, by: tuple[str, ...] = (), alone: tuple[str, ...] = ()
) -> LibraryCopy:
    return LibraryCopy(soname="libnvJitLink.so.12", path=path, package=package, origin=origin, taken_by=by, taken_alone=alone)


def two_copies() -> Facts:
    copies = (
        copy(OWN, "import torch", "nvidia-nvjitlink-cu12", by=("torch", "vllm")),
        copy(OLD, "LD_LIBRARY_PATH", alone=("vllm",)),
        copy("/lib/libnvJitLink.so.12", "default"),
    )
    return edit(
        healthy(),
        linking__copies=Known(copies, linked.VIA),
        linking__torch=Known(TorchImport(problems=(), preloads=(OWN,)), linked.VIA),
    )


def test_each_copy_says_who_takes_it_with_torch_first_and_who_without() -> None:
    page = render(two_copies(), 100)
    assert "libnvJitLink.so.12: 3 copies" in page
    assert (
        f"  {OWN}\n      found by import torch of nvidia-nvjitlink-cu12\n      wins after `import torch`, for torch, vllm" in page
    )
    assert f"  {OLD}\n      found by LD_LIBRARY_PATH\n      wins without torch, when imported first: vllm" in page
    assert "shadowed: nothing that was looked at binds to it" in page
    assert page.endswith("1 library name with several copies; read in 0.10 s, nothing was loaded.\n")


def test_what_torch_opens_itself_comes_first() -> None:
    page = render(two_copies(), 100)
    assert page.index("opens these itself") < page.index("3 copies")


def test_an_environment_with_each_library_once_says_so() -> None:
    assert "No library of CUDA or torch lies here more than once." in render(healthy(), 80)


def test_a_driver_that_was_assumed_is_said() -> None:
    facts = edit(healthy(), linking__driver_libraries=Known("assumed", linked.VIA))
    assert "No driver is here" in render(facts, 80)


def test_what_could_not_be_told_gives_the_reason() -> None:
    facts = edit(healthy(), linking__copies=Unknown("no answer in 8 s"))
    assert "could not be told, because no answer in 8 s" in render(facts, 80)


def test_a_torch_that_does_not_load_is_said_before_the_map() -> None:
    problem = linked.not_found("libnccl.so.2", "torch/lib/libtorch_cuda.so")
    facts = edit(two_copies(), linking__torch=Known(TorchImport(problems=(problem,), preloads=()), linked.VIA))
    assert "`import torch` fails before any of this matters: libnccl.so.2: cannot open" in render(facts, 100)


def test_a_hostile_path_is_made_harmless() -> None:
    facts = edit(healthy(), linking__copies=Known((copy("/x\x1b[31m/libnvJitLink.so.12", "default"),), linked.VIA))
    assert "\x1b" not in render(facts, 80)


def test_the_json_has_the_leaves_as_they_are() -> None:
    said = json.loads(document(two_copies()))
    assert said["schema_version"] == 1
    assert [one["path"] for one in said["copies"]["value"]] == [OWN, OLD, "/lib/libnvJitLink.so.12"]
