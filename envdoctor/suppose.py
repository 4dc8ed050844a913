"""Facts as they would be after a change: ``supposing(facts, {"driver": "535.161.08", "gpu": "h100"})``. Pure.

The same function judges ``--suppose`` on the command line and proves remedies. What a change leaves unknowable (the
bytes of a package that is not there yet) becomes Unknown, or is filled from the data with the data as origin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.architectures import in_wheel
from envdoctor.errors import UserError
from envdoctor.facts import (
    Distribution,
    Facts,
    Gpu,
    Interpreter,
    Known,
    Libc,
    LibCuda,
    PciDevice,
    Smi,
    TorchBuild,
    Unknown,
    VllmBuild,
    need,
)
from envdoctor.loaded import Live
from envdoctor.suppose_env import not_seen, with_variable
from envdoctor.suppose_link import with_package as with_linkage
from envdoctor.views import by_the_data, driver_version, inside, normalized, parsed
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.matrix import Matrix
    from envdoctor.rows import GpuProduct, TorchRelease

VARIABLE = "env:"
REST = ("driver", "gpu", "glibc", "python")
_NAME = re.compile(r"[^A-Za-z0-9._-]")
REMOVED = "none"
HINT = (
    "Write --suppose driver=535.161.08, gpu=h100 (or gpu=8xh100), glibc=2.35, python=3.12, PACKAGE=VERSION or "
    "env:VARIABLE=VALUE; none as the value takes it away."
)


def parse(words: tuple[str, ...]) -> dict[str, str]:
    """``("driver=535.161.08",)`` as a mapping.

    Raises:
        UserError: a word without ``=``.
    """
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise UserError(f"--suppose {word!r} is not NAME=VALUE", HINT)
        plain = name.strip() if name.strip().startswith(VARIABLE) else name.strip().lower()
        if plain in found:
            raise UserError(f"--suppose {plain} is given twice", "Give each name once.")
        if "," in value and not plain.startswith(VARIABLE):
            hint = "Give one --suppose for each: --suppose gpu=h100 --suppose driver=550.54.15"
            raise UserError(f"--suppose {word!r} holds a comma", hint)
        found[plain] = value.strip()
    return found


def validate(changes: Mapping[str, str], matrix: Matrix) -> None:
    """Refuse what makes no sense on any facts. Raises UserError."""
    for name, value in changes.items():
        if name.startswith(VARIABLE) or (value.lower() == REMOVED and name not in {"glibc", "python"}):
            continue  # any value will do, or it is taken away
        if name == "gpu":
            product(value, matrix)
        elif parsed(value) is None:
            raise UserError(f"--suppose {name}={value}: {value!r} is not a version", HINT)


def require_known(changes: Mapping[str, str], facts: Facts, matrix: Matrix) -> None:
    """Refuse a package nobody knows: neither installed, nor required by what is, nor in the data. A misspelling, that is.

    Raises:
        UserError: names the nearest name that is known.
    """
    leaf = facts.packages.distributions
    present = leaf.value if isinstance(leaf, Known) else ()
    known = {*REST, *matrix.subjects(), *(normalized(one.name) for one in present)}
    known |= {package for subject in matrix.subjects() for package in known_in_claims(subject, matrix)}
    known |= {normalized(_NAME.split(line, maxsplit=1)[0]) for one in present for line in one.requires}
    for name in changes:
        if not name.startswith(VARIABLE) and normalized(name) not in known:
            raise UserError(f"--suppose {name}={changes[name]}: nothing here is called {name}", f"{nearest(name, known)} {HINT}")


def known_in_claims(subject: str, matrix: Matrix) -> set[str]:
    """The packages that the data relates to this one."""
    return {
        name for topic in ("pins", "runtime", "trainer-engine") for claim in matrix.claims(subject, topic) for name in claim.then
    }


def supposing(facts: Facts, changes: Mapping[str, str], matrix: Matrix, says: str = "supposed") -> Facts:
    """The facts with every change applied.

    Args:
        facts: as they are.
        changes: what is otherwise, as :func:`parse` gives it.
        matrix: the compatibility data.
        says: how the origin of what changes begins: "supposed" by the user, or "assumed by lock:h100".

    Raises:
        UserError: a value that is no version, or a GPU that the data does not know.
    """
    validate(changes, matrix)
    for name, value in changes.items():
        via = f"{says} ({name}={value})"
        kept = None if value.lower() == REMOVED else value
        if name.startswith(VARIABLE):
            facts = with_variable(facts, name[len(VARIABLE) :], kept, via)
        elif name == "gpu":
            facts = _gpu(facts, kept, via, matrix, driver_given="driver" in changes)
        elif name == "driver":
            facts = _driver(facts, kept, via, matrix)
        elif name == "glibc":
            facts = _put(facts, "host", libc=Known(Libc(name="glibc", version=value), via))
        elif name == "python":
            facts = _python(facts, value, via)
        else:
            facts = _package(facts, normalized(name), kept, via, matrix)
    facts = not_seen(facts, changes)
    return _not_run(facts, says) if changes else facts


def _not_run(facts: Facts, says: str) -> Facts:
    """What was run was run as things are: of what is supposed, that tells nothing."""
    if facts.live == Live():
        return facts
    why = Unknown(f"what was run is not what is {says.partition(' ')[0]}")
    return msgspec.structs.replace(facts, live=Live(devices=why, pairs=why, collective=why, imports=why))


def _put(facts: Facts, part: str, **leaves: Any) -> Facts:  # noqa: ANN401 - leaves of many types
    return msgspec.structs.replace(facts, **{part: msgspec.structs.replace(getattr(facts, part), **leaves)})


def released_driver(version: str, matrix: Matrix) -> str:
    """A driver named by its branch alone ("580") as the driver of that branch that a CUDA release came with; others as they are.

    580 by itself would be older than 580.65.06, and so than every driver of the branch.
    """
    drivers = [row.full_driver for row in matrix.cuda_releases() if row.full_driver]
    return next((one for one in reversed(drivers) if version.isdecimal() and one.startswith(f"{version}.")), version)


def _driver(facts: Facts, version: str | None, via: str, matrix: Matrix) -> Facts:
    version = None if version is None else released_driver(version, matrix)
    own = (LibCuda(path="libcuda.so.1", version=version, kind="driver", origin="supposed"),) if version else ()
    libcuda = (*_brought(facts), *own)
    api = None if version is None else _api(version, matrix)
    facts = _put(
        facts,
        "driver",
        kernel_module=Known(version, via),
        sys_module=Known(version, via),
        nvml=Known(version, via),
        smi=Known(Smi(driver_version=version, cuda_version=api) if version else None, via),
        libcuda=Known(libcuda, via),
        cuda_api=Known(_api(libcuda[0].version or "", matrix) if version and libcuda else None, via),
    )
    return _put(facts, "container", device_nodes=Known(("/dev/nvidia0", "/dev/nvidiactl") if version else (), via))


def _brought(facts: Facts) -> tuple[LibCuda, ...]:
    """What an image brings of cuda-compat (or by mistake): it stays in front of the driver's own that a machine brings."""
    leaf = facts.driver.libcuda
    return tuple(one for one in leaf.value if one.kind in {"compat", "stub"}) if isinstance(leaf, Known) and inside(facts) else ()


