"""A preflight as versioned JSON, written field by field; envdoctor/data/schema/preflight-1.json is its schema.

It is what ``--baseline`` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.preflight.baseline import SCHEMA_VERSION, packages_of, traits_of
from envdoctor.render import smoke_json

if TYPE_CHECKING:
    from envdoctor.findings import Evidence, Source
    from envdoctor.preflight.outcome import Cost, Preflight, Problem, Since
    from envdoctor.render import Page


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - every renderer takes a page
    """The preflight as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(_whole(document(found))), indent=2).decode() + "\n"


def _whole(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    """The value with bytes of file names that are no UTF-8 as visible escapes; JSON can hold nothing else."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def document(found: Preflight) -> dict[str, Any]:
    """The preflight as plain values. Times are in seconds, ``packages`` and ``traits`` are null where the target was not read."""
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": found.verdict.value,
        "target": {"spec": found.target, "chosen": found.chosen},
        "profile": found.profile,
        "lock": found.lock,
        "began": found.began,
        "seconds": round(found.seconds, 3),
        "budget_s": found.budget_s,
        "tiers": [
            {"tier": one.tier.value, "state": one.state.value, "seconds": round(one.seconds, 3), "said": one.said}
            for one in found.tiers
        ],
        "problems": [_problem(one) for one in found.problems],
        "waived": [{"problem": _problem(one.problem), "reason": one.reason, "until": one.until} for one in found.waived],
        "unknown": [
            {"tier": one.tier.value, "code": one.code, "question": one.question, "why": one.why} for one in found.questions
        ],
        "crashes": [{"tier": one.tier.value, "code": one.code, "said": one.said} for one in found.crashes],
        "stack": [
            {
                "layer": one.name,
                "found": one.found,
                "state": one.state.value,
                "layer_of_truth": None if one.truth is None else one.truth.value,
                "codes": list(one.codes),
            }
            for one in found.stack
        ],
        "since": None if found.since is None else _since(found.since),
        "cost": _cost(found.cost),
        "packages": None if found.facts is None else packages_of(found.facts),
        "traits": None if found.facts is None else traits_of(found.facts),
        "smoke": None if found.proof is None else smoke_json.document(found.proof),
        "notes": list(found.notes),
    }


def _problem(one: Problem) -> dict[str, Any]:
    return {
        "tier": one.tier.value,
        "cause": one.cause,
        "code": one.code,
        "title": one.title,
        "severity": one.severity.value,
        "layer_of_truth": one.layer.value,
        "joint": None if one.joint is None else one.joint.value,
        "subjects": list(one.subjects),
        "why": one.why,
        "evidence": [_evidence(seen) for seen in one.evidence],
        "sources": [_source(source) for source in one.sources],
        "says": one.says,
        "commands": [list(argv) for argv in one.commands],
        "write": list(one.write),
        "places": [{"path": place.path, "line": place.line} for place in one.places],
        "symptoms": [{"code": symptom.code, "title": symptom.title} for symptom in one.symptoms],
        "fingerprint": one.fingerprint,
        "counts": one.counts,
        "known": one.known,
    }


def _evidence(one: Evidence) -> dict[str, str]:
    return {"what": one.what, "value": one.value, "via": one.via}


def _source(one: Source) -> dict[str, str]:
    return {"where": one.where, "read": one.read}


def _since(one: Since) -> dict[str, Any]:
    return {
        "taken_at": one.taken_at,
        "new": list(one.new),
        "gone": [{"code": gone.code, "title": gone.title} for gone in one.gone],
        "moves": [{"what": move.what, "before": move.before, "after": move.after} for move in one.moves],
        "untold": one.untold,
    }


def _cost(one: Cost) -> dict[str, Any]:
    price = one.price
    return {
        "price": None if price is None else {"per_hour": price.per_hour, "currency": price.currency},
        "spent_s": round(one.spent_s, 3),
        "spared": [{"tier": told.tier.value, "seconds": round(told.seconds, 3), "via": told.via} for told in one.spared],
    }
