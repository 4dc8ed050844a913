"""A preflight as one HTML file: it asks nothing of any network, runs one small script of ours, and escapes all it tells.

What the page says is gathered by the modules html_*.py beside this one as plain values; the templates in
data/templates/preflight write them. The Content-Security-Policy (https://www.w3.org/TR/CSP3/) in its head names the page's one
style and one script by their SHA-256: nothing else of either kind is applied or run, and nothing is loaded from anywhere. The
script only folds, filters, copies and changes the colours; without it the page is as complete.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from envdoctor import __version__
from envdoctor.render.preflight.html_facts import libraries, machine
from envdoctor.render.preflight.html_head import banner, tiers
from envdoctor.render.preflight.html_problems import causes, changes, named, waived
from envdoctor.render.preflight.html_smoke import smoke
from envdoctor.render.preflight.html_stack import stack
from envdoctor.render.preflight.html_words import capped
from envdoctor.render.templates import environment, text

if TYPE_CHECKING:
    from envdoctor.preflight.outcome import Preflight
    from envdoctor.render import Page

TEMPLATE, STYLE, SCRIPT = "preflight/page.html.j2", "preflight/page.css", "preflight/page.js"
MAX_QUESTIONS = 100
MAX_NOTES = 50


def render(found: Preflight, page: Page) -> str:
    """The whole HTML document.

    Args:
        found: what the preflight came to.
        page: ``verbose`` unfolds everything from the start; the rest is for other formats.
    """
    style, script = text(STYLE), text(SCRIPT)
    values = _values(found) | {
        "style": style,
        "script": script,
        "policy": policy(style, script),
        "unfolded": page.verbose,
        "version": __version__,
    }
    return environment().get_template(TEMPLATE).render(**values)


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with this one style and this one script."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _values(found: Preflight) -> dict[str, Any]:
    known = named(found.problems)
    questions, questions_left = capped(found.questions, MAX_QUESTIONS)
    crashes, crashes_left = capped(found.crashes, MAX_QUESTIONS)
    notes, notes_left = capped(found.notes, MAX_NOTES)
    values: dict[str, Any] = {
        "banner": banner(found),
        "tiers": tiers(found),
        "stack": stack(found, known),
        "causes": causes(found, known),
        "waived": waived(found),
        "changes": changes(found, known),
        "smoke": None if found.proof is None else smoke(found.proof),
        "libraries": None if found.facts is None else libraries(found.facts),
        "machine": None if found.facts is None else machine(found.facts),
        "questions": [{"tier": one.tier.value, "code": one.code, "question": one.question, "why": one.why} for one in questions],
        "questions_left": questions_left,
        "crashes": [{"tier": one.tier.value, "code": one.code, "said": one.said} for one in crashes],
        "crashes_left": crashes_left,
        "notes": notes,
        "notes_left": notes_left,
    }
    return values