def _api(version: str, matrix: Matrix) -> str | None:
    """The newest CUDA version that a libcuda of that version supports."""
    fitting = [row.cuda for row in matrix.cuda_releases() if row.full_driver and _at_least(version, row.full_driver)]
    return fitting[-1] if fitting else None


def _at_least(version: str, floor: str) -> bool:
    ours, theirs = parsed(version), parsed(floor)
    return ours is not None and theirs is not None and ours >= theirs


def product(value: str, matrix: Matrix) -> tuple[int, GpuProduct]:
    """How many of which GPU "h100" or "8xh100" means. Raises UserError."""
    found = re.fullmatch(r"(?:([1-9]\d{0,2})x)?([a-z0-9-]+)", value.lower())
    products = {row.key: row for row in matrix.gpu_products()}
    if found is None or found.group(2) not in products:
        raise UserError(f"--suppose gpu={value}: this GPU is not in the data", nearest(value.lower(), products))
    return int(found.group(1) or 1), products[found.group(2)]


def _gpu(facts: Facts, value: str | None, via: str, matrix: Matrix, *, driver_given: bool) -> Facts:
    if value is None:
        none: Known[tuple[()]] = Known((), via)
        return _put(facts, "gpus", devices=none, pci=none, nvswitches=Known(0, via), fabric_manager=Known(None, via))
    count, one = product(value, matrix)
    unsaid = Unknown(f"not part of what was {via}")
    devices = tuple(
        Gpu(
            index=index,
            name=Known(f"NVIDIA {one.name}", via),
            compute_capability=Known(one.compute_capability, via),
            memory_total_mib=Known(one.memory_gib * 1024, via),
            memory_free_mib=unsaid,
            mig_enabled=unsaid,
            ecc_enabled=unsaid,
            ecc_uncorrected=unsaid,
            pci_address=unsaid,
            pci_device_id=Known(one.pci_device_ids[0], via) if one.pci_device_ids else unsaid,
            nvlink_links_active=unsaid,
            fabric_state=unsaid,
        )
        for index in range(count)
    )
    pci = tuple(
        PciDevice(address=f"supposed {index}", device_id=ids, device_class="gpu", bound_driver="nvidia")
        for index in range(count)
        for ids in one.pci_device_ids[:1]
    )
    # a fabric, if these have one, is supposed to be in order: nothing was said of it
    fabric: dict[str, Any] = {"nvswitches": Known(0, via), "fabric_manager": Known(None, via)}
    facts = _put(facts, "gpus", devices=Known(devices, via), pci=Known(pci, via), **fabric)
    driver = driver_version(facts)
    if driver_given or (isinstance(driver, Known) and driver.value is not None):
        return facts
    # a GPU is supposed on a machine without a driver: which driver it would have was not said
    lack = Unknown("no driver was supposed beside the GPU; add --suppose driver=VERSION")
    facts = _put(facts, "driver", kernel_module=lack, sys_module=lack, nvml=lack, smi=lack, libcuda=lack, cuda_api=lack)
    return _put(facts, "container", device_nodes=Known(("/dev/nvidia0", "/dev/nvidiactl"), via))


