"""Causes over symptoms."""

from __future__ import annotations

from envdoctor.diagnose import diagnose
from envdoctor.findings import Finding, Joint, Layer, Outcome, Severity, Verdict

EXPLAINED = {"ED303": ("ED201",), "ED302": ("ED303",)}


def found(code: str, *subjects: str, severity: Severity = Severity.ERROR, joint: Joint = Joint.TORCH) -> Verdict:
    finding = Finding(
        code=code, title=f"{code} is wrong", severity=severity, layer=Layer.DECLARED, cause="x", subjects=subjects,
        why="because", evidence=(), sources=(),
    )  # fmt: skip
    return Verdict(code=code, title=code, joint=joint, outcome=Outcome.FAIL, findings=(finding,))


def roots(*verdicts: Verdict) -> list[tuple[str, list[str]]]:
    made = diagnose(verdicts, lambda code: EXPLAINED.get(code, ()))
    return [(one.root.code, [symptom.code for symptom in one.symptoms]) for one in made]


def test_a_finding_with_a_shared_subject_folds_under_its_cause() -> None:
    assert roots(found("ED201", "torch", "vllm"), found("ED303", "vllm")) == [("ED201", ["ED303"])]


def test_without_a_shared_subject_both_are_roots() -> None:
    assert roots(found("ED201", "numpy"), found("ED303", "vllm")) == [("ED201", []), ("ED303", [])]


def test_a_symptom_of_a_symptom_belongs_to_the_root() -> None:
    assert roots(found("ED201", "torch"), found("ED302", "torch"), found("ED303", "torch")) == [("ED201", ["ED302", "ED303"])]


def test_errors_come_first_then_what_explains_most_then_what_lies_lowest() -> None:
    order = roots(
        found("ED503", "__shm", severity=Severity.WARNING, joint=Joint.MACHINE),
        found("ED204", "peft", joint=Joint.PYTHON),
        found("ED102", "__driver", joint=Joint.CUDA),
        found("ED201", "torch", joint=Joint.ENGINE),
        found("ED303", "torch"),
    )
    assert [code for code, _ in order] == ["ED201", "ED102", "ED204", "ED503"]


def test_what_passed_or_was_ignored_is_no_diagnosis() -> None:
    ignored = found("ED201", "torch")
    passed = Verdict(code="ED101", title="x", joint=Joint.DRIVER, outcome=Outcome.PASS)
    made = Verdict(code="ED201", title="x", joint=Joint.ENGINE, outcome=Outcome.IGNORED, findings=ignored.findings)
    assert roots(passed, made) == []


def test_a_root_is_as_grave_as_its_gravest_symptom() -> None:
    made = diagnose(
        (found("ED201", "torch", severity=Severity.WARNING), found("ED303", "torch")), lambda code: EXPLAINED.get(code, ())
    )
    assert [(one.root.code, one.root.severity) for one in made] == [("ED201", Severity.ERROR)]
