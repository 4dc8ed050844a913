"""An environment that does not exist yet, as facts: named versions, on a machine of which only what was said is known. Pure.

The same rules judge it as any other. What was not said is Unknown, so a rule can only speak of what was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.claims import exact_pin
from envdoctor.facts import (
    SCHEMA_VERSION,
    Builds,
    Container,
    Cuda,
    Driver,
    Facts,
    Gpus,
    Host,
    Interpreter,
    Known,
    Packages,
    Target,
    Unknown,
)
from envdoctor.suppose import known_pins, supposing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.matrix import Matrix

VIRTUAL = ("driver", "gpu", "glibc", "python")
NOT_SAID = Unknown("it was not said")


def planned(wishes: Mapping[str, str], matrix: Matrix) -> tuple[Facts, dict[str, str]]:
    """The facts of a plan, and who pins the versions that were not named: {"torch": "vllm 0.33.0"}.

    Args:
        wishes: exact versions by normalized name; and driver, gpu, glibc, python as ``--suppose`` takes them.
        matrix: the data, which closes the plan under exact pins (vllm 0.33.0 brings torch 2.14.0).

    Raises:
        UserError: a value that is no version, or a GPU that the data does not know.
    """
    packages = {name: version for name, version in wishes.items() if name not in VIRTUAL}
    brought: dict[str, str] = {}
    waiting = list(packages)
    while waiting:
        name = waiting.pop(0)
        for other, spec in known_pins(name, packages[name], matrix).items():
            exact = exact_pin(spec)
            if exact is not None and other not in packages:
                packages[other] = str(exact)
                brought[other] = f"{name} {wishes.get(name) or packages[name]}"
                waiting.append(other)
    machine = {name: wishes[name] for name in VIRTUAL if name in wishes}
    # the GPU before the driver that was said beside it; and a package after those it pins, which must be there to be judged
    ordered = {name: packages[name] for name in sorted(packages, key=lambda name: len(known_pins(name, packages[name], matrix)))}
    read = min((day for name, day in matrix.packages().items() if name in packages), default="")
    return supposing(nothing(wishes.get("python"), read, NOT_SAID), {**ordered, **machine}, matrix), brought


def nothing(python: str | None, read: str, unknown: Unknown, via: str = "the plan") -> Facts:
    """A machine of which nothing is known but that it runs Linux on x86_64, with an empty environment.

    Args:
        python: version of its Python, where that is known.
        read: the day of the data that speaks for the packages which come into it.
        unknown: why nothing else is known.
        via: who says that it is empty.
    """
    interpreter = Interpreter.named(python or "", "venv", Known((), via), Known(None, via))
    return Facts(
        schema_version=SCHEMA_VERSION,
        probe_version="none",
        taken_at=read,
        probe_seconds=0.0,
        target=Target(spec="plan", chosen="named on the command line"),
        host=Host(
            os_name=unknown,
            os_id=unknown,
            os_version=unknown,
            kernel=unknown,
            arch=Known("x86_64", via),
            libc=unknown,
            wsl=Known(None, via),
            cpu_model=unknown,
            cpu_count=unknown,
            memory_bytes=unknown,
            caches=unknown,
        ),
        driver=Driver(
            kernel_module=unknown,
            sys_module=unknown,
            nvml=unknown,
            smi=unknown,
            libcuda=unknown,
            cuda_api=unknown,
            open_kernel_module=unknown,
        ),
        gpus=Gpus(pci=unknown, devices=unknown, nvswitches=unknown, fabric_manager=unknown),
        cuda=Cuda(toolkits=Known((), via), libraries=Known((), via)),
        python=unknown if python is None else Known(interpreter, via),
        packages=Packages(distributions=Known((), via), leftovers=Known((), via)),
        builds=Builds(
            torch=Known(None, via),
            vllm=Known(None, via),
            extensions=Known((), via),
            numpy1_modules=Known((), via),
            module_owners=Known({}, via),
            built_as=Known({}, via),
        ),
        environ=Known({}, via),
        container=Container(
            runtime=Known(None, via),
            memory_limit_bytes=unknown,
            cpu_limit=unknown,
            shm_bytes=unknown,
            memlock_bytes=unknown,
            nofile=unknown,
            device_nodes=unknown,
            nvidia_mounts=unknown,
        ),
        device_code=Known((), via),
        overwritten=Known((), via),
    )