def _python(facts: Facts, value: str, via: str) -> Facts:
    if isinstance(facts.python, Unknown):
        return facts
    interpreter: Interpreter = msgspec.structs.replace(facts.python.value, version=value)
    return msgspec.structs.replace(facts, python=Known(interpreter, via))


def _package(facts: Facts, name: str, version: str | None, via: str, matrix: Matrix) -> Facts:
    leaf = facts.packages.distributions
    if isinstance(leaf, Unknown):
        return facts
    kept = tuple(one for one in leaf.value if normalized(one.name) != name)
    if version is not None:
        kept += (_distribution(facts, name, version, via, matrix),)
    facts = _put(facts, "packages", distributions=Known(kept, leaf.via))
    extensions = facts.builds.extensions
    if isinstance(extensions, Known):
        # its bytes would be others
        rest = tuple(one for one in extensions.value if one.package != name)
        facts = _put(facts, "builds", extensions=Known(rest, extensions.via))
    if name == "torch":
        facts = _put(facts, "builds", torch=_torch_build(facts, version, via, matrix))
    elif name == "vllm":
        facts = _put(facts, "builds", vllm=_vllm_build(version, via, matrix))
    elif name == "numpy":
        old = version is None or version.startswith(("0.", "1."))
        lack = Unknown("compiled modules were not searched for NumPy 1 code while another NumPy was installed")
        facts = _put(facts, "builds", numpy1_modules=Known((), via) if old else lack)
    elif isinstance(facts.builds.numpy1_modules, Known):
        rest_of = tuple(one for one in facts.builds.numpy1_modules.value if one.package != name)
        facts = _put(facts, "builds", numpy1_modules=Known(rest_of, facts.builds.numpy1_modules.via))
    built = facts.builds.built_as
    if isinstance(built, Known):
        left_built = {package: text for package, text in built.value.items() if package != name}
        facts = _put(facts, "builds", built_as=Known(left_built, built.via))
    facts = _files(facts, name, version, matrix)
    owners = facts.builds.module_owners
    if version is None and isinstance(owners, Known):
        left = {file: tuple(one for one in names if one != name) for file, names in owners.value.items()}
        facts = _put(facts, "builds", module_owners=Known({k: v for k, v in left.items() if len(v) > 1}, owners.via))
    return with_linkage(facts, matrix, name, version, via)


