"""The versioned JSON form of ``envdoctor fix``, written field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.fixing.commands import is_neither, is_pip, is_uv
from envdoctor.render.json import document as report_document

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.fixing.contradiction import Clash, Driver
    from envdoctor.fixing.planning import Planned
    from envdoctor.fixing.shown import Shown
    from envdoctor.render import Page

SCHEMA_VERSION = 1


def render(shown: Shown, facts: Facts, page: Page) -> str:
    """The answer as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document(shown, facts, page)), indent=2).decode() + "\n"


def document(shown: Shown, facts: Facts, page: Page) -> dict[str, Any]:
    """The answer as plain values. Neither an index nor the address of a file is in it."""
    report = report_document(shown.report, facts, page)
    answer = shown.answer
    return {
        "schema_version": SCHEMA_VERSION,
        "target": report["target"],
        "supposed": report["supposed"],
        "kept": shown.keep,
        "status": shown.status,
        "wanted": [one.root.code for one in answer.wanted],
        "plans": [_plan(one) for one in answer.plans],
        "not_mended": [one.root.code for one in answer.others],
        "contradiction": _clash(shown.clash),
        "driver": _driver(shown.driver),
        "advice": list(shown.advice),
        "diagnoses": report["diagnoses"],
        "unknown": report["unknown"],
        "notes": list(page.notes),
        "resolver_questions": answer.questions,
        "resolver_seconds": round(answer.resolved_s, 4),
        "planning_seconds": round(answer.seconds, 4),
    }


def _plan(one: Planned) -> dict[str, Any]:
    repair = one.repair
    return {
        "mends": [{"code": each.root.code, "title": each.root.title} for each in repair.mends],
        "moves": [
            {"name": m.name, "before": m.before, "after": m.after, "why": m.why, "download_bytes": m.download_bytes}
            for m in repair.moves
        ],
        "files": [
            {"name": pin.name, "version": pin.version, "file": pin.files[0].name, "sha256": pin.files[0].sha256}
            for pin in repair.pins
            if pin.files
        ],
        "cost": one.cost._asdict(),
        "download_bytes": repair.download_bytes,
        "commands": {
            "uv": [list(argv) for argv in repair.commands if is_uv(argv)],
            "pip": [list(argv) for argv in repair.commands if is_pip(argv)],
            "other": [list(argv) for argv in repair.commands if is_neither(argv)],
        },
        "new_warnings": [{"code": each.code, "title": each.title} for each in one.warnings],
        "cannot_be_told": list(one.untold),
        "left_aside": one.aside,
        "resolver_seconds": round(repair.resolved_s, 4),
    }


def _clash(clash: Clash | None) -> dict[str, Any] | None:
    if clash is None:
        return None
    facts = [{"what": one.what, "value": one.value, "via": one.via} for one in clash.facts]
    return {"says": clash.says, "facts": facts, "resolver": clash.original or None}


def _driver(driver: Driver | None) -> dict[str, Any] | None:
    if driver is None:
        return None
    works = None if driver.works is None else driver.works.versions
    return {"present": driver.present, "needed": driver.needed, "needed_for": driver.needed_for, "newest_that_works": works}
