"""Each form of report that people paste, written anew: what it says becomes facts, and what it does not say stays unknown."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known, Leaf, Unknown
from envdoctor.sources import pasted
from tests.factory import MATRIX
from tests.sources.pasted.forms import FORMATS, Said


def value(leaf: Leaf[object]) -> object:
    return leaf.value if isinstance(leaf, Known) else None


def read(text: str | bytes) -> Facts:
    return pasted.facts_of(text.encode() if isinstance(text, str) else text, "a test", MATRIX)


def said(facts: Facts) -> Said:
    build = facts.builds.torch.value if isinstance(facts.builds.torch, Known) else None
    smi = facts.driver.smi.value if isinstance(facts.driver.smi, Known) else None
    devices = facts.gpus.devices.value if isinstance(facts.gpus.devices, Known) else ()
    tools = facts.cuda.toolkits.value if isinstance(facts.cuda.toolkits, Known) else ()
    there = facts.packages.distributions.value if isinstance(facts.packages.distributions, Known) else ()
    packages = {one.name: one.version for one in there}
    archs = build.gpu_archs.value if build is not None and isinstance(build.gpu_archs, Known) else None
    return Said(
        torch=packages.pop("torch", None),
        cuda=None if build is None else build.cuda,
        driver=str(value(facts.driver.kernel_module) or (smi.driver_version if smi is not None else "")) or None,
        api=value(facts.driver.cuda_api),  # type: ignore[arg-type]
        gpus=tuple(value(one.compute_capability) for one in devices),  # type: ignore[misc]
        python=facts.python.value.version if isinstance(facts.python, Known) else None,
        libc=facts.host.libc.value.version if isinstance(facts.host.libc, Known) else None,
        wsl=value(facts.host.wsl) == 2,
        nvcc=tools[0].version if tools else None,
        packages=packages,
        archs=archs,
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_form_is_read(form: str) -> None:
    text, wanted = FORMATS[form]
    assert said(read(text)) == wanted


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("wrapped", ["fence", "crlf", "quoted", "details", "utf16", "coloured", "rank"])
def test_what_is_put_around_it_changes_nothing(form: str, wrapped: str) -> None:
    text, wanted = FORMATS[form]
    document = {
        "fence": f"```powershell\n{text}```\n".encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
        "quoted": "".join(f"> {line}\n" for line in text.splitlines()).encode(),
        "details": f"<details>\n<summary>env</summary>\n\n~~~\n{text}~~~\n</details>\n".encode(),
        "utf16": text.encode("utf-16"),
        "coloured": "".join(f"\x1b[32m{line}\x1b[0m\n" for line in text.splitlines()).encode(),
        "rank": "".join(f"[rank0]: {line}\n" for line in text.splitlines()).encode(),
    }[wrapped]
    assert said(read(document)) == wanted


@pytest.mark.parametrize("form", FORMATS)
def test_no_form_alone_is_a_fault_that_is_not_there(form: str) -> None:
    assert isinstance(read(FORMATS[form][0]).container.runtime, Unknown)