def _files(facts: Facts, name: str, version: str | None, matrix: Matrix) -> Facts:
    """Kernels and shared files after a package came, went or changed.

    Of its kernels only what the data knows (of torch, rules ask its list of architectures). An installer removes what the
    old release listed, files of others among it, and writes the new one's own.
    """
    code, shared = facts.device_code, facts.overwritten
    if isinstance(code, Known):
        row = next((row for row in matrix.vllm_releases() if name == "vllm" and row.vllm == version), None)
        kept = tuple(one for one in code.value if one.package != name)
        code = Known(kept + (() if row is None else in_wheel(row)), code.via if row is None else row.source)
    if isinstance(shared, Known):
        rest = [
            msgspec.structs.replace(one, owners=tuple(owner for owner in one.owners if owner != name), winner=None)
            if name in one.owners
            else one
            for one in shared.value
        ]
        shared = Known(tuple(one for one in rest if one.owners), shared.via)
    return msgspec.structs.replace(facts, device_code=code, overwritten=shared)


def _distribution(facts: Facts, name: str, version: str, via: str, matrix: Matrix) -> Distribution:
    """A distribution that is not there yet.

    Of its requirements only what the data knows, and only about packages that are there: an installer brings the others.
    """
    present = {normalized(one.name) for one in need(facts.packages.distributions)}
    return Distribution(
        name=name,
        version=version,
        location="",
        metadata_dir=via,
        installer=None,
        requires_python=known_pythons(name, version, matrix),
        requires=tuple(f"{package}{spec}" for package, spec in known_pins(name, version, matrix).items() if package in present),
        wheel_tags=(),
        direct_url=None,
        requires_from=by_the_data(name, version),
    )


def known_pythons(name: str, version: str, matrix: Matrix) -> str | None:
    """The Pythons that a release is for, as far as the data knows."""
    release = parsed(version)
    if name == "torch" and release is not None:
        return next((row.python for row in matrix.torch_releases() if row.torch == release.public), None)
    claims = [claim for claim in matrix.claims(name, "pins") if release is not None and claim.admits(name, release)]
    return next((claim.then["__python"] for claim in claims if "__python" in claim.then), None)


def known_pins(name: str, version: str, matrix: Matrix) -> dict[str, str]:
    """What that release of a package pins, as far as the data knows: {"torch": "==2.5.1"}."""
    release = parsed(version)
    found: dict[str, str] = {}
    if release is None:
        return found
    for claim in matrix.claims(name, "pins"):
        if claim.admits(name, release):
            found.update({package: spec for package, spec in claim.then.items() if not package.startswith("__")})
    return found


def _torch_build(facts: Facts, version: str | None, via: str, matrix: Matrix) -> Known[TorchBuild | None] | Unknown:
    if version is None:
        return Known(None, via)
    arch = facts.host.arch
    if isinstance(arch, Known) and arch.value != "x86_64":
        return Unknown(f"the data about torch releases is of x86_64 wheels, and this machine is {arch.value}")
    public, _, local = version.partition("+")
    row: TorchRelease | None = next((row for row in matrix.torch_releases() if row.torch == public), None)
    if local.startswith("cu") and local[2:].isdigit():
        cuda: str | None = f"{local[2:-1]}.{local[-1]}"
    elif local == "cpu":
        cuda = None
    elif not local and (plain := _cuda_of_plain(public, row, matrix)) is not None:
        cuda = plain
    else:
        return Unknown(f"how torch {version} was built is not in the data")
    same = row is not None and cuda == row.cuda
    lack = Unknown(f"the GPU architectures of torch {version} are not in the data")
    return Known(
        TorchBuild(
            version=version,
            cuda=cuda,
            hip=None,
            git=None,
            debug=False,
            cxx11_abi=Known(row.cxx11_abi, via) if row is not None and same else lack,
            gpu_archs=Known((), via) if cuda is None else Known(row.archs, row.source) if row is not None and same else lack,
        ),
        row.source if row is not None and same else via,
    )


def _cuda_of_plain(version: str, row: TorchRelease | None, matrix: Matrix) -> str | None:
    """The CUDA of the wheel that the index has under a version without a build: None where the data does not know it."""
    return row.cuda if row is not None else next((old.cuda for old in matrix.old_torch_releases() if old.torch == version), None)


def _vllm_build(version: str | None, via: str, matrix: Matrix) -> Known[VllmBuild | None] | Unknown:
    if version is None:
        return Known(None, via)
    row = next((row for row in matrix.vllm_releases() if row.vllm == version), None)
    lack = Unknown(f"the CUDA major of vllm {version} is not in the data")
    major = Known(row.cuda_major, row.source) if row is not None else lack
    return Known(VllmBuild(version=version, cuda_major=major), via)
