"""The answers of `matrix` as text and as plain values.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.findings import Severity, Source
from envdoctor.reasons import Clash, Reasons, reasons
from envdoctor.render import tables
from envdoctor.rows import Run
from envdoctor.stacks import Refusal, Stack, Table
from tests.factory import MATRIX

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "matrix"
TODAY = "2026-02-01"


def run(outcome: str = "pass", read: str = "2026-01-03") -> Run:
    return Run(
        versions={"vllm": "1.1"}, machine="h100", ran="a model of 0.5 billion parameters, trained for ten steps", outcome=outcome,  # type: ignore[arg-type]
        source="a test", read=read,
    )  # fmt: skip


def stack(vllm: str = "1.1", *, ran: tuple[Run, ...] = (), **versions: str) -> Stack:
    return Stack(
        versions={"vllm": vllm, "torch": "2.0", "transformers": "4.50", **versions}, cuda="12.4", driver_floor="525.60.13",
        python=("3.9", "3.10", "3.11"), glibc="2.28", capabilities=("8.0", "9.0"), declared="2026-01-02", linked="2026-01-01", ran=ran,
    )  # fmt: skip


BARE = Stack(
    versions={"vllm": "0.9"}, cuda=None, driver_floor=None, python=(), glibc=None, capabilities=(), declared="2026-01-02", linked=None, ran=(),
)  # fmt: skip
SHOWN = Table(
    "trl",
    (stack(ran=(run(), run("fail", "2026-01-04")), trl="1.0"), stack("1.0"), BARE),
    (
        Refusal("0.8", "it needs glibc 2.35", "glibc"),
        Refusal("0.7.1", "its torch has no code for compute capability 10.0", "gpu"),
        Refusal("0.7", "its torch has no code for compute capability 10.0", "gpu"),
    ),
)


def same_as_golden(name: str, page: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(page, encoding="utf-8")
    assert page == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "width"), [("stacks-wide", 160), ("stacks-in-80-columns", 80)])
def test_stacks_are_a_table_that_leaves_out_columns_where_the_page_is_narrow(name: str, width: int) -> None:
    page = tables.stacks(SHOWN, "trl", width, None, TODAY)
    same_as_golden(name, page)
    assert ("compute capability" in page.splitlines()[0]) is (width > 100)


def test_only_the_newest_are_shown_and_how_many_there_are_besides() -> None:
    page = tables.stacks(SHOWN, "trl", 80, 1, TODAY)
    assert "... and 2 older stacks (--all shows them)" in page
    assert "\n1.0 " not in page
    assert "... and" not in tables.stacks(SHOWN, "trl", 80, 3, TODAY)


def test_the_newest_run_on_each_machine_is_told_and_whether_any_failed() -> None:
    lines = tables.stacks(SHOWN, "trl", 200, None, TODAY).splitlines()
    assert lines[1].endswith("2026-01-04 h100 1 of 2 passed")
    assert any("(pass, 2026-01-03)" in line for line in lines)


def test_where_nothing_fits_the_page_says_why() -> None:
    page = tables.stacks(Table("trl", (), SHOWN.refusals), "trl", 80, 20, TODAY)
    assert page == (
        "No stack fits.\n  0.8: it needs glibc 2.35\n  0.7 to 0.7.1 (2): its torch has no code for compute capability 10.0\n"
    )


def test_data_of_more_than_two_months_says_how_to_renew_it() -> None:
    assert "envdoctor matrix refresh" not in tables.stacks(SHOWN, "trl", 80, None, TODAY)
    assert "data of 2026-01-02, 90 days ago. Renew it: envdoctor matrix refresh" in " ".join(
        tables.stacks(SHOWN, "trl", 80, None, "2026-04-02").split()
    )


def test_the_other_trainer_heads_its_column() -> None:
    page = tables.stacks(Table("verl", (stack(verl="0.5"),), ()), "verl", 160, None, TODAY)
    head, row = page.splitlines()[:2]
    assert row[head.index("verl") :].startswith("0.5")
    assert "trl" not in head


def test_the_document_holds_what_the_table_shows_and_every_refusal() -> None:
    document = tables.stacks_document(SHOWN, 1)
    assert [one["versions"] for one in document["stacks"]] == [SHOWN.stacks[0].versions]
    assert document["stacks"][0]["compute_capabilities"] == ["8.0", "9.0"]
    assert [one["outcome"] for one in document["stacks"][0]["ran"]] == ["pass", "fail"]
    assert [one["vllm"] for one in document["refused"]] == ["0.8", "0.7.1", "0.7"]
    assert len(tables.stacks_document(SHOWN, None)["stacks"]) == 3
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


PLANS: dict[str, Mapping[str, str]] = {
    "why-it-works": {"vllm": "0.7.3", "torch": "2.5.1", "transformers": "4.50.3", "gpu": "h100", "driver": "550.54.15"},
    "why-a-driver-is-too-old": {"vllm": "0.24.0", "torch": "2.11.0", "driver": "535.161.08"},
    "why-two-clash": {"vllm": "0.16.0", "openrlhf": "0.9.4", "transformers": "4.57.6"},
    "why-a-name-is-gone": {"trl": "0.25.0", "vllm": "0.12.0"},
    "why-nothing-is-known": {"vllm": "99.0"},
}


def undated(answer: Reasons) -> Reasons:
    """The answer as of one day, whenever the data was read."""
    held = tuple(msgspec.structs.replace(one, source=Source(one.source.where, TODAY)) for one in answer.held)
    broken = tuple(
        msgspec.structs.replace(one, sources=tuple(Source(each.where, TODAY) for each in one.sources)) for one in answer.broken
    )
    clashes = tuple(
        Clash(one.package, tuple((who, spec, Source(said.where, TODAY)) for who, spec, said in one.wishes))
        for one in answer.clashes
    )
    notes = tuple(msgspec.structs.replace(one, source=Source(one.source.where, TODAY)) for one in answer.notes)
    taken = tuple(
        msgspec.structs.replace(one, sources=tuple(Source(each.where, TODAY) for each in one.sources)) for one in answer.taken
    )
    return msgspec.structs.replace(answer, held=held, broken=broken, clashes=clashes, notes=notes, taken=taken, data_as_of=TODAY)


@pytest.mark.parametrize("name", PLANS)
def test_why_is_its_golden_file(name: str) -> None:
    page = tables.why(undated(reasons(PLANS[name], MATRIX)), 80, TODAY)
    same_as_golden(name, page)
    assert all(len(line) <= 80 for line in page.splitlines() if "http" not in line)


def test_a_page_counts_errors_and_clashes_and_not_warnings() -> None:
    answer = reasons(PLANS["why-a-driver-is-too-old"], MATRIX)
    assert tables.why(answer, 80, TODAY).splitlines()[-3] == "1 joint broken"
    softer = tuple(msgspec.structs.replace(one, severity=Severity.WARNING) for one in answer.broken)
    page = tables.why(msgspec.structs.replace(answer, broken=softer), 80, TODAY)
    assert page.splitlines()[-1] == "nothing known speaks against it"
    assert "doubtful" in page


def test_what_was_named_is_shown_without_control_characters() -> None:
    answer = msgspec.structs.replace(reasons({"vllm": "99.0"}, MATRIX), named={"vllm": "1\x1b[2J"})
    assert "\x1b" not in tables.why(answer, 80, TODAY)


@pytest.mark.parametrize("name", PLANS)
def test_the_document_of_why_says_the_same(name: str) -> None:
    answer = reasons(PLANS[name], MATRIX)
    document = tables.why_document(answer)
    assert document["works"] is answer.works()
    assert document["named"] == PLANS[name]
    assert [one["code"] for one in document["broken"]] == [one.code for one in answer.broken]
    assert [one["package"] for one in document["clashes"]] == [one.package for one in answer.clashes]
    assert len(document["held"]) == len(answer.held)
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


def test_the_document_of_why_lists_every_missing_name_with_its_file_and_since_when_it_is_gone() -> None:
    (joint,) = [
        one
        for one in tables.why_document(reasons(PLANS["why-a-name-is-gone"], MATRIX))["names"]
        if one["importer"] == "trl 0.25.0"
    ]
    assert (joint["exporter"], joint["layer_of_truth"]) == ("vllm 0.12.0", "linked")
    gone = [one for one in joint["missing"] if one["name"] == "GuidedDecodingParams"]
    assert "trl/trainer/grpo_trainer.py" in {one["file"] for one in gone}
    for one in gone:
        assert (one["module"], one["place"], one["last_in"], one["gone_since"], one["again_in"]) == (
            "vllm.sampling_params", "module", "0.11.2", "0.12.0", None,
        )  # fmt: skip
    assert {one["package"] for one in joint["instead"]} == {"trl", "vllm"}
