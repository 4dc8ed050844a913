"""Preflights that have what the ones in tests/preflight/made.py lack: shadowed libraries, a dead smoke, crashes, thousands."""

from __future__ import annotations

import msgspec

from envdoctor.facts import Known, Unknown
from envdoctor.findings import Severity
from envdoctor.linkage import LibraryCopy, TorchImport
from envdoctor.preflight.outcome import Crash, Move, Place, Preflight, Question, Since, Symptom, Tier, Waived
from envdoctor.preflight.problems import fingerprint
from tests import linked
from tests.factory import SITE, edit
from tests.preflight.made import passed, waived, wrong_torch
from tests.proving.made import not_started

MANY = 1500


def copies(count: int = 1) -> tuple[LibraryCopy, ...]:
    """Three of each name: one that wins, one that wins without torch, one that is shadowed."""
    found = []
    for number in range(count):
        name = "libnvJitLink.so.12" if number == 0 else f"libmade{number}.so.1"
        found += [
            LibraryCopy(soname=name, path=f"{SITE}/nvidia/nvjitlink/lib/{name}", package="nvidia-nvjitlink-cu12", origin="import torch", taken_by=("torch", "vllm"), taken_alone=("torch",)),
            LibraryCopy(soname=name, path=f"/usr/local/cuda-12.1/lib64/{name}", package=None, origin="LD_LIBRARY_PATH", taken_by=(), taken_alone=("vllm", "flash-attn")),
            LibraryCopy(soname=name, path=f"/lib/x86_64-linux-gnu/{name}", package=None, origin="ld.so.cache", taken_by=(), taken_alone=()),
        ]  # fmt: skip
    return tuple(found)


def full() -> Preflight:
    """Something in every part of the page."""
    found = waived()
    assert found.facts is not None
    preloads = (f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12",)
    facts = edit(
        found.facts,
        linking__copies=Known((*copies(2),), linked.VIA),
        linking__torch=Known(TorchImport(problems=(), preloads=preloads), linked.VIA),
        linking__driver_libraries=Known("assumed", linked.VIA),
        environ=Known({"LD_LIBRARY_PATH": "/usr/local/cuda-12.1/lib64", "HF_HOME": "/scratch/hf"}, "the environment"),
        host__kernel=Unknown("uname gave no answer in 5 s"),
    )
    return msgspec.structs.replace(
        found,
        facts=facts,
        proof=not_started(),
        problems=(*wrong_torch().problems, *found.problems),
        crashes=(Crash(Tier.CHECK, "ED310", "KeyError: 'torch'"),),
        questions=(Question(Tier.CHECK, "ED201", "Does vLLM go with this torch?", "no row of the data names this release"),),
        notes=("The compatibility data is 71 days old; a release may be newer.",),
    )


def many() -> Preflight:
    """Thousands of everything that a target can have many of."""
    first = wrong_torch().problems[0]
    problems = tuple(
        msgspec.structs.replace(
            first,
            severity=Severity.ERROR if number % 2 else Severity.WARNING,
            evidence=first.evidence * MANY,
            sources=first.sources * MANY,
            commands=first.commands * MANY,
            write=("x" * 100,) * MANY,
            places=(Place("Dockerfile", number + 1),) * MANY,
            symptoms=tuple(Symptom("ED302", f"symptom {one}") for one in range(MANY)),
            fingerprint=fingerprint(str(number)),
        )
        for number in range(MANY)
    )
    found = passed()
    assert found.facts is not None
    facts = edit(
        found.facts,
        linking__copies=Known(copies(MANY), linked.VIA),
        environ=Known({f"CUDA_{number}": "x" * 5000 for number in range(MANY)}, "the environment"),
    )
    since = Since(
        taken_at=None,
        new=tuple(one.fingerprint for one in problems),
        gone=tuple(Symptom("ED1", f"gone {number}") for number in range(MANY)),
        moves=tuple(Move(what=f"package-{number}", before="1", after=None) for number in range(MANY)),
        untold="the baseline names no driver",
    )
    return msgspec.structs.replace(
        found,
        facts=facts,
        problems=problems,
        waived=tuple(Waived(problem=one, reason="r" * 5000, until=None) for one in problems),
        questions=tuple(Question(Tier.CHECK, "ED201", f"question {number}?", "w" * 5000) for number in range(MANY)),
        notes=("n" * 5000,) * MANY,
        since=since,
    )
