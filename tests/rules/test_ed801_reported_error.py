"""ED801: the known error of a pasted report, once a cause; nothing elsewhere."""

from __future__ import annotations

import msgspec
import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome
from envdoctor.pasted import Pasted, Quote
from envdoctor.sources import pasted
from envdoctor.suppose import supposing
from tests.factory import MATRIX, healthy, judged


def quote(cause: str | None, line: int = 3, **more: object) -> Quote:
    values = {
        "signature": "torch-driver-too-old",
        "cause": cause,
        "depth": 2,
        "line": line,
        "text": "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "values": {"number": "11040"},
    }
    return Quote(**{**values, **more})  # type: ignore[arg-type]


def report(*quotes: Quote) -> Facts:
    said = Pasted(name="x", lines=9, formats=(), quotes=quotes, complete_packages=False, asked_for_gpu=None)
    return msgspec.structs.replace(healthy(), pasted=Known(said, "the report"))


def known() -> str:
    """The id of a signature that stands in the tables."""
    from envdoctor.signatures import signatures  # noqa: PLC0415

    return next(one.id for one in signatures() if one.cause == "fabric-manager")


def test_an_error_with_a_cause_is_a_finding_with_its_line() -> None:
    outcome, (one,), _ = judged("ed801_reported_error", report(quote("fabric-manager", signature=known())))
    assert outcome is Outcome.FAIL
    assert one.cause == "fabric-manager"
    assert (one.evidence[0].value, one.evidence[0].via) == (quote(None).text, "line 3")
    assert one.changes[0].says
    assert one.sources


def test_a_cause_is_told_once_and_a_text_without_a_cause_not_at_all() -> None:
    quotes = (
        quote(None, signature=known()),
        quote("fabric-manager", signature=known()),
        quote("fabric-manager", 9, signature=known()),
    )
    _, found, _ = judged("ed801_reported_error", report(*quotes))
    assert [one.evidence[0].via for one in found] == ["line 3"]


PPO = "AttributeError: 'PPOTrainer' object has no attribute 'generate'"


def test_where_releases_were_compared_the_one_that_fits_is_told_and_how_to_install_it() -> None:
    facts = pasted.facts_of(f"trl 0.20.0\n{PPO}".encode(), "x", MATRIX)
    _, (one,), _ = judged("ed801_reported_error", facts)
    assert one.cause == "trl-too-new"
    assert one.why.endswith("The program fits trl 0.11.4, and not 0.12.0.")
    assert one.subjects == ("trl",)
    assert one.changes[0].install == {"trl": "==0.11.4"}


def test_where_no_package_is_told_the_release_is_a_command_that_nobody_tried() -> None:
    _, (one,), _ = judged("ed801_reported_error", pasted.facts_of(PPO.encode(), "x", MATRIX))
    assert one.changes[0].argv == (("pip", "install", "trl==0.11.4"),)


@pytest.mark.parametrize(("installed", "said"), [("0.11.4", 0), ("0.9.6", 0), ("0.11.5", 1), ("0.20.0", 1)])
def test_with_a_release_that_fits_the_error_is_of_the_past(installed: str, said: int) -> None:
    facts = pasted.facts_of(f"trl 0.20.0\n{PPO}".encode(), "x", MATRIX)
    facts = supposing(facts, {"trl": installed}, MATRIX)
    _, found, _ = judged("ed801_reported_error", facts)
    assert len(found) == said


@pytest.mark.parametrize(
    "said",
    [
        {"of": "evil", "fits": "1.0", "fits_not": "2.0"},
        {"of": "trl", "fits": "1.0; rm -rf /", "fits_not": "2.0"},
        {"of": "trl", "fits": "1.0"},
    ],
)
def test_facts_of_elsewhere_have_no_package_and_no_command_of_theirs_installed(said: dict[str, str]) -> None:
    values = {"class": "PPOTrainer", "name": "generate", **said}
    told = quote("trl-too-new", signature="attribute-not-there", text=PPO, values=values)
    _, (one,), _ = judged("ed801_reported_error", report(told))
    assert one.changes[0].argv == (("envdoctor", "fix"),)
    assert "fits" not in one.why


OLD, NEW = (
    "_ZN5torch3jit17parseSchemaOrNameERKSsb",
    "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
)
FLASH = "/v/lib/python3.12/site-packages/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so"


@pytest.mark.parametrize(
    ("torch", "symbol", "says", "mends"),
    [
        ("2.6.0+cu124", NEW, "the ABI since C++11 (std::__cxx11); torch 2.6.0+cu124 was built with the ABI before C++11", "cxx11abiFALSE"),
        ("2.8.0+cu128", OLD, "the ABI before C++11; torch 2.8.0+cu128 was built with the ABI since C++11", "cxx11abiTRUE"),
        ("2.6.0+cu124", OLD, "torch 2.6.0+cu124 has the same ABI, so the module is of another release of torch", "build for this torch"),
        (None, OLD, "the installed torch has another ABI, or no such function", "build for this torch"),
        (None, "_ZN3c104cuda9SetDeviceEi", "torch's c10::cuda::SetDevice (_ZN3c104cuda9SetDeviceEi), which the installed torch does not have", "build for this torch"),
    ],
)  # fmt: skip
def test_a_symbol_of_torch_says_which_side_is_of_which_abi(torch: str | None, symbol: str, says: str, mends: str) -> None:
    version = "" if torch is None else f"torch=={torch}\n"
    facts = pasted.facts_of(f"{version}ImportError: {FLASH}: undefined symbol: {symbol}\n".encode(), "a test", MATRIX)
    _, (one,), _ = judged("ed801_reported_error", facts)
    assert one.title == "flash-attn was compiled for another torch"
    assert says in one.why
    assert mends in one.changes[0].says


def test_of_two_lines_of_one_cause_the_one_that_names_the_gpu_is_told() -> None:
    text = (
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\n"
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    )
    _, (one,), _ = judged("ed801_reported_error", pasted.facts_of(text.encode(), "a test", MATRIX))
    assert one.title == "This torch has no code for NVIDIA GeForce RTX 5090 (sm_120)"


def test_a_signature_that_is_gone_and_a_healthy_report_say_nothing() -> None:
    assert judged("ed801_reported_error", report(quote("x", signature="no-such-one")))[0] is Outcome.PASS
    assert judged("ed801_reported_error", report())[0] is Outcome.PASS


def test_of_an_environment_it_is_no_question() -> None:
    from envdoctor.check import check  # noqa: PLC0415

    assert "ED801" not in {one.code for one in check(healthy(), MATRIX)}
    assert "ED801" in {one.code for one in check(report(), MATRIX)}
