"""The versioned JSON report, written field by field; envdoctor/data/schema/report-1.json is its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.findings import Outcome
from envdoctor.render import live
from envdoctor.render.reported import known_error
from envdoctor.stack import layers

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Finding, Report, Verdict
    from envdoctor.render import Page

SCHEMA_VERSION = 1


def render(report: Report, facts: Facts, page: Page) -> str:
    """The report as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document(report, facts, page)), indent=2).decode() + "\n"


def document(report: Report, facts: Facts, page: Page) -> dict[str, Any]:
    """The report as plain values."""
    run = live.document(facts)
    return {
        "schema_version": SCHEMA_VERSION,
        "target": {
            "spec": facts.target.spec,
            "chosen": facts.target.chosen,
            "broken": facts.target.broken,
            "taken_at": facts.taken_at,
        },
        "supposed": report.supposed,
        "diagnoses": [_diagnosis(one) for one in report.diagnoses],
        **({"asides": [_diagnosis(one) for one in report.asides]} if report.asides else {}),
        **_known_error(facts),
        "stack": [
            {"layer": row.name, "found": row.found, "state": row.state.value, "codes": list(row.codes)}
            for row in layers(facts, report.verdicts)
        ],
        "unknown": [
            {"code": verdict.code, "question": doubt.question, "why": doubt.why}
            for verdict in report.verdicts
            for doubt in verdict.doubts
        ],
        "verdicts": [_verdict(verdict, page.today) for verdict in report.verdicts],
        **({"live": run} if run is not None else {}),
        "notes": list(page.notes),
        "seconds": round(report.seconds, 4),
        "probe_seconds": facts.probe_seconds,
    }


def _known_error(facts: Facts) -> dict[str, Any]:
    known = known_error(facts)
    if known is None:
        return {}
    said = {"title": known.title, "line": known.line, "text": known.quote, "why": known.why, "says": known.says}
    return {"known_error": {"no_fault": known.leads, **said}}


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    return {
        **_finding(one.root),
        "remedies": [
            {
                "kind": remedy.kind.value,
                "safety": remedy.safety.value,
                "says": remedy.says,
                "commands": [list(argv) for argv in remedy.commands],
                "proven": remedy.proven,
            }
            for remedy in one.remedies
        ],
        "rejected": list(one.rejected),
        **({"standing": {"beside": one.standing.beside, "why": one.standing.why}} if one.standing is not None else {}),
        "symptoms": [_finding(symptom) for symptom in one.symptoms],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "cause": finding.cause,
        "code": finding.code,
        "title": finding.title,
        "severity": finding.severity.value,
        "layer_of_truth": finding.layer.value,
        "subjects": list(finding.subjects),
        "why": finding.why,
        "evidence": [{"what": one.what, "value": one.value, "via": one.via} for one in finding.evidence],
        "sources": [{"where": one.where, "read": one.read} for one in finding.sources],
    }


def _verdict(verdict: Verdict, today: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code": verdict.code,
        "title": verdict.title,
        "joint": verdict.joint.value,
        "outcome": verdict.outcome.value,
    }
    if verdict.data_as_of is not None:
        found["data_as_of"] = verdict.data_as_of
        if today is not None:
            found["data_is_old"] = verdict.rests_on_old_data(today)
    if verdict.crash is not None:
        found["crash"] = verdict.crash
    if verdict.outcome is Outcome.IGNORED:
        found["ignored_because"] = verdict.ignored_because
    return found
