"""ED706: packages that were really imported, and were not."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.loaded import ImportTried, Live
from tests.factory import SITE, blind, judged
from tests.render.made_live import imported, on, recorded

RULE = "ed706_import_fails"
ERROR = "ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params'"
FRAME = f"{SITE}/trl/trainer/grpo_trainer.py:61 <module>"


def imports(*tried: ImportTried) -> Facts:
    return on(Live(imports=Known(tried, "imported")), 1)


@pytest.mark.parametrize("facts", [imports(imported("torch"), imported("vllm")), recorded()], ids=["made", "recorded on a CPU"])
def test_packages_that_import_are_no_finding(facts: Facts) -> None:
    assert judged(RULE, facts)[:2] == (Outcome.PASS, ())


def test_where_nothing_was_run_it_cannot_tell() -> None:
    assert judged(RULE, blind(imports(), "live__imports"))[0] is Outcome.UNKNOWN


def test_an_error_names_its_frame_and_whom_it_is_about() -> None:
    (one,) = judged(RULE, imports(imported("torch"), imported("trl", state="raised", error=ERROR, trace=("x", FRAME))))[1]
    assert one.severity is Severity.ERROR
    assert one.title.startswith(f"trl cannot be imported: {ERROR}"[:80])
    assert {"trl", "vllm"} <= set(one.subjects), "what explains vllm may explain this"
    assert one.evidence[-1].value == FRAME
    assert any("import trl" in argv[-1] for argv in one.changes[-1].argv)


@pytest.mark.parametrize(
    ("state", "error", "says"),
    [("died", "killed by SIGILL", "kills the process that imports it"), ("late", None, "does not come back from its import")],
)
def test_one_that_dies_or_hangs_says_so(state: str, error: str | None, says: str) -> None:
    (one,) = judged(RULE, imports(imported("vllm", state=state, error=error)))[1]
    assert says in one.title


def test_an_error_that_others_repeat_is_one_finding_at_the_package_that_is_nearest_to_it() -> None:
    wrapped = f"RuntimeError: Failed to import trl.trainer because of: {ERROR}"
    (one,) = judged(RULE, imports(imported("vllm", state="raised", error=ERROR), imported("trl", state="raised", error=wrapped)))[
        1
    ]
    assert one.title.startswith("vllm and 1 package more cannot be imported")
    assert len([line for line in one.evidence if line.what.startswith("import ")]) == 2


def test_a_package_beside_the_stack_is_a_warning() -> None:
    (one,) = judged(RULE, imports(imported("matplotlib", state="raised", error="ImportError: no")))[1]
    assert one.severity is Severity.WARNING


def test_modules_that_a_package_hides_are_a_warning() -> None:
    (one,) = judged(RULE, imports(imported("vllm", unloaded=("vllm._moe_C: killed by SIGILL",))))[1]
    assert one.severity is Severity.WARNING
    assert one.title == "vllm imports without 1 compiled module of its own: vllm._moe_C: killed by SIGILL"
    assert one.cause == "module-refused"
